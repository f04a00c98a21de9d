//! Where in a shard to read next, and what is known about it. Pure.

use std::collections::VecDeque;

use chrono::{DateTime, TimeDelta, Utc};

use super::{
    lease::{Checkpoint, Lease},
    source::From,
};

/// Empty pages in a row before a shard counts as read to its tip. AWS answers empty pages from the middle of a shard
/// as well, with no sign by which to tell them.
const EMPTY_PAGES_AT_TIP: u32 = 3;

/// The most empty pages that a shard which has just closed gives before its end shows. Until as many have followed, an
/// empty page at the tip tells nothing about now: what is recorded now may be recorded in a child. No number is published;
/// three polls late is still early for whoever watches the lag.
const EMPTY_PAGES_BEFORE_END: usize = 3;

/// A shard that was not begun yet is trusted to hold everything after a position no older than this. The stream keeps
/// records for 24 h, and reading a trimmed shard from its beginning raises no error.
const TRUSTED_AGE: TimeDelta = TimeDelta::hours(20);

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// Everything before the shard's records has to be applied from the log.
    CatchUp,
    /// Get an iterator.
    Open(From),
    /// Read with this iterator.
    Read(String),
    /// Find out whether the shard has children, which tells that it is closed.
    Probe,
    /// The shard was read to its end.
    End,
}

/// Whether an empty page tells that everything up to now was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tip {
    /// Not known; so many empty pages in a row.
    Unknown(u32),
    /// It does.
    Reached,
    /// It does not: the shard is closed, and what is recorded now is recorded in its children.
    Closed,
}

/// A reader's place in its shard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cursor {
    state: State,
    from: From,
    tip: Tip,
    position_at: Option<DateTime<Utc>>,
    /// When the last empty pages at the tip were read that do not count yet.
    idle: VecDeque<DateTime<Utc>>,
    /// Whether records were applied after the last empty page that counted.
    moved: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    Behind,
    Closed,
    Open(String),
    Ended,
}

impl Cursor {
    /// Begins where a lease says. `now` by the wall clock: an error of hours changes only whether the reader catches
    /// up without need.
    pub(super) fn new(lease: &Lease, now: DateTime<Utc>) -> Self {
        let unsure = lease.position_at.is_none_or(|at| now - at > TRUSTED_AGE);
        let (state, from) = match &lease.checkpoint {
            Checkpoint::Start if unsure => (State::Behind, From::Horizon),
            Checkpoint::Start => (State::Closed, From::Horizon),
            Checkpoint::After(sequence) => (State::Closed, From::After(sequence.clone())),
            Checkpoint::End => (State::Ended, From::Horizon),
        };
        Self { state, from, tip: Tip::Unknown(0), position_at: lease.position_at, idle: VecDeque::new(), moved: false }
    }

    /// What to do next.
    pub(super) fn step(&self) -> Step {
        match &self.state {
            State::Behind => Step::CatchUp,
            State::Closed => Step::Open(self.from.clone()),
            State::Open(_) if matches!(self.tip, Tip::Unknown(EMPTY_PAGES_AT_TIP..)) => Step::Probe,
            State::Open(iterator) => Step::Read(iterator.clone()),
            State::Ended => Step::End,
        }
    }

    /// An iterator was given.
    pub(super) fn opened(&mut self, iterator: String) {
        self.state = State::Open(iterator);
    }

    /// The iterator is of no use any more: a new one goes on after the last record that was read.
    pub(super) fn reopen(&mut self) {
        self.state = State::Closed;
        self.lose_tip();
    }

    /// Records are gone that were not read.
    pub(super) fn trimmed(&mut self) {
        self.state = State::Behind;
        self.lose_tip();
    }

    fn lose_tip(&mut self) {
        self.tip = Tip::Unknown(0);
        self.idle.clear();
    }

    /// Everything that was recorded before `began` has been applied from the log. If that took so long that the stream may
    /// have trimmed what was recorded since, it has to be done once more. `now` as for [`Cursor::new`].
    pub(super) fn caught_up(&mut self, began: DateTime<Utc>, now: DateTime<Utc>) {
        self.position_at = self.position_at.max(Some(began));
        if now - began <= TRUSTED_AGE {
            self.state = State::Closed;
            self.from = From::Horizon;
        }
    }

    /// The shard does not exist any more, and what it held has been applied from the log.
    pub(super) fn vanished(&mut self) {
        self.state = State::Ended;
    }

    /// A page was read and its records, if any, applied. `last`: sequence number and creation of its last record;
    /// `next`: the iterator to go on with, none at the end of the shard; `full`: whether more is likely to be waiting;
    /// `began`: when the read began, by the wall clock. Tells whether the lease is worth writing at once.
    pub(super) fn read(
        &mut self,
        last: Option<(String, DateTime<Utc>)>,
        next: Option<String>,
        full: bool,
        began: DateTime<Utc>,
    ) -> bool {
        let ended = next.is_none();
        self.state = next.map_or(State::Ended, State::Open);
        if let Some((sequence, created)) = last {
            self.from = From::After(sequence);
            self.position_at = self.position_at.max(Some(created));
            self.tip = match self.tip {
                Tip::Closed => Tip::Closed,
                Tip::Reached if !full => Tip::Reached,
                Tip::Reached | Tip::Unknown(_) => Tip::Unknown(0),
            };
            self.idle.clear();
            self.moved = true;
            return true;
        }
        match self.tip {
            // A closed shard tells nothing about now: what is recorded now is recorded in its children.
            Tip::Closed => false,
            _ if ended => false,
            Tip::Unknown(pages) => {
                self.tip = Tip::Unknown(pages.saturating_add(1));
                false
            }
            Tip::Reached => {
                self.idle.push_back(began);
                if self.idle.len() <= EMPTY_PAGES_BEFORE_END {
                    return false;
                }
                self.position_at = self.position_at.max(self.idle.pop_front());
                std::mem::take(&mut self.moved)
            }
        }
    }

    /// Whether the shard has children was found out.
    pub(super) fn probed(&mut self, has_children: bool) {
        self.tip = if has_children { Tip::Closed } else { Tip::Reached };
        self.moved = true;
    }

    /// Where a new iterator has to begin.
    pub(super) fn place(&self) -> From {
        self.from.clone()
    }

    /// As it is checkpointed. The end is written separately, after the children have their rows.
    pub(super) fn checkpoint(&self) -> Checkpoint {
        match &self.from {
            From::Horizon => Checkpoint::Start,
            From::After(sequence) => Checkpoint::After(sequence.clone()),
        }
    }

    /// Everything recorded in the shard up to then has been applied.
    pub(super) fn position_at(&self) -> Option<DateTime<Utc>> {
        self.position_at
    }
}

#[cfg(test)]
mod tests;
