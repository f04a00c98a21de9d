//! Puts notifications back on their queues that should have moved on: lost messages, deferred tries, dead dispatchers.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use events::{
    ids::NotificationId,
    notification::{Delivery, Lane, NotificationState},
    views::BUCKETS,
};
use moka::future::Cache;
use platform::{
    clock::Clock, lifecycle::Shutdown, rows::Rows, store::StoreError, tables::QUEUES, telemetry::metrics::QUEUE_DEPTH,
};

use super::queue::Queues;

/// How often the sweeper looks.
const INTERVAL: Duration = Duration::from_secs(2);

/// Most notifications of a bucket per look; the next look goes on behind them.
const BATCH: i32 = 200;

/// For how long a notification that was queued again is left to its queue.
const LEFT_TO_THE_QUEUE: Duration = Duration::from_mins(2);

/// Most swept notifications remembered: as many as are looked at within that time.
const REMEMBERED: u64 = 100_000;

/// The sweeper of one process. It works where the log is led from: one is enough, and several do no harm but messages too
/// many, which find nothing to do.
#[derive(Debug)]
pub struct Sweeper {
    rows: Rows<NotificationState>,
    queues: Queues,
    clock: Clock,
    /// What was swept lately, with the version that it had.
    swept: Cache<NotificationId, u64>,
    /// Where the next look of each bucket goes on.
    places: [DateTime<Utc>; BUCKETS as usize],
}

impl Sweeper {
    /// A sweeper that has not looked yet.
    pub fn new(rows: Rows<NotificationState>, queues: Queues, clock: Clock) -> Self {
        let swept = Cache::builder().max_capacity(REMEMBERED).time_to_live(LEFT_TO_THE_QUEUE).build();
        Self { rows, queues, clock, swept, places: [DateTime::UNIX_EPOCH; BUCKETS as usize] }
    }

    /// Looks while `leads` says so, until the shutdown begins.
    pub async fn run(mut self, leads: impl Fn() -> bool, shutdown: Shutdown) {
        let mut tick = tokio::time::interval(INTERVAL);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! { () = shutdown.begun() => return, _ = tick.tick() => () }
            if leads()
                && let Err(error) = self.sweep().await
            {
                tracing::warn!(error = &error as &dyn std::error::Error, "the sweep failed");
            }
        }
    }

    async fn sweep(&mut self) -> Result<(), StoreError> {
        let mut idle = Vec::new();
        for queue in &QUEUES {
            let backlog = self.queues.backlog(queue.lane).await?;
            QUEUE_DEPTH.set(u32::try_from(backlog).unwrap_or(u32::MAX).into(), [queue.lane.as_str().into()]);
            if backlog == 0 {
                idle.push(queue.lane);
            }
        }
        for bucket in 0..BUCKETS {
            let place = usize::from(bucket);
            let rows = self.rows.due(bucket, (self.places[place], self.clock.now()), BATCH).await?;
            let whole = usize::try_from(BATCH).is_ok_and(|batch| rows.len() >= batch);
            let last = rows.last().and_then(NotificationState::look_again_at).filter(|_| whole);
            self.places[place] = last.map_or(DateTime::UNIX_EPOCH, |at| at + TimeDelta::microseconds(1));
            for row in rows {
                self.queue_again(&row, &idle).await?;
            }
        }
        Ok(())
    }

    async fn queue_again(&self, row: &NotificationState, idle: &[Lane]) -> Result<(), StoreError> {
        // One that never moved waits in its queue, however long that is; only when the queue is empty was it lost.
        let waits = row.status == Delivery::Pending && row.due.is_none() && !idle.contains(&row.lane);
        if waits || self.swept.get(&row.id).await == Some(row.version.0) {
            return Ok(());
        }
        self.queues.send(row.lane, row.id, row.traceparent.as_deref()).await?;
        self.swept.insert(row.id, row.version.0).await;
        tracing::info!(notification = %row.id, status = row.status.as_str(), "a notification is queued again");
        Ok(())
    }
}
