//! The signed checkpoints: a header each, and the heads that it vouches for, in parts.

use std::{
    collections::{BTreeMap, HashMap},
    path::Path,
};

use anyhow::{Context as _, bail};
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, UnparsedPublicKey};
use aws_sdk_dynamodb::{
    operation::put_item::PutItemError,
    types::{AttributeValue, ReturnValuesOnConditionCheckFailure},
};
use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use events::{
    checkpoint::{Checkpoint, Head, digest_of, line, parse_line},
    stream::StreamId,
};
use platform::{context::Context, store::unavailable, tables::CHECKPOINTS};
use serde::{Deserialize, Serialize};

/// Partition of the headers. The heads of each checkpoint lie in a partition of their own.
const HEADERS: &str = "headers";

/// Heads of one item: about 250 KB of the 400 that an item may have.
const HEADS_PER_PART: usize = 2_000;

/// A checkpoint with its signature, and where its heads lie.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Signed {
    pub(super) checkpoint: Checkpoint,
    pub(super) signature: String,
    /// Partition of the heads: another one for each try, so that two auditors at once do not mix.
    pub(super) part: String,
}

impl Signed {
    pub(super) fn new(checkpoint: Checkpoint, key: &Ed25519KeyPair, part: String) -> Self {
        let signature = BASE64.encode(key.sign(&checkpoint.signed_bytes()));
        Self { checkpoint, signature, part }
    }

    fn is_signed_by(&self, key: &[u8]) -> bool {
        let signature = BASE64.decode(&self.signature).unwrap_or_default();
        UnparsedPublicKey::new(&ED25519, key).verify(&self.checkpoint.signed_bytes(), &signature).is_ok()
    }
}

/// The checkpoints of a log.
#[derive(Debug, Default)]
pub(super) struct Checkpoints {
    /// The first one first.
    pub(super) signed: Vec<Signed>,
    /// What is said of those that cannot be read.
    pub(super) unreadable: Vec<String>,
}

/// What is wrong with a list of checkpoints: each is signed, and names the one before.
pub(super) fn faults(signed: &[Signed], key: &[u8]) -> Vec<String> {
    let mut faults = Vec::new();
    let mut before: Option<&Checkpoint> = None;
    for Signed { checkpoint, .. } in signed {
        let number = before.map_or(1, |before| before.number + 1);
        let previous = before.map_or_else(|| "0".repeat(64), Checkpoint::digest);
        if checkpoint.number != number || checkpoint.previous != previous {
            faults.push(format!("checkpoint {} does not follow the one before", checkpoint.number));
        }
        before = Some(checkpoint);
    }
    let unsigned = signed.iter().filter(|signed| !signed.is_signed_by(key));
    faults.extend(
        unsigned.map(|signed| format!("the signature of checkpoint {} does not hold", signed.checkpoint.number)),
    );
    faults
}

/// Whether these heads are those that a checkpoint vouches for.
pub(super) fn fits(checkpoint: &Checkpoint, heads: &BTreeMap<StreamId, Head>) -> bool {
    checkpoint.heads == digest_of(heads) && checkpoint.streams == heads.len() as u64
}

/// A checkpoint in a file of its own, as `checkpoint --out` writes it.
pub(super) fn kept(path: &Path) -> anyhow::Result<Signed> {
    let text = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    serde_json::from_slice(&text).with_context(|| format!("{} is no checkpoint", path.display()))
}

/// Every checkpoint.
pub(super) async fn load(context: &Context) -> anyhow::Result<Checkpoints> {
    let mut checkpoints = Checkpoints::default();
    for (number, text) in query(context, HEADERS).await? {
        match serde_json::from_str(&text) {
            Ok(signed) => checkpoints.signed.push(signed),
            Err(_) => checkpoints.unreadable.push(format!("checkpoint {number} cannot be read")),
        }
    }
    Ok(checkpoints)
}

/// The heads of a checkpoint. What cannot be read is left out, and shows by the digest.
pub(super) async fn heads(context: &Context, signed: &Signed) -> anyhow::Result<BTreeMap<StreamId, Head>> {
    let parts = query(context, &signed.part).await?;
    Ok(parts.iter().flat_map(|(_, lines)| lines.lines()).filter_map(parse_line).collect())
}

/// Keeps a checkpoint: first the heads, last the header, so that one that breaks off leaves nothing that counts.
pub(super) async fn keep(context: &Context, signed: &Signed, heads: &BTreeMap<StreamId, Head>) -> anyhow::Result<()> {
    let lines: Vec<String> = heads.iter().map(|(stream, head)| line(*stream, *head)).collect();
    for (number, lines) in lines.chunks(HEADS_PER_PART).enumerate() {
        put(context, &signed.part, &format!("{number:06}"), lines.join("\n")).await?;
    }
    let number = format!("{:010}", signed.checkpoint.number);
    put(context, HEADERS, &number, serde_json::to_string(signed)?).await
}

async fn put(context: &Context, partition: &str, part: &str, text: String) -> anyhow::Result<()> {
    let put = context.aws.dynamodb.put_item().table_name(context.names.table(&CHECKPOINTS));
    let item = HashMap::from([
        ("log".to_owned(), AttributeValue::S(partition.to_owned())),
        ("part".to_owned(), AttributeValue::S(part.to_owned())),
        ("text".to_owned(), AttributeValue::S(text)),
    ]);
    let put = put.set_item(Some(item.clone())).condition_expression("attribute_not_exists(part)");
    let put = put.return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
    let Err(error) = put.send().await else { return Ok(()) };
    match error.as_service_error() {
        // An earlier try of ours got through and only its answer was lost.
        Some(PutItemError::ConditionalCheckFailedException(found)) if found.item() == Some(&item) => Ok(()),
        Some(PutItemError::ConditionalCheckFailedException(_)) => {
            bail!("somebody else took a checkpoint at the same time")
        }
        _ => Err(unavailable(error).into()),
    }
}

/// The texts of a partition, each behind its part, in their order.
async fn query(context: &Context, partition: &str) -> anyhow::Result<Vec<(String, String)>> {
    let query = context.aws.dynamodb.query().table_name(context.names.table(&CHECKPOINTS)).consistent_read(true);
    let query = query
        .key_condition_expression("#log = :log")
        .expression_attribute_names("#log", "log")
        .expression_attribute_values(":log", AttributeValue::S(partition.to_owned()));
    let mut items = query.into_paginator().items().send();
    let mut texts = Vec::new();
    while let Some(item) = items.next().await {
        let mut item = item.map_err(unavailable)?;
        let mut text = |name| match item.remove(name) {
            Some(AttributeValue::S(text)) => text,
            // Shows as what cannot be read.
            _ => String::new(),
        };
        texts.push((text("part"), text("text")));
    }
    Ok(texts)
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::signature::KeyPair;
    use events::stream::{Category, Version};

    use super::*;

    fn some_heads(versions: u64) -> BTreeMap<StreamId, Head> {
        let stream = |number: u64| StreamId { category: Category::Role, id: uuid::Uuid::from_u128(number.into()) };
        let hash = "7".repeat(64).parse().unwrap();
        (1..=versions).map(|version| (stream(version), Head { version: Version(version), hash })).collect()
    }

    /// Three checkpoints, each after the other.
    fn chain(key: &Ed25519KeyPair) -> Vec<Signed> {
        let mut chain: Vec<Signed> = Vec::new();
        for number in 1..=3 {
            let checkpoint = Checkpoint {
                number,
                taken_at: "2026-01-02T03:04:05.678901Z".parse().unwrap(),
                streams: number,
                commits: number,
                heads: digest_of(&some_heads(number)),
                previous: chain.last().map_or_else(|| "0".repeat(64), |last| last.checkpoint.digest()),
            };
            chain.push(Signed::new(checkpoint, key, "part".to_owned()));
        }
        chain
    }

    #[test]
    fn a_chain_of_checkpoints_holds_and_any_change_of_it_shows() {
        let key = Ed25519KeyPair::generate().unwrap();
        let public = key.public_key().as_ref();
        let sound = chain(&key);
        assert!(faults(&sound, public).is_empty());
        assert!(!faults(&sound, Ed25519KeyPair::generate().unwrap().public_key().as_ref()).is_empty());
        assert!(!faults(&sound, b"no key").is_empty());

        let changes: [fn(&mut Vec<Signed>); 10] = [
            |chain| chain[1].checkpoint.number += 1,
            |chain| chain[1].checkpoint.taken_at += chrono::TimeDelta::microseconds(1),
            |chain| chain[2].checkpoint.streams += 1,
            |chain| chain[2].checkpoint.commits += 1,
            |chain| chain[2].checkpoint.heads = digest_of(&BTreeMap::new()),
            |chain| chain[0].checkpoint.previous = "1".repeat(64),
            |chain| chain[2].signature = chain[1].signature.clone(),
            |chain| chain[2].signature = "no signature".to_owned(),
            |chain| drop(chain.remove(0)),
            |chain| chain.swap(0, 1),
        ];
        for (number, change) in changes.into_iter().enumerate() {
            let mut changed = sound.clone();
            change(&mut changed);
            assert!(!faults(&changed, public).is_empty(), "change {number}");
        }
        // One in the middle, signed again by who has the key: the next one tells.
        let mut again = sound.clone();
        again[1] = Signed::new(Checkpoint { commits: 9, ..again[1].checkpoint.clone() }, &key, "part".to_owned());
        assert_eq!(faults(&again, public), ["checkpoint 3 does not follow the one before"]);
    }

    #[test]
    fn heads_fit_their_checkpoint_only() {
        let chain = chain(&Ed25519KeyPair::generate().unwrap());
        let last = &chain[2].checkpoint;
        assert!(fits(last, &some_heads(3)));
        assert!(!fits(last, &some_heads(2)));
        let mut changed = some_heads(3);
        changed.values_mut().for_each(|head| head.version = head.version.next());
        assert!(!fits(last, &changed));
    }
}
