//! Ours beside others on the same engine, round by round: in a closed loop by ever more clients, then in an open one.

use std::time::Duration;

use crate::{
    Arguments,
    closed_loop::{self, Round},
    open_loop,
    report::{Load, Report},
};

/// The part of our own peak at which the open loop runs: busy, and not on the way to a queue without end.
const OPEN_AT: f64 = 0.7;

/// Streams, or whatever one request has to itself, in an open loop: enough that two requests at once seldom meet.
const OPEN_STREAMS: usize = 256;

/// Several ways to do the same thing, each told by its place in [`Contest::SIDES`].
pub(crate) trait Contest: Sized + Sync {
    /// The ways.
    const SIDES: &'static [&'static str];
    /// What is compared with what.
    const PAIRS: &'static [Pair];

    /// A fresh engine with what so many clients need.
    async fn start(clients: usize) -> anyhow::Result<Self>;

    /// One request of a client.
    async fn request(&self, side: usize, client: usize) -> anyhow::Result<()>;

    async fn stop(self) -> anyhow::Result<()>;
}

/// One line of the report.
pub(crate) struct Pair {
    /// What is measured.
    pub(crate) cell: &'static str,
    /// Whose figures these are, and beside whose.
    pub(crate) sides: (usize, usize),
    /// The least ratio of the rates that is aimed at.
    pub(crate) at_least: Option<f64>,
    /// The highest ratio of the p99 that is aimed at.
    pub(crate) p99_at_most: Option<f64>,
}

/// Runs all of it.
pub(crate) async fn run<C: Contest>(arguments: &Arguments, report: &mut Report) -> anyhow::Result<()> {
    let time = Duration::from_secs(arguments.seconds);
    let mut peak = 0_f64;
    for clients in &arguments.clients {
        let contest = C::start(*clients).await?;
        let mut rounds: Vec<Vec<Round>> = C::SIDES.iter().map(|_| Vec::new()).collect();
        for round in 0..=arguments.rounds {
            for (side, rounds) in rounds.iter_mut().enumerate() {
                let measured = closed_loop::run(*clients, time, |client, _| contest.request(side, client)).await?;
                // The first one warms up.
                if round > 0 {
                    rounds.push(measured);
                }
            }
        }
        contest.stop().await?;
        tell::<C>(report, Load::Closed(*clients), &rounds);
        peak = peak.max(rounds[0].iter().map(|round| round.rate).fold(0.0, f64::max));
    }
    if peak > 0.0 {
        let rate = OPEN_AT * peak;
        let contest = C::start(OPEN_STREAMS).await?;
        let mut rounds: Vec<Vec<Round>> = C::SIDES.iter().map(|_| Vec::new()).collect();
        for _ in 0..arguments.rounds {
            for (side, rounds) in rounds.iter_mut().enumerate() {
                let request = |number: usize| contest.request(side, number % OPEN_STREAMS);
                rounds.push(open_loop::run(rate, time, request).await?);
            }
        }
        contest.stop().await?;
        tell::<C>(report, Load::Open(rate), &rounds);
    }
    Ok(())
}

fn tell<C: Contest>(report: &mut Report, load: Load, rounds: &[Vec<Round>]) {
    for pair in C::PAIRS {
        let (ours, peer) = pair.sides;
        let line = report.against(C::SIDES[peer], pair.cell, load, &rounds[ours], &rounds[peer]);
        line.p99_at_most = pair.p99_at_most;
        // At a rate that is given, rates say nothing.
        line.at_least = pair.at_least.filter(|_| matches!(load, Load::Closed(_)));
    }
}
