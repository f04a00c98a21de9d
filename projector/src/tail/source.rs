//! The calls of DynamoDB Streams, their errors told apart by type.

use aws_sdk_dynamodb::Client as Tables;
use aws_sdk_dynamodbstreams::{
    Client as Streams,
    error::{DisplayErrorContext, ProvideErrorMetadata, SdkError},
    operation::{
        describe_stream::DescribeStreamError, get_records::GetRecordsError, get_shard_iterator::GetShardIteratorError,
    },
    types::{OperationType, Record as StreamRecord, ShardIteratorType},
};
use chrono::{DateTime, Utc};
use platform::{
    clock::Clock,
    store::StoreError,
    tables::{EVENTS, Names},
};

use super::{Record, shards::Checkpoint};

/// Records per call: the most that the service gives.
const PAGE: i32 = 1_000;

/// Most pages of shards: ten thousand shards. It ends the loop on an engine that never says which page is the last.
const MAX_SHARD_PAGES: usize = 100;

/// The log's stream.
#[derive(Debug, Clone)]
pub struct Source {
    streams: Streams,
    arn: String,
    clock: Clock,
}

/// A shard as the service lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its id.
    pub id: String,
    /// The shard that it goes on from.
    pub parent: Option<String>,
}

/// What one call gave.
#[derive(Debug)]
pub struct Batch {
    /// Records, in order.
    pub records: Vec<Record>,
    /// Sequence number of the last record read, of whatever kind.
    pub last: Option<String>,
    /// Where to go on; `None` at the end of the shard.
    pub next: Option<String>,
    /// Everything recorded before this moment is in what was read so far.
    pub position_at: DateTime<Utc>,
    /// Whether more can be had at once.
    pub full: bool,
}

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The iterator is older than 15 minutes: get another.
    #[error("the iterator has expired")]
    Expired,
    /// The records that come next are older than 24 hours and gone.
    #[error("the records were trimmed")]
    Trimmed,
    /// Too many calls.
    #[error("the stream is throttled")]
    Throttled,
    /// The shard or the stream is gone.
    #[error("the shard does not exist any more")]
    NotFound,
    /// Anything else: the network, or the service itself.
    #[error("the stream does not answer: {0}")]
    Unavailable(String),
}

impl Source {
    /// The stream of the log, as its table names it.
    ///
    /// # Errors
    /// When the table does not answer or has no stream.
    pub async fn find(tables: &Tables, streams: Streams, names: &Names, clock: Clock) -> Result<Self, StoreError> {
        let described = tables
            .describe_table()
            .table_name(names.table(&EVENTS))
            .send()
            .await
            .map_err(|error| StoreError::Unavailable(Box::new(aws_sdk_dynamodb::Error::from(error))))?;
        let arn = described.table.and_then(|table| table.latest_stream_arn);
        let arn = arn.ok_or_else(|| StoreError::Unavailable("the log has no stream".into()))?;
        Ok(Self { streams, arn, clock })
    }

    /// The stream's name.
    pub fn arn(&self) -> &str {
        &self.arn
    }

    /// All shards. Services end a listing in two ways: no last id, or the same last id again.
    ///
    /// # Errors
    /// [`SourceError`].
    pub async fn shards(&self) -> Result<Vec<Listed>, SourceError> {
        let mut listed: Vec<Listed> = Vec::new();
        let mut start: Option<String> = None;
        for _ in 0..MAX_SHARD_PAGES {
            let call = self.streams.describe_stream().stream_arn(&self.arn);
            let page = call.set_exclusive_start_shard_id(start.clone()).send().await.map_err(|error| {
                classify(error, |error: &DescribeStreamError| {
                    error.is_resource_not_found_exception().then_some(SourceError::NotFound)
                })
            })?;
            let Some(description) = page.stream_description else { break };
            for shard in description.shards.unwrap_or_default() {
                let Some(id) = shard.shard_id else { continue };
                if !listed.iter().any(|known| known.id == id) {
                    listed.push(Listed { id, parent: shard.parent_shard_id });
                }
            }
            let last = description.last_evaluated_shard_id;
            if last.is_none() || last == start {
                break;
            }
            start = last;
        }
        Ok(listed)
    }

    /// An iterator behind a checkpoint.
    ///
    /// # Errors
    /// [`SourceError`].
    pub async fn iterator(&self, shard: &str, after: &Checkpoint) -> Result<Option<String>, SourceError> {
        let call = self.streams.get_shard_iterator().stream_arn(&self.arn).shard_id(shard);
        let call = match after {
            Checkpoint::Start => call.shard_iterator_type(ShardIteratorType::TrimHorizon),
            Checkpoint::At(sequence) => {
                call.shard_iterator_type(ShardIteratorType::AfterSequenceNumber).sequence_number(sequence)
            }
            Checkpoint::Ended => return Ok(None),
        };
        let answer = call.send().await.map_err(|error| {
            classify(error, |error: &GetShardIteratorError| match error {
                GetShardIteratorError::TrimmedDataAccessException(_) => Some(SourceError::Trimmed),
                GetShardIteratorError::ResourceNotFoundException(_) => Some(SourceError::NotFound),
                _ => None,
            })
        })?;
        Ok(answer.shard_iterator)
    }

    /// The next records.
    ///
    /// # Errors
    /// [`SourceError`].
    pub async fn read(&self, iterator: String) -> Result<Batch, SourceError> {
        let began = self.clock.now();
        let answer = self.streams.get_records().shard_iterator(iterator).limit(PAGE).send().await.map_err(|error| {
            classify(error, |error: &GetRecordsError| match error {
                GetRecordsError::ExpiredIteratorException(_) => Some(SourceError::Expired),
                GetRecordsError::TrimmedDataAccessException(_) => Some(SourceError::Trimmed),
                GetRecordsError::LimitExceededException(_) => Some(SourceError::Throttled),
                GetRecordsError::ResourceNotFoundException(_) => Some(SourceError::NotFound),
                _ => None,
            })
        })?;
        let read = answer.records.unwrap_or_default();
        let full = read.len() >= usize::try_from(PAGE).unwrap_or(usize::MAX);
        let last = read.iter().rev().find_map(|record| record.dynamodb.as_ref()?.sequence_number.clone());
        let records: Vec<Record> = read.into_iter().filter_map(|record| inserted(record, began)).collect();
        // A page that is not empty reaches as far as its last record; an empty one as far as the moment of the call.
        let position_at = records.last().map_or(began, |record| record.created);
        Ok(Batch { records, last, next: answer.next_shard_iterator, position_at, full })
    }
}

/// The log is only ever inserted into; anything else was not us.
fn inserted(record: StreamRecord, now: DateTime<Utc>) -> Option<Record> {
    let kind = record.event_name;
    let change = record.dynamodb?;
    if kind != Some(OperationType::Insert) {
        tracing::error!(?kind, sequence = change.sequence_number, "somebody changed or removed an item of the log");
        return None;
    }
    let created = change.approximate_creation_date_time;
    let created = created.and_then(|at| DateTime::from_timestamp(at.secs(), at.subsec_nanos()));
    Some(Record { sequence: change.sequence_number?, created: created.unwrap_or(now), image: change.new_image? })
}

fn classify<E, R>(error: SdkError<E, R>, by_type: impl FnOnce(&E) -> Option<SourceError>) -> SourceError
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    R: std::fmt::Debug + Send + Sync + 'static,
{
    let known = error.as_service_error().and_then(by_type);
    let throttled = || match error.as_service_error().and_then(ProvideErrorMetadata::code) {
        Some("ThrottlingException" | "ProvisionedThroughputExceededException") => Some(SourceError::Throttled),
        _ => None,
    };
    known.or_else(throttled).unwrap_or_else(|| SourceError::Unavailable(DisplayErrorContext(&error).to_string()))
}
