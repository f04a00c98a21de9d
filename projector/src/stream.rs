//! Follows the log's stream: which shards there are, who reads which, and how far.
//!
//! What decides is pure and takes time as an argument: [`shards`] (lineage), [`sightings`] and [`choice`] (whose lease
//! has run out, which one to take), `cursor` (where to read next). What touches the outside stands behind two traits,
//! [`Source`] (the stream) and [`LeaseStore`] (the lease table), so that a script can play both.
//!
//! A record reaches the [`Handler`] at least once. Order is promised only within one item of the table, so a handler
//! has to gate by the version of a stream and must not care about repeats.

mod backoff;
mod catch_up;
pub mod choice;
mod consumer;
mod cursor;
mod dynamo_source;
mod hand_on;
mod held;
mod leader;
pub mod lease;
mod lease_item;
mod lease_store;
#[cfg(test)]
mod scripted;
pub mod shards;
mod shared;
pub mod sightings;
mod source;
mod status;
mod survey;
mod worker;

use std::{collections::HashMap, error::Error, time::Duration};

use aws_sdk_dynamodbstreams::types::AttributeValue;
use chrono::{DateTime, Utc};

pub use self::{
    dynamo_source::DynamoSource,
    lease_store::{LeaseError, LeaseStore, LeaseTable, Replaced},
    source::{Page, Source, SourceError},
    status::{Status, Tally},
    worker::Worker,
};

/// A commit that was put into the log's table.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// Its place in its shard.
    pub sequence: String,
    /// When the table took it, rounded down to a second.
    pub created: DateTime<Utc>,
    /// The item as it was put.
    pub image: HashMap<String, AttributeValue>,
}

/// What is done with the records.
pub trait Handler: Send + Sync + 'static {
    /// Returns when the effects of all records are durable. An error means that nothing may be checkpointed: the same
    /// records come again, until they succeed or the lease is lost. A record that can never succeed is the handler's to
    /// set aside. Dropped in the middle when the lease is lost.
    fn apply(&self, records: Vec<Record>) -> impl Future<Output = Result<(), HandlerError>> + Send;

    /// Applies every commit that the log's table held when the call began, because the stream may have lost any of
    /// them. Returns when the effects are durable: from then on the shard counts as read up to that beginning. Dropped
    /// in the middle on a shutdown or when the lease is lost, and called again later.
    fn catch_up(&self) -> impl Future<Output = Result<(), HandlerError>> + Send;
}

/// The effects could not be made durable now; trying again can help.
#[derive(Debug, thiserror::Error)]
#[error("the records could not be applied")]
pub struct HandlerError(#[source] Box<dyn Error + Send + Sync>);

impl HandlerError {
    /// Wraps the cause.
    pub fn new(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self(cause.into())
    }
}

/// How fast things go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The least time from the beginning of one read of a shard to that of the next, unless a page was full. AWS
    /// publishes no limit of `GetRecords`; four to five calls a second and shard are known to be tolerated.
    pub poll: Duration,
    /// How long a lease's counter has to stand still before others take the lease; renewed every third of it.
    pub lease_time: Duration,
    /// How often the lease table is looked at: what a lease that was given up waits at most for its next owner. A hand-over
    /// is to pause the feed for less than a second, with the last batch and the first page.
    pub look: Duration,
    /// How long an owner may take to finish its batch after somebody asked for its lease; then it is taken.
    pub hand_over_time: Duration,
    /// How often the stream's shards are listed anew although nothing tells that they changed, and how often it is
    /// asked whether the table has another stream.
    pub survey: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            poll: Duration::from_millis(200),
            lease_time: Duration::from_secs(10),
            look: Duration::from_millis(500),
            hand_over_time: Duration::from_secs(30),
            survey: Duration::from_mins(1),
        }
    }
}
