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

/// The first `size` items of all buckets in the list's order, and whether more follow. `read` gives the first items of a
/// bucket after a place, fewer than asked for only at its end.
///
/// A row's bucket is chance, so each has about its share of them. What this rests on: whoever has less than its share costs
/// nothing more, and whoever has much more is read a second time, but not a third: it was asked for all that can be wanted.
/// Only when a row moved between the two reads there are fewer, and the next page has the rest.
pub(super) async fn first<R>(
    listing: &Listing,
    after: Option<&ListKey>,
    size: usize,
    read: impl Fn(u8, Option<ListKey>, usize) -> R,
) -> Result<(Found, bool), StoreError>
where
    R: Future<Output = Result<Found, StoreError>>,
{
    // One more than is shown tells whether there is more.
    let wanted = size + 1;
    let share = share(wanted);
    let buckets = (0..BUCKETS).map(|number| {
        let found = read(number, after.cloned(), share);
        async move {
            let found = found.await?;
            Ok::<_, StoreError>(Bucket { number, ended: found.len() < share, found })
        }
    });
    let mut buckets = try_join_all(buckets).await?;
    let short: Vec<_> = too_short(listing, &buckets, wanted).collect();
    let rest = short.into_iter().map(|(number, last, known)| {
        let left = wanted.saturating_sub(known);
        let found = read(number, Some(last), left);
        async move { Ok::<_, StoreError>((number, left, found.await?)) }
    });
    for (number, left, rest) in try_join_all(rest.collect::<Vec<_>>()).await? {
        if let Some(bucket) = buckets.iter_mut().find(|bucket| bucket.number == number) {
            bucket.ended = rest.len() < left;
            bucket.found.extend(rest);
        }
    }

    // Of a bucket that goes on, nothing is known behind its last item.
    let lasts = buckets.iter().filter(|bucket| !bucket.ended).filter_map(|bucket| bucket.found.last());
    let edge = lasts.map(|(place, _)| place).min_by(|one, other| listing.compare(one, other)).cloned();
    let mut found: Found = buckets.into_iter().flat_map(|bucket| bucket.found).collect();
    // A row that changed its place between two reads of its bucket would stand there twice.
    let mut rows: HashSet<Uuid> = HashSet::new();
    found.retain(|(place, item)| {
        edge.as_ref().is_none_or(|edge| listing.compare(place, edge).is_le())
            && items::row_id(item).is_none_or(|id| rows.insert(id))
    });
    found.sort_by(|(one, _), (other, _)| listing.compare(one, other));
    let more = found.len() > size || edge.is_some();
    found.truncate(size);
    Ok((found, more))
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
            uneven: bool, size in 1_usize..80, descending: bool,
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
            let (page, more) = block_on(first(&listing, None, size, read)).unwrap();
            let expected = all.iter().take(size).map(|(_, key, _)| key);
            prop_assert_eq!(more, all.len() > size);
            prop_assert!(page.iter().map(|(key, _)| key).eq(expected));
            prop_assert!(reads.borrow().iter().all(|reads| *reads <= 2));
        }
    }

    /// The row at the beginning of the only bucket with rows moves behind the first read, and is found again by the second.
    #[test]
    fn a_row_that_moves_between_two_reads_ends_no_list() {
        let listing = Listing { order: Order::Name, descending: false, facet: None, prefix: String::new() };
        let place = |name: String, id: u128| -> ListKey {
            serde_json::from_value(format!("{name}\u{1}{}", Uuid::from_u128(id)).into()).unwrap()
        };
        let size = 10;
        let bucket = |moved: bool| {
            let mut all: Vec<(ListKey, u128)> = (0..20).map(|at| (place(format!("{at:02}"), at), at)).collect();
            if moved {
                // Behind all that the first read found, before all that it did not.
                all[0].0 = place(format!("{:02}-moved", share(size + 1) - 1), 0);
            }
            all.sort();
            all
        };
        let read = |number: u8, after: Option<ListKey>, limit: usize| {
            let follows = |key: &ListKey| after.as_ref().is_none_or(|after| key > after);
            let all = if number == 0 { bucket(after.is_some()) } else { Vec::new() };
            let found = all.into_iter().filter(|(key, _)| follows(key)).take(limit);
            std::future::ready(Ok(found.map(|(key, id)| (key, item(id))).collect()))
        };
        let (mut after, mut shown) = (None, Vec::new());
        loop {
            let (page, more) = block_on(first(&listing, after.as_ref(), size, &read)).unwrap();
            shown.extend(page.iter().filter_map(|(_, item)| items::row_id(item)));
            if !more {
                break;
            }
            after = page.last().map(|(place, _)| place.clone());
        }
        assert_eq!(shown, (0..20).map(Uuid::from_u128).collect::<Vec<_>>());
    }

    #[test]
    fn of_a_page_of_fifty_each_bucket_is_asked_for_a_third() {
        assert_eq!(share(51), 14);
        assert_eq!(share(2), 2);
        assert_eq!(share(201), 42);
    }
}
