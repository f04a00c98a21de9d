//! The end of a shard: its children get their rows before it counts as finished.

use backon::Retryable;
use futures::FutureExt;

use super::{
    Handler, backoff,
    consumer::{Consumer, Stopped},
    lease::Lease,
    lease_store::LeaseStore,
    shards::Shard,
    source::{Source, SourceError},
};

/// Why there is nobody yet to hand on to.
#[derive(Debug, thiserror::Error)]
enum NoChildren {
    #[error("the stream lists no shard that goes on")]
    NotListed,
    #[error(transparent)]
    Source(SourceError),
}

impl<S: Source, L: LeaseStore, H: Handler> Consumer<S, L, H> {
    /// Writes the rows of the shards that go on from this one, so that they are read at once and the position of the
    /// whole never loses sight of them. If none is listed in time, the leader finds them later.
    pub(super) async fn hand_on(&self) -> Result<(), Stopped> {
        let children = self.unless_stopped(self.children().boxed()).await?;
        tracing::info!(children = children.len(), "a shard was read to its end");
        for child in children {
            let row = Lease::of_shard(&self.lease.stream, &child.id, child.parents, self.held.position_at());
            let creating = (|| self.shared.leases.create(&row)).retry(backoff::LEASE).notify(|error, _| {
                tracing::warn!(error = error as &dyn std::error::Error, "the lease of a child is not written yet");
            });
            // Without a limit of tries it ends only with success; a row that is there already is as good.
            let _created_or_there = self.unless_stopped(creating.boxed()).await?;
        }
        Ok(())
    }

    async fn children(&self) -> Vec<Shard> {
        let list = || async {
            match self.shared.source.children(&self.lease.stream, &self.lease.shard).await {
                Ok(children) if children.is_empty() => Err(NoChildren::NotListed),
                Ok(children) => Ok(children),
                Err(error) => Err(NoChildren::Source(error)),
            }
        };
        list.retry(backoff::CHILDREN).await.unwrap_or_else(|error| {
            tracing::warn!(error = &error as &dyn std::error::Error, "the children of a shard are left to the leader");
            Vec::new()
        })
    }
}
