//! From time to time: does the table have another stream by now, and does the stream have other shards?

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

use super::{
    lease::Lease,
    lease_store::{LeaseError, LeaseStore},
    shards::Lineage,
    shared::Shared,
    source::{Source, SourceError},
};

/// The least time between two surveys, however much there is to be found.
const LEAST_PAUSE: Duration = Duration::from_secs(5);

/// When the next survey is due.
#[derive(Debug)]
pub(super) struct Calendar {
    last: Option<Instant>,
    next: Instant,
    led: bool,
    finished: usize,
}

/// What a survey found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Surveyed {
    /// The stream is as it was but for so many new shards.
    Found(usize),
    /// The table has this stream by now.
    Replaced(String),
}

/// Why a survey was not finished.
#[derive(Debug, thiserror::Error)]
pub(super) enum SurveyError {
    #[error(transparent)]
    Source(#[from] SourceError),
    #[error(transparent)]
    Lease(#[from] LeaseError),
}

impl Calendar {
    /// A reader that has just asked for the stream: the first survey of one that does not lead is due after a pause.
    pub(super) fn new(now: Instant, pause: Duration) -> Self {
        Self { last: None, next: now + pause, led: false, finished: 0 }
    }

    /// Whether a survey is due; if so, notes it as begun. A new leader looks at once; a shard that has ended is looked
    /// after soon, because its children were listed in part or not at all.
    pub(super) fn is_due(&mut self, now: Instant, pause: Duration, leads: bool, lineage: &Lineage) -> bool {
        let began_to_lead = leads && !self.led;
        self.led = leads;
        let ends = leads && (lineage.has_childless_end() || lineage.finished() > self.finished);
        let rested = self.last.is_none_or(|last| now.saturating_duration_since(last) >= LEAST_PAUSE.min(pause));
        let due = now >= self.next || began_to_lead || (ends && rested);
        if due {
            self.last = Some(now);
            self.next = now + pause;
            self.finished = lineage.finished();
        }
        due
    }

    /// The last survey failed: the next one comes soon.
    pub(super) fn failed(&mut self, now: Instant) {
        self.next = self.next.min(now + LEAST_PAUSE);
    }
}

/// Asks for the table's stream. A leader also brings the rows in line with the shards that the stream lists, and
/// removes `outdated` ones, which belong to streams that the table has no more.
pub(super) async fn survey<S: Source, L: LeaseStore, H>(
    shared: Arc<Shared<S, L, H>>,
    stream: String,
    lineage: Lineage,
    leads: bool,
    outdated: Vec<Lease>,
) -> Result<Surveyed, SurveyError> {
    let current = shared.source.stream().await?;
    if current != stream {
        return Ok(Surveyed::Replaced(current));
    }
    if !leads {
        return Ok(Surveyed::Found(0));
    }
    let listed = shared.source.shards(&stream).await?;
    let mut found = 0;
    for lease in lineage.missing(&stream, &listed) {
        if shared.leases.create(&lease).await? {
            tracing::info!(shard = lease.shard, known_before = ?lease.position_at, "found a shard");
            found += 1;
        }
    }
    for lease in lineage.disposable(&listed).into_iter().chain(&outdated) {
        if shared.leases.delete(lease).await? {
            tracing::info!(shard = lease.shard, stream = lease.stream, "removed the lease of a shard that is gone");
        }
    }
    Ok(Surveyed::Found(found))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream::lease::Checkpoint;

    const PAUSE: Duration = Duration::from_mins(1);

    #[test]
    fn a_new_leader_surveys_at_once_and_then_at_its_pause() {
        let start = Instant::now();
        let mut calendar = Calendar::new(start, PAUSE);
        let lineage = Lineage::default();
        assert!(!calendar.is_due(start, PAUSE, false, &lineage));
        assert!(calendar.is_due(start, PAUSE, true, &lineage));
        assert!(!calendar.is_due(start + PAUSE / 2, PAUSE, true, &lineage));
        assert!(calendar.is_due(start + PAUSE, PAUSE, true, &lineage));
    }

    #[test]
    fn an_ended_shard_is_looked_after_soon_but_not_without_rest() {
        let start = Instant::now();
        let mut calendar = Calendar::new(start, PAUSE);
        let open = Lease::of_shard("arn", "a", vec![], None);
        assert!(calendar.is_due(start, PAUSE, true, &[open.clone()].into_iter().collect()));
        let ended: Lineage = [open.renewed(Checkpoint::End, None)].into_iter().collect();
        assert!(!calendar.is_due(start + LEAST_PAUSE / 2, PAUSE, true, &ended));
        assert!(calendar.is_due(start + LEAST_PAUSE, PAUSE, true, &ended));
        assert!(!calendar.is_due(start + LEAST_PAUSE, PAUSE, true, &ended));
        assert!(calendar.is_due(start + 2 * LEAST_PAUSE, PAUSE, true, &ended), "still without a child");
    }

    #[test]
    fn a_failure_is_made_good_soon() {
        let start = Instant::now();
        let mut calendar = Calendar::new(start, PAUSE);
        assert!(calendar.is_due(start + PAUSE, PAUSE, false, &Lineage::default()));
        calendar.failed(start + PAUSE);
        assert!(!calendar.is_due(start + PAUSE, PAUSE, false, &Lineage::default()));
        assert!(calendar.is_due(start + PAUSE + LEAST_PAUSE, PAUSE, false, &Lineage::default()));
    }
}
