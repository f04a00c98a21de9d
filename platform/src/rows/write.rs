//! The gate's write: a row and its entries, together or not at all.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::{
    operation::{put_item::PutItemError, transact_write_items::TransactWriteItemsError},
    types::{AttributeValue, Delete, Put, TransactWriteItem},
};
use events::{stream::Version, views::Row};

use super::{
    Rows,
    items::{self, Item},
};
use crate::store::{StoreError, bad_row, unavailable};

/// Says of an action in a cancelled transaction that its condition does not hold, or that somebody else was writing.
const FASTER: [&str; 2] = ["ConditionalCheckFailed", "TransactionConflict"];

impl<R: Row> Rows<R> {
    /// Writes a row if the one that is there is `before`, and what of its entries is new or differs, in one transaction.
    /// `false` when it is another one, or is being written: somebody else was faster.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn put(&self, row: &R, before: Option<&R>) -> Result<bool, StoreError> {
        let item = items::row_item(row).ok_or_else(|| bad_row::<()>(&self.table)(()))?;
        let entries = items::entries(row);
        let former = before.map(items::entries).unwrap_or_default();
        let version = before.map_or(Version::NONE, Row::version);
        if entries == former {
            self.put_alone(item, version).await
        } else {
            self.put_with(item, version, entries, former).await
        }
    }

    /// Everything that a row puts into the table, for whoever fills a table otherwise than commit by commit.
    ///
    /// # Errors
    /// [`StoreError::BadRow`].
    pub fn items_of(&self, row: &R) -> Result<Vec<Item>, StoreError> {
        let item = items::row_item(row).ok_or_else(|| bad_row::<()>(&self.table)(()))?;
        Ok(std::iter::once(item).chain(items::entries(row).into_values()).collect())
    }

    async fn put_alone(&self, item: Item, before: Version) -> Result<bool, StoreError> {
        let put = self.client.put_item().table_name(&self.table).set_item(Some(item));
        let put = put.condition_expression(condition(before)).set_expression_attribute_values(values(before));
        match put.send().await {
            Ok(_) => Ok(true),
            Err(error) if error.as_service_error().is_some_and(PutItemError::is_conditional_check_failed_exception) => {
                Ok(false)
            }
            Err(error) => Err(unavailable(error)),
        }
    }

    async fn put_with(
        &self,
        item: Item,
        before: Version,
        entries: BTreeMap<String, Item>,
        former: BTreeMap<String, Item>,
    ) -> Result<bool, StoreError> {
        let row = Put::builder()
            .table_name(&self.table)
            .set_item(Some(item))
            .condition_expression(condition(before))
            .set_expression_attribute_values(values(before))
            .build()?;
        let mut actions = vec![TransactWriteItem::builder().put(row).build()];
        for gone in former.keys().filter(|key| !entries.contains_key(*key)) {
            let delete =
                Delete::builder().table_name(&self.table).key("id", AttributeValue::S(gone.clone())).build()?;
            actions.push(TransactWriteItem::builder().delete(delete).build());
        }
        for (_, entry) in entries.into_iter().filter(|(key, entry)| former.get(key) != Some(entry)) {
            let put = Put::builder().table_name(&self.table).set_item(Some(entry)).build()?;
            actions.push(TransactWriteItem::builder().put(put).build());
        }
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
                _ => Err(unavailable(error)),
            },
        }
    }
}

/// The version gate: the row is still at the version from which the new one was folded.
fn condition(before: Version) -> &'static str {
    if before == Version::NONE { "attribute_not_exists(id)" } else { "version = :before" }
}

fn values(before: Version) -> Option<Item> {
    (before != Version::NONE).then(|| Item::from([(":before".to_owned(), AttributeValue::N(before.to_string()))]))
}
