//! An event with everything that is known about its recording.

use std::{fmt, str::FromStr};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    ids::{EventId, UserId},
    stream::{StreamId, Version},
    values::{Personal, Reason},
};

/// Who is recorded as the cause of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Actor {
    /// A signed-in user.
    User(UserId),
    /// The system itself: seeding, reactions, the dispatcher.
    System,
    /// The message provider, by a signed webhook.
    Telnyx,
}

/// A text that names no actor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an actor: expected user#uuid, system or telnyx")]
pub struct NotAnActor;

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(user) => write!(f, "user#{user}"),
            Self::System => f.write_str("system"),
            Self::Telnyx => f.write_str("telnyx"),
        }
    }
}

impl FromStr for Actor {
    type Err = NotAnActor;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "system" => Ok(Self::System),
            "telnyx" => Ok(Self::Telnyx),
            _ => text.strip_prefix("user#").and_then(|id| id.parse().ok()).map(Self::User).ok_or(NotAnActor),
        }
    }
}

impl TryFrom<String> for Actor {
    type Error = NotAnActor;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Actor> for String {
    fn from(actor: Actor) -> Self {
        actor.to_string()
    }
}

/// What is recorded beside the events of a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metadata {
    /// Who is recorded as the cause.
    pub actor: Actor,
    /// Why, in their own words.
    pub reason: Option<Personal<Reason>>,
    /// The whole trip that this is a part of.
    pub correlation_id: Uuid,
    /// The event that directly caused it.
    pub causation_id: Option<EventId>,
    /// W3C trace context of the request.
    pub traceparent: Option<String>,
}

/// One event of the log.
#[derive(Debug, Clone, PartialEq)]
pub struct Recorded<E> {
    /// The event's own id.
    pub event_id: EventId,
    /// Whose history it belongs to.
    pub stream: StreamId,
    /// The commit that it is a part of.
    pub version: Version,
    /// Its place in that commit, from 0.
    pub index: usize,
    /// When it was recorded; never goes back within a stream.
    pub recorded_at: DateTime<Utc>,
    /// What is recorded beside it.
    pub metadata: Metadata,
    /// What happened.
    pub event: E,
}
