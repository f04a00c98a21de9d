use aws_sdk_dynamodb::error::{BuildError, ProvideErrorMetadata, SdkError};
use events::{
    claim::{Claim, GuardedSet},
    event::Unreadable,
    stream::{StreamId, Version},
};

use super::item::Undecodable;
use crate::{aws::CallFailed, crypto::KeyError};

/// Why the log cannot be read. None of these is ever answered by pretending that the log ended.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The table does not answer, or not in time. For a write the outcome is unknown.
    #[error("the event log does not answer: {0}")]
    Unavailable(CallFailed),
    /// A table refuses a request for what it holds, and would do so each time. Nothing was written.
    #[error("a table can never take this: {0}")]
    Rejected(CallFailed),
    /// The table took only a part of a batch: it is asked for more than it is provisioned for.
    #[error("the table left {left} of a batch undone")]
    Throttled {
        /// How many writes.
        left: usize,
    },
    /// A request to the table lacks a part: a fault of ours.
    #[error("a request is not complete")]
    Incomplete(#[from] BuildError),
    /// A row is not of the shape that this build writes. Which value is wrong is not told: it could be personal.
    #[error("a row of table {table} is malformed")]
    BadRow {
        /// The table.
        table: String,
    },
    /// A write was refused for a condition that it does not have.
    #[error("a write without conditions was refused")]
    Refused(#[source] Box<AppendError>),
    /// A subject's key cannot be had.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// An item is not a commit as we write it.
    #[error("an item of {stream} at {version} cannot be decoded")]
    Undecodable {
        /// Whose history.
        stream: String,
        /// Which commit.
        version: String,
        /// What is wrong with it.
        #[source]
        source: Undecodable,
    },
    /// An event is of a shape that this build does not know.
    #[error("{stream} at {version} has an event that this build cannot read")]
    Unreadable {
        /// Whose history.
        stream: StreamId,
        /// Which commit.
        version: Version,
        /// Which event.
        #[source]
        source: Unreadable,
    },
    /// A sealed text does not open although its subject has a key.
    #[error("{stream} at {version} has a sealed text that does not open")]
    Unopenable {
        /// Whose history.
        stream: StreamId,
        /// Which commit.
        version: Version,
    },
    /// A stream begins with something else than its creation.
    #[error("{stream} does not begin with its creation")]
    Rootless {
        /// Whose history.
        stream: StreamId,
    },
    /// The log has a hole: a commit is missing between two that are there.
    #[error("{stream} has no commit {version}")]
    Hole {
        /// Whose history.
        stream: StreamId,
        /// The missing commit.
        version: Version,
    },
}

impl StoreError {
    /// Whether trying again later can help. It then says nothing about what lies in the log.
    pub fn is_outage(&self) -> bool {
        matches!(
            self,
            Self::Unavailable(_)
                | Self::Throttled { .. }
                | Self::Key(KeyError::Unavailable(_) | KeyError::Randomness(_))
        )
    }
}

/// Why a commit was not appended.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// The version is taken, or the same items were written at the same time: load and decide again.
    #[error("another commit came first")]
    Conflict,
    /// Somebody else holds a unique value.
    #[error("a unique value is taken")]
    ClaimTaken(Claim),
    /// The stream is the last member of a set that must not become empty.
    #[error("the last member of a guarded set cannot leave it")]
    LastMember(GuardedSet),
    /// A condition that the caller put beside the commit does not hold; its place among the companions.
    #[error("a companion's condition does not hold")]
    CompanionRefused(usize),
    /// The events are larger than a commit may be.
    #[error("the events have {bytes} bytes, more than {}", events::commit::MAX_EVENTS_BYTES)]
    TooLarge {
        /// Their size.
        bytes: usize,
    },
    /// The log could not be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<CallFailed> for StoreError {
    fn from(failed: CallFailed) -> Self {
        if failed.is_for_ever() { Self::Rejected(failed) } else { Self::Unavailable(failed) }
    }
}

/// What is said of a call that failed: see [`CallFailed`].
pub fn unavailable<E: ProvideErrorMetadata, R>(error: SdkError<E, R>) -> StoreError {
    CallFailed::from(error).into()
}

/// What is said of a row that cannot be read or written: which table, and nothing of the cause, which may quote it.
pub fn bad_row<E>(table: &str) -> impl Fn(E) -> StoreError + '_ {
    move |_| StoreError::BadRow { table: table.to_owned() }
}
