//! A commit together with what must become true at the same moment.

use std::{collections::HashMap, time::Duration};

use aws_sdk_dynamodb::{
    error::{BuildError, SdkError},
    operation::transact_write_items::TransactWriteItemsError,
    types::{AttributeValue, CancellationReason, Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem},
};
use backon::{ExponentialBuilder, Retryable};
use events::{
    claim::{Claim, GuardedSet},
    commit::StoredCommit,
};

use super::{
    AppendError, EventStore, StoreError,
    append::{Companions, NEW, own_or_conflict},
    draft::Difference,
    error::unavailable,
    item::encode,
};
use crate::{aws::CallFailed, crypto::ERASED_AT};

/// Reasons for which an action of a transaction is refused that go away by themselves.
const THROTTLED: [&str; 2] = ["ProvisionedThroughputExceeded", "ThrottlingError"];

/// How often a transaction is tried again that was cancelled for lack of capacity, unless it gets too late for its commit.
const RETRIES: usize = 5;

/// The first pause before it, doubled each time.
const FIRST_PAUSE: Duration = Duration::from_millis(50);

/// The longest pause before it.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// What is written along with a commit.
#[derive(Debug)]
pub(super) struct Beside {
    /// The row of a new subject's key, or the tombstone of an erased one.
    pub(super) key: Option<KeyRow>,
    pub(super) claims: Difference<Claim>,
    pub(super) sets: Difference<GuardedSet>,
    pub(super) companions: Companions,
}

/// A row of table `keys`.
#[derive(Debug)]
pub(super) enum KeyRow {
    Minted(HashMap<String, AttributeValue>),
    Tombstone(HashMap<String, AttributeValue>),
}

/// What each action of a transaction is for, in its order.
enum Purpose {
    Commit,
    Key,
    Take(Claim),
    Release(Claim),
    Join,
    Leave(GuardedSet),
    Companion(usize),
}

impl Beside {
    pub(super) fn is_nothing(&self) -> bool {
        self.key.is_none() && self.claims.is_nothing() && self.sets.is_nothing() && self.companions.is_empty()
    }
}

impl EventStore {
    pub(super) async fn transact(&self, commit: &StoredCommit, beside: Beside) -> Result<(), AppendError> {
        let actions = self.actions(commit, beside).map_err(StoreError::from)?;
        let (purposes, actions): (Vec<_>, Vec<_>) = actions.into_iter().unzip();
        let send = || {
            let write = self.client.transact_write_items().set_transact_items(Some(actions.clone()));
            write.customize().interceptor(self.in_time(commit)).send()
        };
        let pauses = ExponentialBuilder::default()
            .with_min_delay(FIRST_PAUSE)
            .with_max_delay(LONGEST_PAUSE)
            .with_max_times(RETRIES)
            .with_jitter();
        match send.retry(pauses).when(is_throttled).await {
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

    fn actions(&self, commit: &StoredCommit, beside: Beside) -> Result<Vec<(Purpose, TransactWriteItem)>, BuildError> {
        let (stream, version) = (commit.stream, commit.version);
        let mut actions = vec![(Purpose::Commit, self.commit_action(commit)?)];
        if let Some(row) = beside.key {
            actions.push((Purpose::Key, self.key_action(row)?));
        }
        for claim in beside.claims.gained {
            let action = self.take(&claim, stream, version)?;
            actions.push((Purpose::Take(claim), action));
        }
        for claim in beside.claims.lost {
            let action = self.release(&claim, stream)?;
            actions.push((Purpose::Release(claim), action));
        }
        for set in beside.sets.gained {
            actions.push((Purpose::Join, self.join(set, stream)?));
        }
        for set in beside.sets.lost {
            actions.push((Purpose::Leave(set), self.leave(set, stream)?));
        }
        let companions = beside.companions.into_iter().enumerate();
        actions.extend(companions.map(|(at, action)| (Purpose::Companion(at), action)));
        Ok(actions)
    }

    fn commit_action(&self, commit: &StoredCommit) -> Result<TransactWriteItem, BuildError> {
        let put = Put::builder()
            .table_name(&self.events)
            .set_item(Some(encode(commit)))
            .condition_expression(NEW)
            .expression_attribute_names("#key", "stream")
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .build()?;
        Ok(TransactWriteItem::builder().put(put).build())
    }

    /// A key is minted once and destroyed once.
    fn key_action(&self, row: KeyRow) -> Result<TransactWriteItem, BuildError> {
        let (row, must_not_exist) = match row {
            KeyRow::Minted(row) => (row, "subject"),
            KeyRow::Tombstone(row) => (row, ERASED_AT),
        };
        let put = Put::builder()
            .table_name(self.keyring.table())
            .set_item(Some(row))
            .condition_expression(NEW)
            .expression_attribute_names("#key", must_not_exist)
            .build()?;
        Ok(TransactWriteItem::builder().put(put).build())
    }
}

/// Whether a transaction was cancelled for nothing but a lack of capacity. Nothing of it was written. The SDK tries
/// again what is throttled as a whole, but takes a cancelled transaction for final.
fn is_throttled<R>(error: &SdkError<TransactWriteItemsError, R>) -> bool {
    let Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) = error.as_service_error() else {
        return false;
    };
    let mut codes = cancelled.cancellation_reasons().iter().filter_map(CancellationReason::code);
    let mut throttled = false;
    codes.all(|code| {
        throttled |= THROTTLED.contains(&code);
        code == "None" || THROTTLED.contains(&code)
    }) && throttled
}

/// The commit's own reason comes first: a repeat also collides with its own claims. When the commit failed for another
/// reason than its condition, nobody looked whether the stream is as it was thought to be, so that what the others say
/// judges nothing.
fn explain(commit: &StoredCommit, purposes: Vec<Purpose>, reasons: &[CancellationReason]) -> Result<(), AppendError> {
    let code = |reason: &CancellationReason| reason.code().unwrap_or("None").to_owned();
    let failed = || {
        let codes: Vec<&str> = reasons.iter().filter_map(CancellationReason::code).collect();
        AppendError::from(StoreError::from(CallFailed::refused(&codes)))
    };
    match reasons.first().map(code).as_deref() {
        Some("TransactionConflict") => return Err(AppendError::Conflict),
        Some("None" | "ConditionalCheckFailed") => (),
        _ => return Err(failed()),
    }
    for (purpose, reason) in purposes.into_iter().zip(reasons) {
        if code(reason) != "ConditionalCheckFailed" {
            continue;
        }
        return match purpose {
            Purpose::Commit => own_or_conflict(commit, reason.item()),
            Purpose::Key | Purpose::Join => Err(AppendError::Conflict),
            Purpose::Take(claim) => Err(AppendError::ClaimTaken(claim)),
            Purpose::Release(claim) => {
                tracing::error!(stream = %commit.stream, kind = claim.kind.as_str(), "a claim that {} held belongs to another stream", commit.stream);
                Err(AppendError::Conflict)
            }
            Purpose::Leave(set) => Err(AppendError::LastMember(set)),
            Purpose::Companion(at) => Err(AppendError::CompanionRefused(at)),
        };
    }
    if reasons.iter().any(|reason| code(reason) == "TransactionConflict") {
        return Err(AppendError::Conflict);
    }
    Err(failed())
}

#[cfg(test)]
mod tests;
