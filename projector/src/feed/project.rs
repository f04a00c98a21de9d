use std::time::Duration;

use events::{
    commit::StoredCommit,
    decider::Decider,
    stream::Version,
    views::{Gate, Row, gate},
};
use moka::future::Cache;
use platform::{
    rows::Rows,
    store::{Range, StoreError},
};
use uuid::Uuid;

use super::{ApplyError, Feed};

/// Most rows kept per read model, so that the next commit of a busy stream needs no read: a few KB each.
const CACHED_ROWS: u64 = 10_000;

/// How long an unused row is kept.
const CACHED_IDLE: Duration = Duration::from_mins(5);

/// Commits per call while a gap is healed.
const PAGE: usize = 100;

/// Brings the rows of one read model up to the log, behind the version gate.
#[derive(Debug)]
pub(super) struct Projection<R: Row> {
    rows: Rows<R>,
    known: Cache<Uuid, R>,
}

impl<R: Row> Projection<R> {
    pub(super) fn new(rows: Rows<R>) -> Self {
        let known = Cache::builder().max_capacity(CACHED_ROWS).time_to_idle(CACHED_IDLE).build();
        Self { rows, known }
    }

    /// Brings a row up to a commit, and adds what every commit on the way adds.
    ///
    /// A row that another projector changed meanwhile is read again: the gate then tells what is left to do.
    pub(super) async fn bring_to(&self, feed: &Feed, commit: &StoredCommit) -> Result<(), ApplyError> {
        feed.add(commit).await?;
        let id = commit.stream.id;
        loop {
            let row = self.row(id).await?;
            let version = row.as_ref().map_or(Version::NONE, Row::version);
            match gate(version, commit.version) {
                Gate::Drop => return Ok(()),
                Gate::Apply => {
                    if self.apply(feed, row, commit).await? {
                        return Ok(());
                    }
                }
                Gate::Heal => self.heal(feed, version, commit).await?,
            }
        }
    }

    /// Reads what is missing before `commit` from the log.
    async fn heal(&self, feed: &Feed, version: Version, commit: &StoredCommit) -> Result<(), ApplyError> {
        tracing::info!(stream = %commit.stream, row = %version, commit = %commit.version, "a gap is healed from the log");
        let until = Some(Version(commit.version.0 - 1));
        let missing = feed.0.store.read_stored(commit.stream, Range { after: version, until }, PAGE).await?;
        if missing.is_empty() {
            return Err(ApplyError::Poison(StoreError::Hole { stream: commit.stream, version: version.next() }));
        }
        for commit in &missing {
            feed.add(commit).await?;
            let row = self.row(commit.stream.id).await?;
            let version = row.as_ref().map_or(Version::NONE, Row::version);
            if gate(version, commit.version) == Gate::Apply {
                self.apply(feed, row, commit).await?;
            }
        }
        Ok(())
    }

    /// Whether the row was as we knew it.
    async fn apply(&self, feed: &Feed, before: Option<R>, commit: &StoredCommit) -> Result<bool, ApplyError> {
        let opened = feed.0.store.open::<<R::Rules as Decider>::Event>(commit).await?;
        let mut row = before.clone();
        for event in &opened.events {
            R::Rules::evolve(&mut row, event);
        }
        let row = row.ok_or(ApplyError::Poison(StoreError::Rootless { stream: commit.stream }))?;
        let written = self.rows.put(&row, before.as_ref()).await?;
        if written {
            self.known.insert(commit.stream.id, row).await;
        } else {
            self.known.invalidate(&commit.stream.id).await;
        }
        Ok(written)
    }

    async fn row(&self, id: Uuid) -> Result<Option<R>, ApplyError> {
        if let Some(row) = self.known.get(&id).await {
            return Ok(Some(row));
        }
        Ok(self.rows.get(id, true).await?)
    }
}
