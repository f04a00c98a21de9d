//! One process's reader: looks at the leases, takes its share, and reads until the shutdown.

mod session;

use std::sync::Arc;

use backon::Retryable;
use platform::{clock::Clock, context::Context, lifecycle::Shutdown};
use tokio::{sync::watch, time::Instant};
use uuid::Uuid;

use self::session::Session;
use super::{
    Config, DynamoSource, Handler, LeaseTable, Status, backoff, catch_up::CatchUp, lease_store::LeaseStore,
    shared::Shared, source::Source, status::Board,
};

/// A reader of the log's stream. Clones share it; [`Self::run`] is to run once.
#[derive(Debug)]
pub struct Worker<S, L, H>(Arc<Shared<S, L, H>>);

impl<S, L, H> Clone for Worker<S, L, H> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<H: Handler> Worker<DynamoSource, LeaseTable, H> {
    /// A reader of a stage's log; its first call is made by [`Self::run`].
    pub fn on_dynamodb(context: &Context, handler: H, config: Config) -> Self {
        let source = DynamoSource::new(&context.aws, &context.names);
        let leases = LeaseTable::new(&context.aws, &context.names);
        Self::new(source, leases, handler, context.clock.clone(), config)
    }
}

impl<S: Source, L: LeaseStore, H: Handler> Worker<S, L, H> {
    /// A reader of any stream, with an owner's id of its own.
    pub fn new(source: S, leases: L, handler: H, clock: Clock, config: Config) -> Self {
        Self::owned_by(clock.new_id(), source, leases, handler, clock, config)
    }

    /// The same with an id that no other reader ever has.
    pub(super) fn owned_by(me: Uuid, source: S, leases: L, handler: H, clock: Clock, config: Config) -> Self {
        Self(Arc::new(Shared {
            source,
            leases: Arc::new(leases),
            handler,
            me,
            clock,
            config,
            plan: watch::Sender::default(),
            catch_up: CatchUp::default(),
            board: Board::default(),
        }))
    }

    /// Its name in the lease table.
    pub fn id(&self) -> Uuid {
        self.0.me
    }

    /// What is known now.
    pub fn status(&self) -> Status {
        self.0.board.status(Instant::now())
    }

    /// Reads until the shutdown begins, then finishes what is begun and gives up every lease. Nothing that goes wrong
    /// ends it: it is logged, shown by [`Self::status`] and tried again.
    pub async fn run(&self, shutdown: &Shutdown) {
        let mut known = None;
        loop {
            let stream = match known.take() {
                Some(stream) => stream,
                None => match self.find_stream(shutdown).await {
                    Some(stream) => stream,
                    None => return,
                },
            };
            tracing::info!(stream, worker = %self.0.me, "following the log");
            known = Session::new(Arc::clone(&self.0), stream).run(shutdown).await;
            match &known {
                Some(stream) => tracing::error!(stream, "the log's table has another stream"),
                None => return,
            }
        }
    }

    /// The table's stream, as soon as it has one. `None`: the shutdown came first.
    async fn find_stream(&self, shutdown: &Shutdown) -> Option<String> {
        let finding = (|| self.0.source.stream()).retry(backoff::STREAM).notify(|error, _| self.0.note(error));
        tokio::select! {
            biased;
            () = shutdown.begun() => None,
            found = finding => found.ok(),
        }
    }
}

#[cfg(test)]
mod tests;
