use chrono::{DateTime, DurationRound, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    commit::{CommittedEvent, StoredCommit, timestamp},
    envelope::Actor,
    ids::EventId,
    stream::{StreamId, Version},
};

/// One event in the audit feed, as it lies in the log: personal fields sealed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AuditRow {
    /// The event with its id.
    #[serde(flatten)]
    pub event: CommittedEvent,
    /// Whose history.
    pub stream: StreamId,
    /// Its commit.
    pub version: Version,
    /// Its place in the commit.
    pub index: usize,
    /// When it was recorded.
    pub recorded_at: DateTime<Utc>,
    /// Who is recorded as the cause.
    pub actor: Actor,
    /// Why, sealed where the subject has a key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The whole trip.
    pub correlation_id: Uuid,
    /// The direct cause.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub causation_id: Option<EventId>,
    /// W3C trace context.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
}

/// Where a row of the feed lies: an hour's sixteenth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct AuditSlot {
    /// Beginning of the hour.
    pub hour: DateTime<Utc>,
    /// Which sixteenth.
    pub bucket: u8,
}

impl AuditSlot {
    /// Slots of an hour: a busy hour is no hot partition.
    pub const BUCKETS: u8 = 16;

    /// The hour in which `at` lies.
    pub fn hour_of(at: DateTime<Utc>) -> DateTime<Utc> {
        at.duration_trunc(TimeDelta::hours(1)).unwrap_or(at)
    }

    /// The slot's key, sortable by time.
    pub fn key(&self) -> String {
        format!("{}#{:02}", self.hour.format("%Y-%m-%dT%H"), self.bucket)
    }
}

impl AuditRow {
    /// The rows that a commit adds.
    ///
    /// # Errors
    /// When the commit's text is not a list of events.
    pub fn of(commit: &StoredCommit) -> Result<Vec<Self>, serde_json::Error> {
        let events: Vec<CommittedEvent> = serde_json::from_str(&commit.events)?;
        let rows = events.into_iter().enumerate().map(|(index, event)| Self {
            event,
            stream: commit.stream,
            version: commit.version,
            index,
            recorded_at: commit.recorded_at,
            actor: commit.actor,
            reason: commit.reason.clone(),
            correlation_id: commit.correlation_id,
            causation_id: commit.causation_id,
            traceparent: commit.traceparent.clone(),
        });
        Ok(rows.collect())
    }

    /// Where the row lies.
    pub fn slot(&self) -> AuditSlot {
        let bucket = self.event.event_id.0.as_bytes()[15] % AuditSlot::BUCKETS;
        AuditSlot { hour: AuditSlot::hour_of(self.recorded_at), bucket }
    }

    /// Its place in the slot: by time, then by event.
    pub fn position(&self) -> String {
        format!("{}#{}", timestamp(self.recorded_at), self.event.event_id)
    }
}
