//! Looks at the leases once a second, takes its fair share, and reads the shards.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, RwLock},
    time::Duration,
};

use aws_sdk_dynamodb::Client as Tables;
use platform::{clock::Clock, lifecycle::Shutdown, store::StoreError, tables::Names};
use tokio::{
    task::{Id, JoinSet},
    time::Instant,
};

use super::{
    Handler,
    choice::{Candidate, choose},
    consumer::{Consumer, LEASE_TIME},
    lease::{Lease, LeaseError, Leases},
    shards::{Shard, readable},
    source::{Source, SourceError},
};

/// How often the leases are looked at: with the lease's time it bounds the pause after a `kill -9`.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How often the leader lists the shards although nothing hints at a change: against idling for ever.
const DISCOVER_EVERY: Duration = Duration::from_secs(10);

/// A look older than this means that the leases cannot be read.
const LOOK_IS_OLD: Duration = Duration::from_secs(5);

/// What the worker knows, for readiness.
#[derive(Debug, Clone, Default)]
pub struct Status(Arc<RwLock<Option<Look>>>);

#[derive(Debug, Clone, Copy)]
struct Look {
    at: Instant,
    lag_known: bool,
}

impl Status {
    /// Whether the leases were read lately, and it is known how far every shard is.
    pub fn is_ready(&self) -> bool {
        let look = *self.0.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        look.is_some_and(|look| look.lag_known && look.at.elapsed() < LOOK_IS_OLD)
    }

    fn set(&self, lag_known: bool) {
        let look = Look { at: Instant::now(), lag_known };
        *self.0.write().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(look);
    }
}

/// One process's share of the stream.
pub struct Worker<H> {
    me: String,
    source: Source,
    leases: Leases,
    handler: Arc<H>,
    status: Status,
    /// The counter of each lease, and since when it stands still on our own clock.
    seen: HashMap<String, (u64, Instant)>,
    discovered: Option<Instant>,
    reading: JoinSet<()>,
    shards: BTreeMap<String, Id>,
}

/// Why a look failed.
#[derive(Debug, thiserror::Error)]
enum LookError {
    #[error("the leases cannot be read or written")]
    Leases(#[from] StoreError),
    #[error("the shards cannot be listed")]
    Source(#[from] SourceError),
}

impl<H: Handler> Worker<H> {
    /// A worker under a name of its own: two starts of one process are two workers.
    pub fn new(tables: Tables, names: &Names, source: Source, handler: H, clock: &Clock) -> Self {
        let leases = Leases::new(tables, names, source.arn().to_owned());
        Self {
            me: clock.new_id().to_string(),
            source,
            leases,
            handler: Arc::new(handler),
            status: Status::default(),
            seen: HashMap::new(),
            discovered: None,
            reading: JoinSet::new(),
            shards: BTreeMap::new(),
        }
    }

    /// What the worker knows.
    pub fn status(&self) -> Status {
        self.status.clone()
    }

    /// Works until the shutdown begins, then gives all leases up.
    pub async fn run(mut self, shutdown: Shutdown) {
        let mut tick = tokio::time::interval(LOOK_EVERY);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = shutdown.begun() => break,
                _ = tick.tick() => (),
                // A shard that ended may have children: look at once.
                Some(ended) = self.reading.join_next_with_id() => self.reap(&ended.map_or_else(|error| error.id(), |(id, ())| id)),
            }
            if let Err(error) = self.look(&shutdown).await {
                tracing::warn!(error = &error as &dyn std::error::Error, "a look at the leases failed");
            }
        }
        while self.reading.join_next().await.is_some() {}
        self.abdicate().await;
    }

    fn reap(&mut self, ended: &Id) {
        self.shards.retain(|_, id| id != ended);
        self.discovered = None;
    }

    async fn look(&mut self, shutdown: &Shutdown) -> Result<(), LookError> {
        let mut rows = self.leases.list().await?;
        self.observe(&rows);
        if self.lead(&rows).await? {
            self.discover(&rows).await?;
            rows = self.leases.list().await?;
            self.observe(&rows);
        }
        let shards: Vec<Shard> = rows.iter().filter_map(Lease::shard).collect();
        let readable: Vec<&Shard> = readable(&shards);
        let row = |id: &str| rows.iter().find(|row| row.name == id);
        let known = readable.iter().all(|shard| row(&shard.id).is_some_and(|row| row.position_at.is_some()));
        self.status.set(known && !shards.is_empty());

        let candidates: Vec<Candidate> =
            readable.iter().filter_map(|shard| row(&shard.id)).map(|row| self.candidate(row)).collect();
        for shard in choose(&candidates, &self.me) {
            let Some(row) = row(&shard) else { continue };
            match self.leases.take(row, &self.me).await {
                Ok(lease) => self.start(lease, shutdown),
                Err(LeaseError::Lost) => (),
                Err(LeaseError::Store(error)) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn start(&mut self, lease: Lease, shutdown: &Shutdown) {
        tracing::info!(
            shard = lease.name,
            checkpoint = lease.checkpoint.as_ref().map(super::shards::Checkpoint::as_str),
            "a shard is read from here"
        );
        let consumer =
            Consumer { source: self.source.clone(), leases: self.leases.clone(), handler: Arc::clone(&self.handler) };
        let shard = lease.name.clone();
        let task = self.reading.spawn(consumer.run(lease, shutdown.clone()));
        self.shards.insert(shard, task.id());
    }

    /// A lease that we are no longer reading counts as free even if its row still names us.
    fn candidate(&self, row: &Lease) -> Candidate {
        let owner = row.owner.as_ref().filter(|owner| match **owner == self.me {
            true => self.shards.contains_key(&row.name),
            false => !self.stands_still(row),
        });
        Candidate { shard: row.name.clone(), owner: owner.cloned() }
    }

    fn observe(&mut self, rows: &[Lease]) {
        let now = Instant::now();
        self.seen.retain(|name, _| rows.iter().any(|row| row.name == *name));
        for row in rows {
            let seen = self.seen.entry(row.name.clone()).or_insert((row.counter, now));
            if seen.0 != row.counter {
                *seen = (row.counter, now);
            }
        }
    }

    fn stands_still(&self, row: &Lease) -> bool {
        self.seen.get(&row.name).is_some_and(|(_, since)| since.elapsed() >= LEASE_TIME)
    }

    /// Whether this worker lists the shards now.
    async fn lead(&mut self, rows: &[Lease]) -> Result<bool, LookError> {
        let Some(row) = rows.iter().find(|row| row.is_leader()) else {
            self.leases.create_leader().await?;
            return Ok(false);
        };
        let mine = row.owner.as_deref() == Some(&self.me);
        let free = row.owner.is_none() || self.stands_still(row);
        let written = match (mine, free) {
            (true, _) => self.leases.renew(row, None).await,
            (false, true) => self.leases.take(row, &self.me).await,
            (false, false) => return Ok(false),
        };
        match written {
            Ok(_) => Ok(self.discovered.is_none_or(|at| at.elapsed() >= DISCOVER_EVERY)),
            Err(LeaseError::Lost) => Ok(false),
            Err(LeaseError::Store(error)) => Err(error.into()),
        }
    }

    async fn discover(&mut self, rows: &[Lease]) -> Result<(), LookError> {
        for shard in self.source.shards().await? {
            if !rows.iter().any(|row| row.name == shard.id) {
                self.leases.create_shard(&shard.id, shard.parent.as_deref()).await?;
            }
        }
        self.discovered = Some(Instant::now());
        Ok(())
    }

    /// Gives the leader's lease up, so that the next leader need not wait for it to stand still.
    async fn abdicate(&self) {
        let Ok(rows) = self.leases.list().await else { return };
        let mine = rows.iter().find(|row| row.is_leader() && row.owner.as_deref() == Some(&self.me));
        if let Some(row) = mine {
            if let Err(error) = self.leases.release(row).await {
                tracing::warn!(error = &error as &dyn std::error::Error, "the leader's lease could not be given up");
            }
        }
    }
}
