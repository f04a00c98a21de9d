//! A steady writer, and a reader that notes when what was written became visible.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use serde_json::json;
use tokio::{
    task::JoinHandle,
    time::{Instant, sleep},
};

use super::{Client, SOON};

/// Between the answer to one write and the next write.
const WRITE_EVERY: Duration = Duration::from_millis(20);

/// Changes that may wait while the feed counts as steady: those of a few polls.
const NEARLY: u64 = 25;

/// Between the answer to one read and the next read: a gap is measured no more exactly than that and a read.
const READ_EVERY: Duration = Duration::from_millis(5);

/// Changes one role over and over, and reads it without a token.
pub struct FeedWatch {
    seen: Arc<Seen>,
    tasks: [JoinHandle<()>; 2],
}

#[derive(Default)]
struct Seen {
    written: AtomicU64,
    shown: AtomicU64,
    /// When the row was first seen at a newer version.
    moments: Mutex<Vec<Instant>>,
    stop: AtomicBool,
}

impl FeedWatch {
    /// Writes through `commands` and reads through `queries`.
    pub fn start(commands: &Client, queries: &Client, role: &str) -> Self {
        let seen = Arc::new(Seen::default());
        let writer = tokio::spawn(write(commands.clone(), role.to_owned(), Arc::clone(&seen)));
        let reader = tokio::spawn(read(queries.clone(), role.to_owned(), Arc::clone(&seen)));
        Self { seen, tasks: [writer, reader] }
    }

    /// How often something newer was seen.
    pub fn sights(&self) -> usize {
        self.seen.moments.lock().unwrap().len()
    }

    /// Waits for so many more.
    #[track_caller]
    pub fn more(&self, sights: usize) -> impl Future<Output = ()> + '_ {
        let place = std::panic::Location::caller();
        async move {
            let (wanted, deadline) = (self.sights() + sights, Instant::now() + SOON);
            while self.sights() < wanted {
                assert!(Instant::now() < deadline, "{place}: nothing newer became visible");
                assert!(self.tasks.iter().all(|task| !task.is_finished()), "{place}: writer or reader ended");
                sleep(READ_EVERY).await;
            }
        }
    }

    /// Waits until the backlog is gone: the feed is steady again.
    pub async fn caught_up(&self) {
        let deadline = Instant::now() + SOON;
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        while read(&self.seen.shown) + NEARLY < read(&self.seen.written) {
            assert!(Instant::now() < deadline, "the feed never caught up");
            sleep(READ_EVERY).await;
        }
    }

    /// The longest time without anything newer, among all that overlap the span from `from` to `to`.
    pub fn longest_gap(&self, from: Instant, to: Instant) -> Duration {
        let moments = self.seen.moments.lock().unwrap();
        let gaps = moments.windows(2).filter(|pair| pair[1] > from && pair[0] < to);
        gaps.map(|pair| pair[1] - pair[0]).max().expect("something was seen")
    }

    /// Ends both, and gives the last version that was written.
    pub async fn stop(self) -> u64 {
        self.seen.stop.store(true, Ordering::Relaxed);
        for task in self.tasks {
            task.await.unwrap();
        }
        self.seen.written.load(Ordering::Relaxed)
    }
}

async fn write(commands: Client, role: String, seen: Arc<Seen>) {
    for change in 1_u64.. {
        if seen.stop.load(Ordering::Relaxed) {
            return;
        }
        let answer =
            commands.patch(&role, "*", &json!({ "description": format!("change {change}") })).await.expect(200);
        seen.written.store(answer.body["version"].as_u64().unwrap(), Ordering::Relaxed);
        sleep(WRITE_EVERY).await;
    }
}

async fn read(queries: Client, role: String, seen: Arc<Seen>) {
    let mut last = 0;
    while !seen.stop.load(Ordering::Relaxed) {
        let answer = queries.get(&role).await;
        let version = answer.body["version"].as_u64().unwrap_or_default();
        assert!(version >= last, "the row went back from {last} to {version}");
        if version > last {
            last = version;
            seen.shown.store(version, Ordering::Relaxed);
            seen.moments.lock().unwrap().push(Instant::now());
        }
        sleep(READ_EVERY).await;
    }
}
