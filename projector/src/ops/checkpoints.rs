//! The signed checkpoints: a header each, and the heads that it vouches for, in parts.

use std::collections::{BTreeMap, HashMap};

use anyhow::{Context as _, bail};
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, UnparsedPublicKey};
use aws_sdk_dynamodb::{operation::put_item::PutItemError, types::AttributeValue};
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

/// Every checkpoint, the first one first.
pub(super) async fn load(context: &Context) -> anyhow::Result<Vec<Signed>> {
    let documents = query(context, HEADERS).await?;
    documents.iter().map(|text| serde_json::from_str(text).context("a checkpoint cannot be read")).collect()
}

/// The heads of a checkpoint. What cannot be read is left out, and shows by the digest.
pub(super) async fn heads(context: &Context, signed: &Signed) -> anyhow::Result<BTreeMap<StreamId, Head>> {
    let parts = query(context, &signed.part).await?;
    Ok(parts.iter().flat_map(|part| part.lines()).filter_map(parse_line).collect())
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
    let put = put.set_item(Some(item)).condition_expression("attribute_not_exists(part)");
    match put.send().await {
        Ok(_) => Ok(()),
        Err(error) if error.as_service_error().is_some_and(PutItemError::is_conditional_check_failed_exception) => {
            bail!("somebody else took a checkpoint at the same time")
        }
        Err(error) => Err(unavailable(error).into()),
    }
}

async fn query(context: &Context, partition: &str) -> anyhow::Result<Vec<String>> {
    let query = context.aws.dynamodb.query().table_name(context.names.table(&CHECKPOINTS)).consistent_read(true);
    let query = query
        .key_condition_expression("#log = :log")
        .expression_attribute_names("#log", "log")
        .expression_attribute_values(":log", AttributeValue::S(partition.to_owned()));
    let mut items = query.into_paginator().items().send();
    let mut texts = Vec::new();
    while let Some(item) = items.next().await {
        let mut item = item.map_err(unavailable)?;
        match item.remove("text") {
            Some(AttributeValue::S(text)) => texts.push(text),
            _ => bail!("an item of the checkpoints cannot be read"),
        }
    }
    Ok(texts)
}
