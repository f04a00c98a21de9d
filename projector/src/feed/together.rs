//! Rows of many streams brought up together, for whoever goes through all of the log.

use std::collections::BTreeMap;

use events::{
    commit::StoredCommit,
    stream::{StreamId, Version},
    views::Row,
};
use futures::{StreamExt, TryStreamExt, stream};
use platform::store::{EventStore, Opener, StoreError};

use super::{
    ApplyError,
    project::{Generation, fold, unbroken},
};

/// Streams that are brought up for themselves at once.
const AT_ONCE: usize = 4;

impl<R: Row> Generation<R> {
    /// As [`Generation::bring_to`] for the commits of many streams, in few requests: streams that begin here are expected to
    /// have no row yet, and their rows are written together. Whatever is otherwise is done stream by stream, behind the gate.
    pub(crate) async fn bring_all(
        &self,
        store: &EventStore,
        streams: BTreeMap<StreamId, Vec<StoredCommit>>,
    ) -> Result<(), StoreError> {
        let begin = |commits: &Vec<StoredCommit>| commits.first().is_some_and(|first| first.version == Version(1));
        let beginning = streams.iter().filter(|(_, commits)| begin(commits));
        let openers = store.openers(beginning.map(|(stream, _)| *stream)).await?;
        let mut rows: Vec<R> = Vec::with_capacity(openers.len());
        let mut left = streams;
        for (stream, opener) in &openers {
            rows.extend(left.get(stream).and_then(|commits| folded(opener, commits)));
        }
        let written = self.rows.put_new(&rows).await?;
        for (row, _) in rows.iter().zip(written).filter(|(_, written)| *written) {
            left.remove(&row.stream());
        }
        let singles: Vec<_> = left.values().map(|commits| self.bring_as_far_as_possible(store, commits)).collect();
        stream::iter(singles).buffer_unordered(AT_ONCE).try_collect().await
    }

    async fn bring_as_far_as_possible(&self, store: &EventStore, commits: &[StoredCommit]) -> Result<(), StoreError> {
        match self.bring_to(store, None, commits).await {
            Ok(()) | Err(ApplyError::Poison { .. }) => Ok(()),
            Err(ApplyError::Transient(error)) => Err(error),
        }
    }
}

/// The row that all of a stream's commits make. `None` when one of them is missing or cannot be applied.
fn folded<R: Row>(opener: &Opener, commits: &[StoredCommit]) -> Option<R> {
    let mut row = None;
    let whole = unbroken(commits).len() == commits.len();
    (whole && commits.iter().all(|commit| fold(opener, &mut row, commit).is_ok())).then_some(row).flatten()
}
