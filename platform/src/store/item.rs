//! A commit as an item of the table, and as an image in its stream.

use std::{
    collections::{BTreeMap, HashMap},
    str::FromStr,
};

use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_dynamodbstreams::types::AttributeValue as ImageValue;
use events::commit::{CarriedState, StoredCommit};

/// What is wrong with an item. Never quotes a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Undecodable {
    /// The attribute is not there.
    #[error("attribute {0} is missing")]
    Missing(&'static str),
    /// The attribute is there, but is not what it should be.
    #[error("attribute {0} is malformed")]
    Malformed(&'static str),
}

/// Attributes that are numbers; all others are text.
pub(super) const NUMBERS: [&str; 2] = ["version", "state_schema"];

/// The item of a commit.
pub(super) fn encode(commit: &StoredCommit) -> HashMap<String, AttributeValue> {
    let hash = ("hash".to_owned(), AttributeValue::S(commit.hash.to_string()));
    let attributes = commit.attributes().into_iter().map(|(name, value)| {
        let value = if NUMBERS.contains(&name) { AttributeValue::N(value) } else { AttributeValue::S(value) };
        (name.to_owned(), value)
    });
    attributes.chain([hash]).collect()
}

/// The commit in an item of the table.
///
/// # Errors
/// [`Undecodable`] when the item is not a commit as we write it.
pub fn decode_item(item: &HashMap<String, AttributeValue>) -> Result<StoredCommit, Undecodable> {
    decode(|name| match item.get(name) {
        Some(AttributeValue::S(text) | AttributeValue::N(text)) => Some(text),
        _ => None,
    })
}

/// The commit in a new image of the table's stream.
///
/// # Errors
/// [`Undecodable`] when the image is not a commit as we write it.
pub fn decode_image(image: &HashMap<String, ImageValue>) -> Result<StoredCommit, Undecodable> {
    decode(|name| match image.get(name) {
        Some(ImageValue::S(text) | ImageValue::N(text)) => Some(text),
        _ => None,
    })
}

/// The commit in the text of its attributes.
pub(super) fn decode_text(text: &BTreeMap<String, String>) -> Result<StoredCommit, Undecodable> {
    decode(|name| text.get(name))
}

fn decode<'a>(attribute: impl Fn(&str) -> Option<&'a String>) -> Result<StoredCommit, Undecodable> {
    let required = |name: &'static str| attribute(name).ok_or(Undecodable::Missing(name));
    let state = match (attribute("state"), optional(&attribute, "state_schema")?) {
        (Some(sealed), Some(schema)) => Some(CarriedState { schema, sealed: sealed.clone() }),
        (None, None) => None,
        (Some(_), None) => return Err(Undecodable::Missing("state_schema")),
        (None, Some(_)) => return Err(Undecodable::Missing("state")),
    };
    Ok(StoredCommit {
        stream: parsed("stream", required("stream")?)?,
        version: events::stream::Version(parsed("version", required("version")?)?),
        events: required("events")?.clone(),
        recorded_at: parsed("recorded_at", required("recorded_at")?)?,
        actor: parsed("actor", required("actor")?)?,
        reason: attribute("reason").cloned(),
        correlation_id: parsed("correlation_id", required("correlation_id")?)?,
        causation_id: optional(&attribute, "causation_id")?,
        traceparent: attribute("traceparent").cloned(),
        idempotency: attribute("idempotency").cloned(),
        state,
        hash: parsed("hash", required("hash")?)?,
    })
}

fn parsed<T: FromStr>(name: &'static str, text: &str) -> Result<T, Undecodable> {
    text.parse().map_err(|_| Undecodable::Malformed(name))
}

fn optional<'a, T: FromStr>(
    attribute: impl Fn(&str) -> Option<&'a String>,
    name: &'static str,
) -> Result<Option<T>, Undecodable> {
    attribute(name).map(|text| parsed(name, text)).transpose()
}

#[cfg(test)]
mod tests {
    use events::{
        chain::Hash,
        envelope::Actor,
        ids::{RoleId, derive},
        stream::Version,
    };

    use super::*;

    fn commit() -> StoredCommit {
        let mut commit = StoredCommit {
            stream: RoleId(derive(&["role"])).into(),
            version: Version(32),
            events: "[]".to_owned(),
            recorded_at: "2026-01-02T03:04:05.678901Z".parse().unwrap(),
            actor: Actor::System,
            reason: Some("sealed".to_owned()),
            correlation_id: derive(&["trip"]),
            causation_id: None,
            traceparent: None,
            idempotency: None,
            state: Some(CarriedState { schema: 3, sealed: "state".to_owned() }),
            hash: Hash::GENESIS,
        };
        commit.hash = commit.expected_hash(&Hash::GENESIS);
        commit
    }

    #[test]
    fn a_commit_reads_back_from_its_item_and_the_hash_still_holds() {
        let read = decode_item(&encode(&commit())).unwrap();
        assert_eq!(read, commit());
        assert_eq!(read.expected_hash(&Hash::GENESIS), read.hash);
    }

    #[test]
    fn a_broken_item_is_an_error_that_names_the_attribute() {
        let mut item = encode(&commit());
        item.remove("actor");
        assert_eq!(decode_item(&item), Err(Undecodable::Missing("actor")));
        item.insert("actor".to_owned(), AttributeValue::S("nobody".to_owned()));
        assert_eq!(decode_item(&item), Err(Undecodable::Malformed("actor")));
    }
}
