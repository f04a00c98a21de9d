//! Everything outside of the readers: log, stream, lease table, rows, and what goes wrong with them. One lock, one
//! thread, one source of chance.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use fastrand::Rng;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{
    bug::Bug, events::Event, leases::Leases, log::Log, process::Process, rows::Rows, shard_tree::ShardTree,
    weather::Weather,
};

/// The steps that a trace keeps.
const TRACED: usize = 400;

/// The wall clock at the beginning of a run: 2026-01-01.
const EPOCH: i64 = 1_767_225_600;

/// Clones share it.
#[derive(Debug, Clone)]
pub(super) struct World {
    state: Arc<Mutex<State>>,
    /// An invariant does not hold: the run is over.
    pub(super) violated: CancellationToken,
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) chance: Rng,
    pub(super) bug: Option<Bug>,
    pub(super) weather: Weather,
    pub(super) log: Log,
    pub(super) tree: ShardTree,
    pub(super) leases: Leases,
    pub(super) rows: Rows,
    pub(super) processes: BTreeMap<usize, Process>,
    /// By how much a process's wall clock may be wrong in this run.
    pub(super) skew: TimeDelta,
    /// Streams with a record that never reached the table's stream.
    pub(super) lossy: BTreeSet<u64>,
    /// Calls of readers that took effect.
    pub(super) steps: u64,
    pub(super) events: BTreeMap<Event, u64>,
    /// The beginning of the last run of catching up that was done.
    pub(super) caught_up: Option<Duration>,
    /// When the last call that hangs is answered.
    pub(super) hung_until: Instant,
    began: Instant,
    violated: CancellationToken,
    violation: Option<String>,
    trace: Option<VecDeque<String>>,
}

/// The wall clock, `elapsed` after the beginning.
pub(super) fn wall(elapsed: Duration) -> DateTime<Utc> {
    DateTime::from_timestamp(EPOCH, 0).unwrap() + elapsed
}

impl World {
    pub(super) fn new(chance: Rng, tree: ShardTree, bug: Option<Bug>, traced: bool) -> Self {
        let violated = CancellationToken::new();
        let state = State {
            chance,
            bug,
            weather: Weather::default(),
            log: Log::default(),
            tree,
            leases: Leases::default(),
            rows: Rows::default(),
            processes: BTreeMap::new(),
            skew: TimeDelta::zero(),
            lossy: BTreeSet::new(),
            steps: 0,
            events: BTreeMap::new(),
            caught_up: None,
            hung_until: Instant::now(),
            began: Instant::now(),
            violated: violated.clone(),
            violation: None,
            trace: traced.then(VecDeque::new),
        };
        Self { state: Arc::new(Mutex::new(state)), violated }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

impl State {
    /// Since the beginning of the run.
    pub(super) fn elapsed(&self) -> Duration {
        Instant::now() - self.began
    }

    pub(super) fn now(&self) -> DateTime<Utc> {
        wall(self.elapsed())
    }

    pub(super) fn moment(&self, elapsed: Duration) -> Instant {
        self.began + elapsed
    }

    pub(super) fn wall_at(&self, moment: Instant) -> DateTime<Utc> {
        wall(moment - self.began)
    }

    /// Something that must never be. The first is kept and ends the run.
    pub(super) fn violate(&mut self, what: String) {
        self.note(|| format!("VIOLATED: {what}"));
        if self.violation.is_none() {
            self.violation = Some(what);
            self.violated.cancel();
        }
    }

    pub(super) fn check(&mut self, outcome: Result<(), String>) {
        if let Err(what) = outcome {
            self.violate(what);
        }
    }

    pub(super) fn violation(&self) -> Option<&str> {
        self.violation.as_deref()
    }

    /// A line of the trace, made only if there is one.
    pub(super) fn note(&mut self, line: impl FnOnce() -> String) {
        let at = self.elapsed();
        if let Some(trace) = &mut self.trace {
            if trace.len() == TRACED {
                trace.pop_front();
            }
            trace.push_back(format!("{:>12.3} s  {}", at.as_secs_f64(), line()));
        }
    }

    pub(super) fn trace(&self) -> Vec<String> {
        self.trace.iter().flatten().cloned().collect()
    }

    /// Whether a commit's row and what it adds are both stored.
    pub(super) fn is_durable(&self, stream: u64, version: u64) -> bool {
        self.rows.version(stream) >= version && self.rows.audit.contains(&(stream, version))
    }

    /// The commits that are not stored as rows and additions.
    pub(super) fn pending(&self) -> BTreeSet<(u64, u64)> {
        self.log.keys().filter(|(stream, version)| !self.is_durable(*stream, *version)).collect()
    }
}
