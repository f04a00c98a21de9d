//! Reads one shard as long as its lease is held.

use std::{sync::Arc, time::Duration};

use backon::{ExponentialBuilder, Retryable};
use platform::lifecycle::Shutdown;
use tokio::sync::Mutex;

use super::{
    Handler, HandlerError,
    lease::{Lease, LeaseError, Leases, Progress},
    shards::Checkpoint,
    source::{Batch, Source, SourceError},
};

/// Pause between two calls that found little: the service stands four or five calls a second and shard.
pub const POLL: Duration = Duration::from_millis(200);

/// A lease whose counter stands still for this long is free.
pub const LEASE_TIME: Duration = Duration::from_secs(10);

/// How often a holder says that it lives: three times within the lease's time.
const RENEW_EVERY: Duration = Duration::from_millis(3_300);

/// How long the batch at hand may take to end once the shutdown has begun; then it is left to the next holder.
const LAST_BATCH: Duration = Duration::from_millis(700);

/// Longest pause after a failed call.
const MAX_PAUSE: Duration = Duration::from_secs(5);

/// One shard, and what it takes to read it.
pub struct Consumer<H> {
    /// The stream.
    pub source: Source,
    /// The lease rows.
    pub leases: Leases,
    /// What is done with the records.
    pub handler: Arc<H>,
}

/// A lease, written by the reader and the renewer in turn.
struct Held {
    lease: Lease,
    progress: Progress,
}

impl<H: Handler> Consumer<H> {
    /// Reads until the shard ends, the lease is lost or the shutdown begins; then gives the lease up.
    pub async fn run(self, lease: Lease, shutdown: Shutdown) {
        let shard = lease.name.clone();
        let checkpoint = lease.checkpoint.clone().unwrap_or(Checkpoint::Start);
        let progress = Progress { checkpoint, position_at: lease.position_at };
        let held = Mutex::new(Held { lease, progress });
        let ended = tokio::select! {
            ended = self.read(&shard, &held, &shutdown) => ended,
            lost = self.renew(&held) => Err(lost),
        };
        match ended {
            Ok(()) => {
                let held = held.lock().await;
                if let Err(error) = self.leases.release(&held.lease).await {
                    tracing::warn!(shard, error = &error as &dyn std::error::Error, "the lease could not be given up");
                }
            }
            Err(error) => {
                tracing::warn!(shard, error = &error as &dyn std::error::Error, "the shard is left to others")
            }
        }
    }

    async fn renew(&self, held: &Mutex<Held>) -> LeaseError {
        let mut tick = tokio::time::interval(RENEW_EVERY);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        tick.tick().await;
        loop {
            tick.tick().await;
            let mut held = held.lock().await;
            match self.leases.renew(&held.lease, Some(&held.progress)).await {
                Ok(lease) => held.lease = lease,
                Err(LeaseError::Lost) => return LeaseError::Lost,
                // The lease holds for a while yet: the next tick tries again.
                Err(error) => tracing::warn!(error = &error as &dyn std::error::Error, "a lease could not be renewed"),
            }
        }
    }

    async fn read(&self, shard: &str, held: &Mutex<Held>, shutdown: &Shutdown) -> Result<(), LeaseError> {
        let mut after = held.lock().await.progress.checkpoint.clone();
        let mut iterator: Option<String> = None;
        let mut first = true;
        while after != Checkpoint::Ended && !shutdown.has_begun() {
            let call = (|| self.batch(shard, &after, iterator.clone())).retry(pauses()).when(passes);
            let batch = tokio::select! { () = shutdown.begun() => return Ok(()), batch = call => batch };
            let batch = match batch {
                Ok(batch) => batch,
                Err(SourceError::Expired) => {
                    iterator = None;
                    continue;
                }
                Err(SourceError::Trimmed) => {
                    tracing::error!(shard, "records were trimmed before they were read: catching up from the log");
                    self.until_shutdown(shutdown, || self.handler.catch_up()).await;
                    (after, iterator) = (Checkpoint::Start, None);
                    continue;
                }
                Err(error) => {
                    tracing::error!(shard, error = &error as &dyn std::error::Error, "the shard cannot be read");
                    return Ok(());
                }
            };
            let Some(batch) = batch else {
                after = Checkpoint::Ended;
                break;
            };
            let Batch { records, last, next, position_at, full } = batch;
            let applied =
                records.is_empty() || self.until_shutdown(shutdown, || self.handler.apply(records.clone())).await;
            if !applied {
                return Ok(());
            }
            after = match (&next, last) {
                (None, _) => Checkpoint::Ended,
                (Some(_), Some(last)) => Checkpoint::At(last),
                (Some(_), None) => after,
            };
            self.checkpoint(held, &after, position_at, first || !records.is_empty()).await?;
            (iterator, first) = (next, false);
            if !full && iterator.is_some() {
                tokio::select! { () = shutdown.begun() => (), () = tokio::time::sleep(POLL) => () }
            }
        }
        let position_at = held.lock().await.progress.position_at;
        match position_at {
            Some(at) => self.checkpoint(held, &after, at, true).await,
            None => Ok(()),
        }
    }

    /// The next batch; `None` when the shard has ended.
    async fn batch(
        &self,
        shard: &str,
        after: &Checkpoint,
        iterator: Option<String>,
    ) -> Result<Option<Batch>, SourceError> {
        let iterator = match iterator {
            Some(iterator) => Some(iterator),
            None => self.source.iterator(shard, after).await?,
        };
        match iterator {
            Some(iterator) => self.source.read(iterator).await.map(Some),
            None => Ok(None),
        }
    }

    /// Tries until it succeeds. Once the shutdown has begun, what is at hand may still end; `false` when it did not.
    async fn until_shutdown<F, T>(&self, shutdown: &Shutdown, work: F) -> bool
    where
        F: FnMut() -> T,
        T: Future<Output = Result<(), HandlerError>>,
    {
        let retried = work.retry(pauses()).notify(|error, pause| {
            tracing::warn!(error = error as &dyn std::error::Error, ?pause, "records could not be applied yet");
        });
        let deadline = async {
            shutdown.begun().await;
            tokio::time::sleep(LAST_BATCH).await;
        };
        tokio::select! { applied = retried => applied.is_ok(), () = deadline => false }
    }

    async fn checkpoint(
        &self,
        held: &Mutex<Held>,
        checkpoint: &Checkpoint,
        position_at: chrono::DateTime<chrono::Utc>,
        now: bool,
    ) -> Result<(), LeaseError> {
        let mut held = held.lock().await;
        held.progress = Progress { checkpoint: checkpoint.clone(), position_at: Some(position_at) };
        if now {
            held.lease = self.leases.renew(&held.lease, Some(&held.progress)).await?;
        }
        Ok(())
    }
}

/// Whether another try of the same call can help.
fn passes(error: &SourceError) -> bool {
    matches!(error, SourceError::Throttled | SourceError::Unavailable(_))
}

fn pauses() -> ExponentialBuilder {
    ExponentialBuilder::default().with_min_delay(POLL).with_max_delay(MAX_PAUSE).with_jitter().without_max_times()
}
