//! Counts attempts, for all instances together, and slows down who makes too many.
//!
//! The counters lie in table `throttles`, each under the HMAC of its rule and of what it counts, so that nothing there
//! says who was meant. An attempt is counted before it is carried out: any number at once cannot get past a rule, and
//! who is refused has cost no more than the counting. All counters of an attempt are written at the same time, and it is
//! the same writes whatever they are counted for. What cannot be counted is not let through.

mod counter;
mod delay;
mod fields;
mod quota;
mod table;

use std::{sync::Arc, time::Duration};

use aws_sdk_dynamodb::Client;
use chrono::{DateTime, Utc};
use futures::future::{join_all, try_join_all};
use moka::future::Cache;
use platform::{clock::Clock, crypto::MacKey, http::Problem, tables::Names};

use self::{counter::Standing, table::Table};
pub use self::{
    counter::{Counter, Rule},
    delay::{Delay, Success},
    fields::{Tally, tell},
    quota::Quota,
};

/// Most refusals that a process keeps in mind: some 2 MB.
const REMEMBERED: u64 = 10_000;

/// How long one is kept in mind at most: no rule refuses for longer.
const REMEMBERED_FOR: Duration = Duration::from_mins(10);

/// The counters of one stage. Clones share everything.
#[derive(Debug, Clone)]
pub struct Throttle {
    table: Table,
    key: MacKey,
    clock: Clock,
    /// Who was refused, and until when: asking again until then costs the table nothing.
    refused: Cache<Arc<str>, DateTime<Utc>>,
}

/// By what an attempt is counted.
#[derive(Debug, Clone, Default)]
pub struct Counters {
    /// Its own counter, where only who makes such attempts can run into it. If it remembers a success, the shared ones do
    /// not hold the attempt up.
    pub own: Option<Counter>,
    /// Those that it shares with attempts of others.
    pub shared: Vec<Counter>,
}

/// An attempt that was counted and may be made.
#[derive(Debug)]
#[must_use = "an attempt that succeeded must say so"]
pub struct Attempt<'a> {
    throttle: &'a Throttle,
    counted: Vec<Counter>,
    at: DateTime<Utc>,
}

impl Throttle {
    /// The table of one stage. `key` makes its keys.
    pub fn new(client: Client, names: &Names, key: MacKey, clock: Clock) -> Self {
        let refused = Cache::builder().max_capacity(REMEMBERED).time_to_live(REMEMBERED_FOR).build();
        Self { table: Table::new(client, names), key, clock, refused }
    }

    /// What `rule` counts for `subject`.
    pub fn counter(&self, rule: Rule, subject: &[&[u8]]) -> Counter {
        let parts: Vec<&[u8]> =
            [b"throttle", rule.name().as_bytes()].into_iter().chain(subject.iter().copied()).collect();
        Counter::new(rule, &self.key.tag(&parts))
    }

    /// Counts an attempt and lets it be made, or not. What its answer has to tell goes into `tally`.
    ///
    /// # Errors
    /// 429 when a rule refuses; the attempt must not be made, and counts by no rule. 503 when the table does not answer.
    pub async fn admit(&self, tally: &Tally, counters: Counters) -> Result<Attempt<'_>, Problem> {
        let at = self.clock.now();
        let Counters { own, shared } = counters;
        if let Some(own) = &own
            && let Some(until) = self.remembered(own, at).await
        {
            let standing = Standing::refused(own, until);
            tally.note(std::slice::from_ref(&standing), at);
            return Err(too_many(std::slice::from_ref(&standing), at));
        }
        let mut kept = Vec::new();
        for counter in &shared {
            if let Some(until) = self.remembered(counter, at).await {
                kept.push(Standing::refused(counter, until));
            }
        }
        // Only a success that its own counter remembers can help it now.
        let shared = if kept.is_empty() { shared } else { Vec::new() };
        let counting = own.iter().chain(&shared).map(|counter| self.table.count(counter, at));
        let mut standings = try_join_all(counting).await?;
        let known = own.is_some() && standings.first().is_some_and(|own| own.known && !own.refused);
        for refusal in standings.iter().filter(|standing| standing.refused) {
            self.refused.insert(Arc::clone(&refusal.counter.id), refusal.until).await;
        }
        standings.append(&mut kept);
        tally.note(&standings, at);
        let (refusals, counted): (Vec<_>, Vec<_>) = standings.into_iter().partition(|standing| standing.refused);
        let counted: Vec<Counter> = counted.into_iter().map(|standing| standing.counter).collect();
        if refusals.is_empty() || known {
            return Ok(Attempt { throttle: self, counted, at });
        }
        // Nobody uses up what others share with attempts that are not made.
        self.take_back(counted.iter(), at).await;
        tracing::info!(rule = refusals[0].counter.rule.name(), "too many attempts: one was refused");
        Err(too_many(&refusals, at))
    }

    /// Counts an attempt by some counters, and only when they let it be made by the next ones: so what is shared with many comes
    /// last, and nobody uses it up with attempts that their own counters refuse. It is for quotas, which count an
    /// attempt whatever comes of it.
    ///
    /// # Errors
    /// As [`Throttle::admit`].
    pub async fn admit_in_turn(
        &self,
        tally: &Tally,
        turns: impl IntoIterator<Item = Counters, IntoIter: Send>,
    ) -> Result<(), Problem> {
        let mut admitted: Vec<Attempt<'_>> = Vec::new();
        for counters in turns {
            match self.admit(tally, counters).await {
                Ok(attempt) => admitted.push(attempt),
                Err(refused) => {
                    for Attempt { counted, at, .. } in &admitted {
                        self.take_back(counted.iter(), *at).await;
                    }
                    return Err(refused);
                }
            }
        }
        Ok(())
    }

    async fn take_back(&self, counted: impl Iterator<Item = &Counter>, at: DateTime<Utc>) {
        let taken_back = join_all(counted.map(|counter| self.table.take_back(counter, at))).await;
        for error in taken_back.into_iter().filter_map(Result::err) {
            tracing::warn!(error = &error as &dyn std::error::Error, "an attempt that was not made stays counted");
        }
    }

    /// Until when a counter refuses, as far as this process has seen it refuse.
    async fn remembered(&self, counter: &Counter, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.refused.get(&counter.id).await.filter(|until| *until > now)
    }
}

impl Attempt<'_> {
    /// Says that nobody could look whether it would have succeeded: that makes nobody wait. Quotas still count it, or who
    /// makes too many at once would be counted by nothing.
    pub async fn not_made(self) {
        let Self { throttle, counted, at } = self;
        let failures = counted.iter().filter(|counter| matches!(counter.rule, Rule::Delay(_)));
        throttle.take_back(failures, at).await;
    }

    /// Says that the attempt succeeded: it was no guess.
    pub async fn succeeded(self) {
        let Self { throttle, counted, at } = self;
        let now = throttle.clock.now();
        let told = join_all(counted.iter().map(|counter| throttle.table.succeeded(counter, at, now))).await;
        for error in told.into_iter().filter_map(Result::err) {
            tracing::warn!(error = &error as &dyn std::error::Error, "an attempt that succeeded stays counted");
        }
    }
}

fn too_many(refusals: &[Standing], now: DateTime<Utc>) -> Problem {
    let waits = refusals.iter().map(|standing| standing.seconds(now));
    Problem::rate_limited(waits.max().unwrap_or_default())
}
