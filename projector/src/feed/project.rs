use std::{
    collections::BTreeMap,
    sync::{PoisonError, RwLock},
    time::Duration,
};

use events::{
    commit::StoredCommit,
    decider::Decider,
    stream::{StreamId, Version},
    views::{Gate, Row, gate},
};
use moka::future::Cache;
use platform::{
    rows::{Model, Rows, Stored},
    store::{EventStore, Opener, Range, StoreError},
    telemetry::metrics::GAPS_HEALED,
};
use uuid::Uuid;

use super::{ApplyError, Feed};

/// Most rows kept per generation of a read model, so that the next commit of a busy stream needs no read: a few KB each.
const CACHED_ROWS: u64 = 10_000;

/// How long an unused row is kept.
const CACHED_IDLE: Duration = Duration::from_mins(5);

/// Commits per call while a gap is healed.
const PAGE: usize = 100;

/// Brings the rows of one read model up to the log, in every generation that is fed.
#[derive(Debug)]
pub(super) struct Projection<R: Row> {
    rows: Rows<R>,
    generations: RwLock<BTreeMap<u32, Generation<R>>>,
}

/// One generation of a read model, behind the version gate. Clones share what is kept in memory.
#[derive(Debug, Clone)]
pub(crate) struct Generation<R: Row> {
    pub(super) rows: Rows<R>,
    known: Cache<Uuid, Stored<R>>,
}

impl<R: Row> Projection<R> {
    pub(super) fn new(rows: Rows<R>) -> Self {
        Self { rows, generations: RwLock::default() }
    }

    /// Brings an entity's rows up to the last of some commits of its stream, and adds what commits add that are read from
    /// the log on the way.
    ///
    /// The newest generation comes first, so that its row is never behind an older one's: whoever is switched over to it
    /// sees nothing older than before.
    pub(super) async fn bring_to(
        &self,
        feed: &Feed,
        model: &Model,
        commits: &[StoredCommit],
    ) -> Result<(), ApplyError> {
        for number in &model.fed {
            let adding = (*number == model.current).then_some(feed);
            self.generation(*number).bring_to(&feed.0.store, adding, commits).await?;
        }
        Ok(())
    }

    pub(super) fn generation(&self, number: u32) -> Generation<R> {
        let known = self.generations.read().unwrap_or_else(PoisonError::into_inner).get(&number).cloned();
        known.unwrap_or_else(|| {
            let mut generations = self.generations.write().unwrap_or_else(PoisonError::into_inner);
            generations.entry(number).or_insert_with(|| Generation::new(self.rows.at(number))).clone()
        })
    }
}

impl<R: Row> Generation<R> {
    /// A generation by its rows.
    pub(crate) fn new(rows: Rows<R>) -> Self {
        let known = Cache::builder().max_capacity(CACHED_ROWS).time_to_idle(CACHED_IDLE).build();
        Self { rows, known }
    }

    /// Brings a row up to the last of some commits of one stream, which are in order. With `adding`, what the commits add that
    /// are read from the log on the way is added, too.
    ///
    /// A row that another projector changed meanwhile is read again: the gate then tells what is left to do.
    pub(crate) async fn bring_to(
        &self,
        store: &EventStore,
        adding: Option<&Feed>,
        commits: &[StoredCommit],
    ) -> Result<(), ApplyError> {
        let Some(id) = commits.first().map(|commit| commit.stream.id) else { return Ok(()) };
        loop {
            let before = self.row(id).await?;
            let version = version_of(before.as_ref());
            let new = commits.iter().position(|commit| gate(version, commit.version) != Gate::Drop);
            let Some(new) = new.map(|first| &commits[first..]) else { return Ok(()) };
            match gate(version, new[0].version) {
                Gate::Drop => return Ok(()),
                Gate::Apply => {
                    let run = unbroken(new);
                    if self.apply(store, before, run).await? && run.len() == new.len() {
                        return Ok(());
                    }
                }
                Gate::Heal => self.heal(store, adding, version, &new[0]).await?,
            }
        }
    }

    /// Brings a row up to the end of its stream.
    pub(crate) async fn bring_to_the_end(&self, store: &EventStore, stream: StreamId) -> Result<(), ApplyError> {
        loop {
            let version = version_of(self.row(stream.id).await?.as_ref());
            let commits = store.read_stored(stream, Range { after: version, until: None }, PAGE).await?;
            if commits.is_empty() {
                return Ok(());
            }
            self.bring_to(store, None, &commits).await?;
        }
    }

    /// Reads what is missing before `commit` from the log.
    async fn heal(
        &self,
        store: &EventStore,
        adding: Option<&Feed>,
        version: Version,
        commit: &StoredCommit,
    ) -> Result<(), ApplyError> {
        if adding.is_some() {
            GAPS_HEALED.add(1, []);
            tracing::info!(stream = %commit.stream, row = %version, commit = %commit.version, "a gap is healed from the log");
        }
        let until = Some(Version(commit.version.0 - 1));
        let missing = store.read_stored(commit.stream, Range { after: version, until }, PAGE).await?;
        if missing.is_empty() {
            return Err(StoreError::Hole { stream: commit.stream, version: version.next() }.into());
        }
        if let Some(feed) = adding {
            feed.add(&missing).await?;
        }
        let before = self.row(commit.stream.id).await?;
        if version_of(before.as_ref()) == version {
            self.apply(store, before, &missing).await?;
        }
        Ok(())
    }

    /// Applies commits that follow the row as we know it: all of them, or as many as one transaction takes. `false`: the row
    /// has to be looked at again, because it is not so any more or because some are left.
    async fn apply(
        &self,
        store: &EventStore,
        before: Option<Stored<R>>,
        commits: &[StoredCommit],
    ) -> Result<bool, ApplyError> {
        let Some(StoredCommit { stream, version, .. }) = commits.first() else { return Ok(true) };
        let opener = store.opener(*stream).await.map_err(|error| ApplyError::from(error).at(*version))?;
        let mut row = before.as_ref().and_then(|stored| stored.row.clone());
        let mut read = 0;
        let mut unreadable = None;
        for commit in commits {
            match fold(&opener, &mut row, commit) {
                Ok(()) => read += 1,
                Err(error) => {
                    unreadable = Some(ApplyError::from(error).at(commit.version));
                    break;
                }
            }
        }
        // What comes before one that cannot be read is applied.
        if let Some(row) = row.filter(|_| read > 0) {
            if commits.len() > 1 && !Rows::fits(&row, before.as_ref()) {
                Box::pin(self.apply(store, before, &commits[..commits.len() / 2])).await?;
                return Ok(false);
            }
            if !self.rows.put(&row, before.as_ref()).await? {
                self.known.invalidate(&stream.id).await;
                return Ok(false);
            }
            self.known.insert(stream.id, Stored::put(row)).await;
        }
        unreadable.map_or(Ok(true), Err)
    }

    async fn row(&self, id: Uuid) -> Result<Option<Stored<R>>, ApplyError> {
        if let Some(row) = self.known.get(&id).await {
            return Ok(Some(row));
        }
        match self.rows.stored(id).await? {
            Some(Stored { row: None, .. }) => Err(self.rows.malformed().into()),
            stored => Ok(stored),
        }
    }
}

/// Makes a row what it is after a commit. A commit that cannot be applied leaves it as it was, or makes none of it.
pub(super) fn fold<R: Row>(opener: &Opener, row: &mut Option<R>, commit: &StoredCommit) -> Result<(), StoreError> {
    for event in &opener.events::<<R::Rules as Decider>::Event>(commit)? {
        R::Rules::evolve(row, event);
    }
    if row.is_none() { Err(StoreError::Rootless { stream: commit.stream }) } else { Ok(()) }
}

/// The first commits up to a gap.
pub(super) fn unbroken(commits: &[StoredCommit]) -> &[StoredCommit] {
    let gap = commits.windows(2).position(|pair| pair[1].version != pair[0].version.next());
    gap.map_or(commits, |before| &commits[..=before])
}

fn version_of<R: Row>(stored: Option<&Stored<R>>) -> Version {
    stored.and_then(|stored| stored.row.as_ref()).map_or(Version::NONE, Row::version)
}
