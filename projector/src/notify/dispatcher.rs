//! Takes notifications off the queues and has them worked on.

use std::{sync::Arc, time::Duration};

use events::notification::Lane;
use platform::{
    lifecycle::Shutdown,
    tables::{MAX_RECEIVES, VISIBILITY_SECONDS},
};
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

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
        let ended = tokio::select! {
            worked = self.worker.work(id, shutdown) => self.finish(lane, &message, worked).await,
            error = self.stay_invisible(lane, &message) => Err(error),
        };
        if let Err(error) = ended {
            let times = message.times;
            tracing::warn!(?lane, notification = %id, times, error = &error as &dyn std::error::Error, "a message was not finished and comes again");
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
