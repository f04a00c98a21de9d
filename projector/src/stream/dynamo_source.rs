//! The stream of DynamoDB.

use std::{collections::BTreeMap, num::TryFromIntError, time::Duration};

use aws_sdk_dynamodb::operation::describe_table::DescribeTableError;
use aws_sdk_dynamodbstreams::{
    Client,
    config::retry::RetryConfig,
    error::{ProvideErrorMetadata, SdkError},
    operation::{
        describe_stream::DescribeStreamError, get_records::GetRecordsError, get_shard_iterator::GetShardIteratorError,
    },
    primitives::DateTime as SdkDateTime,
    types::{OperationType, Record as SdkRecord, Shard as SdkShard, ShardFilter, ShardFilterType, ShardIteratorType},
};
use chrono::{DateTime, Utc};
use platform::{
    aws::{Aws, CallFailed},
    tables::{EVENTS, Names},
};

use super::{
    Record,
    shards::Shard,
    source::{Cause, From, Page, Source, SourceError},
};

/// The most that `GetRecords` gives.
const PAGE_RECORDS: i32 = 1000;

/// `GetRecords` ends a page at 1 MB. A record is at most an item (400 KB), so a page that holds more than the
/// difference may have ended because the next record did not fit in.
const FULL_PAGE_BYTES: i64 = 1_000_000 - 400_000;

/// `DescribeStream` is allowed ten times a second for all readers of a stream together.
const PAUSE_BETWEEN_PAGES: Duration = Duration::from_millis(200);

/// Pages of 100 shards: a stream with more than 100,000 shards is none that we know how to read.
const MAX_PAGES: usize = 1000;

/// Codes of throttling that the operations do not model as types of their own.
const THROTTLING_CODES: [&str; 3] =
    ["ThrottlingException", "RequestLimitExceeded", "ProvisionedThroughputExceededException"];

/// The stream of the log's table. Tries each call once: whoever calls knows how long it is worth waiting.
#[derive(Debug, Clone)]
pub struct DynamoSource {
    tables: aws_sdk_dynamodb::Client,
    streams: Client,
    table: String,
}

impl DynamoSource {
    /// The stream of one stage.
    pub fn new(aws: &Aws, names: &Names) -> Self {
        let config = aws.streams.config().to_builder().retry_config(RetryConfig::disabled());
        Self { tables: aws.dynamodb.clone(), streams: Client::from_conf(config.build()), table: names.table(&EVENTS) }
    }

    async fn describe(&self, stream: &str, filter: Option<ShardFilter>) -> Result<Vec<Shard>, SourceError> {
        let mut listing = Listing::default();
        let mut after = None;
        loop {
            let answer = self
                .streams
                .describe_stream()
                .stream_arn(stream)
                .set_shard_filter(filter.clone())
                .set_exclusive_start_shard_id(after)
                .send()
                .await
                .map_err(of_describe_stream)?;
            let description = answer.stream_description.ok_or(SourceError::Incomplete("a description"))?;
            let shards =
                description.shards.unwrap_or_default().into_iter().map(shard_from).collect::<Result<_, _>>()?;
            after = listing.add(shards, description.last_evaluated_shard_id)?;
            if after.is_none() {
                return Ok(listing.shards.into_values().collect());
            }
            tokio::time::sleep(PAUSE_BETWEEN_PAGES).await;
        }
    }
}

/// The pages of a description, put together.
#[derive(Debug, Default)]
struct Listing {
    shards: BTreeMap<String, Shard>,
    pages: usize,
}

impl Listing {
    /// Adds a page and tells after which shard to ask on. `None`: this was the last page, or it told nothing new. The
    /// embedded engine gives the last shard again when it is asked for what comes after it.
    fn add(&mut self, page: Vec<Shard>, last: Option<String>) -> Result<Option<String>, SourceError> {
        let known = self.shards.len();
        self.shards.extend(page.into_iter().map(|shard| (shard.id.clone(), shard)));
        self.pages += 1;
        if self.pages >= MAX_PAGES && last.is_some() {
            return Err(SourceError::Incomplete("an end of its list of shards"));
        }
        Ok(last.filter(|_| self.shards.len() > known))
    }
}

impl Source for DynamoSource {
    async fn stream(&self) -> Result<String, SourceError> {
        let answer = self.tables.describe_table().table_name(&self.table).send().await.map_err(of_describe_table)?;
        answer.table.and_then(|table| table.latest_stream_arn).ok_or(SourceError::NoStream)
    }

    async fn shards(&self, stream: &str) -> Result<Vec<Shard>, SourceError> {
        self.describe(stream, None).await
    }

    async fn children(&self, stream: &str, parent: &str) -> Result<Vec<Shard>, SourceError> {
        let filter = ShardFilter::builder().r#type(ShardFilterType::ChildShards).shard_id(parent).build();
        let mut shards = self.describe(stream, Some(filter)).await?;
        // The embedded engine ignores the filter.
        shards.retain(|shard| shard.parents.iter().any(|id| id == parent));
        Ok(shards)
    }

    async fn iterator(&self, stream: &str, shard: &str, from: &From) -> Result<String, SourceError> {
        let (kind, sequence) = match from {
            From::Horizon => (ShardIteratorType::TrimHorizon, None),
            From::After(sequence) => (ShardIteratorType::AfterSequenceNumber, Some(sequence.clone())),
        };
        let answer = self
            .streams
            .get_shard_iterator()
            .stream_arn(stream)
            .shard_id(shard)
            .shard_iterator_type(kind)
            .set_sequence_number(sequence)
            .send()
            .await
            .map_err(of_get_shard_iterator)?;
        answer.shard_iterator.ok_or(SourceError::Incomplete("an iterator"))
    }

    async fn records(&self, iterator: &str) -> Result<Page, SourceError> {
        let answer = self
            .streams
            .get_records()
            .shard_iterator(iterator)
            .limit(PAGE_RECORDS)
            .send()
            .await
            .map_err(of_get_records)?;
        page_from(answer.records.unwrap_or_default(), answer.next_shard_iterator)
    }
}

fn shard_from(shard: SdkShard) -> Result<Shard, SourceError> {
    let id = shard.shard_id.ok_or(SourceError::Incomplete("a shard's id"))?;
    Ok(Shard { id, parents: shard.parent_shard_id.into_iter().collect() })
}

fn page_from(records: Vec<SdkRecord>, next: Option<String>) -> Result<Page, SourceError> {
    let mut page = Page { next, ..Page::default() };
    let limit = usize::try_from(PAGE_RECORDS).map_err(|_: TryFromIntError| SourceError::Incomplete("a limit"))?;
    page.full = records.len() >= limit;
    let mut bytes: i64 = 0;
    for record in records {
        let change = record.dynamodb.ok_or(SourceError::Incomplete("a record's change"))?;
        let sequence = change.sequence_number.ok_or(SourceError::Incomplete("a sequence number"))?;
        let created = change.approximate_creation_date_time.as_ref().and_then(moment);
        let created = created.ok_or(SourceError::Incomplete("a creation time"))?;
        bytes = bytes.saturating_add(change.size_bytes.unwrap_or_default());
        page.last = Some((sequence.clone(), created));
        match record.event_name {
            Some(OperationType::Insert) => {
                let image = change.new_image.ok_or(SourceError::Incomplete("a new image"))?;
                page.records.push(Record { sequence, created, image });
            }
            other => {
                tracing::warn!(sequence, change = ?other, "a record of the log's stream is no insertion: ignored");
                page.ignored += 1;
            }
        }
    }
    page.full |= bytes > FULL_PAGE_BYTES;
    Ok(page)
}

fn moment(at: &SdkDateTime) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp(at.secs(), at.subsec_nanos())
}

fn of_describe_table<R>(error: SdkError<DescribeTableError, R>) -> SourceError {
    match error.as_service_error() {
        Some(DescribeTableError::ResourceNotFoundException(_)) => SourceError::NotFound(failed(error)),
        _ => other(error),
    }
}

fn of_describe_stream<R>(error: SdkError<DescribeStreamError, R>) -> SourceError {
    match error.as_service_error() {
        Some(DescribeStreamError::ResourceNotFoundException(_)) => SourceError::NotFound(failed(error)),
        _ => other(error),
    }
}

fn of_get_shard_iterator<R>(error: SdkError<GetShardIteratorError, R>) -> SourceError {
    match error.as_service_error() {
        Some(GetShardIteratorError::TrimmedDataAccessException(_)) => SourceError::Trimmed,
        Some(GetShardIteratorError::ResourceNotFoundException(_)) => SourceError::NotFound(failed(error)),
        _ => other(error),
    }
}

fn of_get_records<R>(error: SdkError<GetRecordsError, R>) -> SourceError {
    match error.as_service_error() {
        Some(GetRecordsError::ExpiredIteratorException(_)) => SourceError::Expired,
        Some(GetRecordsError::TrimmedDataAccessException(_)) => SourceError::Trimmed,
        Some(GetRecordsError::LimitExceededException(_)) => SourceError::Throttled(failed(error)),
        Some(GetRecordsError::ResourceNotFoundException(_)) => SourceError::NotFound(failed(error)),
        _ => other(error),
    }
}

fn other<E: ProvideErrorMetadata, R>(error: SdkError<E, R>) -> SourceError {
    let throttled = error
        .as_service_error()
        .and_then(ProvideErrorMetadata::code)
        .is_some_and(|code| THROTTLING_CODES.contains(&code));
    if throttled { SourceError::Throttled(failed(error)) } else { SourceError::Unavailable(failed(error)) }
}

fn failed<E: ProvideErrorMetadata, R>(error: SdkError<E, R>) -> Cause {
    CallFailed::from(error).into()
}

#[cfg(test)]
mod tests;
