//! Pages of lists: everything or what shares a value, in an order, from a place on.

use std::{cmp::Ordering, num::NonZeroU16};

use aws_sdk_dynamodb::types::KeysAndAttributes;
use events::views::{Facet, Order, Row};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    Rows, Stretch, buckets,
    items::{self, Item},
};
use crate::{
    store::{StoreError, bad_row},
    tables::{BY_CREATED, BY_EMAIL, BY_NAME, Index},
};

/// Below every place.
pub(super) const FIRST: &str = "\u{1}";

/// Above everything that goes on after a common beginning.
const LAST: char = char::MAX;

/// Between a row's text and its id: below every character of a text, so that "Li" stands before "Lin".
const SEPARATOR: char = '\u{1}';

/// The index of an order.
pub(super) const fn index(order: Order) -> &'static Index {
    match order {
        Order::Created => &BY_CREATED,
        Order::Name => &BY_NAME,
        Order::Email => &BY_EMAIL,
    }
}

/// A place in a list: the last row that was shown.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ListKey(String);

impl ListKey {
    /// The place of a row in an order.
    pub fn of<R: Row>(row: &R, order: Order) -> Option<Self> {
        row.place(order).map(|text| Self(format!("{text}{SEPARATOR}{}", row.stream().id)))
    }
}

impl From<ListKey> for String {
    fn from(key: ListKey) -> Self {
        key.0
    }
}

/// Which rows, and in which order.
#[derive(Clone, PartialEq, Eq)]
pub struct Listing {
    /// By what they are ordered.
    pub order: Order,
    /// Whether the last one comes first.
    pub descending: bool,
    /// Only those with this value.
    pub facet: Option<Facet>,
    /// Only those whose place begins so, in folded form; everything begins with nothing. May be personal.
    pub prefix: String,
}

/// A part of a list.
#[derive(Debug, Clone)]
pub struct Page<R> {
    /// Rows in the list's order. May be fewer than asked for although more follow: an entry can be older than its row.
    pub rows: Vec<R>,
    /// Where the next page begins; `None` at the end.
    pub next: Option<ListKey>,
}

impl Listing {
    /// Everything, in the order of creation.
    pub const ALL: Self = Self { order: Order::Created, descending: false, facet: None, prefix: String::new() };

    /// What tells this list from every other one of the same read model. May be personal.
    pub fn name(&self) -> String {
        let facet = self.facet.map(Facet::list).unwrap_or_default();
        format!("{:?} {} {facet} {}", self.order, self.descending, self.prefix)
    }

    /// The row's place in the list, if it is in it.
    pub fn place<R: Row>(&self, row: &R) -> Option<ListKey> {
        let has = self.facet.is_none_or(|facet| row.facets().contains(&facet));
        ListKey::of(row, self.order).filter(|key| has && key.0.starts_with(&self.prefix))
    }

    /// Which of two places comes first.
    pub fn compare(&self, one: &ListKey, other: &ListKey) -> Ordering {
        if self.descending { other.cmp(one) } else { one.cmp(other) }
    }

    /// The stretch of each bucket's sort key that follows `after`, both ends included.
    fn range(&self, after: Option<&ListKey>) -> (String, String) {
        let mut from = if self.prefix.is_empty() { FIRST } else { &self.prefix }.to_owned();
        let mut to = format!("{}{LAST}", self.prefix);
        match after {
            Some(after) if self.descending => to = just_before(after),
            // No place begins with another one, for all end with an id.
            Some(after) => from = format!("{}{FIRST}", after.0),
            None => (),
        }
        (from, to)
    }
}

/// Above every place that is below `key`, and below `key`. Its last character is one of an id, so it has a predecessor.
fn just_before(key: &ListKey) -> String {
    let mut text = key.0.clone();
    let last = text.pop().and_then(|last| char::from_u32(u32::from(last).saturating_sub(1))).unwrap_or(SEPARATOR);
    text.push(last);
    text.push(LAST);
    text
}

impl<R: Row> Rows<R> {
    /// A page of a list. Reads of each bucket about its share of the page, and the rows of a list of entries by their ids.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn page(
        &self,
        listing: &Listing,
        after: Option<&ListKey>,
        size: NonZeroU16,
    ) -> Result<Page<R>, StoreError> {
        let generation = self.generation.number().await?;
        let read = |bucket, after: Option<ListKey>, limit| async move {
            let partition = match listing.facet {
                None => items::bucket_of_all(generation, bucket),
                Some(facet) => items::bucket_of(generation, facet, bucket),
            };
            let (index, descending) = (index(listing.order), listing.descending);
            let (from, to) = listing.range(after.as_ref());
            if from > to {
                return Ok(Vec::new());
            }
            let limit = i32::try_from(limit).unwrap_or(i32::MAX);
            let stretch = Stretch { index, partition, from: &from, to: &to, descending };
            let placed = |item: Item| {
                let place = item.get(index.sort.name).and_then(|place| place.as_s().ok()).cloned();
                place.map(|place| (ListKey(place), item)).ok_or_else(|| bad_row::<()>(&self.table)(()))
            };
            self.query(&stretch, limit).await?.into_iter().map(placed).collect()
        };
        let (found, more) = buckets::first(listing, after, size.get().into(), read).await?;
        let next = found.last().filter(|_| more).map(|(place, _)| place.clone());
        let items = found.into_iter().map(|(_, item)| item);
        let rows = match listing.facet {
            None => items.map(|item| self.row_of(item)).collect::<Result<_, _>>()?,
            Some(_) => self.rows_of_entries(generation, items.collect(), listing).await?,
        };
        Ok(Page { rows, next })
    }

    /// The rows of these entries as they are now, without those that have left the list since.
    async fn rows_of_entries(
        &self,
        generation: u32,
        entries: Vec<Item>,
        listing: &Listing,
    ) -> Result<Vec<R>, StoreError> {
        let ids: Vec<Uuid> = entries.iter().filter_map(items::row_id).collect();
        let items = self.items_by_id(generation, &ids, &KeysAndAttributes::builder()).await?;
        let mut rows: Vec<R> = items.into_iter().map(|item| self.row_of(item)).collect::<Result<_, _>>()?;
        rows.retain(|row| listing.place(row).is_some());
        let order = |row: &R| ids.iter().position(|id| *id == row.stream().id);
        rows.sort_by_cached_key(order);
        Ok(rows)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key() -> impl Strategy<Value = ListKey> {
        ("[a-c]{0,3}( [a-c]{0,2})?", any::<u128>())
            .prop_map(|(text, id)| ListKey(format!("{text}{SEPARATOR}{}", Uuid::from_u128(id))))
    }

    proptest! {
        /// The range of the next page has exactly what follows in the list, whatever the order and the prefix.
        #[test]
        fn the_next_page_has_exactly_what_follows(
            after in prop::option::of(key()), other in key(), descending: bool, prefix in "[a-c]{0,2}",
        ) {
            let listing = Listing { order: Order::Name, descending, facet: None, prefix };
            let after = after.filter(|after| after.0.starts_with(&listing.prefix));
            let (from, to) = listing.range(after.as_ref());
            let in_list = other.0.starts_with(&listing.prefix);
            let follows = after.as_ref().is_none_or(|after| listing.compare(after, &other) == Ordering::Less);
            prop_assert_eq!(from <= other.0 && other.0 <= to, in_list && follows, "{:?} {:?}", from, to);
        }
    }
}
