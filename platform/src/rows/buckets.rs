//! The beginning of a list that lies in buckets, each of which is read only as far as it has to be.

use std::collections::HashSet;

use events::views::BUCKETS;
use futures::future::try_join_all;
use uuid::Uuid;

use super::{
    items::{self, Item},
    listing::{ListKey, Listing},
};
use crate::store::StoreError;

/// What is read of a bucket.
pub(super) type Found = Vec<(ListKey, Item)>;

/// A bucket as far as it was read.
struct Bucket {
    number: u8,
    found: Found,
    ended: bool,
}

/// The first `wanted` items of all buckets in the list's order. `read` gives the first items of a bucket after a place, fewer
/// than asked for only at its end.
///
/// A row's bucket is chance, so each has about its share of them. What this rests on: whoever has less than its share costs
/// nothing more, and whoever has much more is read a second time, but not a third: it was asked for all that can be wanted.
pub(super) async fn first<R>(
    listing: &Listing,
    after: Option<&ListKey>,
    wanted: usize,
    read: impl Fn(u8, Option<ListKey>, usize) -> R,
) -> Result<Found, StoreError>
where
    R: Future<Output = Result<Found, StoreError>>,
{
    let share = share(wanted);
    let buckets = (0..BUCKETS).map(|number| {
        let found = read(number, after.cloned(), share);
        async move {
            let found = found.await?;
            Ok::<_, StoreError>(Bucket { number, ended: found.len() < share, found })
        }
    });
    let buckets = try_join_all(buckets).await?;
    let short = too_short(listing, &buckets, wanted);
    let rest = short.map(|(number, last, known)| read(number, Some(last), wanted.saturating_sub(known)));
    let rest = try_join_all(rest.collect::<Vec<_>>()).await?;

    let mut found: Found =
        buckets.into_iter().flat_map(|bucket| bucket.found).chain(rest.into_iter().flatten()).collect();
    // A row that changed its place between two reads of its bucket would stand there twice.
    let mut rows: HashSet<Uuid> = HashSet::new();
    found.retain(|(_, item)| items::row_id(item).is_none_or(|id| rows.insert(id)));
    found.sort_by(|(one, _), (other, _)| listing.compare(one, other));
    found.truncate(wanted);
    Ok(found)
}

/// Items that are read of each bucket at first: its share and three standard deviations, so that a second read is rare (for
/// one page of fifty in forty).
fn share(wanted: usize) -> usize {
    let share = wanted.div_ceil(BUCKETS.into());
    wanted.min(share + 3 * share.isqrt() + 1)
}

/// Buckets that go on, and whose last item that was read comes before the last one that is wanted: their numbers, that item's
/// place, and how many were read.
fn too_short<'a>(
    listing: &'a Listing,
    buckets: &'a [Bucket],
    wanted: usize,
) -> impl Iterator<Item = (u8, ListKey, usize)> + use<'a> {
    let mut places: Vec<&ListKey> =
        buckets.iter().flat_map(|bucket| bucket.found.iter().map(|(place, _)| place)).collect();
    places.sort_by(|one, other| listing.compare(one, other));
    let end = wanted.checked_sub(1).and_then(|last| places.get(last).copied());
    buckets.iter().filter(|bucket| !bucket.ended).filter_map(move |bucket| {
        let (last, _) = bucket.found.last()?;
        let short = end.is_none_or(|end| listing.compare(last, end).is_lt());
        short.then(|| (bucket.number, last.clone(), bucket.found.len()))
    })
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use aws_sdk_dynamodb::types::AttributeValue;
    use events::views::Order;
    use futures::executor::block_on;
    use proptest::prelude::*;

    use super::*;

    fn item(id: u128) -> Item {
        Item::from([("id".to_owned(), AttributeValue::S(items::key(1, Uuid::from_u128(id))))])
    }

    proptest! {
        /// However unevenly the rows lie, a page is the beginning of all of them together, and no bucket is read three times.
        #[test]
        fn a_page_is_the_beginning_of_all_buckets_together(
            lies in prop::collection::vec((0..BUCKETS, "[a-z]{1,3}"), 0..200),
            uneven: bool, wanted in 1_usize..80, descending: bool,
        ) {
            let listing = Listing { order: Order::Name, descending, facet: None, prefix: String::new() };
            let place = |at: usize, name: &str| -> ListKey {
                serde_json::from_value(format!("{name}\u{1}{}", Uuid::from_u128(at as u128)).into()).unwrap()
            };
            let mut all: Vec<(u8, ListKey, u128)> = (lies.iter().enumerate())
                .map(|(at, (bucket, name))| (if uneven { bucket / 6 } else { *bucket }, place(at, name), at as u128))
                .collect();
            all.sort_by(|(_, one, _), (_, other, _)| listing.compare(one, other));
            let reads = RefCell::new([0; BUCKETS as usize]);
            let read = |number: u8, after: Option<ListKey>, limit: usize| {
                reads.borrow_mut()[usize::from(number)] += 1;
                let follows = |key: &ListKey| after.as_ref().is_none_or(|after| listing.compare(after, key).is_lt());
                let found = all.iter().filter(|(bucket, key, _)| *bucket == number && follows(key)).take(limit);
                std::future::ready(Ok(found.map(|(_, key, id)| (key.clone(), item(*id))).collect()))
            };
            let page = block_on(first(&listing, None, wanted, read)).unwrap();
            let expected = all.iter().take(wanted).map(|(_, key, _)| key);
            prop_assert!(page.iter().map(|(key, _)| key).eq(expected));
            prop_assert!(reads.borrow().iter().all(|reads| *reads <= 2));
        }
    }

    #[test]
    fn of_a_page_of_fifty_each_bucket_is_asked_for_a_third() {
        assert_eq!(share(51), 14);
        assert_eq!(share(2), 2);
        assert_eq!(share(201), 42);
    }
}
