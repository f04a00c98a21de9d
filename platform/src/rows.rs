//! The read models' rows in their tables: the gate's conditional write, reads by id, and pages of lists.

mod audit;
mod buckets;
mod gate;
mod generation;
mod items;
mod listing;
mod together;

pub use audit::AuditRows;
pub use gate::Stored;
pub use generation::{Generations, Model, Plan, Plans, SWITCHED_WITHIN};
pub use items::Item;
pub use listing::{ListKey, Listing, Page};

use std::{collections::HashMap, marker::PhantomData};

use aws_sdk_dynamodb::{
    Client,
    operation::query::builders::QueryFluentBuilder,
    types::{AttributeValue, KeysAndAttributes, builders::KeysAndAttributesBuilder},
};
use chrono::{DateTime, Utc};
use events::{commit::timestamp, stream::Version, views::Row};
use uuid::Uuid;

use self::generation::Which;
use crate::{
    aws::batch,
    store::{StoreError, bad_row, unavailable},
    tables::{Index, Names, OPEN, SCAN_PAGE, Table},
};

/// One read model, in the generation that is read at the moment or in a certain one: it is part of the rows' keys, so
/// that a new one can be built beside it.
#[derive(Debug, Clone)]
pub struct Rows<R> {
    client: Client,
    table: String,
    generation: Which,
    row: PhantomData<R>,
}

/// Rows that somebody should look at.
#[derive(Debug, Clone)]
pub struct Due<R> {
    /// Those that can be read.
    pub rows: Vec<R>,
    /// The entities of those that cannot be read, where an id can be read.
    pub unreadable: Vec<Option<Uuid>>,
    /// Where the next page begins, by the index's own key: many rows can be due at one moment. `None` at the end.
    pub next: Option<Item>,
}

/// A part of an index: a partition, and a range of its sort key, both ends included.
struct Stretch<'a> {
    index: &'a Index,
    partition: String,
    from: &'a str,
    to: &'a str,
    descending: bool,
}

impl<R: Row> Rows<R> {
    /// The read model in `table`, in the generation that is read.
    pub fn new(client: Client, names: &Names, table: &Table, generations: &Generations) -> Self {
        let generation = Which::current(generations, table);
        Self { client, table: names.table(table), generation, row: PhantomData }
    }

    /// The same read model in a certain generation.
    #[must_use]
    pub fn at(&self, generation: u32) -> Self {
        Self { generation: Which::Fixed(generation), ..self.clone() }
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
            .key("id", AttributeValue::S(items::key(self.generation.number().await?, id)))
            .consistent_read(consistent)
            .send()
            .await
            .map_err(unavailable)?;
        answer.item.map(|item| self.row_of(item)).transpose()
    }

    /// Gives the entity and the version of every row to `each`, or `None` for a row that cannot be read; strongly
    /// consistent. The entries beside the rows are passed over.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn versions(&self, mut each: impl FnMut(Option<(Uuid, Version)>)) -> Result<(), StoreError> {
        let wanted = self.generation.number().await?.to_string();
        let scan = self.client.scan().table_name(&self.table).consistent_read(true).limit(SCAN_PAGE);
        let mut items = scan.projection_expression("id, version").into_paginator().items().send();
        while let Some(item) = items.next().await {
            let item = item.map_err(unavailable)?;
            let (id, version) = (item.get("id").and_then(|id| id.as_s().ok()), item.get("version"));
            let mut key = id.into_iter().flat_map(|id| id.split('#'));
            match (key.next(), key.next(), key.next()) {
                (Some(generation), Some(id), None) if generation == wanted => {
                    let version = version.and_then(|version| version.as_n().ok()?.parse().ok());
                    each(id.parse().ok().zip(version.map(Version)));
                }
                (Some(_), Some(_), _) => (),
                _ => each(None),
            }
        }
        Ok(())
    }

    /// The versions of those rows that are there and can be read, by the entity's id; strongly consistent. No id may be there
    /// twice.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn versions_of(&self, ids: &[Uuid]) -> Result<HashMap<Uuid, Version>, StoreError> {
        let asked = KeysAndAttributes::builder().consistent_read(true).projection_expression("id, version");
        let items = self.items_by_id(self.generation.number().await?, ids, &asked).await?;
        let version = |item: &Item| item.get("version")?.as_n().ok()?.parse().ok().map(Version);
        Ok(items.iter().filter_map(|item| items::row_id(item).zip(version(item))).collect())
    }

    /// A page of the rows of one bucket that somebody should have looked at by `until`, the earliest first, at most `limit`;
    /// `after` is what the page before it gave as `next`.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn due(
        &self,
        bucket: u8,
        until: DateTime<Utc>,
        after: Option<Item>,
        limit: i32,
    ) -> Result<Due<R>, StoreError> {
        let stretch = Stretch {
            index: &OPEN,
            partition: items::bucket_of_all(self.generation.number().await?, bucket),
            from: &timestamp(DateTime::UNIX_EPOCH),
            to: &timestamp(until),
            descending: false,
        };
        let query = self.querying(&stretch, limit).set_exclusive_start_key(after);
        let answer = query.send().await.map_err(unavailable)?;
        let mut due = Due { rows: Vec::new(), unreadable: Vec::new(), next: answer.last_evaluated_key };
        for item in answer.items.unwrap_or_default() {
            let id = items::row_id(&item);
            match items::row_of(item) {
                Some(row) => due.rows.push(row),
                None => due.unreadable.push(id),
            }
        }
        Ok(due)
    }

    /// The items of those rows that are there, in any order.
    async fn items_by_id(
        &self,
        generation: u32,
        ids: &[Uuid],
        asked: &KeysAndAttributesBuilder,
    ) -> Result<Vec<Item>, StoreError> {
        let key = |id: &Uuid| Item::from([("id".to_owned(), AttributeValue::S(items::key(generation, *id)))]);
        let keys: Vec<Item> = ids.iter().map(key).collect();
        Ok(batch::get_all(&self.client, &self.table, asked, &keys).await?)
    }

    /// The first items of a stretch, at most about `limit`.
    async fn query(&self, stretch: &Stretch<'_>, limit: i32) -> Result<Vec<Item>, StoreError> {
        let query = self.querying(stretch, limit);
        let mut found = Vec::new();
        let mut start = None;
        loop {
            let answer = query.clone().set_exclusive_start_key(start).send().await.map_err(unavailable)?;
            found.extend(answer.items.unwrap_or_default());
            start = answer.last_evaluated_key;
            // A page may end early at 1 MB although more would be wanted.
            if start.is_none() || found.len() >= usize::try_from(limit).unwrap_or_default() {
                return Ok(found);
            }
        }
    }

    fn querying(&self, stretch: &Stretch<'_>, limit: i32) -> QueryFluentBuilder {
        let text = |text: &str| AttributeValue::S(text.to_owned());
        let query = self.client.query().table_name(&self.table).index_name(stretch.index.name).limit(limit);
        query
            .scan_index_forward(!stretch.descending)
            .key_condition_expression("#partition = :partition AND #sort BETWEEN :from AND :to")
            .expression_attribute_names("#partition", stretch.index.partition.name)
            .expression_attribute_names("#sort", stretch.index.sort.name)
            .expression_attribute_values(":partition", text(&stretch.partition))
            .expression_attribute_values(":from", text(stretch.from))
            .expression_attribute_values(":to", text(stretch.to))
    }

    fn row_of(&self, item: Item) -> Result<R, StoreError> {
        items::row_of(item).ok_or_else(|| bad_row::<()>(&self.table)(()))
    }
}
