//! Follows the log's stream: who reads which shard, how far, and what happens when somebody dies.
//!
//! What is decided is pure ([`shards`], [`choice`]); what is done stands apart ([`source`], [`lease`], [`consumer`]).

pub mod choice;
pub mod consumer;
pub mod lease;
pub mod shards;
pub mod source;
pub mod worker;

use std::{collections::HashMap, future::Future};

use aws_sdk_dynamodbstreams::types::AttributeValue;
use chrono::{DateTime, Utc};

/// The new image of an item that was put into the log.
#[derive(Debug, Clone)]
pub struct Record {
    /// Its place in the shard.
    pub sequence: String,
    /// About when it was written, to the second.
    pub created: DateTime<Utc>,
    /// The item.
    pub image: HashMap<String, AttributeValue>,
}

/// Why records could not be applied; trying again can help.
#[derive(Debug, thiserror::Error)]
#[error("records could not be applied")]
pub struct HandlerError(#[source] Box<dyn std::error::Error + Send + Sync>);

impl HandlerError {
    /// Wraps a cause.
    pub fn new(cause: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self(Box::new(cause))
    }
}

/// What is done with the records.
pub trait Handler: Send + Sync + 'static {
    /// Returns when the effects of all records are durable.
    ///
    /// # Errors
    /// When they are not: nothing is checkpointed, and the same records come again.
    fn apply(&self, records: Vec<Record>) -> impl Future<Output = Result<(), HandlerError>> + Send;

    /// Reads from the log itself what the stream no longer has.
    ///
    /// # Errors
    /// When not everything was read: it is called again.
    fn catch_up(&self) -> impl Future<Output = Result<(), HandlerError>> + Send;
}
