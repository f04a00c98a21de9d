//! What a call of AWS asks for, as IAM sees it: actions, each on one resource.

use std::{borrow::Cow, collections::BTreeMap};

use platform::{
    access::Resource,
    tables::{ALL, QUEUES},
};
use serde::{Deserialize, de::IgnoredAny};

/// One action on one resource.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Asked<'a> {
    /// As IAM names it.
    pub action: String,
    /// As [`name`] names it.
    pub on: Cow<'a, str>,
}

/// The name of a resource: a table's own, with what is on it behind a slash; all lanes are alike.
pub(super) fn name(on: &Resource) -> Cow<'static, str> {
    match on {
        Resource::Table(table) => Cow::Borrowed(table.name),
        Resource::IndexesOf(table) => Cow::Owned(format!("{}/index", table.name)),
        Resource::StreamOf(table) => Cow::Owned(format!("{}/stream", table.name)),
        Resource::Queues => Cow::Borrowed("queues"),
        Resource::DeadLetters => Cow::Borrowed("dead-letters"),
        Resource::WrappingKey => Cow::Borrowed("wrapping-key"),
        Resource::Secrets => Cow::Borrowed("secrets"),
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct OnTable<'a> {
    #[serde(borrow)]
    table_name: Cow<'a, str>,
    index_name: Option<Cow<'a, str>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Batch<'a> {
    #[serde(borrow)]
    #[expect(clippy::zero_sized_map_values, reason = "what is asked of each table does not matter")]
    request_items: BTreeMap<Cow<'a, str>, IgnoredAny>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Transaction<'a> {
    #[serde(borrow)]
    transact_items: Vec<BTreeMap<Cow<'a, str>, OnTable<'a>>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct OnQueue<'a> {
    #[serde(borrow)]
    queue_url: Option<Cow<'a, str>>,
    queue_name: Option<Cow<'a, str>>,
}

/// A table's name without the prefix of its stage.
fn bare(name: Cow<'_, str>) -> Cow<'_, str> {
    ALL.iter().find(|table| name.ends_with(table.name)).map_or(name, |table| Cow::Borrowed(table.name))
}

/// What `body`, sent to `target`, asks for.
pub(super) fn asked<'a>(target: &str, body: &'a [u8]) -> serde_json::Result<Vec<Asked<'a>>> {
    let (service, operation) = target.split_once('.').unwrap_or_default();
    let one = |service: &str, on| vec![Asked { action: format!("{service}:{operation}"), on }];
    Ok(match service {
        "DynamoDB_20120810" => match operation {
            "TransactWriteItems" => transaction(body)?,
            "BatchGetItem" | "BatchWriteItem" => batch(operation, body)?,
            _ => {
                let OnTable { table_name, index_name } = serde_json::from_slice(body)?;
                let table = bare(table_name);
                let on = if index_name.is_some() { format!("{table}/index").into() } else { table };
                one("dynamodb", on)
            }
        },
        // Of a stream, a position in it, or a shard of it: there is only the log's.
        "DynamoDBStreams_20120810" => one("dynamodb", "events/stream".into()),
        "AmazonSQS" => {
            let OnQueue { queue_url, queue_name } = serde_json::from_slice(body)?;
            let queue = queue_url.or(queue_name).unwrap_or_default();
            let is_dead = QUEUES.iter().any(|lane| queue.ends_with(lane.dead_letters));
            let on = if is_dead { "dead-letters".into() } else { "queues".into() };
            // IAM knows no batches of queues: they are the action that they do several times.
            vec![Asked { action: format!("sqs:{}", operation.strip_suffix("Batch").unwrap_or(operation)), on }]
        }
        "TrentService" => one("kms", "wrapping-key".into()),
        "secretsmanager" => one("secretsmanager", "secrets".into()),
        _ => one("an unknown service", Cow::Owned(target.to_owned())),
    })
}

fn batch<'a>(operation: &str, body: &'a [u8]) -> serde_json::Result<Vec<Asked<'a>>> {
    let Batch { request_items } = serde_json::from_slice(body)?;
    let tables = request_items.into_keys();
    Ok(tables.map(|table| Asked { action: format!("dynamodb:{operation}"), on: bare(table) }).collect())
}

fn transaction(body: &[u8]) -> serde_json::Result<Vec<Asked<'_>>> {
    let Transaction { transact_items } = serde_json::from_slice(body)?;
    // `Put` is the action `PutItem`, and so on, `ConditionCheck` too.
    let actions = transact_items.into_iter().flatten();
    Ok(actions.map(|(kind, on)| Asked { action: format!("dynamodb:{kind}Item"), on: bare(on.table_name) }).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_for_a_queue_is_the_action_that_it_does_several_times() {
        let body = br#"{"QueueUrl":"http://127.0.0.1:9324/000000000000/notify-code","Entries":[]}"#;
        for (operation, action) in [
            ("SendMessageBatch", "sqs:SendMessage"),
            ("DeleteMessageBatch", "sqs:DeleteMessage"),
            ("DeleteMessage", "sqs:DeleteMessage"),
        ] {
            let asked = asked(&format!("AmazonSQS.{operation}"), body).unwrap();
            assert_eq!(asked, [Asked { action: action.to_owned(), on: "queues".into() }]);
        }
    }
}
