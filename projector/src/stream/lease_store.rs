//! The lease table.

use std::{error::Error, time::Duration};

use aws_sdk_dynamodb::{
    Client,
    config::timeout::TimeoutConfig,
    error::{ProvideErrorMetadata, SdkError},
    operation::{delete_item::DeleteItemError, put_item::PutItemError, update_item::UpdateItemError},
    types::{AttributeValue, ReturnValuesOnConditionCheckFailure},
};
use platform::{
    aws::{Aws, CallFailed},
    tables::{LEASES, Names},
};

use super::{
    lease::Lease,
    lease_item::{KEY, Unreadable, difference, from_item, to_item, unchanged},
};

/// One call with all its tries: less than a third of the lease time, so that a renewal that hangs leaves time for
/// others.
const CALL_TIMEOUT: Duration = Duration::from_secs(3);

/// How the keys of stream leases begin: other rows of the table are not ours.
const ARN: &str = "arn:";

/// What came of a conditional write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Replaced {
    /// It was written.
    Done,
    /// The row is not as it was seen; this is how it is, if it exists.
    Refused(Option<Box<Lease>>),
}

/// Why the lease table gave nothing. The outcome of a write is then unknown.
#[derive(Debug, thiserror::Error)]
pub enum LeaseError {
    /// The table does not answer, or not in time.
    #[error("the lease table does not answer: {0}")]
    Unavailable(Box<dyn Error + Send + Sync>),
    /// A row is not as we write them.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
}

/// The lease table, or what plays it. Every write but a creation is conditional on owner and counter.
pub trait LeaseStore: Send + Sync + 'static {
    /// Every row, of every stream, strongly consistent: a handful, one per shard of the last day.
    fn list(&self) -> impl Future<Output = Result<Vec<Lease>, LeaseError>> + Send;

    /// Writes a row if there is none. `false`: there is one.
    fn create(&self, lease: &Lease) -> impl Future<Output = Result<bool, LeaseError>> + Send;

    /// Makes `seen` into `new` if owner and counter, and the request if that changes, are as they were seen.
    fn replace(&self, seen: &Lease, new: &Lease) -> impl Future<Output = Result<Replaced, LeaseError>> + Send;

    /// Deletes a row if owner and counter are as they were seen. `false`: they are not.
    fn delete(&self, seen: &Lease) -> impl Future<Output = Result<bool, LeaseError>> + Send;
}

/// The lease table in DynamoDB.
#[derive(Debug, Clone)]
pub struct LeaseTable {
    client: Client,
    table: String,
}

impl LeaseTable {
    /// The table of one stage.
    pub fn new(aws: &Aws, names: &Names) -> Self {
        let timeouts = TimeoutConfig::builder().operation_timeout(CALL_TIMEOUT).build();
        let config = aws.dynamodb.config().to_builder().timeout_config(timeouts).build();
        Self { client: Client::from_conf(config), table: names.table(&LEASES) }
    }
}

impl LeaseStore for LeaseTable {
    async fn list(&self) -> Result<Vec<Lease>, LeaseError> {
        let mut items = self
            .client
            .scan()
            .table_name(&self.table)
            .consistent_read(true)
            .filter_expression("begins_with(#lease, :arn)")
            .expression_attribute_names("#lease", KEY)
            .expression_attribute_values(":arn", AttributeValue::S(ARN.to_owned()))
            .into_paginator()
            .items()
            .send();
        let mut leases = Vec::new();
        while let Some(item) = items.next().await {
            leases.push(from_item(&item.map_err(unavailable)?)?);
        }
        Ok(leases)
    }

    async fn create(&self, lease: &Lease) -> Result<bool, LeaseError> {
        let put = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(to_item(lease)))
            .condition_expression("attribute_not_exists(#lease)")
            .expression_attribute_names("#lease", KEY);
        match put.send().await {
            Ok(_) => Ok(true),
            Err(error) => match error.as_service_error() {
                Some(PutItemError::ConditionalCheckFailedException(_)) => Ok(false),
                _ => Err(unavailable(error)),
            },
        }
    }

    async fn replace(&self, seen: &Lease, new: &Lease) -> Result<Replaced, LeaseError> {
        let change = difference(seen, new);
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .key(KEY, AttributeValue::S(seen.key()))
            .condition_expression(change.condition)
            .update_expression(change.update)
            .set_expression_attribute_names(Some(change.names))
            .set_expression_attribute_values(Some(change.values))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        match update.send().await {
            Ok(_) => Ok(Replaced::Done),
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(refused)) => {
                    let row = refused.item().map(from_item).transpose()?;
                    Ok(Replaced::Refused(row.map(Box::new)))
                }
                _ => Err(unavailable(error)),
            },
        }
    }

    async fn delete(&self, seen: &Lease) -> Result<bool, LeaseError> {
        let condition = unchanged(seen, false);
        let delete = self
            .client
            .delete_item()
            .table_name(&self.table)
            .key(KEY, AttributeValue::S(seen.key()))
            .condition_expression(condition.condition)
            .set_expression_attribute_names(Some(condition.names))
            .set_expression_attribute_values(Some(condition.values));
        match delete.send().await {
            Ok(_) => Ok(true),
            Err(error) => match error.as_service_error() {
                Some(DeleteItemError::ConditionalCheckFailedException(_)) => Ok(false),
                _ => Err(unavailable(error)),
            },
        }
    }
}

fn unavailable<E: ProvideErrorMetadata, R>(error: SdkError<E, R>) -> LeaseError {
    LeaseError::Unavailable(CallFailed::from(error).into())
}
