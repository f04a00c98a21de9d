use std::collections::VecDeque;

use chrono::{DateTime, Utc};
use events::{chain::Hash, decider::Decider, stream::Version};
use serde::{Deserialize, Serialize};

use super::open::Commit;

/// How many of a stream's last idempotency keys are known: the window in which a repeat is recognised.
pub const IDEMPOTENCY_WINDOW: usize = 32;

/// One request that a commit answered, both parts as HMAC.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replay {
    /// Of the operation, the caller and the key that the client sent.
    pub key: String,
    /// Of the request.
    pub digest: String,
}

/// A stream's state with what is needed to append to it.
#[derive(Debug, Clone)]
pub struct Folded<S> {
    /// The decider's state.
    pub state: S,
    /// Number of the last commit in it.
    pub version: Version,
    /// Hash of the last commit.
    pub hash: Hash,
    /// When the last commit was recorded.
    pub recorded_at: Option<DateTime<Utc>>,
    /// The last requests that were answered by commits, oldest first, each with its commit.
    pub recent: VecDeque<(Version, Replay)>,
}

/// What some commits carry, so that a load need not read further back.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Carried<S> {
    pub(super) state: S,
    pub(super) recent: VecDeque<(Version, Replay)>,
}

impl<S: Default> Default for Folded<S> {
    fn default() -> Self {
        let recent = VecDeque::new();
        Self { state: S::default(), version: Version::NONE, hash: Hash::GENESIS, recorded_at: None, recent }
    }
}

impl<S> Folded<S> {
    /// When a commit that follows is recorded if it is made `now`: time never goes back within a stream.
    pub(super) fn recorded_at_after(&self, now: DateTime<Utc>) -> DateTime<Utc> {
        self.recorded_at.map_or(now, |last| last.max(now))
    }

    /// The state after one more commit, which must be the next one.
    pub(super) fn push<D: Decider<State = S>>(&mut self, commit: &Commit<D::Event>) {
        for event in &commit.events {
            D::evolve(&mut self.state, event);
        }
        self.version = commit.version;
        self.hash = commit.hash;
        self.recorded_at = Some(commit.recorded_at);
        if let Some(replay) = &commit.replay {
            self.remember(commit.version, replay.clone());
        }
    }

    pub(super) fn remember(&mut self, version: Version, replay: Replay) {
        if self.recent.len() == IDEMPOTENCY_WINDOW {
            self.recent.pop_front();
        }
        self.recent.push_back((version, replay));
    }
}
