//! Many items of one table by their keys, in as few requests as that takes.

use std::collections::HashMap;

use aws_sdk_dynamodb::{
    Client,
    types::{AttributeValue, builders::KeysAndAttributesBuilder},
};
use futures::future::try_join_all;

use super::CallFailed;

type Item = HashMap<String, AttributeValue>;

/// Most keys of a `BatchGetItem` (its documentation's limit).
const MOST_KEYS: usize = 100;

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
    let batches = keys.chunks(MOST_KEYS).map(|keys| get_batch(client, table, asked, keys.to_vec()));
    Ok(try_join_all(batches).await?.into_iter().flatten().collect())
}

/// What does not fit into one answer is asked for again; each answer has something, or the call fails.
async fn get_batch(
    client: &Client,
    table: &str,
    asked: &KeysAndAttributesBuilder,
    mut keys: Vec<Item>,
) -> Result<Vec<Item>, CallFailed> {
    let mut items = Vec::with_capacity(keys.len());
    while !keys.is_empty() {
        let asked = asked.clone().set_keys(Some(keys)).build()?;
        let answer = client.batch_get_item().request_items(table, asked).send().await?;
        items.extend(answer.responses.unwrap_or_default().into_values().flatten());
        keys = answer.unprocessed_keys.unwrap_or_default().into_values().flat_map(|left| left.keys).collect();
    }
    Ok(items)
}
