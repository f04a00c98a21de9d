//! A lease that this process holds: renewed beside the work, and lost for certain before anybody else works.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use backon::Retryable;
use chrono::{DateTime, Utc};
use tokio::{
    sync::watch,
    time::{Instant, sleep_until, timeout_at},
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{
    backoff,
    lease::{Checkpoint, Lease},
    lease_store::{LeaseError, LeaseStore, Replaced},
};

/// A renewal is due after this part of the lease time: two may fail before the lease is lost.
const RENEWALS_PER_LEASE_TIME: u32 = 3;

/// A held lease. The worker's task writes checkpoints and the keeper renews, through here one at a time.
#[derive(Debug)]
pub(super) struct Held<L> {
    store: Arc<L>,
    me: Uuid,
    lease_time: Duration,
    /// Number of the handler's plan.
    plan: watch::Receiver<u64>,
    /// The row as it was last known to be stored.
    stored: tokio::sync::Mutex<Lease>,
    progress: Mutex<Progress>,
    lost: CancellationToken,
}

#[derive(Debug, Clone)]
struct Progress {
    checkpoint: Checkpoint,
    position_at: Option<DateTime<Utc>>,
    /// When the last write that succeeded began. Others count from when they see it, which is later.
    confirmed: Instant,
}

/// Why a write of a held lease did not succeed.
#[derive(Debug, thiserror::Error)]
pub(super) enum HeldError {
    #[error("the lease is lost")]
    Lost,
    #[error(transparent)]
    Store(#[from] LeaseError),
}

impl<L: LeaseStore> Held<L> {
    /// A lease that `me` has just taken. `confirmed`: when the write that took it began.
    pub(super) fn new(
        store: Arc<L>,
        me: Uuid,
        lease_time: Duration,
        plan: watch::Receiver<u64>,
        lease: Lease,
        confirmed: Instant,
    ) -> Self {
        let progress = Progress { checkpoint: lease.checkpoint.clone(), position_at: lease.position_at, confirmed };
        Self {
            store,
            me,
            lease_time,
            plan,
            stored: tokio::sync::Mutex::new(lease),
            progress: Mutex::new(progress),
            lost: CancellationToken::new(),
        }
    }

    /// Notes how far the work has come; the next write of any kind stores it.
    pub(super) fn advance(&self, checkpoint: Checkpoint, position_at: Option<DateTime<Utc>>) {
        let mut progress = self.lock();
        progress.checkpoint = checkpoint;
        progress.position_at = progress.position_at.max(position_at);
    }

    /// Everything recorded in the shard up to then has been applied.
    pub(super) fn position_at(&self) -> Option<DateTime<Utc>> {
        self.lock().position_at
    }

    /// Completes when somebody else may have the lease.
    pub(super) async fn lost(&self) {
        self.lost.cancelled().await;
    }

    /// Stores how far the work has come, and renews by it.
    pub(super) async fn save(&self) -> Result<(), HeldError> {
        self.write(|lease, progress| lease.renewed(progress.checkpoint.clone(), progress.position_at)).await
    }

    /// Stores how far the work has come and lets go.
    pub(super) async fn release(&self) -> Result<(), HeldError> {
        self.write(|lease, progress| Lease {
            owner: None,
            ..lease.renewed(progress.checkpoint.clone(), progress.position_at)
        })
        .await
    }

    /// Stores that the shard was read to its end, and lets go. Tries until that is done or the lease is lost.
    pub(super) async fn finish(&self) -> Result<(), HeldError> {
        (|| self.write(end))
            .retry(backoff::LEASE)
            .when(|error| matches!(error, HeldError::Store(_)))
            .notify(|error, _| {
                tracing::warn!(error = error as &dyn std::error::Error, "the end of a shard is not stored yet");
            })
            .await
    }

    /// Renews the lease until it is lost, at once when there is another plan to state. Runs beside the work, whatever that
    /// takes.
    pub(super) async fn keep(self: Arc<Self>) {
        let mut plan = self.plan.clone();
        loop {
            let confirmed = self.lock().confirmed;
            let another = tokio::select! {
                () = sleep_until(confirmed + self.lease_time / RENEWALS_PER_LEASE_TIME) => false,
                Ok(()) = plan.changed() => true,
            };
            if !another && self.lock().confirmed > confirmed {
                continue;
            }
            let renewal = (|| self.save())
                .retry(backoff::LEASE)
                .when(|error| matches!(error, HeldError::Store(_)))
                .notify(|error, _| tracing::warn!(error = error as &dyn std::error::Error, "a renewal failed"));
            match timeout_at(confirmed + self.lease_time, renewal).await {
                Ok(Ok(())) => (),
                Ok(Err(error)) => {
                    tracing::warn!(error = &error as &dyn std::error::Error, "renewing ends");
                    return;
                }
                // A checkpoint may have renewed it meanwhile.
                Err(_) if self.lock().confirmed > confirmed => (),
                Err(_) => {
                    tracing::error!("no renewal within the lease time: somebody else may have the lease");
                    self.lost.cancel();
                    return;
                }
            }
        }
    }

    /// One conditional write. A try whose answer was lost may have been stored: then the row is ours with the counter
    /// one further, which nobody else can have brought about, since a change of owner and back moves it by two.
    async fn write(&self, change: impl Fn(&Lease, &Progress) -> Lease + Send + Sync) -> Result<(), HeldError> {
        let mut stored = self.stored.lock().await;
        let mut adopted = false;
        while !self.lost.is_cancelled() {
            let (began, progress) = (Instant::now(), self.lock().clone());
            let plan = *self.plan.borrow();
            let new = Lease { plan: stored.plan.max(plan), ..change(&stored, &progress) };
            match self.store.replace(&stored, &new).await? {
                Replaced::Done => {
                    *stored = new;
                    self.lock().confirmed = began;
                    return Ok(());
                }
                Replaced::Refused(Some(row))
                    if row.owner == new.owner && row.counter == new.counter && same(&row, &new) =>
                {
                    *stored = *row;
                    return Ok(());
                }
                Replaced::Refused(Some(row))
                    if !adopted && row.owner == Some(self.me) && row.counter == stored.counter + 1 =>
                {
                    adopted = true;
                    *stored = *row;
                }
                Replaced::Refused(_) => self.lost.cancel(),
            }
        }
        Err(HeldError::Lost)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn end(lease: &Lease, progress: &Progress) -> Lease {
    Lease { owner: None, ..lease.renewed(Checkpoint::End, progress.position_at) }
}

/// Whether a row says what was to be written.
fn same(row: &Lease, new: &Lease) -> bool {
    row.checkpoint == new.checkpoint && row.position_at == new.position_at
}
