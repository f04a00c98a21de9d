use std::collections::HashMap;

use aws_sdk_dynamodb::{
    Client,
    operation::put_item::PutItemError,
    types::{AttributeValue, Select},
};
use events::views::{AuditRow, AuditSlot};

use super::generation::FIRST;
use crate::{
    store::{StoreError, bad_row, unavailable},
    tables::{AUDIT, Names},
};

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

    /// Adds a row; adding it again changes nothing.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn add(&self, row: &AuditRow) -> Result<(), StoreError> {
        let mut item: HashMap<String, AttributeValue> = serde_dynamo::to_item(row).map_err(bad_row(&self.table))?;
        item.insert("slot".to_owned(), AttributeValue::S(slot(&row.slot())));
        item.insert("position".to_owned(), AttributeValue::S(row.position()));
        let put = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item))
            .condition_expression("attribute_not_exists(slot)");
        match put.send().await {
            Ok(_) => Ok(()),
            Err(error) if error.as_service_error().is_some_and(PutItemError::is_conditional_check_failed_exception) => {
                Ok(())
            }
            Err(error) => Err(unavailable(error)),
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
