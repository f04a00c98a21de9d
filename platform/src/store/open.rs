//! Commits as they lie in the log, opened: their events parsed, of today's shape, and their sealed fields readable.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use events::{
    chain::Hash,
    commit::{CarriedState, CommittedEvent, StoredCommit},
    decider::Decider,
    envelope::{Metadata, Recorded},
    event::EventData,
    stream::{StreamId, Version},
    values::{Personal, Reason},
};

use super::{
    EventStore, Folded, Replay, StoreError,
    folded::Carried,
    item::Undecodable,
    sealing::{Place, subject},
};
use crate::crypto::SubjectKey;

/// A commit with its events open.
#[derive(Debug, Clone)]
pub struct Commit<E> {
    /// Whose history.
    pub stream: StreamId,
    /// Its place in it.
    pub version: Version,
    /// When it was recorded.
    pub recorded_at: DateTime<Utc>,
    /// Its hash.
    pub hash: Hash,
    /// Its events, in order.
    pub events: Vec<Recorded<E>>,
    /// The request that it answered; unknown for an erased subject.
    pub replay: Option<Replay>,
}

/// Opens commits of one stream, for whose subject it has the key.
#[derive(Debug)]
pub struct Opener(Option<SubjectKey>);

impl Opener {
    /// The events of a commit of the stream, in order.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn events<E: EventData>(&self, stored: &StoredCommit) -> Result<Vec<Recorded<E>>, StoreError> {
        events(stored, self.0.as_ref())
    }
}

impl EventStore {
    /// What opens the commits of a stream that come by another way than from the log, such as by the table's stream.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn opener(&self, stream: StreamId) -> Result<Opener, StoreError> {
        self.subject_key(stream, true).await.map(Opener)
    }

    /// As [`EventStore::opener`] for many streams, none of which is named twice, in few requests. What is not there for one
    /// of them is left out; [`EventStore::opener`] says why.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn openers(
        &self,
        streams: impl IntoIterator<Item = StreamId>,
    ) -> Result<HashMap<StreamId, Opener>, StoreError> {
        let (sealed, plain): (Vec<_>, Vec<_>) = streams.into_iter().partition(|stream| subject(*stream).is_some());
        let keys = self.keyring.load_many(sealed.into_iter().filter_map(subject)).await?;
        let opened = keys.into_iter().map(|(stream, key)| (stream, Opener(Some(key))));
        Ok(opened.chain(plain.into_iter().map(|stream| (stream, Opener(None)))).collect())
    }

    /// Opens one event of the audit feed: its sealed fields and its reason.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn open_audit(&self, row: &mut events::views::AuditRow) -> Result<Option<Personal<Reason>>, StoreError> {
        let key = match subject(row.stream) {
            Some(subject) => Some(self.keyring.load_recent(subject).await?),
            None => None,
        };
        let place = Place { stream: row.stream, version: row.version };
        let unopenable = |_| StoreError::Unopenable { stream: row.stream, version: row.version };
        place.open_event(key.as_ref(), row.index, &mut row.event.event).map_err(unopenable)?;
        row.reason.as_deref().map(|reason| open_reason(place, key.as_ref(), reason)).transpose()
    }

    pub(super) async fn subject_key(&self, stream: StreamId, exists: bool) -> Result<Option<SubjectKey>, StoreError> {
        match subject(stream) {
            Some(subject) if exists => Ok(Some(self.keyring.load(subject).await?)),
            _ => Ok(None),
        }
    }
}

/// A carried state is used only if it is of today's shape and opens; otherwise the events tell.
pub(super) fn carried<D: Decider>(
    commit: &StoredCommit,
    state: &CarriedState,
    key: Option<&SubjectKey>,
) -> Option<Folded<D::State>> {
    if state.schema != D::STATE_SCHEMA {
        return None;
    }
    let place = Place { stream: commit.stream, version: commit.version };
    let text = place.open(key, "state", &state.sealed).ok()??;
    let Carried { state, recent } = serde_json::from_str(&text).ok()?;
    Some(Folded { state, version: commit.version, hash: commit.hash, recorded_at: Some(commit.recorded_at), recent })
}

pub(super) fn open<E: EventData>(stored: &StoredCommit, key: Option<&SubjectKey>) -> Result<Commit<E>, StoreError> {
    let StoredCommit { stream, version, recorded_at, hash, .. } = *stored;
    let events = events(stored, key)?;
    let replay = match &stored.idempotency {
        Some(sealed) => Place { stream, version }
            .open(key, "idempotency", sealed)
            .map_err(|_| StoreError::Unopenable { stream, version })?,
        None => None,
    };
    let replay = replay.and_then(|text| serde_json::from_str(&text).ok());
    Ok(Commit { stream, version, recorded_at, hash, events, replay })
}

fn events<E: EventData>(stored: &StoredCommit, key: Option<&SubjectKey>) -> Result<Vec<Recorded<E>>, StoreError> {
    let StoredCommit { stream, version, recorded_at, .. } = *stored;
    let place = Place { stream, version };
    let committed: Vec<CommittedEvent> = serde_json::from_str(&stored.events).map_err(|_| StoreError::Undecodable {
        stream: stream.to_string(),
        version: version.to_string(),
        source: Undecodable::Malformed("events"),
    })?;
    let metadata = Metadata {
        actor: stored.actor,
        reason: stored.reason.as_deref().map(|reason| open_reason(place, key, reason)).transpose()?,
        correlation_id: stored.correlation_id,
        causation_id: stored.causation_id,
        traceparent: stored.traceparent.clone(),
    };
    let mut events = Vec::with_capacity(committed.len());
    for (index, CommittedEvent { event_id, mut event }) in committed.into_iter().enumerate() {
        let unopenable = |_| StoreError::Unopenable { stream, version };
        place.open_event(key, index, &mut event).map_err(unopenable)?;
        let event = E::from_stored(event).map_err(|source| StoreError::Unreadable { stream, version, source })?;
        let metadata = metadata.clone();
        events.push(Recorded { event_id, stream, version, index, recorded_at, metadata, event });
    }
    Ok(events)
}

fn open_reason(place: Place, key: Option<&SubjectKey>, reason: &str) -> Result<Personal<Reason>, StoreError> {
    let unopenable = StoreError::Unopenable { stream: place.stream, version: place.version };
    match place.open(key, "reason", reason) {
        Ok(None) => Ok(Personal::Erased),
        Ok(Some(text)) => Reason::parse(&text).map(Personal::Known).map_err(|_| unopenable),
        Err(_) => Err(unopenable),
    }
}
