//! What the stream's reader tells about itself.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use chrono::{DateTime, Utc};
use platform::telemetry::metrics::{RECORDS_APPLIED, STREAM_INCIDENTS};
use tokio::time::Instant;

/// Leases that were read longer ago than this count as unreadable: a few looks were missed.
const STALE: Duration = Duration::from_secs(5);

/// What is counted since the process began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tally {
    /// Records applied.
    Records,
    /// Records that were no insertion.
    Ignored,
    /// Times that records were gone before they were read.
    Trimmed,
    /// Shards that were gone before they were read to their end.
    Vanished,
    /// Times that the log was needed for what a stream does not have.
    CaughtUp,
    /// Iterators that were older than the stream accepts.
    Expired,
    /// Calls that were throttled.
    Throttled,
    /// Calls that failed for another reason.
    SourceFailures,
    /// Tries of the handler that failed.
    HandlerFailures,
    /// Leases taken.
    Taken,
    /// Leases lost to somebody else or to time.
    Lost,
}

impl Tally {
    /// As metrics name it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Records => "records",
            Self::Ignored => "ignored",
            Self::Trimmed => "trimmed",
            Self::Vanished => "vanished",
            Self::CaughtUp => "caught-up",
            Self::Expired => "expired",
            Self::Throttled => "throttled",
            Self::SourceFailures => "source-failures",
            Self::HandlerFailures => "handler-failures",
            Self::Taken => "taken",
            Self::Lost => "lost",
        }
    }
}

/// A reader's state, as of its last look at the leases.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// ARN of the stream.
    pub stream: Option<String>,
    /// Whether the lease table was read lately.
    pub leases_readable: bool,
    /// Shards that this process reads.
    pub held: usize,
    /// Whether this process lists the shards for all.
    pub leading: bool,
    /// Everything recorded up to then has been applied, by whichever process. `None`: unknown. See
    /// [`Lineage::complete_until`](super::shards::Lineage::complete_until) for its limit.
    pub complete_until: Option<DateTime<Utc>>,
    /// What was counted.
    pub tallies: BTreeMap<Tally, u64>,
}

impl Status {
    /// Ready: leases are readable and the lag is known. Not that any is held.
    pub fn is_ready(&self) -> bool {
        self.leases_readable && self.complete_until.is_some()
    }
}

/// Where the parts of a reader write what [`Status`] tells.
#[derive(Debug, Default)]
pub(super) struct Board(Mutex<Noted>);

#[derive(Debug, Default)]
struct Noted {
    seen: Seen,
    tallies: BTreeMap<Tally, u64>,
}

/// What a look at the lease table gave.
#[derive(Debug, Clone, Default)]
pub(super) struct Seen {
    pub(super) stream: Option<String>,
    pub(super) looked: Option<Instant>,
    pub(super) held: usize,
    pub(super) leading: bool,
    pub(super) complete_until: Option<DateTime<Utc>>,
}

impl Board {
    pub(super) fn count(&self, tally: Tally) {
        self.add(tally, 1);
    }

    pub(super) fn add(&self, tally: Tally, by: u64) {
        *self.lock().tallies.entry(tally).or_default() += by;
        match tally {
            Tally::Records => RECORDS_APPLIED.add(by, []),
            other => STREAM_INCIDENTS.add(by, [other.name().into()]),
        }
    }

    pub(super) fn see(&self, seen: Seen) {
        self.lock().seen = seen;
    }

    pub(super) fn status(&self, now: Instant) -> Status {
        let noted = self.lock();
        let seen = noted.seen.clone();
        Status {
            stream: seen.stream,
            leases_readable: seen.looked.is_some_and(|looked| now.saturating_duration_since(looked) < STALE),
            held: seen.held,
            leading: seen.leading,
            complete_until: seen.complete_until,
            tallies: noted.tallies.clone(),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Noted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
