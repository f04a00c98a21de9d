//! What the parts of a reader share.

use std::sync::{Arc, atomic::AtomicU64};

use platform::clock::Clock;
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
    pub(super) plan: Arc<AtomicU64>,
    pub(super) catch_up: CatchUp,
    pub(super) board: Board,
}

impl<S, L, H> Shared<S, L, H> {
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
