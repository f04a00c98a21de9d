use events::{
    commit::{CarriedState, CommittedEvent, MAX_EVENTS_BYTES, MAX_STATE_BYTES, STATE_EVERY, StoredCommit},
    decider::Decider,
    event::EventData,
};

use super::{
    AppendError, Draft, StoreError,
    error::bad_row,
    folded::Carried,
    sealing::{Place, Seal},
};
use crate::{
    crypto::{KeyError, SealingKey},
    tables::EVENTS,
};

/// The stored form of a commit: personal fields sealed, the state carried where it is due, the hash over all of it.
///
/// What the commit that erases a subject says beside its events is in the open, and it always carries the state: after
/// it nobody can seal, and nothing personal is left.
pub(super) fn seal_commit<D: Decider>(draft: &Draft<D>, key: Option<&SealingKey>) -> Result<StoredCommit, AppendError> {
    let version = draft.after.version;
    let place = Place { stream: draft.stream, version };
    let randomness = |error| StoreError::Key(KeyError::Randomness(error));
    let mut committed = Vec::with_capacity(draft.events.len());
    for event in &draft.events {
        let mut stored = event.event.to_stored();
        place.seal_event(key, event.index, event.event.event_type(), &mut stored).map_err(randomness)?;
        committed.push(CommittedEvent { event_id: event.event_id, event: stored });
    }
    let text = to_json(&committed)?;
    if text.len() > MAX_EVENTS_BYTES {
        return Err(AppendError::TooLarge { bytes: text.len() });
    }
    let how = match key {
        Some(_) if draft.erases() => Seal::Open,
        Some(key) => Seal::Key(key),
        None => Seal::Plain,
    };
    let seal = |field: &str, text: String| place.seal(how, field, text).map_err(randomness);
    let metadata = &draft.metadata;
    let reason = metadata.reason.as_ref().and_then(|reason| reason.known());
    let mut commit = StoredCommit {
        stream: draft.stream,
        version,
        events: text,
        recorded_at: draft.recorded_at,
        actor: metadata.actor,
        reason: reason.map(|reason| seal("reason", reason.as_str().to_owned())).transpose()?,
        correlation_id: metadata.correlation_id,
        causation_id: metadata.causation_id,
        traceparent: metadata.traceparent.clone(),
        idempotency: draft.replay.as_ref().map(|replay| seal("idempotency", to_json(replay)?)).transpose()?,
        state: None,
        hash: draft.before.hash,
    };
    if version.0.is_multiple_of(STATE_EVERY) || draft.erases() {
        let carried = to_json(&Carried { state: &draft.after.state, recent: draft.after.recent.clone() })?;
        let sealed = seal("state", carried)?;
        commit.state = (sealed.len() <= MAX_STATE_BYTES).then_some(CarriedState { schema: D::STATE_SCHEMA, sealed });
    }
    commit.hash = commit.expected_hash(&draft.before.hash);
    Ok(commit)
}

fn to_json(value: &impl serde::Serialize) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(bad_row(EVENTS.name))
}
