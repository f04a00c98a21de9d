//! Puts notifications back on their queues that should have moved on: lost messages, deferred tries, dead dispatchers.

use std::time::Duration;

use events::{ids::NotificationId, notification::NotificationState, views::BUCKETS};
use moka::future::Cache;
use platform::{clock::Clock, lifecycle::Shutdown, rows::Rows, store::StoreError, tables::VISIBILITY_SECONDS};

use super::queue::Queues;

/// How often the sweeper looks.
const INTERVAL: Duration = Duration::from_secs(2);

/// Most notifications of a bucket per look.
const BATCH: i32 = 200;

/// Most swept notifications remembered.
const REMEMBERED: u64 = 20_000;

/// The sweeper of one process. Several do no harm: a message too many finds nothing to do.
#[derive(Debug)]
pub struct Sweeper {
    rows: Rows<NotificationState>,
    queues: Queues,
    clock: Clock,
    /// What was swept within the time for which a received message stays invisible, with the version that it had.
    swept: Cache<NotificationId, u64>,
}

impl Sweeper {
    /// A sweeper that has not looked yet.
    pub fn new(rows: Rows<NotificationState>, queues: Queues, clock: Clock) -> Self {
        let lifetime = Duration::from_secs(VISIBILITY_SECONDS.into());
        let swept = Cache::builder().max_capacity(REMEMBERED).time_to_live(lifetime).build();
        Self { rows, queues, clock, swept }
    }

    /// Looks until the shutdown begins.
    pub async fn run(self, shutdown: Shutdown) {
        let mut tick = tokio::time::interval(INTERVAL);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! { () = shutdown.begun() => return, _ = tick.tick() => () }
            if let Err(error) = self.sweep().await {
                tracing::warn!(error = &error as &dyn std::error::Error, "the sweep failed");
            }
        }
    }

    async fn sweep(&self) -> Result<(), StoreError> {
        for bucket in 0..BUCKETS {
            for row in self.rows.due(bucket, self.clock.now(), BATCH).await? {
                if self.swept.get(&row.id).await == Some(row.version.0) {
                    continue;
                }
                self.queues.send(row.lane, row.id).await?;
                self.swept.insert(row.id, row.version.0).await;
                tracing::info!(notification = %row.id, status = row.status.as_str(), "a notification is queued again");
            }
        }
        Ok(())
    }
}
