//! Rows as items of their table, with the entries by which narrower lists are read.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_dynamodb::types::AttributeValue;
use events::{
    commit::timestamp,
    views::{Facet, Order, Row, bucket},
};
use uuid::Uuid;

use super::listing::{ListKey, index};
use crate::tables::OPEN;

/// An item of a table.
pub type Item = HashMap<String, AttributeValue>;

/// The key of a row.
pub(super) fn key(generation: u32, id: Uuid) -> String {
    format!("{generation}#{id}")
}

/// A bucket of the list of all rows.
pub(super) fn bucket_of_all(generation: u32, bucket: u8) -> String {
    format!("{generation}#{bucket}")
}

/// A bucket of the list of all rows with this value.
pub(super) fn bucket_of(generation: u32, facet: Facet, bucket: u8) -> String {
    format!("{generation}#{}#{bucket}", facet.list())
}

/// The row itself. `None` when it cannot be written as an item.
pub(super) fn row_item<R: Row>(generation: u32, row: &R) -> Option<Item> {
    let mut item: Item = serde_dynamo::to_item(row).ok()?;
    let id = row.stream().id;
    let in_bucket = bucket_of_all(generation, bucket(id));
    item.insert("id".to_owned(), AttributeValue::S(key(generation, id)));
    if let Some(due) = row.look_again_at() {
        item.insert(OPEN.partition.name.to_owned(), AttributeValue::S(in_bucket.clone()));
        item.insert(OPEN.sort.name.to_owned(), AttributeValue::S(timestamp(due)));
    }
    place(&mut item, row, in_bucket);
    Some(item)
}

/// The row's entries, by their keys. Each is small and changes only when its own value or a place of the row does.
pub(super) fn entries<R: Row>(generation: u32, row: &R) -> BTreeMap<String, Item> {
    let id = row.stream().id;
    let entry = |facet: Facet| {
        let key = format!("{}#{}", key(generation, id), facet.slot());
        let mut item = Item::from([("id".to_owned(), AttributeValue::S(key.clone()))]);
        place(&mut item, row, bucket_of(generation, facet, bucket(id)));
        (key, item)
    };
    row.facets().into_iter().map(entry).collect()
}

/// Puts an item of a row's into the indexes.
fn place<R: Row>(item: &mut Item, row: &R, in_bucket: String) {
    for order in Order::ALL {
        if let Some(place) = ListKey::of(row, order) {
            item.insert(index(order).sort.name.to_owned(), AttributeValue::S(place.into()));
        }
    }
    item.insert(index(Order::Created).partition.name.to_owned(), AttributeValue::S(in_bucket));
}

/// The row in an item. `None` when it is none of ours.
pub(super) fn row_of<R: Row>(mut item: Item) -> Option<R> {
    let id = row_id(&item)?;
    item.insert("id".to_owned(), AttributeValue::S(id.to_string()));
    serde_dynamo::from_item(item).ok()
}

/// Whose item it is: a row's own, or an entry's row.
pub(super) fn row_id(item: &Item) -> Option<Uuid> {
    item.get("id")?.as_s().ok()?.split('#').nth(1)?.parse().ok()
}
