//! The read models' rows in their tables: the gate's conditional write, reads by id, and pages of lists.

mod audit;

pub use audit::AuditRows;

use std::{collections::HashMap, marker::PhantomData, num::NonZeroU16};

use aws_sdk_dynamodb::{Client, operation::put_item::PutItemError, types::AttributeValue};
use events::{
    commit::timestamp,
    stream::Version,
    views::{BUCKETS, Row, bucket},
};
use futures::future::try_join_all;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    store::{StoreError, bad_row, unavailable},
    tables::{Names, OPEN, Table},
};

/// The generation of every read model's rows: part of their keys, so that a new one can be built beside it.
const GENERATION: u32 = 1;

/// One read model.
#[derive(Debug, Clone)]
pub struct Rows<R> {
    client: Client,
    table: String,
    row: PhantomData<R>,
}

/// A place in a list: the last row that was shown.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ListKey(String);

/// A part of a list.
#[derive(Debug, Clone)]
pub struct Page<R> {
    /// Rows in the order of their creation.
    pub rows: Vec<R>,
    /// Where the next page begins; `None` at the end.
    pub next: Option<ListKey>,
}

impl<R: Row> Rows<R> {
    /// The read model in `table`.
    pub fn new(client: Client, names: &Names, table: &Table) -> Self {
        Self { client, table: names.table(table), row: PhantomData }
    }

    /// A row by its entity's id; strongly consistent if asked for.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn get(&self, id: Uuid, consistent: bool) -> Result<Option<R>, StoreError> {
        let answer = self
            .client
            .get_item()
            .table_name(&self.table)
            .key("id", AttributeValue::S(key(id)))
            .consistent_read(consistent)
            .send()
            .await
            .map_err(unavailable)?;
        answer.item.map(|item| self.row_of(item)).transpose()
    }

    /// Writes a row if the one that is there has `before`. `false` when it has not: somebody else was faster.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn put(&self, row: &R, before: Version) -> Result<bool, StoreError> {
        let put = self.client.put_item().table_name(&self.table).set_item(Some(self.to_item(row)?));
        let put = if before == Version::NONE {
            put.condition_expression("attribute_not_exists(id)")
        } else {
            put.condition_expression("version = :before")
                .expression_attribute_values(":before", AttributeValue::N(before.to_string()))
        };
        match put.send().await {
            Ok(_) => Ok(true),
            Err(error) if error.as_service_error().is_some_and(PutItemError::is_conditional_check_failed_exception) => {
                Ok(false)
            }
            Err(error) => Err(unavailable(error)),
        }
    }

    /// Gives the entity and the version of every row to `each`, or `None` for a row that cannot be read; strongly
    /// consistent.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn versions(&self, mut each: impl FnMut(Option<(Uuid, Version)>)) -> Result<(), StoreError> {
        let scan = self.client.scan().table_name(&self.table).consistent_read(true);
        let mut items = scan.projection_expression("id, version").into_paginator().items().send();
        while let Some(item) = items.next().await {
            let item = item.map_err(unavailable)?;
            let (id, version) = (item.get("id").and_then(|id| id.as_s().ok()), item.get("version"));
            let Some((generation, id)) = id.and_then(|id| id.split_once('#')) else {
                each(None);
                continue;
            };
            if generation == GENERATION.to_string() {
                let version = version.and_then(|version| version.as_n().ok()?.parse().ok());
                each(id.parse().ok().zip(version.map(Version)));
            }
        }
        Ok(())
    }

    /// A page of all rows in the order of their creation. Reads at most one page of each bucket.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn page(&self, after: Option<&ListKey>, size: NonZeroU16) -> Result<Page<R>, StoreError> {
        let after = after.map_or("", |key| key.0.as_str());
        let wanted = i32::from(size.get()) + 1;
        let read = |bucket| self.query("by_created", "bucket", bucket, "created > :edge", after, wanted);
        let buckets = try_join_all((0..BUCKETS).map(read)).await?;
        let mut rows: Vec<R> = buckets.into_iter().flatten().collect();
        rows.sort_by_key(ListKey::of);
        let more = rows.len() > usize::from(size.get());
        rows.truncate(size.get().into());
        let next = rows.last().filter(|_| more).map(ListKey::of);
        Ok(Page { rows, next })
    }

    /// Rows of one bucket that somebody should look at by now, at most `limit`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn due(&self, bucket: u8, now: chrono::DateTime<chrono::Utc>, limit: i32) -> Result<Vec<R>, StoreError> {
        self.query(OPEN.name, OPEN.partition.name, bucket, "look_again_at <= :edge", &timestamp(now), limit).await
    }

    async fn query(
        &self,
        index: &str,
        partition: &str,
        bucket: u8,
        range: &str,
        edge: &str,
        limit: i32,
    ) -> Result<Vec<R>, StoreError> {
        let query = self.client.query().table_name(&self.table).index_name(index).limit(limit);
        let query = query
            .expression_attribute_names("#partition", partition)
            .expression_attribute_values(":partition", AttributeValue::S(bucket_key(bucket)));
        // An index key is never empty, so an open beginning needs no condition of its own.
        let query = if edge.is_empty() {
            query.key_condition_expression("#partition = :partition")
        } else {
            query
                .key_condition_expression(format!("#partition = :partition AND {range}"))
                .expression_attribute_values(":edge", AttributeValue::S(edge.to_owned()))
        };
        let mut rows = Vec::new();
        let mut start = None;
        loop {
            let answer = query.clone().set_exclusive_start_key(start).send().await.map_err(unavailable)?;
            for item in answer.items.unwrap_or_default() {
                rows.push(self.row_of(item)?);
            }
            start = answer.last_evaluated_key;
            // A page may end early at 1 MB although more would be wanted.
            if start.is_none() || rows.len() >= usize::try_from(limit).unwrap_or_default() {
                return Ok(rows);
            }
        }
    }

    fn to_item(&self, row: &R) -> Result<HashMap<String, AttributeValue>, StoreError> {
        let mut item: HashMap<String, AttributeValue> = serde_dynamo::to_item(row).map_err(bad_row(&self.table))?;
        let id = row.stream().id;
        let in_bucket = AttributeValue::S(bucket_key(bucket(id)));
        item.insert("id".to_owned(), AttributeValue::S(key(id)));
        item.insert("created".to_owned(), AttributeValue::S(ListKey::of(row).0));
        if let Some(due) = row.look_again_at() {
            item.insert(OPEN.partition.name.to_owned(), in_bucket.clone());
            item.insert(OPEN.sort.name.to_owned(), AttributeValue::S(timestamp(due)));
        }
        item.insert("bucket".to_owned(), in_bucket);
        Ok(item)
    }

    fn row_of(&self, mut item: HashMap<String, AttributeValue>) -> Result<R, StoreError> {
        if let Some(AttributeValue::S(id)) = item.get_mut("id") {
            *id = id.split_once('#').map_or_else(|| id.clone(), |(_, id)| id.to_owned());
        }
        serde_dynamo::from_item(item).map_err(bad_row(&self.table))
    }
}

impl ListKey {
    /// The place of a row: when its stream began, then its id.
    pub fn of<R: Row>(row: &R) -> Self {
        Self(format!("{}#{}", timestamp(row.created_at()), row.stream().id))
    }
}

fn key(id: Uuid) -> String {
    format!("{GENERATION}#{id}")
}

fn bucket_key(bucket: u8) -> String {
    format!("{GENERATION}#{bucket}")
}
