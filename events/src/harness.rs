//! Given events, when a command comes, then these events (or this refusal) follow.

use std::fmt::Debug;

use chrono::DateTime;

use crate::{
    decider::Decider,
    envelope::{Actor, Metadata, Recorded},
    ids::{EventId, derive},
    stream::{StreamId, Version},
};

/// Wraps events as if each had been a commit of its own, one second apart.
pub fn recorded<E>(stream: StreamId, events: impl IntoIterator<Item = E>) -> Vec<Recorded<E>> {
    let commits = events.into_iter().zip(1_u64..);
    commits
        .map(|(event, version)| Recorded {
            event_id: EventId(derive(&["test event", &stream.to_string(), &version.to_string()])),
            stream,
            version: Version(version),
            index: 0,
            recorded_at: DateTime::UNIX_EPOCH + chrono::TimeDelta::seconds(i64::try_from(version).unwrap_or(i64::MAX)),
            metadata: Metadata {
                actor: Actor::System,
                reason: None,
                correlation_id: derive(&["test correlation"]),
                causation_id: None,
                traceparent: None,
            },
            event,
        })
        .collect()
}

/// The state after a list of events.
pub fn fold<D: Decider>(events: impl IntoIterator<Item = D::Event>) -> D::State {
    let stream = StreamId { category: D::CATEGORY, id: derive(&["test stream"]) };
    let mut state = D::State::default();
    recorded(stream, events).iter().for_each(|event| D::evolve(&mut state, event));
    state
}

/// A history to which a command is put.
#[derive(Debug)]
pub struct Given<D: Decider>(Vec<D::Event>);

/// Starts a test with a history.
pub fn given<D: Decider>(events: impl IntoIterator<Item = D::Event>) -> Given<D> {
    Given(events.into_iter().collect())
}

impl<D: Decider> Given<D> {
    /// Puts the command.
    pub fn when(self, command: D::Command) -> Outcome<D> {
        Outcome(D::decide(&fold::<D>(self.0), command))
    }
}

/// What came of a command.
#[derive(Debug)]
pub struct Outcome<D: Decider>(Result<Vec<D::Event>, D::Refusal>);

impl<D: Decider> Outcome<D> {
    /// # Panics
    /// When the command was refused or led to other events.
    #[track_caller]
    pub fn then(self, expected: impl IntoIterator<Item = D::Event>) {
        match self.0 {
            Ok(events) => assert_eq!(events, expected.into_iter().collect::<Vec<_>>()),
            Err(refusal) => panic!("refused: {refusal}"),
        }
    }

    /// # Panics
    /// When the command led to events.
    #[track_caller]
    pub fn then_nothing(self) {
        self.then([]);
    }

    /// # Panics
    /// When the command was accepted or refused for another reason.
    #[track_caller]
    pub fn then_refused(self, expected: &D::Refusal)
    where
        D::Refusal: PartialEq + Debug,
    {
        match self.0 {
            Ok(events) => panic!("accepted: {events:?}"),
            Err(refusal) => assert_eq!(&refusal, expected),
        }
    }
}
