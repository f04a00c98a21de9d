use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use events::{
    claim::{Claim, GuardedSet},
    decider::Decider,
    envelope::{Metadata, Recorded},
    ids::EventId,
    stream::StreamId,
};

use super::{Folded, Replay};
use crate::clock::Clock;

/// A commit before it is written: the events as they will be recorded, and the state after them.
#[derive(Debug, Clone)]
pub struct Draft<D: Decider> {
    pub(super) stream: StreamId,
    pub(super) before: Folded<D::State>,
    pub(super) after: Folded<D::State>,
    pub(super) events: Vec<Recorded<D::Event>>,
    pub(super) recorded_at: DateTime<Utc>,
    pub(super) metadata: Metadata,
    pub(super) replay: Option<Replay>,
}

/// What a stream gains and what it loses of something that it holds.
#[derive(Debug)]
pub(super) struct Difference<T> {
    pub(super) gained: Vec<T>,
    pub(super) lost: Vec<T>,
}

impl<D: Decider> Draft<D> {
    /// The commit of one command's events, at least one, after `before`.
    pub fn new(
        clock: &Clock,
        stream: StreamId,
        before: &Folded<D::State>,
        events: Vec<D::Event>,
        metadata: &Metadata,
        replay: Option<Replay>,
    ) -> Self {
        let recorded_at = before.recorded_at_after(clock.now());
        let version = before.version.next();
        let record = |(index, event)| Recorded {
            event_id: EventId(clock.new_id()),
            stream,
            version,
            index,
            recorded_at,
            metadata: metadata.clone(),
            event,
        };
        let events: Vec<_> = events.into_iter().enumerate().map(record).collect();
        Self::of(stream, before.clone(), events, recorded_at, metadata.clone(), replay)
    }

    /// The same commit, recorded now: what was decided is as it was, and so are the ids of its events.
    pub(super) fn recorded_now(self, clock: &Clock) -> Self {
        let Self { stream, before, mut events, metadata, replay, .. } = self;
        let recorded_at = before.recorded_at_after(clock.now());
        for event in &mut events {
            event.recorded_at = recorded_at;
        }
        Self::of(stream, before, events, recorded_at, metadata, replay)
    }

    fn of(
        stream: StreamId,
        before: Folded<D::State>,
        events: Vec<Recorded<D::Event>>,
        recorded_at: DateTime<Utc>,
        metadata: Metadata,
        replay: Option<Replay>,
    ) -> Self {
        let mut after = before.clone();
        let version = before.version.next();
        after.version = version;
        after.recorded_at = Some(recorded_at);
        for event in &events {
            D::evolve(&mut after.state, event);
        }
        // Whoever repeats an erasure hears that it is done; a digest of anything of theirs is not kept.
        let replay = replay.filter(|_| !D::is_erased(&after.state));
        match &replay {
            Some(replay) => after.remember(version, replay.clone()),
            None if D::is_erased(&after.state) => after.recent.clear(),
            None => (),
        }
        Self { stream, before, after, events, recorded_at, metadata, replay }
    }

    /// The state before it.
    pub fn before(&self) -> &Folded<D::State> {
        &self.before
    }

    /// The state after it; its hash is known once it is written.
    pub fn after(&self) -> &Folded<D::State> {
        &self.after
    }

    /// The events.
    pub fn events(&self) -> &[Recorded<D::Event>] {
        &self.events
    }

    pub(super) fn erases(&self) -> bool {
        D::is_erased(&self.after.state) && !D::is_erased(&self.before.state)
    }

    pub(super) fn claims(&self) -> Difference<Claim> {
        Difference::between(&D::claims(&self.before.state), &D::claims(&self.after.state))
    }

    pub(super) fn memberships(&self) -> Difference<GuardedSet> {
        Difference::between(&D::memberships(&self.before.state), &D::memberships(&self.after.state))
    }
}

impl<T: Ord + Clone> Difference<T> {
    fn between(held: &BTreeSet<T>, wanted: &BTreeSet<T>) -> Self {
        Self { gained: wanted.difference(held).cloned().collect(), lost: held.difference(wanted).cloned().collect() }
    }
}

impl<T> Difference<T> {
    pub(super) fn is_nothing(&self) -> bool {
        self.gained.is_empty() && self.lost.is_empty()
    }
}
