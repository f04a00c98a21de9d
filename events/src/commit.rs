//! A commit as it is stored: the events of one command in one item.

use std::collections::BTreeMap;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::{
    chain::{self, Hash},
    envelope::Actor,
    event::StoredEvent,
    ids::EventId,
    stream::{StreamId, Version},
};

/// Most bytes of a commit's text of events, checked before the write.
pub const MAX_EVENTS_BYTES: usize = 64 * 1024;

/// Every commit whose version this divides also carries the folded state, so that a load never reads more.
pub const STATE_EVERY: u64 = 32;

/// Most bytes of a carried state; a larger one is left out.
pub const MAX_STATE_BYTES: usize = 128 * 1024;

/// One event in a commit's text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(from = "Flat")]
pub struct CommittedEvent {
    /// The event's id.
    pub event_id: EventId,
    /// Type, schema and data, personal fields sealed.
    #[serde(flatten)]
    pub event: StoredEvent,
}

/// The same for reading: serde holds everything of what it flattens twice.
#[derive(Deserialize)]
struct Flat {
    event_id: EventId,
    #[serde(rename = "type")]
    kind: String,
    schema: u32,
    data: Map<String, Value>,
}

impl From<Flat> for CommittedEvent {
    fn from(Flat { event_id, kind, schema, data }: Flat) -> Self {
        Self { event_id, event: StoredEvent { kind, schema, data } }
    }
}

/// The folded state that some commits carry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CarriedState {
    /// Number of the state's shape.
    pub schema: u32,
    /// The state, sealed where its subject has a key.
    pub sealed: String,
}

/// A commit in its stored form. Every attribute but the hash is covered by the hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredCommit {
    /// Whose history.
    pub stream: StreamId,
    /// Its place in it.
    pub version: Version,
    /// The events: a JSON array of [`CommittedEvent`], byte for byte as hashed.
    pub events: String,
    /// When it was recorded, in whole microseconds.
    pub recorded_at: DateTime<Utc>,
    /// Who is recorded as the cause.
    pub actor: Actor,
    /// Why, sealed where the subject has a key.
    pub reason: Option<String>,
    /// The whole trip.
    pub correlation_id: Uuid,
    /// The direct cause.
    pub causation_id: Option<EventId>,
    /// W3C trace context.
    pub traceparent: Option<String>,
    /// Idempotency key and request digest, both as HMAC, sealed where the subject has a key.
    pub idempotency: Option<String>,
    /// The folded state after this commit.
    pub state: Option<CarriedState>,
    /// SHA-256 over the predecessor's hash and every attribute above.
    pub hash: Hash,
}

impl StoredCommit {
    /// Every attribute but the hash, as text by name: what is hashed and what is stored.
    pub fn attributes(&self) -> BTreeMap<&'static str, String> {
        let mut all = BTreeMap::from([
            ("stream", self.stream.to_string()),
            ("version", self.version.to_string()),
            ("events", self.events.clone()),
            ("recorded_at", timestamp(self.recorded_at)),
            ("actor", self.actor.to_string()),
            ("correlation_id", self.correlation_id.to_string()),
        ]);
        let mut optional = |name, value: Option<String>| {
            if let Some(value) = value {
                all.insert(name, value);
            }
        };
        optional("reason", self.reason.clone());
        optional("causation_id", self.causation_id.map(|id| id.to_string()));
        optional("traceparent", self.traceparent.clone());
        optional("idempotency", self.idempotency.clone());
        optional("state", self.state.as_ref().map(|state| state.sealed.clone()));
        optional("state_schema", self.state.as_ref().map(|state| state.schema.to_string()));
        all
    }

    /// What the hash must be after a commit with `previous`.
    pub fn expected_hash(&self, previous: &Hash) -> Hash {
        chain::link(previous, &self.attributes())
    }
}

/// RFC 3339 in UTC with six digits of a second: sorts as text.
pub fn timestamp(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Micros, true)
}
