//! The handler as it is played: the steps of the product's feed in the same order (see `feed::project`), written again over
//! rows in memory. Only [`gate`] is the product's own.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use events::{
    stream::Version,
    views::{Gate, gate},
};
use futures::{StreamExt, TryStreamExt, stream};

use super::{
    bug::Bug,
    events::Event,
    log::{Commit, evolve},
    port::{NoAnswer, Port},
    rows::Row,
    weather::Part,
};
use crate::stream::{Handler, HandlerError, Record};

/// Streams that are worked on at once.
const CONCURRENT_STREAMS: usize = 4;

/// Commits per page while catching up.
const PAGE: usize = 8;

#[derive(Debug, Clone)]
pub(super) struct Projection {
    port: Port,
    bug: Option<Bug>,
    /// The rows that this process knows.
    known: Arc<Mutex<BTreeMap<u64, Row>>>,
}

impl Projection {
    pub(super) fn new(port: Port, bug: Option<Bug>) -> Self {
        Self { port, bug, known: Arc::default() }
    }

    async fn apply_all(&self, commits: Vec<Commit>) -> Result<(), NoAnswer> {
        let mut streams: BTreeMap<u64, Vec<Commit>> = BTreeMap::new();
        for commit in commits {
            streams.entry(commit.stream).or_default().push(commit);
        }
        stream::iter(streams.into_values())
            .map(|commits| async move {
                for commit in &commits {
                    self.bring_to(commit).await?;
                }
                Ok(())
            })
            .buffer_unordered(CONCURRENT_STREAMS)
            .try_collect()
            .await
    }

    async fn bring_to(&self, commit: &Commit) -> Result<(), NoAnswer> {
        self.add(commit).await?;
        loop {
            let row = self.row(commit.stream).await?;
            if self.bug == Some(Bug::NoGate) {
                return self.put(row, commit).await.map(drop);
            }
            match gate(row.version, commit.version) {
                Gate::Drop => return Ok(()),
                Gate::Apply => {
                    if self.put(row, commit).await? {
                        return Ok(());
                    }
                }
                Gate::Heal => self.heal(row.version, commit).await?,
            }
        }
    }

    async fn heal(&self, version: Version, commit: &Commit) -> Result<(), NoAnswer> {
        let (stream, before) = (commit.stream, commit.version);
        let missing = self.port.call(Part::Rows, move |state| {
            state.count(Event::Healed);
            state.log.between(stream, version, before)
        });
        let missing = missing.await?;
        for commit in &missing {
            self.add(commit).await?;
            let row = self.row(commit.stream).await?;
            if gate(row.version, commit.version) == Gate::Apply {
                self.put(row, commit).await?;
            }
        }
        Ok(())
    }

    /// What a commit adds, whatever its row contains.
    async fn add(&self, commit: &Commit) -> Result<(), NoAnswer> {
        let key = (commit.stream, commit.version.0);
        self.port.call(Part::Rows, move |state| state.rows.audit.insert(key)).await.map(drop)
    }

    async fn put(&self, before: Row, commit: &Commit) -> Result<bool, NoAnswer> {
        let row = Row { version: commit.version, fold: evolve(before.fold, commit.payload) };
        let (stream, seen) = (commit.stream, (self.bug != Some(Bug::NoGate)).then_some(before.version));
        let written = self.port.call(Part::Rows, move |state| state.put_row(stream, row, seen)).await?;
        let mut known = self.known.lock().unwrap();
        if written {
            known.insert(stream, row);
        } else {
            known.remove(&stream);
        }
        Ok(written)
    }

    async fn row(&self, stream: u64) -> Result<Row, NoAnswer> {
        if let Some(row) = self.known.lock().unwrap().get(&stream) {
            return Ok(*row);
        }
        let row = self.port.call(Part::Rows, move |state| state.rows.get(stream)).await?;
        Ok(row.unwrap_or_default())
    }
}

impl Handler for Projection {
    /// There is one plan here; reading it may fail.
    async fn plan(&self) -> Result<u64, HandlerError> {
        self.port.call(Part::Rows, |_| 0).await.map_err(HandlerError::new)
    }

    async fn apply(&self, records: Vec<Record>) -> Result<(), HandlerError> {
        let commits: Vec<Commit> = records.iter().map(commit_of).collect();
        self.port.world.lock().delivered(&commits);
        if self.bug == Some(Bug::CheckpointFirst) {
            let this = self.clone();
            tokio::spawn(async move { this.apply_all(commits).await });
            return Ok(());
        }
        self.apply_all(commits).await.map_err(HandlerError::new)
    }

    async fn catch_up(&self) -> Result<(), HandlerError> {
        let began = {
            let mut state = self.port.world.lock();
            state.note(|| format!("process {} catches up", self.port.process));
            state.elapsed()
        };
        let mut after = (0, 0);
        while self.bug != Some(Bug::NoCatchUp) {
            let page = self.port.call(Part::Rows, move |state| state.log.scan(after, PAGE));
            let page = page.await.map_err(HandlerError::new)?;
            let Some(last) = page.last() else { break };
            after = (last.stream, last.version.0);
            self.apply_all(page).await.map_err(HandlerError::new)?;
        }
        let mut state = self.port.world.lock();
        state.count(Event::CaughtUp);
        state.caught_up = state.caught_up.max(Some(began));
        Ok(())
    }
}

fn commit_of(record: &Record) -> Commit {
    let number = |name| record.image[name].as_n().unwrap().parse::<u64>().unwrap();
    Commit { stream: number("stream"), version: Version(number("version")), payload: number("payload") }
}
