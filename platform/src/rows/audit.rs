use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use aws_sdk_dynamodb::{
    Client,
    types::{AttributeValue, PutRequest, Select, WriteRequest},
};
use backon::{BackoffBuilder, ExponentialBuilder};
use events::{
    stream::{StreamId, Version},
    views::{AuditRow, AuditSlot},
};
use futures::{StreamExt, TryStreamExt, stream};

use super::generation::FIRST;
use crate::{
    store::{StoreError, bad_row, unavailable},
    tables::{AUDIT, Names, SCAN_PAGE},
};

/// Most rows of a `BatchWriteItem` (its documentation's limit).
const MOST_OF_A_BATCH: usize = 25;

/// Batches that are written at once: enough to hide their latency.
const BATCHES_AT_ONCE: usize = 8;

/// Pauses before what a batch left undone is sent again. DynamoDB asks for exponential ones; all of them together are
/// shorter than three seconds, for whoever waits holds a shard.
const PAUSES: ExponentialBuilder = ExponentialBuilder::new()
    .with_min_delay(Duration::from_millis(50))
    .with_max_delay(Duration::from_millis(500))
    .with_max_times(5)
    .with_jitter();

/// The read model of every event. Rows are only ever added, each keyed by its event.
#[derive(Debug, Clone)]
pub struct AuditRows {
    client: Client,
    table: String,
}

impl AuditRows {
    /// The read model of one stage.
    pub fn new(client: Client, names: &Names) -> Self {
        Self { client, table: names.table(&AUDIT) }
    }

    /// Adds rows. Adding one again writes the same again: a row is made of its event and of nothing else.
    ///
    /// # Errors
    /// [`StoreError`]; some rows may be added then.
    pub async fn add_all(&self, rows: &[&AuditRow]) -> Result<(), StoreError> {
        // A batch that names a row twice is refused, and a record may be delivered twice.
        let rows: BTreeMap<_, _> = rows.iter().map(|row| ((slot(&row.slot()), row.position()), *row)).collect();
        let mut puts = Vec::with_capacity(rows.len());
        for ((slot, position), row) in rows {
            let mut item: HashMap<String, AttributeValue> = serde_dynamo::to_item(row).map_err(bad_row(&self.table))?;
            item.insert("slot".to_owned(), AttributeValue::S(slot));
            item.insert("position".to_owned(), AttributeValue::S(position));
            let put = PutRequest::builder().set_item(Some(item)).build()?;
            puts.push(WriteRequest::builder().put_request(put).build());
        }
        let batches: Vec<_> = puts.chunks(MOST_OF_A_BATCH).map(|puts| self.put_batch(puts.to_vec())).collect();
        stream::iter(batches).buffer_unordered(BATCHES_AT_ONCE).try_collect().await
    }

    /// Writes a batch, and what the table leaves undone of it again, a bounded number of times.
    async fn put_batch(&self, mut puts: Vec<WriteRequest>) -> Result<(), StoreError> {
        let mut pauses = PAUSES.build();
        loop {
            let sent = self.client.batch_write_item().request_items(&self.table, puts).send().await;
            puts = sent.map_err(unavailable)?.unprocessed_items.unwrap_or_default().into_values().flatten().collect();
            if puts.is_empty() {
                return Ok(());
            }
            // Whoever applies commits tries again with its own pauses, and writes what is there again.
            let Some(pause) = pauses.next() else { return Err(StoreError::Throttled { left: puts.len() }) };
            tokio::time::sleep(pause).await;
        }
    }

    /// Whether the row was added; strongly consistent.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn has(&self, row: &AuditRow) -> Result<bool, StoreError> {
        let get = self
            .client
            .get_item()
            .table_name(&self.table)
            .key("slot", AttributeValue::S(slot(&row.slot())))
            .key("position", AttributeValue::S(row.position()))
            .consistent_read(true)
            .projection_expression("slot");
        Ok(get.send().await.map_err(unavailable)?.item.is_some())
    }

    /// Gives the stream and the version of every row to `each`, or `None` for a row that cannot be read; strongly
    /// consistent.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn versions(&self, mut each: impl FnMut(Option<(StreamId, Version)>)) -> Result<(), StoreError> {
        let scan = self.client.scan().table_name(&self.table).consistent_read(true).limit(SCAN_PAGE);
        let scan = scan.projection_expression("#stream, version").expression_attribute_names("#stream", "stream");
        let mut items = scan.into_paginator().items().send();
        while let Some(item) = items.next().await {
            let item = item.map_err(unavailable)?;
            let stream = item.get("stream").and_then(|stream| stream.as_s().ok()?.parse().ok());
            let version = item.get("version").and_then(|version| version.as_n().ok()?.parse().ok());
            each(stream.zip(version.map(Version)));
        }
        Ok(())
    }

    /// The first rows of a slot after `after` and before `until`, at most `limit`, by time; strongly consistent, for who
    /// says up to where the feed is complete must not pass over what another copy of the table lacks.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn read(
        &self,
        at: &AuditSlot,
        after: &str,
        until: &str,
        limit: i32,
    ) -> Result<Vec<AuditRow>, StoreError> {
        let query = self
            .client
            .query()
            .table_name(&self.table)
            .select(Select::AllAttributes)
            .consistent_read(true)
            .limit(limit)
            .key_condition_expression("slot = :slot AND #position BETWEEN :after AND :until")
            .expression_attribute_names("#position", "position")
            .expression_attribute_values(":slot", AttributeValue::S(slot(at)))
            .expression_attribute_values(":after", AttributeValue::S(after.to_owned()))
            .expression_attribute_values(":until", AttributeValue::S(until.to_owned()));
        let mut rows = Vec::new();
        let mut start = None;
        loop {
            let answer = query.clone().set_exclusive_start_key(start).send().await.map_err(unavailable)?;
            for item in answer.items.unwrap_or_default() {
                rows.push(serde_dynamo::from_item(item).map_err(bad_row(&self.table))?);
            }
            start = answer.last_evaluated_key;
            if start.is_none() || rows.len() >= usize::try_from(limit).unwrap_or_default() {
                return Ok(rows);
            }
        }
    }
}

fn slot(slot: &AuditSlot) -> String {
    format!("{FIRST}#{}", slot.key())
}
