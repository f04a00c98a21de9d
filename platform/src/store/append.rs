use std::{collections::HashMap, sync::Arc, time::Duration};

use aws_sdk_dynamodb::{
    error::SdkError,
    operation::put_item::PutItemError,
    types::{AttributeValue, ReturnValuesOnConditionCheckFailure, TransactWriteItem},
};
use events::{commit::StoredCommit, decider::Decider, envelope::Recorded, stream::Version};

use super::{
    AppendError, Draft, EventStore, Folded, StoreError,
    error::unavailable,
    item::{decode_item, encode},
    seal_commit::seal_commit,
    sealing::subject,
    transaction::{Beside, KeyRow},
};
use crate::{
    aws::{ATTEMPT_TIMEOUT, SentBefore},
    crypto::{Keyring, SealingKey, SubjectKey},
    telemetry::metrics::{APPEND_CONFLICTS, APPENDS},
};

/// Items of other tables that are written in the same transaction as a commit.
pub type Companions = Vec<TransactWriteItem>;

/// A draft that is older when it comes to its write is recorded anew: its subject's key may have been long in coming. What
/// is left of [`SENT_WITHIN`] is then enough for three tries.
const FRESH: Duration = Duration::from_secs(2);

/// The last try of a write is sent no later than this after the commit's `recorded_at`.
const SENT_WITHIN: Duration = Duration::from_secs(8);

/// How much later than its own `recorded_at` a commit may come into the log, by its writer's clock: its last try is sent
/// within `SENT_WITHIN`, and the connection of a try that is not answered in its time is closed.
pub const ON_ITS_WAY: Duration = SENT_WITHIN.saturating_add(ATTEMPT_TIMEOUT);

/// Nothing has this key yet.
pub(super) const NEW: &str = "attribute_not_exists(#key)";

impl EventStore {
    /// Writes a commit and returns the state after it with the events as recorded.
    ///
    /// One `PutItem`; a transaction only when a unique value, a guarded set, a key or a companion goes with it. It is in the
    /// log within [`ON_ITS_WAY`] of its `recorded_at`, or never.
    ///
    /// # Errors
    /// [`AppendError`]. After [`StoreError::Unavailable`] the outcome is unknown.
    pub async fn append<D: Decider>(
        &self,
        draft: Draft<D>,
        companions: Companions,
    ) -> Result<(Folded<D::State>, Vec<Recorded<D::Event>>), AppendError> {
        let subject = subject(draft.stream);
        let minted = match subject {
            Some(subject) if draft.after.version == Version(1) => {
                Some(self.keyring.mint(subject).map_err(StoreError::from)?)
            }
            _ => None,
        };
        let key = match &minted {
            Some(minted) => Some(Arc::clone(&minted.key)),
            None => self.live_key(&draft).await?,
        };
        let now = self.clock.now();
        let draft = if now > draft.recorded_at + FRESH { draft.recorded_now(&self.clock) } else { draft };
        let commit = seal_commit(&draft, key.as_deref())?;
        let erased = subject.filter(|_| draft.erases());
        let beside = Beside {
            key: match (&minted, erased) {
                (Some(minted), _) => Some(KeyRow::Minted(minted.item.clone())),
                (None, Some(subject)) => Some(KeyRow::Tombstone(Keyring::tombstone(subject, draft.recorded_at))),
                (None, None) => None,
            },
            claims: draft.claims(),
            sets: draft.memberships(),
            companions,
        };
        let written = if beside.is_nothing() { self.put(&commit).await } else { self.transact(&commit, beside).await };
        match &written {
            Ok(()) => APPENDS.add(1, [draft.stream.category.as_str().into()]),
            Err(AppendError::Conflict) => APPEND_CONFLICTS.add(1, [draft.stream.category.as_str().into()]),
            Err(_) => (),
        }
        written?;
        match (subject, minted, erased) {
            (Some(subject), Some(minted), _) => self.keyring.remember(subject, minted.key).await,
            (_, None, Some(subject)) => self.keyring.forget(subject).await,
            _ => (),
        }
        let Draft { mut after, events, .. } = draft;
        after.hash = commit.hash;
        Ok((after, events))
    }

    async fn live_key<D: Decider>(&self, draft: &Draft<D>) -> Result<Option<Arc<SealingKey>>, AppendError> {
        match self.subject_key(draft.stream, true).await? {
            None => Ok(None),
            Some(SubjectKey::Live(key)) => Ok(Some(key)),
            // The state from which the caller decided is older than the erasure.
            Some(SubjectKey::Erased) => Err(AppendError::Conflict),
        }
    }

    /// Of a commit's write: no try is sent when it is too late for it.
    pub(super) fn in_time(&self, commit: &StoredCommit) -> SentBefore {
        SentBefore { clock: self.clock.clone(), until: commit.recorded_at + SENT_WITHIN }
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
            .customize()
            .interceptor(self.in_time(commit))
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
}

/// The version is taken. If by this very commit, an earlier try of ours got through and only its answer was lost.
pub(super) fn own_or_conflict(
    commit: &StoredCommit,
    found: Option<&HashMap<String, AttributeValue>>,
) -> Result<(), AppendError> {
    match found.map(decode_item) {
        Some(Ok(found)) if found.hash == commit.hash => Ok(()),
        _ => Err(AppendError::Conflict),
    }
}
