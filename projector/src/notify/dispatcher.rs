//! Takes notifications off the queues and has them worked on.

mod deletions;
mod handle;
mod heartbeat;

use std::{sync::Arc, time::Duration};

use events::notification::Lane;
use futures::future::join_all;
use platform::lifecycle::Shutdown;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    queue::{BATCH, Queues, Received},
    work::Worker,
};

/// Messages of a lane that are worked on at once. Each takes some 150 ms: it is let through 50 ms before its moment, the
/// provider answers within 50 ms, and the writes come on top. So a thousand a second need 150 places, those that the receivers
/// hold free need 30, and the rest is for a log that is slow. Each holds some 30 KB.
const CONCURRENT: usize = 256;

/// Receives of a lane under way at once. One takes 10 to 15 ms and brings 10 messages, as a rule fewer: three of them bring a
/// thousand a second with some to spare.
const RECEIVERS: usize = 3;

/// How long a receive that is under way may take once the shutdown has begun. What is on the queue comes within some 15 ms, and
/// is given back; cut off, it would stay hidden for a minute. A longer wait would only be for what comes meanwhile.
const LAST_RECEIVE: Duration = Duration::from_secs(1);

/// Longest pause between two tries to reach a queue that does not answer.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// The dispatcher of one process. Clones share everything.
#[derive(Debug, Clone)]
pub struct Dispatcher {
    worker: Arc<Worker>,
    queues: Queues,
}

/// A dispatcher at work on one lane. Clones share everything.
#[derive(Debug, Clone)]
struct AtWork {
    worker: Arc<Worker>,
    queues: Queues,
    lane: Lane,
    shutdown: Shutdown,
    /// Takes the messages that have served.
    served: mpsc::Sender<Received>,
    places: Arc<Semaphore>,
    tasks: TaskTracker,
    /// Cancelled once nothing is received any more.
    received_all: CancellationToken,
}

impl Dispatcher {
    /// A dispatcher that has its messages worked on by `worker`.
    pub fn new(worker: Worker, queues: Queues) -> Self {
        Self { worker: Arc::new(worker), queues }
    }

    /// Works on one lane until the shutdown begins, then finishes what is in flight and gives back what waits.
    pub async fn run(self, lane: Lane, shutdown: Shutdown) {
        let Self { worker, queues } = self;
        let (served, deleting) = deletions::of(queues.clone(), lane);
        let (places, tasks) = (Arc::new(Semaphore::new(CONCURRENT)), TaskTracker::new());
        let received_all = CancellationToken::new();
        let at_work = AtWork { worker, queues, lane, shutdown, served, places, tasks, received_all };
        // The last message has served when all that holds a sender is gone.
        let working = async move {
            join_all((0..RECEIVERS).map(|_| at_work.receive())).await;
            at_work.received_all.cancel();
            at_work.tasks.close();
            at_work.tasks.wait().await;
            drop(at_work);
        };
        tokio::join!(working, deleting);
    }
}

impl AtWork {
    /// Receives messages until the shutdown begins, each into a place that is free: none waits for a place while its time of
    /// being invisible runs out.
    async fn receive(&self) {
        let mut failures = pauses();
        loop {
            let mut reserved = tokio::select! {
                biased;
                () = self.shutdown.begun() => return,
                reserved = Arc::clone(&self.places).acquire_many_owned(BATCH.into()) => match reserved {
                    Ok(reserved) => reserved,
                    Err(_) => return,
                },
            };
            let received = tokio::select! {
                received = self.queues.receive(self.lane, BATCH) => received,
                () = self.last_receive() => return,
            };
            match received {
                Ok(messages) => {
                    failures = pauses();
                    for message in messages {
                        let place = reserved.split(1);
                        self.tasks.spawn(self.clone().fill(place, message));
                    }
                }
                Err(error) => {
                    drop(reserved);
                    let lane = self.lane;
                    tracing::warn!(?lane, error = &error as &dyn std::error::Error, "the queue does not answer");
                    let pause = failures.next().unwrap_or(LONGEST_PAUSE);
                    tokio::select! { () = self.shutdown.begun() => return, () = tokio::time::sleep(pause) => () }
                }
            }
        }
    }

    async fn fill(self, place: Option<OwnedSemaphorePermit>, message: Received) {
        self.handle(message).await;
        drop(place);
    }

    /// Ends when a receive has had its time after the shutdown began.
    async fn last_receive(&self) {
        self.shutdown.begun().await;
        tokio::time::sleep(LAST_RECEIVE).await;
    }
}

fn pauses() -> impl Iterator<Item = Duration> + Send {
    backon::BackoffBuilder::build(backon::ExponentialBuilder::default().with_max_delay(LONGEST_PAUSE).with_jitter())
}
