//! Takes notifications off the queues and has them worked on.

use std::{sync::Arc, time::Duration};

use events::{ids::NotificationId, notification::Lane};
use platform::{
    lifecycle::Shutdown,
    tables::{MAX_RECEIVES, VISIBILITY_SECONDS},
    telemetry::{
        metrics::QUEUE_AGE,
        trip::{Hop, SpanKind, Start},
    },
};
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;
use tracing::Instrument;

use super::{
    queue::{Queues, Received},
    work::{Done, WorkError, Worker},
};

/// Messages of a lane that are worked on at once: a thousand a second when the provider answers within 50 ms, with room for
/// the writes around it. Each holds some KB.
const CONCURRENT: usize = 128;

/// How often the time is extended for which others do not see a message that waits for its turn.
const HEARTBEAT: Duration = Duration::from_secs(VISIBILITY_SECONDS as u64 / 3);

/// Longest pause between two tries to reach a queue that does not answer.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// The dispatcher of one process. Clones share everything.
#[derive(Debug, Clone)]
pub struct Dispatcher {
    worker: Arc<Worker>,
    queues: Queues,
}

impl Dispatcher {
    /// A dispatcher that has its messages worked on by `worker`.
    pub fn new(worker: Worker, queues: Queues) -> Self {
        Self { worker: Arc::new(worker), queues }
    }

    /// Works on one lane until the shutdown begins, then finishes what is in flight and gives back what waits.
    pub async fn run(self, lane: Lane, shutdown: Shutdown) {
        let places = Arc::new(Semaphore::new(CONCURRENT));
        let tasks = TaskTracker::new();
        let mut failures = pauses();
        while !shutdown.has_begun() {
            let received = tokio::select! {
                () = shutdown.begun() => break,
                received = self.queues.receive(lane) => received,
            };
            let messages = match received {
                Ok(messages) => messages,
                Err(error) => {
                    tracing::warn!(?lane, error = &error as &dyn std::error::Error, "the queue does not answer");
                    let pause = failures.next().unwrap_or(LONGEST_PAUSE);
                    tokio::select! { () = shutdown.begun() => break, () = tokio::time::sleep(pause) => continue }
                }
            };
            failures = pauses();
            for message in messages {
                let Ok(place) = Arc::clone(&places).acquire_owned().await else { break };
                let (dispatcher, shutdown) = (self.clone(), shutdown.clone());
                tasks.spawn(async move {
                    dispatcher.handle(lane, message, &shutdown).await;
                    drop(place);
                });
            }
        }
        tasks.close();
        tasks.wait().await;
    }

    /// A message whose handling failed becomes visible again and is tried anew.
    async fn handle(&self, lane: Lane, message: Received, shutdown: &Shutdown) {
        let Some(id) = message.id else {
            tracing::error!(
                ?lane,
                times = message.times,
                "a message is no notification's id; it goes to the dead letters"
            );
            return;
        };
        if message.times == 1
            && let Some(sent_at) = message.sent_at
        {
            let age = (self.worker.context.clock.now() - sent_at).to_std().unwrap_or_default();
            QUEUE_AGE.record(age, [lane.as_str().into()]);
        }
        let hop = match &message.traceparent {
            None => Hop::default(),
            trip => Start::new(SpanKind::Consumer, format!("dispatch {}", lane.as_str()))
                .after(trip.as_deref())
                .with("fieldfuze.notification", id.to_string())
                .with("messaging.system", "aws_sqs")
                .begin(),
        };
        let span = tracing::info_span!("dispatch", trace_id = hop.trip());
        let failing = hop.clone();
        let handling = async {
            if let Err(error) = self.handle_one(lane, id, &message, shutdown).await {
                failing.failed("it comes again");
                let times = message.times;
                tracing::warn!(?lane, notification = %id, times, error = &error as &dyn std::error::Error, "a message was not finished and comes again");
            }
        };
        hop.carry(Box::pin(handling)).instrument(span).await;
    }

    async fn handle_one(
        &self,
        lane: Lane,
        id: NotificationId,
        message: &Received,
        shutdown: &Shutdown,
    ) -> Result<(), WorkError> {
        tokio::select! {
            worked = self.worker.work(id, shutdown) => self.finish(lane, message, worked).await,
            error = self.stay_invisible(lane, message) => Err(error),
        }
    }

    async fn finish(&self, lane: Lane, message: &Received, worked: Result<Done, WorkError>) -> Result<(), WorkError> {
        match worked {
            Ok(Done::Finished) => Ok(self.queues.delete(lane, message).await?),
            Ok(Done::GivenBack) => Ok(self.queues.show_again_in(lane, message, 0).await?),
            Ok(Done::Dead) => Ok(self.queues.bury(lane, message).await?),
            // Whatever is away comes back, and then the sweeper queues what still waits. The dead letters are for what
            // fails for a reason of its own.
            Err(error) if message.times >= MAX_RECEIVES => {
                self.queues.delete(lane, message).await?;
                Err(error)
            }
            Err(error) => {
                self.queues.show_again_in(lane, message, pause_after(message.times)).await?;
                Err(error)
            }
        }
    }

    /// Ends only when the queue does not answer.
    async fn stay_invisible(&self, lane: Lane, message: &Received) -> WorkError {
        loop {
            tokio::time::sleep(HEARTBEAT).await;
            if let Err(error) = self.queues.show_again_in(lane, message, VISIBILITY_SECONDS).await {
                return error.into();
            }
        }
    }
}

/// Seconds until a message comes again whose handling failed for so many times: 2, 4, 8, 16. What failed may work in a moment,
/// and nothing was sent.
fn pause_after(times: u32) -> u32 {
    1 << times.min(MAX_RECEIVES)
}

fn pauses() -> impl Iterator<Item = Duration> + Send {
    backon::BackoffBuilder::build(backon::ExponentialBuilder::default().with_max_delay(LONGEST_PAUSE).with_jitter())
}
