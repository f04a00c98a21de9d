//! Reads one shard for as long as its lease is held.

use std::{error::Error, sync::Arc};

use backon::Retryable;
use futures::{FutureExt, TryFutureExt, future::BoxFuture};
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};
use tracing::{Instrument, Span};

use super::{
    Handler, Record, backoff,
    cursor::{Cursor, Step},
    held::{Held, HeldError},
    lease::Lease,
    lease_store::LeaseStore,
    shared::Shared,
    source::{From, Page, Source, SourceError},
    status::Tally,
};

/// How reading a shard came to an end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The shard was read to its end.
    Finished,
    /// Somebody asked for the lease, or the process shuts down.
    Released,
    /// Somebody else may have the lease.
    Lost,
}

/// Asked to stop: nothing more is read.
#[derive(Debug)]
pub(super) struct Stopped;

/// The reader of one shard.
#[derive(Debug)]
pub(super) struct Consumer<S, L, H> {
    pub(super) shared: Arc<Shared<S, L, H>>,
    pub(super) held: Arc<Held<L>>,
    /// The row as it was taken.
    pub(super) lease: Lease,
    /// Asks to finish the batch and let go.
    pub(super) stop: CancellationToken,
}

impl<S: Source, L: LeaseStore, H: Handler> Consumer<S, L, H> {
    /// Reads until the shard ends, the lease is lost or somebody asks to stop. Losing the lease drops whatever the
    /// handler is at: the gate, not this, keeps a late writer from doing harm.
    pub(super) async fn run(self) -> Outcome {
        // A task of its own: a handler that is busy for long must not keep the renewal from running.
        let keeper = AbortOnDropHandle::new(tokio::spawn(Arc::clone(&self.held).keep().instrument(Span::current())));
        let followed = tokio::select! {
            biased;
            () = self.held.lost() => return Outcome::Lost,
            followed = self.follow() => followed,
        };
        let (ended, outcome) = if followed.is_ok() {
            (self.held.finish().await, Outcome::Finished)
        } else {
            drop(keeper);
            (self.release().await, Outcome::Released)
        };
        match ended {
            Ok(()) => outcome,
            Err(HeldError::Lost) => Outcome::Lost,
            Err(HeldError::Store(error)) => {
                tracing::warn!(error = &error as &dyn Error, "a lease could not be released: it runs out");
                outcome
            }
        }
    }

    async fn release(&self) -> Result<(), HeldError> {
        (|| self.held.release()).retry(backoff::RELEASE).when(|error| matches!(error, HeldError::Store(_))).await
    }

    async fn follow(&self) -> Result<(), Stopped> {
        let mut cursor = Cursor::new(&self.lease, self.shared.clock.now());
        loop {
            match cursor.step() {
                Step::CatchUp => self.catch_up(&mut cursor).await?,
                Step::Open(from) => self.open(&mut cursor, &from).await?,
                Step::Read(iterator) => self.read(&mut cursor, &iterator).await?,
                Step::Probe => {
                    let children = self.call(|| self.shared.source.children(&self.lease.stream, &self.lease.shard));
                    match children.await? {
                        Ok(children) => cursor.probed(!children.is_empty()),
                        Err(error) => self.recover(&mut cursor, error).await?,
                    }
                }
                Step::End => return self.hand_on().await,
            }
        }
    }

    async fn open(&self, cursor: &mut Cursor, from: &From) -> Result<(), Stopped> {
        match self.call(|| self.shared.source.iterator(&self.lease.stream, &self.lease.shard, from)).await? {
            Ok(iterator) => cursor.opened(iterator),
            Err(error) => self.recover(cursor, error).await?,
        }
        Ok(())
    }

    /// One page: its effects first, then the checkpoint.
    async fn read(&self, cursor: &mut Cursor, iterator: &str) -> Result<(), Stopped> {
        let read = || {
            let (began, began_at) = (Instant::now(), self.shared.clock.now());
            self.shared.source.records(iterator).map_ok(move |page| (began, began_at, page))
        };
        let (began, began_at, Page { records, ignored, last, next, full }) = match self.call(read).await? {
            Ok(read) => read,
            Err(error) => return self.recover(cursor, error).await,
        };
        let applied = u64::try_from(records.len()).unwrap_or(u64::MAX);
        self.apply(records).await?;
        self.shared.board.add(Tally::Records, applied);
        self.shared.board.add(Tally::Ignored, ignored);
        let worth_saving = cursor.read(last, next, full, began_at);
        self.held.advance(cursor.checkpoint(), cursor.position_at());
        if worth_saving {
            self.save().await;
        }
        if !full && cursor.step() != Step::End {
            self.unless_stopped(sleep_until(began + self.shared.config.poll).boxed()).await?;
        }
        Ok(())
    }

    /// Applies the records, again and again if need be. Asked to stop, it gives up only after another failure.
    async fn apply(&self, records: Vec<Record>) -> Result<(), Stopped> {
        if records.is_empty() {
            return Ok(());
        }
        let stop = self.stop.clone();
        (|| self.shared.handler.apply(records.clone()))
            .retry(backoff::HANDLER)
            .sleep(move |pause| {
                let stop = stop.clone();
                async move { stop.run_until_cancelled(sleep(pause)).await }
            })
            .when(|_| !self.stop.is_cancelled())
            .notify(|error, _| {
                self.shared.board.count(Tally::HandlerFailures);
                tracing::warn!(error = error as &dyn Error, "a batch could not be applied and comes again");
            })
            .await
            .map_err(|error| {
                tracing::warn!(error = &error as &dyn Error, "a batch is left to the next owner of its shard");
                Stopped
            })
    }

    /// A checkpoint that is not stored now is stored by the next renewal.
    async fn save(&self) {
        if let Err(error) = self.held.save().await {
            tracing::warn!(error = &error as &dyn Error, "a checkpoint was not stored");
        }
    }

    /// What an error asks for that trying again does not mend.
    async fn recover(&self, cursor: &mut Cursor, error: SourceError) -> Result<(), Stopped> {
        match error {
            SourceError::Trimmed => {
                self.shared.board.count(Tally::Trimmed);
                tracing::error!(
                    checkpoint = cursor.checkpoint().as_str(),
                    "the stream trimmed records before they were read"
                );
                cursor.trimmed();
            }
            SourceError::NotFound(_) => return self.look_for_shard(cursor).await,
            SourceError::Expired => {
                self.shared.board.count(Tally::Expired);
                tracing::info!("an iterator has expired");
                cursor.reopen();
            }
            error => {
                self.shared.note(&error);
                cursor.reopen();
            }
        }
        Ok(())
    }

    /// The shard was not found. If the stream does not list it either, it is gone with what it still held; while the
    /// stream lists it, or is not found itself, this is tried again.
    async fn look_for_shard(&self, cursor: &mut Cursor) -> Result<(), Stopped> {
        let (stream, shard) = (&self.lease.stream, &self.lease.shard);
        let from = cursor.place();
        let look = || async {
            let listed = self.shared.source.shards(stream).await?;
            if !listed.iter().any(|listed| listed.id == *shard) {
                return Ok(None);
            }
            self.shared.source.iterator(stream, shard, &from).await.map(Some)
        };
        let looking = look
            .retry(backoff::STREAM)
            .when(|error: &SourceError| error.is_transient() || matches!(error, SourceError::NotFound(_)))
            .notify(|error, _| self.shared.note(error));
        match self.unless_stopped(looking.boxed()).await? {
            Ok(Some(iterator)) => cursor.opened(iterator),
            Ok(None) => {
                self.shared.board.count(Tally::Vanished);
                tracing::error!(
                    checkpoint = cursor.checkpoint().as_str(),
                    "a shard vanished before it was read to its end"
                );
                self.catch_up(cursor).await?;
                cursor.vanished();
            }
            Err(SourceError::Trimmed) => cursor.trimmed(),
            Err(_) => cursor.reopen(),
        }
        Ok(())
    }

    /// Has everything applied that the log holds now; afterwards the stream's oldest record is early enough.
    async fn catch_up(&self, cursor: &mut Cursor) -> Result<(), Stopped> {
        let (needed, shared) = (Instant::now(), &self.shared);
        tracing::warn!("catching up from the log");
        let catching_up = (|| shared.catch_up.since(needed, &shared.handler, &shared.clock))
            .retry(backoff::HANDLER)
            .notify(|error, _| {
                shared.board.count(Tally::HandlerFailures);
                tracing::warn!(error = error as &dyn Error, "catching up failed and begins anew");
            });
        // Without a limit of tries it ends only with success.
        if let Ok(began) = self.unless_stopped(catching_up.boxed()).await? {
            shared.board.count(Tally::CaughtUp);
            cursor.caught_up(began, shared.clock.now());
            if cursor.step() == Step::CatchUp {
                tracing::error!(%began, "catching up took longer than the stream is trusted to keep its records");
            }
            self.held.advance(cursor.checkpoint(), cursor.position_at());
            self.save().await;
        }
        Ok(())
    }

    /// Calls the stream, and again while that can help.
    pub(super) async fn call<T, C, F>(&self, call: C) -> Result<Result<T, SourceError>, Stopped>
    where
        C: FnMut() -> F + Send,
        F: Future<Output = Result<T, SourceError>> + Send,
        T: Send,
    {
        let calling =
            call.retry(backoff::STREAM).when(SourceError::is_transient).notify(|error, _| self.shared.note(error));
        self.unless_stopped(calling.boxed()).await
    }

    /// Does the work unless asked to stop meanwhile.
    pub(super) async fn unless_stopped<T>(&self, work: BoxFuture<'_, T>) -> Result<T, Stopped> {
        self.stop.run_until_cancelled(work).await.ok_or(Stopped)
    }
}
