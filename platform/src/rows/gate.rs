//! Rows as they are written: each only over what its writer knows to be there, together with its entries or not at all.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::{
    operation::{put_item::PutItemError, transact_write_items::TransactWriteItemsError},
    types::{AttributeValue, CancellationReason, Delete, Put, TransactWriteItem},
};
use events::views::Row;
use uuid::Uuid;

use super::{
    Rows,
    generation::FIRST,
    items::{self, Item},
};
use crate::{
    aws::CallFailed,
    store::{StoreError, unavailable},
};

/// Most actions of a transaction (the documentation's limit of `TransactWriteItems`).
pub(super) const MOST_ACTIONS: usize = 100;

/// Attribute of a row that was put right although its version did not change: whoever still has the wrong one in memory
/// must not build on it.
const MENDED: &str = "mended";

/// Says of an action in a cancelled transaction that its condition does not hold, or that somebody else was writing.
pub(super) const FASTER: [&str; 2] = ["ConditionalCheckFailed", "TransactionConflict"];

/// What a writer knows of the row that is there.
#[derive(Debug, Clone)]
pub struct Stored<R> {
    /// The row; `None`: it cannot be read.
    pub row: Option<R>,
    version: Option<AttributeValue>,
    mended: Option<AttributeValue>,
}

/// What a write depends on.
pub(super) struct Condition {
    expression: String,
    values: Option<Item>,
}

impl<R: Row> Stored<R> {
    /// A row that was just put.
    pub fn put(row: R) -> Self {
        let version = AttributeValue::N(row.version().to_string());
        Self { row: Some(row), version: Some(version), mended: None }
    }

    pub(super) fn condition(before: Option<&Self>) -> Condition {
        let Some(before) = before else {
            return Condition { expression: "attribute_not_exists(id)".to_owned(), values: None };
        };
        let (mut conditions, mut values) = (vec!["attribute_exists(id)".to_owned()], Item::new());
        for (name, value) in [("version", &before.version), (MENDED, &before.mended)] {
            match value {
                Some(value) => {
                    conditions.push(format!("{name} = :{name}"));
                    values.insert(format!(":{name}"), value.clone());
                }
                None => conditions.push(format!("attribute_not_exists({name})")),
            }
        }
        let values = (!values.is_empty()).then_some(values);
        Condition { expression: conditions.join(" AND "), values }
    }
}

impl<R: Row> Rows<R> {
    /// The row that is there, readable or not; strongly consistent.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn stored(&self, id: Uuid) -> Result<Option<Stored<R>>, StoreError> {
        let key = AttributeValue::S(items::key(self.generation.number().await?, id));
        let get = self.client.get_item().table_name(&self.table).key("id", key).consistent_read(true);
        let item = get.send().await.map_err(unavailable)?.item;
        Ok(item.map(|item| {
            let attribute = |name: &str| item.get(name).cloned();
            let (version, mended) = (attribute("version"), attribute(MENDED));
            Stored { row: self.row_of(item).ok(), version, mended }
        }))
    }

    /// What is said of a row that cannot be read.
    pub fn malformed(&self) -> StoreError {
        StoreError::BadRow { table: self.table.clone() }
    }

    /// Whether a row and what of its entries is new, differs or goes certainly fit into one transaction.
    pub fn fits(row: &R, before: Option<&Stored<R>>) -> bool {
        // What a row changes does not depend on the generation that it is in.
        let (former, mut entries) = (Self::entries_of(FIRST, before), items::entries(FIRST, row));
        let gone = former.keys().filter(|key| !entries.contains_key(*key)).count();
        entries.retain(|key, entry| former.get(key) != Some(entry));
        1 + gone + entries.len() <= MOST_ACTIONS
    }

    /// Writes a row if the one that is there is as `before` says, and what of its entries is new or differs, in one
    /// transaction. `false` when it is not, or is being written: somebody else was faster.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn put(&self, row: &R, before: Option<&Stored<R>>) -> Result<bool, StoreError> {
        let generation = self.generation.number().await?;
        let item = items::row_item(generation, row).ok_or_else(|| self.malformed())?;
        let former = Self::entries_of(generation, before);
        let mut entries = items::entries(generation, row);
        let gone = former.keys().filter(|key| !entries.contains_key(*key)).cloned().collect();
        entries.retain(|key, entry| former.get(key) != Some(entry));
        self.write(item, Stored::condition(before), gone, entries).await
    }

    /// As [`Rows::put`], of a row that may have the same version with another content; all of its entries are written
    /// anew. `mark` is new every time.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn mend(&self, row: &R, before: Option<&Stored<R>>, mark: Uuid) -> Result<bool, StoreError> {
        let generation = self.generation.number().await?;
        let mut item = items::row_item(generation, row).ok_or_else(|| self.malformed())?;
        item.insert(MENDED.to_owned(), AttributeValue::S(mark.to_string()));
        let entries = items::entries(generation, row);
        let former = Self::entries_of(generation, before).into_keys();
        let gone = former.filter(|key| !entries.contains_key(key)).collect();
        self.write(item, Stored::condition(before), gone, entries).await
    }

    /// Everything that a row puts into the table, for whoever fills a table otherwise than commit by commit.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn items_of(&self, row: &R) -> Result<Vec<Item>, StoreError> {
        let generation = self.generation.number().await?;
        let item = items::row_item(generation, row).ok_or_else(|| self.malformed())?;
        Ok(std::iter::once(item).chain(items::entries(generation, row).into_values()).collect())
    }

    /// The entries of what is there. Those of a row that cannot be read are not known: readers pass over entries whose row
    /// says otherwise.
    fn entries_of(generation: u32, before: Option<&Stored<R>>) -> BTreeMap<String, Item> {
        let row = before.and_then(|before| before.row.as_ref());
        row.map(|row| items::entries(generation, row)).unwrap_or_default()
    }

    /// The actions of a transaction that writes a row with its entries; the row's own, which has the condition, is the first.
    pub(super) fn actions(
        &self,
        item: Item,
        condition: Condition,
        gone: Vec<String>,
        entries: BTreeMap<String, Item>,
    ) -> Result<Vec<TransactWriteItem>, StoreError> {
        let Condition { expression, values } = condition;
        let row = Put::builder().table_name(&self.table).set_item(Some(item)).condition_expression(expression);
        let row = row.set_expression_attribute_values(values).build()?;
        let mut actions = vec![TransactWriteItem::builder().put(row).build()];
        for key in gone {
            let delete = Delete::builder().table_name(&self.table).key("id", AttributeValue::S(key)).build()?;
            actions.push(TransactWriteItem::builder().delete(delete).build());
        }
        for entry in entries.into_values() {
            let put = Put::builder().table_name(&self.table).set_item(Some(entry)).build()?;
            actions.push(TransactWriteItem::builder().put(put).build());
        }
        Ok(actions)
    }

    async fn write(
        &self,
        item: Item,
        condition: Condition,
        gone: Vec<String>,
        entries: BTreeMap<String, Item>,
    ) -> Result<bool, StoreError> {
        let Condition { expression, values } = condition;
        if gone.is_empty() && entries.is_empty() {
            let put = self.client.put_item().table_name(&self.table).set_item(Some(item));
            let put = put.condition_expression(expression).set_expression_attribute_values(values);
            return match put.send().await {
                Ok(_) => Ok(true),
                Err(error)
                    if error.as_service_error().is_some_and(PutItemError::is_conditional_check_failed_exception) =>
                {
                    Ok(false)
                }
                Err(error) => Err(unavailable(error)),
            };
        }
        let actions = self.actions(item, Condition { expression, values }, gone, entries)?;
        match self.client.transact_write_items().set_transact_items(Some(actions)).send().await {
            Ok(_) => Ok(true),
            Err(error) => match error.as_service_error() {
                Some(TransactWriteItemsError::TransactionCanceledException(cancelled))
                    if cancelled
                        .cancellation_reasons()
                        .iter()
                        .any(|reason| reason.code().is_some_and(|code| FASTER.contains(&code))) =>
                {
                    Ok(false)
                }
                Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) => {
                    let reasons = cancelled.cancellation_reasons();
                    let codes: Vec<&str> = reasons.iter().filter_map(CancellationReason::code).collect();
                    Err(CallFailed::refused(&codes).into())
                }
                _ => Err(unavailable(error)),
            },
        }
    }
}
