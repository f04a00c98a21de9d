//! Following one stream: the loop around the leases.

mod leading;

use std::{collections::BTreeMap, error::Error, sync::Arc};

use chrono::{DateTime, Utc};
use futures::StreamExt;
use platform::{
    lifecycle::Shutdown,
    telemetry::metrics::{SHARDS_HELD, SHARDS_WITHOUT_OWNER, STREAM_LAG},
};
use tokio::{
    task::{self, JoinError, JoinSet},
    time::{Instant, Interval, MissedTickBehavior, interval},
};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use crate::stream::{
    Handler,
    choice::{Candidate, Choice, Rules, choose},
    consumer::{Consumer, Outcome},
    held::Held,
    lease::Lease,
    lease_store::{LeaseStore, Replaced},
    shards::Lineage,
    shared::Shared,
    sightings::Sightings,
    source::Source,
    status::{Seen, Tally},
    survey::{Calendar, SurveyError, Surveyed},
};

/// Leases that are taken or asked for at once.
const CONCURRENT_WRITES: usize = 8;

/// One stream, as long as the table has it.
pub(super) struct Session<S, L, H> {
    shared: Arc<Shared<S, L, H>>,
    stream: String,
    sightings: Sightings,
    calendar: Calendar,
    /// The leader's row while this process holds it.
    leading: Option<Lease>,
    readers: JoinSet<Outcome>,
    /// In an order that is the same each time, so that a run can be repeated.
    running: BTreeMap<String, Running<L>>,
    /// At most one.
    surveys: JoinSet<Result<Surveyed, SurveyError>>,
    /// Up to when everything was projected when that was known last; the beginning until it is.
    known_until: DateTime<Utc>,
}

struct Running<L> {
    task: task::Id,
    held: Arc<Held<L>>,
    stop: CancellationToken,
}

impl<S: Source, L: LeaseStore, H: Handler> Session<S, L, H> {
    pub(super) fn new(shared: Arc<Shared<S, L, H>>, stream: String) -> Self {
        let calendar = Calendar::new(Instant::now(), shared.config.survey);
        let known_until = shared.clock.now();
        Self {
            shared,
            stream,
            sightings: Sightings::default(),
            calendar,
            leading: None,
            readers: JoinSet::new(),
            running: BTreeMap::new(),
            surveys: JoinSet::new(),
            known_until,
        }
    }

    /// Follows the stream until the shutdown begins (`None`) or the table has another one. All leases are given up.
    pub(super) async fn run(mut self, shutdown: &Shutdown) -> Option<String> {
        let mut looks = interval(self.shared.config.look);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let replaced_by = loop {
            tokio::select! {
                biased;
                () = shutdown.begun() => break None,
                Some(ended) = self.readers.join_next_with_id() => self.ended(ended, &mut looks),
                Some(surveyed) = self.surveys.join_next() => {
                    if let Some(stream) = self.surveyed(surveyed, &mut looks) {
                        break Some(stream);
                    }
                }
                _ = looks.tick() => {
                    self.look(shutdown).await;
                    self.measure_lag();
                    self.look_when_a_lease_runs_out(&mut looks);
                }
            }
        };
        self.give_up(shutdown).await;
        replaced_by
    }

    /// One look at the lease table and everything that follows from it.
    async fn look(&mut self, shutdown: &Shutdown) {
        let began = Instant::now();
        let listed = tokio::select! {
            biased;
            () = shutdown.begun() => return,
            listed = self.shared.leases.list() => listed,
        };
        let leases = match listed {
            Ok(leases) => leases,
            Err(error) => return tracing::warn!(error = &error as &dyn Error, "the leases could not be read"),
        };
        // Read after the leases, so that it is never older than what one of them states: see `ops::rebuild`.
        match self.shared.handler.plan().await {
            Ok(plan) => self.shared.state(plan),
            Err(error) => return tracing::warn!(error = &error as &dyn Error, "the handler's plan could not be read"),
        }
        self.sightings.observe(&leases, Instant::now());
        let (ours, others): (Vec<Lease>, Vec<Lease>) =
            leases.into_iter().partition(|lease| lease.stream == self.stream);
        let leaders = ours.iter().find(|lease| lease.is_leaders()).cloned();
        let lineage: Lineage = ours.into_iter().collect();
        self.hand_over(&lineage);
        // Shards first: whoever gave them up gave up the lead as well, and the feed waits for the one and not the other.
        self.take(&lineage, began).await;
        self.lead(leaders.as_ref(), began).await;
        self.note(&lineage, began);
        self.survey(lineage, others, began);
    }

    /// A lease whose owner died is taken as soon as that is certain: the look that saw it move last and the one that
    /// takes it would otherwise both be late.
    fn look_when_a_lease_runs_out(&self, looks: &mut Interval) {
        let (config, now) = (&self.shared.config, Instant::now());
        if let Some(expiry) = self.sightings.next_expiry(self.shared.me, config.lease_time, now)
            && expiry < now + config.look
        {
            looks.reset_at(expiry);
        }
    }

    /// Lets go of the leases that somebody asked for.
    fn hand_over(&self, lineage: &Lineage) {
        for (shard, running) in &self.running {
            let me = Some(self.shared.me);
            let asked = lineage
                .get(shard)
                .is_some_and(|lease| lease.owner == me && lease.wanted_by.is_some() && lease.wanted_by != me);
            if asked && !running.stop.is_cancelled() {
                tracing::info!(shard, "handing a shard over");
                running.stop.cancel();
            }
        }
    }

    async fn take(&mut self, lineage: &Lineage, began: Instant) {
        let config = &self.shared.config;
        let rules = Rules { me: self.shared.me, lease_time: config.lease_time, hand_over_time: config.hand_over_time };
        let candidates: Vec<Candidate> = lineage
            .readable()
            .map(|lease| Candidate {
                shard: lease.shard.clone(),
                owner: lease.owner,
                wanted_by: lease.wanted_by,
                standing: self.sightings.standing(lease, began),
                wanted: self.sightings.wanted(lease, began),
                running: self.running.contains_key(&lease.shard),
            })
            .collect();
        let taken: Vec<Option<(Lease, Instant)>> = futures::stream::iter(choose(&rules, &candidates))
            .map(|choice| act(&self.shared, lineage, choice))
            .buffer_unordered(CONCURRENT_WRITES)
            .collect()
            .await;
        for (lease, confirmed) in taken.into_iter().flatten() {
            self.begin(lease, confirmed);
        }
    }

    /// Begins to read a shard whose lease was just taken.
    fn begin(&mut self, lease: Lease, confirmed: Instant) {
        if self.running.contains_key(&lease.shard) {
            return;
        }
        self.shared.board.count(Tally::Taken);
        let shared = Arc::clone(&self.shared);
        let (shard, stop) = (lease.shard.clone(), CancellationToken::new());
        let span = tracing::info_span!("shard", shard);
        span.in_scope(|| {
            tracing::info!(checkpoint = lease.checkpoint.as_str(), counter = lease.counter, "took a shard");
        });
        let leases = Arc::clone(&shared.leases);
        let plan = shared.plan.subscribe();
        let held = Arc::new(Held::new(leases, shared.me, shared.config.lease_time, plan, lease.clone(), confirmed));
        let consumer = Consumer { shared, held: Arc::clone(&held), lease, stop: stop.clone() };
        let task = self.readers.spawn(consumer.run().instrument(span)).id();
        self.running.insert(shard, Running { task, held, stop });
    }

    /// A reader came to its end. One that panicked still has its lease, and begins anew with the next look.
    fn ended(&mut self, ended: Result<(task::Id, Outcome), JoinError>, looks: &mut Interval) {
        let (id, outcome) = match ended {
            Ok((id, outcome)) => (id, Some(outcome)),
            Err(error) => {
                tracing::error!(error = &error as &dyn Error, "the reader of a shard broke off");
                (error.id(), None)
            }
        };
        let shard = self.running.iter().find(|(_, running)| running.task == id).map(|(shard, _)| shard.clone());
        if let Some(shard) = shard {
            self.running.remove(&shard);
            tracing::info!(shard, ?outcome, "stopped reading a shard");
        }
        match outcome {
            Some(Outcome::Finished) => looks.reset_immediately(),
            Some(Outcome::Lost) => self.shared.board.count(Tally::Lost),
            Some(Outcome::Released) | None => (),
        }
    }

    /// Also when nothing could be read: it grows then.
    fn measure_lag(&self) {
        let lag = (self.shared.clock.now() - self.known_until).to_std().unwrap_or_default();
        STREAM_LAG.set(lag.as_secs_f64(), []);
    }

    fn note(&mut self, lineage: &Lineage, looked: Instant) {
        let positions = lineage.iter().cloned().map(|mut lease| {
            let running = self.running.get(&lease.shard);
            lease.position_at = lease.position_at.max(running.and_then(|running| running.held.position_at()));
            lease
        });
        let complete_until = positions.collect::<Lineage>().complete_until();
        self.known_until = complete_until.unwrap_or(self.known_until);
        self.measure(lineage, looked);
        self.shared.board.see(Seen {
            stream: Some(self.stream.clone()),
            looked: Some(looked),
            held: self.running.len(),
            leading: self.leading.is_some(),
            complete_until,
        });
    }

    #[expect(clippy::cast_precision_loss, reason = "a few shards")]
    fn measure(&self, lineage: &Lineage, looked: Instant) {
        let lease_time = self.shared.config.lease_time;
        let ownerless =
            lineage.readable().filter(|it| it.owner.is_none() || self.sightings.standing(it, looked) >= lease_time);
        SHARDS_WITHOUT_OWNER.set(ownerless.count() as f64, []);
        SHARDS_HELD.set(self.running.len() as f64, []);
    }

    /// Finishes the batches, and lets go of everything. Whatever is not done when the shutdown is forced is dropped, and
    /// its lease runs out.
    async fn give_up(mut self, shutdown: &Shutdown) {
        self.surveys.abort_all();
        for running in self.running.values() {
            running.stop.cancel();
        }
        let leading = async {
            if let Some(row) = &self.leading
                && let Err(error) = self.shared.leases.replace(row, &row.released()).await
            {
                tracing::warn!(error = &error as &dyn Error, "the leader's lease could not be released: it runs out");
            }
        };
        let reading = async {
            while let Some(ended) = self.readers.join_next().await {
                match ended {
                    Ok(outcome) => tracing::debug!(?outcome, "stopped reading a shard"),
                    Err(error) => tracing::error!(error = &error as &dyn Error, "the reader of a shard broke off"),
                }
            }
        };
        tokio::select! {
            biased;
            _ = futures::future::join(leading, reading) => tracing::info!("every lease is given up"),
            () = shutdown.forced() => tracing::warn!("leases are left to run out"),
        }
        self.shared.board.see(Seen::default());
    }
}

/// Takes a lease, or asks for it. `Some`: it was taken, by a write that began at the moment given.
async fn act<S, L: LeaseStore, H>(
    shared: &Shared<S, L, H>,
    lineage: &Lineage,
    choice: Choice,
) -> Option<(Lease, Instant)> {
    let (Choice::Take(shard) | Choice::Ask(shard)) = &choice;
    let seen = lineage.get(shard)?;
    let began = Instant::now();
    let takes = matches!(choice, Choice::Take(_));
    let plan = *shared.plan.borrow();
    let new = if takes { Lease { plan, ..seen.taken_by(shared.me) } } else { seen.asked_by(shared.me) };
    match shared.leases.replace(seen, &new).await {
        Ok(Replaced::Done) => takes.then_some((new, began)),
        // A try whose answer was lost was stored after all: nobody else writes our id.
        Ok(Replaced::Refused(Some(row))) if takes && row.owner == new.owner && row.counter == new.counter => {
            Some((*row, began))
        }
        Ok(Replaced::Refused(_)) => None,
        Err(error) => {
            tracing::warn!(shard, error = &error as &dyn Error, "a lease could not be written");
            None
        }
    }
}
