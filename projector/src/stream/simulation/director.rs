//! One run: processes come and go, everything goes wrong for a while, then nothing does and all must be well.

use std::{collections::BTreeMap, ops::Range, time::Duration};

use chrono::TimeDelta;
use fastrand::Rng;
use platform::lifecycle::Shutdown;
use tokio::{
    task::{AbortHandle, JoinHandle},
    time::{Instant, sleep},
};
use uuid::Uuid;

use super::{
    bug::Bug,
    events::Event,
    port::Port,
    process::{Process, clock},
    projection::Projection,
    shard_tree::ShardTree,
    weather::Weather,
    world::World,
};
use crate::stream::{Config, Tally, Worker};

/// By how much a wall clock may be wrong: two such clocks and the age up to which a shard is trusted stay below the
/// stream's day.
const MAX_SKEW: i64 = 90 * 60;

/// What a run tells.
#[derive(Debug)]
pub(super) struct Report {
    pub(super) violation: Option<String>,
    pub(super) trace: Vec<String>,
    pub(super) steps: u64,
    /// How long it took until all was well again, in virtual time.
    pub(super) settled_in: Duration,
    pub(super) tallies: BTreeMap<Tally, u64>,
    pub(super) events: BTreeMap<Event, u64>,
}

/// A run's processes, and what they run over.
pub(super) struct Director {
    pub(super) world: World,
    pub(super) running: BTreeMap<usize, Running>,
    /// Processes that were asked to end.
    pub(super) leaving: Vec<AbortHandle>,
    /// Every reader that there ever was, for what it counted.
    workers: Vec<Worker<Port, Port, Projection>>,
    pub(super) most_processes: usize,
    pub(super) streams: u64,
    /// Whether clocks run at wrong speeds.
    warped: bool,
    config: Config,
    pub(super) settled_in: Duration,
}

pub(super) struct Running {
    pub(super) shutdown: Shutdown,
    pub(super) task: JoinHandle<()>,
    pub(super) me: Uuid,
    pub(super) worker: Worker<Port, Port, Projection>,
}

/// Plays a seed. In a runtime of one thread whose time is paused.
pub(super) async fn play(seed: u64, bug: Option<Bug>, traced: bool) -> Report {
    let mut director = Director::new(seed, bug, traced);
    let violated = director.world.violated.clone();
    let played = tokio::select! {
        biased;
        () = violated.cancelled() => Ok(()),
        played = director.run() => played,
    };
    let mut state = director.world.lock();
    state.check(played);
    let mut tallies = BTreeMap::new();
    for (tally, count) in director.workers.iter().flat_map(|worker| worker.status().tallies) {
        *tallies.entry(tally).or_default() += count;
    }
    Report {
        violation: state.violation().map(str::to_owned),
        trace: state.trace(),
        steps: state.steps,
        settled_in: director.settled_in,
        tallies,
        events: state.events.clone(),
    }
}

impl Director {
    fn new(seed: u64, bug: Option<Bug>, traced: bool) -> Self {
        let mut chance = Rng::with_seed(seed);
        let tree = ShardTree::new(chance.u64(1..=4), chance.usize(2..=6), chance.bool(), chance.u8(0..4) == 0);
        let config = Config {
            poll: Duration::from_millis(chance.u64(500..2500)),
            look: Duration::from_millis(chance.u64(1000..4000)),
            hand_over_time: Duration::from_secs(chance.u64(5..=30)),
            survey: Duration::from_secs(chance.u64(10..=60)),
            ..Config::default()
        };
        let (most_processes, streams) = (chance.usize(1..=8), chance.u64(2..=10));
        let warped = chance.u8(0..4) == 0;
        let skew = if chance.u8(0..3) == 0 { TimeDelta::seconds(MAX_SKEW) } else { TimeDelta::zero() };
        let weather = weather(&mut chance);
        let world = World::new(chance, tree, bug, traced);
        {
            let mut state = world.lock();
            (state.weather, state.skew) = (weather, skew);
        }
        Self {
            world,
            running: BTreeMap::new(),
            leaving: Vec::new(),
            workers: Vec::new(),
            most_processes,
            streams,
            warped,
            config,
            settled_in: Duration::ZERO,
        }
    }

    async fn run(&mut self) -> Result<(), String> {
        for _ in 0..self.draw(1..=self.most_processes) {
            self.start();
        }
        for _ in 0..self.draw(8..=24) {
            self.commit_some();
            self.act().await;
            self.pass(50..5000).await;
        }
        self.settle().await
    }

    pub(super) fn draw(&self, range: std::ops::RangeInclusive<usize>) -> usize {
        self.world.lock().chance.usize(range)
    }

    pub(super) async fn pass(&self, millis: Range<u64>) {
        let pause = self.world.lock().millis(millis);
        sleep(pause).await;
        self.what_is_told_is_true();
    }

    /// Starts one more process.
    pub(super) fn start(&mut self) {
        let number = self.workers.len();
        let port = Port { world: self.world.clone(), process: number };
        let (worker, me) = {
            let mut state = self.world.lock();
            let me = Uuid::from_u64_pair(u64::try_from(number).unwrap(), state.chance.u64(..));
            let skew = state.wrong_by();
            let clock = clock(state.elapsed(), skew);
            let config = if self.warped { warp(&self.config, &mut state.chance) } else { self.config.clone() };
            let process = Process {
                me,
                config: config.clone(),
                clock: clock.clone(),
                skew,
                task: None,
                fuse: None,
                held_until: Instant::now(),
            };
            state.processes.insert(number, process);
            let bug = state.bug;
            state.note(|| format!("process {number} starts"));
            (Worker::owned_by(me, port.clone(), port.clone(), Projection::new(port, bug), clock, config), me)
        };
        let shutdown = Shutdown::new();
        let (runs, until) = (worker.clone(), shutdown.clone());
        let task = tokio::spawn(async move { runs.run(&until).await });
        if let Some(process) = self.world.lock().processes.get_mut(&number) {
            process.task = Some(task.abort_handle());
        }
        self.workers.push(worker.clone());
        self.running.insert(number, Running { shutdown, task, me, worker });
    }

    /// From now on clocks run as they should.
    pub(super) fn unwarp(&mut self) {
        self.warped = false;
    }

    pub(super) fn is_warped(&self) -> bool {
        self.warped
    }

    pub(super) fn counted(&self, tally: Tally) -> u64 {
        self.workers.iter().filter_map(|worker| worker.status().tallies.get(&tally).copied()).sum()
    }
}

/// How bad a run's weather is, and in which way.
fn weather(chance: &mut Rng) -> Weather {
    let worst = [1, 10, 60, 200][chance.usize(0..4)];
    let mut rate = || if chance.bool() { chance.u32(0..worst) } else { 0 };
    let (failing, losing, late, slow) = (rate(), rate(), rate(), rate());
    let (throttling, empty, lost_records, repeated_records) = (rate(), rate(), rate(), rate());
    let listing_lag = if chance.bool() { Duration::from_secs(chance.u64(0..20)) } else { Duration::ZERO };
    Weather {
        failing,
        losing,
        late,
        slow,
        throttling,
        empty,
        lost_records,
        repeated_records,
        listing_lag,
        ..Weather::default()
    }
}

/// A monotonic clock that runs too slowly or too fast makes every wait of its process longer or shorter. A slow one
/// believes in a lease that others have long taken.
fn warp(config: &Config, chance: &mut Rng) -> Config {
    let (times, by) = [(1, 1), (1, 2), (2, 1), (4, 1)][chance.usize(0..4)];
    let warped = |time: Duration| time * times / by;
    Config {
        poll: warped(config.poll),
        lease_time: warped(config.lease_time),
        look: warped(config.look),
        hand_over_time: warped(config.hand_over_time),
        survey: warped(config.survey),
    }
}
