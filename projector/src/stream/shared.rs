//! What the parts of a reader share.

use std::sync::Arc;

use platform::clock::Clock;
use tokio::sync::watch;
use uuid::Uuid;

use super::{
    Config,
    catch_up::CatchUp,
    source::SourceError,
    status::{Board, Tally},
};

/// One process's means of reading.
#[derive(Debug)]
pub(super) struct Shared<S, L, H> {
    pub(super) source: S,
    pub(super) leases: Arc<L>,
    pub(super) handler: H,
    pub(super) clock: Clock,
    pub(super) config: Config,
    /// This process, in the leases' owner.
    pub(super) me: Uuid,
    /// Number of the handler's plan as of the last look.
    pub(super) plan: watch::Sender<u64>,
    pub(super) catch_up: CatchUp,
    pub(super) board: Board,
}

impl<S, L, H> Shared<S, L, H> {
    /// Takes note of the handler's plan, and tells the leases that are held when it is another.
    pub(super) fn state(&self, plan: u64) {
        self.plan.send_if_modified(|held| {
            let is_newer = plan > *held;
            *held = plan.max(*held);
            is_newer
        });
    }

    /// Counts and logs a call that failed.
    pub(super) fn note(&self, error: &SourceError) {
        self.board.count(match error {
            SourceError::Expired => Tally::Expired,
            SourceError::Trimmed => Tally::Trimmed,
            SourceError::Throttled(_) => Tally::Throttled,
            _ => Tally::SourceFailures,
        });
        tracing::warn!(error = error as &dyn std::error::Error, "a call to the stream failed");
    }
}
