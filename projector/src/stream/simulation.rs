//! Whole readers in a world made of chance: every seed is one run of some minutes or days in virtual time, with a shard
//! tree that rolls over, splits, forgets and lags, a lease table whose answers get lost, rows that are written late,
//! and 1 to 8 processes that die at any call, stand still, and have wrong clocks.
//!
//! After every step: no checkpoint passes what is not stored; rows go on by one version each and equal the fold of the
//! log; a child is not read before its parent has ended; only the owner of a lease makes progress; what a process says
//! to be complete is. In the end, without faults: everything is stored, what was not delivered was told of, every open
//! shard has a live owner, shares are even, and a shutdown lets go of every lease.
//!
//! The readers, their choices, their cursors and the rule of the gate are the product's; what is behind its seams is played.
//! The handler is played, too: `projection` does in small what the product's feed does, so nothing here speaks of the feed
//! itself; that is tested over the engine (`tests/it/feed_property.rs`). A seed plays the same way each time: time is
//! tokio's paused clock, and there is one thread and one source of chance.

mod bug;
mod chaos;
mod director;
mod events;
mod finale;
mod leases;
mod log;
mod port;
mod process;
mod projection;
mod rows;
mod shard_tree;
mod weather;
mod world;

use std::{
    collections::BTreeMap,
    env,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use self::{
    bug::Bug,
    director::{Report, play},
    events::{EVENTS, Event},
};
use super::Tally;

/// How many seeds are played, from 0 on.
const SEEDS: &str = "FIELDFUZE_SIMULATION_SEEDS";

/// The one seed to play, with its trace.
const SEED: &str = "FIELDFUZE_SIMULATION_SEED";

/// Few enough for every run of the tests.
const DEFAULT_SEEDS: u64 = 1000;

/// As many seeds as are played by default have every event at least so often.
const SEEN_AT_LEAST: u64 = 5;

/// Within so many seeds a fault that was put in has to be found.
const SEEDS_FOR_A_BUG: u64 = 100;

/// The number in a variable of the environment.
fn number(name: &str) -> Option<u64> {
    env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is no number: {text}")))
}

fn simulate(seed: u64, bug: Option<Bug>, traced: bool) -> Report {
    // The jitter of waits is drawn from the thread's own source.
    fastrand::seed(seed);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(play(seed, bug, traced))
}

fn fail(seed: u64, report: &Report) -> ! {
    let trace = report.trace.join("\n");
    panic!(
        "{trace}\n\nseed {seed}: {}\nplay it again with: {SEED}={seed} cargo test -p projector --lib {}",
        report.violation.as_deref().unwrap_or("all is well"),
        "stream::simulation::every_invariant_holds_in_every_seed -- --exact --nocapture",
    );
}

#[test]
fn every_invariant_holds_in_every_seed() {
    if let Some(seed) = number(SEED) {
        let report = simulate(seed, None, true);
        if report.violation.is_some() {
            fail(seed, &report);
        }
        println!("{}\nseed {seed}: all is well", report.trace.join("\n"));
        return;
    }
    let seeds = number(SEEDS).unwrap_or(DEFAULT_SEEDS);
    let (next, failed) = (AtomicU64::new(0), AtomicBool::new(false));
    let found = Mutex::new(BTreeMap::new());
    let sums = Mutex::new(Sums::default());
    let work = || {
        while !failed.load(Ordering::Relaxed) {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds {
                break;
            }
            let report = simulate(seed, None, false);
            sums.lock().unwrap().add(&report);
            if report.violation.is_some() {
                failed.store(true, Ordering::Relaxed);
                found.lock().unwrap().insert(seed, report);
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(work);
        }
    });
    let sums = sums.into_inner().unwrap();
    println!("{sums}");
    if let Some((seed, first)) = found.into_inner().unwrap().pop_first() {
        let again = simulate(seed, None, true);
        assert_eq!(again.violation, first.violation, "seed {seed} plays differently each time");
        fail(seed, &again);
    }
    if seeds >= DEFAULT_SEEDS {
        let rare = EVENTS.into_iter().find(|event| sums.events.get(event).is_none_or(|count| *count < SEEN_AT_LEAST));
        assert_eq!(rare, None, "this hardly happens: the simulation shows nothing about it");
    }
}

/// What all runs together came to: that everything that can happen did.
#[derive(Debug, Default)]
struct Sums {
    steps: u64,
    longest: Duration,
    tallies: BTreeMap<Tally, u64>,
    events: BTreeMap<Event, u64>,
}

impl Sums {
    fn add(&mut self, report: &Report) {
        self.steps += report.steps;
        self.longest = self.longest.max(report.settled_in);
        for (tally, count) in &report.tallies {
            *self.tallies.entry(*tally).or_default() += count;
        }
        for (event, count) in &report.events {
            *self.events.entry(*event).or_default() += count;
        }
    }
}

impl std::fmt::Display for Sums {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} steps, settled within {:?}\n{:?}\n{:?}", self.steps, self.longest, self.tallies, self.events)
    }
}

#[test]
fn a_seed_plays_the_same_way_each_time() {
    for seed in 0..8 {
        let (first, second) = (simulate(seed, None, true), simulate(seed, None, true));
        assert_eq!(first.trace, second.trace, "seed {seed}");
    }
}

/// Plays seeds with a fault put in until a violation tells of it.
fn is_caught(bug: Bug, sign: &str) {
    for seed in 0..SEEDS_FOR_A_BUG {
        if let Some(violation) = simulate(seed, Some(bug), false).violation
            && violation.contains(sign)
        {
            println!("{bug:?} is caught by seed {seed}: {violation}");
            return;
        }
    }
    panic!("{SEEDS_FOR_A_BUG} seeds do not catch {bug:?}");
}

#[test]
fn a_missing_gate_is_caught() {
    is_caught(Bug::NoGate, "went from version");
}

#[test]
fn a_checkpoint_before_the_write_is_caught() {
    is_caught(Bug::CheckpointFirst, "passed");
}

#[test]
fn a_counter_that_is_ignored_is_caught() {
    is_caught(Bug::NoCounter, "counter");
}

#[test]
fn a_child_that_is_read_before_its_parent_is_caught() {
    is_caught(Bug::NoParents, "before its parent");
}

#[test]
fn a_trim_that_is_passed_over_is_caught() {
    is_caught(Bug::SilentTrim, "not stored");
}

#[test]
fn a_catching_up_that_does_nothing_is_caught() {
    is_caught(Bug::NoCatchUp, "not stored");
}
