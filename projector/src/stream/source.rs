//! What is asked of the stream.

use std::error::Error;

use chrono::{DateTime, Utc};

use super::{Record, shards::Shard};

pub(super) type Cause = Box<dyn Error + Send + Sync>;

/// Where an iterator begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum From {
    /// At the oldest record that is left.
    Horizon,
    /// Behind the record with this sequence number.
    After(String),
}

/// What one read of a shard gave.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Page {
    /// The commits that were put, in their order in the shard.
    pub records: Vec<Record>,
    /// Records of other changes, which nobody makes to the log: not in `records`.
    pub ignored: u64,
    /// Sequence number and creation of the last record of any kind; `None` on an empty page.
    pub last: Option<(String, DateTime<Utc>)>,
    /// The iterator to go on with. `None`: the shard is closed and this was its end.
    pub next: Option<String>,
    /// Whether the page ended because nothing more fitted in.
    pub full: bool,
}

/// A stream, or what plays one.
pub trait Source: Send + Sync + 'static {
    /// ARN of the stream that the log's table has now. A table whose stream was switched off and on has another.
    fn stream(&self) -> impl Future<Output = Result<String, SourceError>> + Send;

    /// Every shard that the stream lists.
    fn shards(&self, stream: &str) -> impl Future<Output = Result<Vec<Shard>, SourceError>> + Send;

    /// The shards that go on from `parent`. None may mean that it is open, or that they are not listed yet.
    fn children(&self, stream: &str, parent: &str) -> impl Future<Output = Result<Vec<Shard>, SourceError>> + Send;

    /// An iterator for a shard.
    fn iterator(
        &self,
        stream: &str,
        shard: &str,
        from: &From,
    ) -> impl Future<Output = Result<String, SourceError>> + Send;

    /// The next page of at most 1,000 records.
    fn records(&self, iterator: &str) -> impl Future<Output = Result<Page, SourceError>> + Send;
}

/// Why the stream gave nothing.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The iterator is older than 15 minutes.
    #[error("the iterator has expired")]
    Expired,
    /// The place is behind the stream's horizon: records are gone that were not read.
    #[error("records were trimmed before they were read")]
    Trimmed,
    /// Too many calls.
    #[error("the stream throttles: {0}")]
    Throttled(Cause),
    /// No such table, stream or shard.
    #[error("the table, stream or shard does not exist: {0}")]
    NotFound(Cause),
    /// The log's table has no stream.
    #[error("the log's table has no stream")]
    NoStream,
    /// No answer, or an error inside AWS.
    #[error("the stream does not answer: {0}")]
    Unavailable(Cause),
    /// An answer without something that has to be there, such as the new image when the stream has another view type.
    #[error("the stream's answer lacks {0}")]
    Incomplete(&'static str),
}

impl SourceError {
    /// Whether the same call can succeed later with nothing else done about it.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Throttled(_) | Self::Unavailable(_) | Self::Incomplete(_))
    }
}
