use std::sync::Arc;

use aws_sdk_dynamodb::{
    error::SdkError,
    operation::{put_item::PutItemError, transact_write_items::TransactWriteItemsError},
    types::{AttributeValue, CancellationReason, Delete, Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem},
};
use events::{
    claim::{Claim, NORMALISER},
    commit::{CarriedState, CommittedEvent, MAX_EVENTS_BYTES, MAX_STATE_BYTES, STATE_EVERY, StoredCommit},
    decider::Decider,
    envelope::{Metadata, Recorded},
    event::EventData,
    ids::EventId,
    stream::{StreamId, Version},
};

use super::{
    AppendError, EventStore, Folded, Replay, StoreError,
    error::unavailable,
    folded::Carried,
    item::{decode_item, encode},
    sealing::{Place, subject},
};
use crate::crypto::{KeyError, MintedKey, SealingKey, SubjectKey};

/// Items of other tables that are written in the same transaction as a commit.
pub type Companions = Vec<TransactWriteItem>;

/// What is to be appended.
#[derive(Debug, Clone)]
pub struct Append<E> {
    /// The events of one command, at least one.
    pub events: Vec<E>,
    /// What is recorded beside them.
    pub metadata: Metadata,
    /// The request that they answer.
    pub replay: Option<Replay>,
    /// What is written along with them.
    pub companions: Companions,
}

/// What each action of a transaction is for, in its order.
enum Purpose {
    Commit,
    Key,
    Take(Claim),
    Release(Claim),
    Companion(usize),
}

const NEW: &str = "attribute_not_exists(#key)";
const OURS_OR_FREE: &str = "attribute_not_exists(#key) OR #owner = :owner";

impl EventStore {
    /// Appends one commit after `before` and returns the state after it with the events as recorded.
    ///
    /// One `PutItem`; a transaction only when a unique value, a key or a companion goes with it.
    ///
    /// # Errors
    /// [`AppendError`]. After [`StoreError::Unavailable`] the outcome is unknown.
    pub async fn append<D: Decider>(
        &self,
        stream: StreamId,
        before: &Folded<D::State>,
        append: Append<D::Event>,
    ) -> Result<(Folded<D::State>, Vec<Recorded<D::Event>>), AppendError> {
        let version = before.version.next();
        let minted = match subject(stream) {
            Some(subject) if version == Version(1) => Some(self.keyring.mint(subject).map_err(StoreError::from)?),
            _ => None,
        };
        let key = self.sealing_key(stream, minted.as_ref()).await?;
        let Append { events, metadata, replay, companions } = append;
        let events = self.record(stream, before, events, &metadata);
        let mut after = before.clone();
        after.version = version;
        after.recorded_at = events.first().map(|event| event.recorded_at);
        for event in &events {
            D::evolve(&mut after.state, event);
        }
        if let Some(replay) = &replay {
            after.remember(version, replay.clone());
        }
        let commit = seal_commit::<D>(before, &after, &events, replay.as_ref(), key.as_deref())?;
        after.hash = commit.hash;

        let (held, wanted) = (D::claims(&before.state), D::claims(&after.state));
        let taken: Vec<Claim> = wanted.difference(&held).cloned().collect();
        let released: Vec<Claim> = held.difference(&wanted).cloned().collect();
        if minted.is_none() && taken.is_empty() && released.is_empty() && companions.is_empty() {
            self.put(&commit).await?;
        } else {
            self.transact(&commit, minted.as_ref(), taken, released, companions).await?;
        }
        if let (Some(minted), Some(subject)) = (minted, subject(stream)) {
            self.keyring.remember(subject, minted.key).await;
        }
        Ok((after, events))
    }

    async fn sealing_key(
        &self,
        stream: StreamId,
        minted: Option<&MintedKey>,
    ) -> Result<Option<Arc<SealingKey>>, AppendError> {
        if let Some(minted) = minted {
            return Ok(Some(Arc::clone(&minted.key)));
        }
        match self.subject_key(stream, true).await {
            Ok(None) => Ok(None),
            Ok(Some(SubjectKey::Live(key))) => Ok(Some(key)),
            // The state from which the caller decided is older than the erasure.
            Ok(Some(SubjectKey::Erased)) => Err(AppendError::Conflict),
            Err(error) => Err(error.into()),
        }
    }

    fn record<E, S>(
        &self,
        stream: StreamId,
        before: &Folded<S>,
        events: Vec<E>,
        metadata: &Metadata,
    ) -> Vec<Recorded<E>> {
        let now = self.clock.now();
        let recorded_at = before.recorded_at.map_or(now, |last| last.max(now));
        let version = before.version.next();
        let record = |(index, event)| Recorded {
            event_id: EventId(self.clock.new_id()),
            stream,
            version,
            index,
            recorded_at,
            metadata: metadata.clone(),
            event,
        };
        events.into_iter().enumerate().map(record).collect()
    }

    async fn put(&self, commit: &StoredCommit) -> Result<(), AppendError> {
        let answer = self
            .client
            .put_item()
            .table_name(&self.events)
            .set_item(Some(encode(commit)))
            .condition_expression(NEW)
            .expression_attribute_names("#key", "stream")
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        match answer {
            Ok(_) => Ok(()),
            Err(SdkError::ServiceError(error)) if error.err().is_conditional_check_failed_exception() => {
                let PutItemError::ConditionalCheckFailedException(found) = error.into_err() else {
                    return Err(AppendError::Conflict);
                };
                own_or_conflict(commit, found.item())
            }
            Err(SdkError::ServiceError(error)) if error.err().is_transaction_conflict_exception() => {
                Err(AppendError::Conflict)
            }
            Err(error) => Err(unavailable(error).into()),
        }
    }

    async fn transact(
        &self,
        commit: &StoredCommit,
        minted: Option<&MintedKey>,
        taken: Vec<Claim>,
        released: Vec<Claim>,
        companions: Companions,
    ) -> Result<(), AppendError> {
        let build = |error| AppendError::Store(StoreError::Unavailable(Box::new(error)));
        let mut actions = vec![(Purpose::Commit, self.commit_action(commit).map_err(build)?)];
        if let Some(minted) = minted {
            let put = Put::builder().table_name(self.keyring.table()).set_item(Some(minted.item.clone()));
            let put = put.condition_expression(NEW).expression_attribute_names("#key", "subject");
            actions.push((Purpose::Key, put_action(put.build().map_err(build)?)));
        }
        for claim in taken {
            let action = self.take(&claim, commit).map_err(build)?;
            actions.push((Purpose::Take(claim), action));
        }
        for claim in released {
            let action = self.release(&claim, commit.stream).map_err(build)?;
            actions.push((Purpose::Release(claim), action));
        }
        actions.extend(companions.into_iter().enumerate().map(|(at, action)| (Purpose::Companion(at), action)));
        let (purposes, actions): (Vec<_>, Vec<_>) = actions.into_iter().unzip();

        match self.client.transact_write_items().set_transact_items(Some(actions)).send().await {
            Ok(_) => Ok(()),
            Err(SdkError::ServiceError(error)) if error.err().is_transaction_canceled_exception() => {
                match error.into_err() {
                    TransactWriteItemsError::TransactionCanceledException(cancelled) => {
                        explain(commit, purposes, cancelled.cancellation_reasons())
                    }
                    _ => Err(AppendError::Conflict),
                }
            }
            Err(error) => Err(unavailable(error).into()),
        }
    }

    fn commit_action(&self, commit: &StoredCommit) -> Result<TransactWriteItem, aws_sdk_dynamodb::error::BuildError> {
        Put::builder()
            .table_name(&self.events)
            .set_item(Some(encode(commit)))
            .condition_expression(NEW)
            .expression_attribute_names("#key", "stream")
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .build()
            .map(put_action)
    }

    fn take(
        &self,
        claim: &Claim,
        commit: &StoredCommit,
    ) -> Result<TransactWriteItem, aws_sdk_dynamodb::error::BuildError> {
        let owner = AttributeValue::S(commit.stream.to_string());
        Put::builder()
            .table_name(&self.claims)
            .item("claim", AttributeValue::S(self.claim_id(claim)))
            .item("owner", owner.clone())
            .item("version", AttributeValue::N(commit.version.to_string()))
            .condition_expression(OURS_OR_FREE)
            .expression_attribute_names("#key", "claim")
            .expression_attribute_names("#owner", "owner")
            .expression_attribute_values(":owner", owner)
            .build()
            .map(put_action)
    }

    fn release(
        &self,
        claim: &Claim,
        owner: StreamId,
    ) -> Result<TransactWriteItem, aws_sdk_dynamodb::error::BuildError> {
        let delete = Delete::builder()
            .table_name(&self.claims)
            .key("claim", AttributeValue::S(self.claim_id(claim)))
            .condition_expression(OURS_OR_FREE)
            .expression_attribute_names("#key", "claim")
            .expression_attribute_names("#owner", "owner")
            .expression_attribute_values(":owner", AttributeValue::S(owner.to_string()))
            .build()?;
        Ok(TransactWriteItem::builder().delete(delete).build())
    }

    /// Who holds a unique value; strongly consistent.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn owner_of(&self, claim: &Claim) -> Result<Option<StreamId>, StoreError> {
        let answer = self
            .client
            .get_item()
            .table_name(&self.claims)
            .key("claim", AttributeValue::S(self.claim_id(claim)))
            .consistent_read(true)
            .send()
            .await
            .map_err(unavailable)?;
        let owner = answer.item.as_ref().and_then(|item| item.get("owner")).and_then(|owner| owner.as_s().ok());
        Ok(owner.and_then(|owner| owner.parse().ok()))
    }

    /// Kind, number of the rules and HMAC: the value itself is never stored.
    fn claim_id(&self, claim: &Claim) -> String {
        let kind = claim.kind.as_str();
        format!("{kind}#{NORMALISER}#{}", self.claim_key.tag(&[kind.as_bytes(), claim.value().as_bytes()]))
    }
}

fn put_action(put: Put) -> TransactWriteItem {
    TransactWriteItem::builder().put(put).build()
}

/// The version is taken. If by this very commit, an earlier try of ours got through and only its answer was lost.
fn own_or_conflict(
    commit: &StoredCommit,
    found: Option<&std::collections::HashMap<String, AttributeValue>>,
) -> Result<(), AppendError> {
    match found.map(decode_item) {
        Some(Ok(found)) if found.hash == commit.hash => Ok(()),
        _ => Err(AppendError::Conflict),
    }
}

/// The commit's own reason comes first: a repeat also collides with its own claims.
fn explain(commit: &StoredCommit, purposes: Vec<Purpose>, reasons: &[CancellationReason]) -> Result<(), AppendError> {
    let code = |reason: &CancellationReason| reason.code().unwrap_or("None").to_owned();
    for (purpose, reason) in purposes.into_iter().zip(reasons) {
        if code(reason) != "ConditionalCheckFailed" {
            continue;
        }
        return match purpose {
            Purpose::Commit => own_or_conflict(commit, reason.item()),
            Purpose::Key => Err(AppendError::Conflict),
            Purpose::Take(claim) => Err(AppendError::ClaimTaken(claim)),
            Purpose::Release(claim) => {
                tracing::error!(stream = %commit.stream, kind = claim.kind.as_str(), "a claim that {} held belongs to another stream", commit.stream);
                Err(AppendError::Conflict)
            }
            Purpose::Companion(at) => Err(AppendError::CompanionRefused(at)),
        };
    }
    if reasons.iter().any(|reason| code(reason) == "TransactionConflict") {
        return Err(AppendError::Conflict);
    }
    let codes: Vec<String> = reasons.iter().map(code).collect();
    Err(StoreError::Unavailable(format!("transaction cancelled: {codes:?}").into()).into())
}

fn seal_commit<D: Decider>(
    before: &Folded<D::State>,
    after: &Folded<D::State>,
    events: &[Recorded<D::Event>],
    replay: Option<&Replay>,
    key: Option<&SealingKey>,
) -> Result<StoredCommit, AppendError> {
    let Some(first) = events.first() else {
        return Err(AppendError::Conflict);
    };
    let place = Place { stream: first.stream, version: first.version };
    let randomness = |error| StoreError::Key(KeyError::Randomness(error));
    let mut committed = Vec::with_capacity(events.len());
    for event in events {
        let mut stored = event.event.to_stored();
        place.seal_event(key, event.index, event.event.event_type(), &mut stored).map_err(randomness)?;
        committed.push(CommittedEvent { event_id: event.event_id, event: stored });
    }
    let text = to_json(&committed)?;
    if text.len() > MAX_EVENTS_BYTES {
        return Err(AppendError::TooLarge { bytes: text.len() });
    }
    let seal = |field: &str, text: String| place.seal(key, field, text).map_err(randomness);
    let reason = first.metadata.reason.as_ref().and_then(|reason| reason.known());
    let reason = reason.map(|reason| seal("reason", reason.as_str().to_owned())).transpose()?;
    let idempotency = replay.map(|replay| seal("idempotency", to_json(replay)?)).transpose()?;
    let mut commit = StoredCommit {
        stream: first.stream,
        version: first.version,
        events: text,
        recorded_at: first.recorded_at,
        actor: first.metadata.actor,
        reason,
        correlation_id: first.metadata.correlation_id,
        causation_id: first.metadata.causation_id,
        traceparent: first.metadata.traceparent.clone(),
        idempotency,
        state: None,
        hash: before.hash,
    };
    if first.version.0.is_multiple_of(STATE_EVERY) {
        let carried = to_json(&Carried { state: &after.state, recent: after.recent.clone() })?;
        let sealed = seal("state", carried)?;
        commit.state = (sealed.len() <= MAX_STATE_BYTES).then_some(CarriedState { schema: D::STATE_SCHEMA, sealed });
    }
    commit.hash = commit.expected_hash(&before.hash);
    Ok(commit)
}

fn to_json(value: &impl serde::Serialize) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|error| StoreError::Unavailable(Box::new(error)))
}
