//! When each message goes out. All dispatchers of all processes share one plan, in table `pacing`; within a process one
//! task asks for those that wait, the most urgent lane first.

mod pace;
mod plan;
mod queue;
mod table;

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU32, Ordering},
};

use chrono::{DateTime, TimeDelta, Utc};
use events::notification::Lane;
use platform::{aws::CallFailed, clock::Clock, context::Context, store::StoreError, telemetry::metrics::SEND_ALARMS};
use tokio::sync::{mpsc, oneshot};

pub(super) use pace::Stopped;
pub use plan::Limits;
use plan::{Plan, Verdict};
pub(super) use plan::{Scope, midnight_after};
use queue::{Queue, Waiting};
use table::{Kept, Table};

/// Messages of a process that may wait for the task: more than its dispatchers send at a time.
const WAITING: usize = 1_024;

/// Writes of the plan when others write it at the same moment. There are as many others as processes.
const TRIES: usize = 16;

/// How long before its moment a message is let through: that it is taken is recorded meanwhile, so that it goes out in its
/// moment and not when the log has answered. Otherwise a log that is slow for an instant would push many into one second.
const LEAD: TimeDelta = TimeDelta::milliseconds(50);

/// What stops messages is looked at again so often while some wait, so that they go on soon after another process has seen that
/// sending works, and that a long stop costs a read a second.
const LOOK_AGAIN: TimeDelta = TimeDelta::seconds(1);

/// So many requests in a row without an answer are an outage of the provider and no mischance. Each of them may have been taken,
/// so that nobody dares to send it again: the fewer the better.
const SILENCES: u32 = 5;

/// How long nothing is sent when the provider does not answer, until one message tries again: a failover takes as long, and a
/// one-time code is worth something for longer.
const SILENCE_PAUSE: TimeDelta = TimeDelta::seconds(30);

/// The code of what waits because the provider does not answer.
const NO_ANSWER: &str = "no-answer";

/// Gives each message its moment. Clones share everything.
#[derive(Debug, Clone)]
pub struct Pacer(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    table: Table,
    clock: Clock,
    sender: String,
    limits: Limits,
    asked: mpsc::Sender<(Lane, Waiting)>,
    /// Whether a message of ours is on its way to see whether sending works again.
    probing: AtomicBool,
    /// Whether we changed the plan in the table beside the task, whose own copy is older now.
    changed: AtomicBool,
    /// Requests without an answer since the provider last took a message from us.
    unanswered: AtomicU32,
}

/// The plan as the task knows it.
#[derive(Debug)]
struct Seen {
    kept: Kept,
    at: DateTime<Utc>,
}

/// What came of asking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Turn {
    /// It goes out then: see [`Pacer::until`].
    At(DateTime<Utc>),
    /// Nothing goes out.
    Stopped(Stopped),
}

impl Pacer {
    /// The pacer of one process, with the task that someone has to run.
    pub fn new(context: &Context, sender: &str, limits: Limits) -> (Self, impl Future<Output = ()> + use<>) {
        let (asked, asking) = mpsc::channel(WAITING);
        let table = Table::new(context.aws.dynamodb.clone(), &context.names);
        let (clock, sender) = (context.clock.clone(), sender.to_owned());
        let (probing, changed, unanswered) = (AtomicBool::new(false), AtomicBool::new(false), AtomicU32::new(0));
        let pacer = Self(Arc::new(Shared { table, clock, sender, limits, asked, probing, changed, unanswered }));
        (pacer.clone(), pacer.run(asking))
    }

    /// Waits until it is nearly the turn of a message of so many segments.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(super) async fn turn(&self, lane: Lane, segments: u32) -> Result<Turn, StoreError> {
        let (answer, answered) = oneshot::channel();
        let gone = || failed("pacing-ended");
        self.0.asked.send((lane, Waiting { segments, answer })).await.map_err(|_| gone())?;
        match answered.await.map_err(|_| gone())?? {
            Verdict::At(slot) => Ok(Turn::At(slot)),
            Verdict::Stopped(stopped) => Ok(Turn::Stopped(stopped)),
            // Whoever has to ask again waits on.
            Verdict::Ask(_) => Err(gone()),
        }
    }

    /// The provider refuses whatever is sent, or does not answer. Who hears of it first raises the alarm.
    pub(super) async fn stop(&self, scope: Scope, stopped: &Stopped) -> Result<(), StoreError> {
        if self.change(|plan, sender| plan.stop(scope, sender, stopped.clone())).await? {
            let Stopped { until, cause } = stopped;
            SEND_ALARMS.add(1, ["sending-stopped".into()]);
            tracing::error!(alarm = "sending-stopped", cause, %until, ?scope, "nothing is sent: the provider takes no messages");
        }
        Ok(())
    }

    /// The provider did not say whether it took a message. After a few of them in a row, or when this one was to see whether
    /// sending works again, nothing is sent for a while.
    pub(super) async fn unanswered(&self) -> Result<(), StoreError> {
        let Shared { unanswered, probing, clock, .. } = &*self.0;
        let silences = unanswered.fetch_add(1, Ordering::Relaxed) + 1;
        if !probing.swap(false, Ordering::Relaxed) && silences < SILENCES {
            return Ok(());
        }
        unanswered.store(0, Ordering::Relaxed);
        let stopped = Stopped { until: clock.now() + SILENCE_PAUSE, cause: NO_ANSWER.to_owned() };
        self.stop(Scope::Account, &stopped).await
    }

    /// The provider asks for a pause.
    pub(super) async fn hold_back(&self, until: DateTime<Utc>) -> Result<(), StoreError> {
        self.change(|plan, sender| plan.hold_back(sender, until)).await.map(drop)
    }

    /// The provider took a message, or refused it for its recipient only: what was stopped goes on.
    pub(super) async fn worked(&self) -> Result<(), StoreError> {
        self.0.unanswered.store(0, Ordering::Relaxed);
        if self.0.probing.swap(false, Ordering::Relaxed) && self.change(Plan::worked).await? {
            tracing::info!("the provider takes messages again");
        }
        Ok(())
    }

    /// Waits for a moment.
    pub(super) async fn until(&self, moment: DateTime<Utc>) {
        tokio::time::sleep((moment - self.0.clock.now()).to_std().unwrap_or_default()).await;
    }

    /// Changes the plan until nobody was faster. Tells whether there was anything to change.
    async fn change(&self, change: impl Fn(&mut Plan, &str) -> bool) -> Result<bool, StoreError> {
        let Shared { table, sender, changed, .. } = &*self.0;
        let mut kept = table.read().await?;
        for _ in 0..TRIES {
            let mut plan = kept.plan.clone();
            if !change(&mut plan, sender) {
                return Ok(false);
            }
            match table.replace(&kept, plan).await? {
                Ok(_) => {
                    changed.store(true, Ordering::Relaxed);
                    return Ok(true);
                }
                Err(other) => kept = other,
            }
        }
        Err(failed("pacing-contended"))
    }

    /// Answers those that wait until nobody can ask any more.
    async fn run(self, mut asking: mpsc::Receiver<(Lane, Waiting)>) {
        let (mut queue, mut seen) = (Queue::default(), None);
        let mut ask_at: Option<DateTime<Utc>> = None;
        loop {
            let pause = async {
                match ask_at {
                    Some(at) => self.until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                asked = asking.recv() => match asked {
                    Some((lane, waiting)) => queue.add(lane, waiting),
                    None => return,
                },
                () = pause => (),
            }
            while let Ok((lane, waiting)) = asking.try_recv() {
                queue.add(lane, waiting);
            }
            queue.forget_the_gone();
            ask_at = match self.let_through(&mut queue, &mut seen).await {
                Ok(next) => next,
                Err(error) => {
                    tracing::warn!(error = &error as &dyn std::error::Error, "the plan of sending cannot be kept");
                    queue.refuse_all();
                    None
                }
            };
        }
    }

    /// Lets through whom it is the turn of. Tells when to ask for the next one.
    async fn let_through(
        &self,
        queue: &mut Queue,
        known: &mut Option<Seen>,
    ) -> Result<Option<DateTime<Utc>>, StoreError> {
        let Shared { table, clock, sender, limits, probing, .. } = &*self.0;
        let mut seen = match known.take() {
            Some(seen) => seen,
            None => self.look().await?,
        };
        for _ in 0..TRIES {
            let (mut plan, now) = (seen.kept.plan.clone(), clock.now() + LEAD);
            let verdicts = queue.judge(|lane, segments| plan.admit(sender, lane, segments, limits, now));
            let stopped = verdicts.iter().any(|verdict| matches!(verdict, Verdict::Stopped(_)));
            if (stopped || seen.kept.plan.is_probing(sender)) && self.is_old(&seen) {
                seen = self.look().await?;
                continue;
            }
            let admitted = verdicts.iter().any(|verdict| matches!(verdict, Verdict::At(_)));
            let capped: Vec<Lane> = plan.newly_capped(&seen.kept.plan).collect();
            if admitted || !capped.is_empty() {
                let written = table.replace(&seen.kept, plan).await?;
                let lost = written.is_err();
                seen = Seen { kept: written.unwrap_or_else(|other| other), at: clock.now() };
                if lost {
                    continue;
                }
            }
            capped.into_iter().for_each(tell_of_the_cap);
            if admitted && seen.kept.plan.is_probing(sender) {
                probing.store(true, Ordering::Relaxed);
            }
            *known = Some(seen);
            return Ok(queue.answer(verdicts));
        }
        Err(failed("pacing-contended"))
    }

    async fn look(&self) -> Result<Seen, StoreError> {
        self.0.changed.store(false, Ordering::Relaxed);
        Ok(Seen { kept: self.0.table.read().await?, at: self.0.clock.now() })
    }

    /// Whether a stop that the task knows of may be over by now.
    fn is_old(&self, seen: &Seen) -> bool {
        self.0.changed.load(Ordering::Relaxed) || self.0.clock.now() - seen.at >= LOOK_AGAIN
    }
}

/// A lane has used up what it may of a day's segments. It is told once a day.
fn tell_of_the_cap(lane: Lane) {
    SEND_ALARMS.add(1, ["daily-cap".into()]);
    let lane = lane.as_str();
    tracing::error!(
        alarm = "daily-cap",
        lane,
        "a lane sends nothing more today: its part of the day's segments is used up"
    );
}

/// The plan could not be had; the message comes again.
fn failed(code: &str) -> StoreError {
    CallFailed::refused(&[code]).into()
}
