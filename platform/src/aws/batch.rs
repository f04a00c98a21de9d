//! Many items by their keys, in as few requests as that takes.

use std::collections::HashMap;

use aws_sdk_dynamodb::{
    Client,
    types::{AttributeValue, KeysAndAttributes, builders::KeysAndAttributesBuilder},
};
use futures::future::try_join_all;

use super::CallFailed;

/// An item of a table.
pub type Item = HashMap<String, AttributeValue>;

/// Most keys of a `BatchGetItem` (its documentation's limit).
const MOST_KEYS: usize = 100;

/// Where an item lies that somebody wants.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// The table's physical name.
    pub table: String,
    /// The attribute that is its key, and the item's value of it.
    pub key: (&'static str, AttributeValue),
}

/// The items of those keys that are there, in any order; `asked` says what of them, and whether strongly consistent. All
/// requests are under way at once, so whoever asks chooses how many keys that may be. No key may be there twice.
///
/// # Errors
/// When a call fails for good.
pub(crate) async fn get_all(
    client: &Client,
    table: &str,
    asked: &KeysAndAttributesBuilder,
    keys: &[Item],
) -> Result<Vec<Item>, CallFailed> {
    let batches = keys.chunks(MOST_KEYS).map(async |keys| {
        let asked = asked.clone().set_keys(Some(keys.to_vec())).build()?;
        get_batch(client, HashMap::from([(table.to_owned(), asked)])).await
    });
    Ok(try_join_all(batches).await?.into_iter().flat_map(HashMap::into_values).flatten().collect())
}

/// A few items, of one table or several, none of them wanted twice: each as it is now, or none, in the order in which they are
/// wanted. It is one request, unless the table leaves a part of it undone.
///
/// # Errors
/// When the call fails for good.
pub async fn get_each<const N: usize>(client: &Client, wanted: [Wanted; N]) -> Result<[Option<Item>; N], CallFailed> {
    const { assert!(N <= MOST_KEYS) };
    let mut keys: HashMap<&str, Vec<Item>> = HashMap::new();
    for Wanted { table, key: (name, value) } in &wanted {
        keys.entry(table).or_default().push(HashMap::from([((*name).to_owned(), value.clone())]));
    }
    let mut asked = HashMap::with_capacity(keys.len());
    for (table, keys) in keys {
        let of_table = KeysAndAttributes::builder().set_keys(Some(keys)).consistent_read(true).build()?;
        asked.insert(table.to_owned(), of_table);
    }
    let mut found = get_batch(client, asked).await?;
    Ok(wanted.map(|Wanted { table, key: (name, value) }| {
        let items = found.get_mut(&table)?;
        let at = items.iter().position(|item| item.get(name) == Some(&value))?;
        Some(items.swap_remove(at))
    }))
}

/// The items of each table. What does not fit into one answer is asked for again; each answer has something, or the call
/// fails.
async fn get_batch(
    client: &Client,
    mut asked: HashMap<String, KeysAndAttributes>,
) -> Result<HashMap<String, Vec<Item>>, CallFailed> {
    let mut items: HashMap<String, Vec<Item>> = HashMap::with_capacity(asked.len());
    while !asked.is_empty() {
        let answer = client.batch_get_item().set_request_items(Some(asked)).send().await?;
        for (table, found) in answer.responses.unwrap_or_default() {
            items.entry(table).or_default().extend(found);
        }
        asked = answer.unprocessed_keys.unwrap_or_default();
    }
    Ok(items)
}
