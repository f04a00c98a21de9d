//! Puts notifications back on their queues that should have moved on: lost messages, deferred tries, dead dispatchers.

mod lost;

use std::{collections::HashMap, error::Error, time::Duration};

use events::{
    ids::NotificationId,
    notification::{Lane, NotificationState},
    views::BUCKETS,
};
use moka::future::Cache;
use platform::{
    clock::Clock,
    lifecycle::Shutdown,
    rows::{Item, Rows},
    store::StoreError,
    tables::QUEUES,
    telemetry::metrics::QUEUE_DEPTH,
};

use self::lost::{LaneNow, Queued, is_to_be_queued};
use super::queue::Queues;

/// How often the sweeper looks.
const INTERVAL: Duration = Duration::from_secs(2);

/// Most notifications of a bucket per look; the next look goes on behind them.
const BATCH: i32 = 200;

/// For how long it is remembered that a notification was queued again. Then it is queued once more, should it still wait for
/// that message: many wait where much is queued, and each message too many makes the others wait longer.
const REMEMBERED_FOR: Duration = Duration::from_mins(15);

/// Most of them remembered; each takes some 100 bytes.
const REMEMBERED: u64 = 100_000;

/// The sweeper of one process. It works where the log is led from: one is enough, and several do no harm but messages too
/// many, which find nothing to do.
#[derive(Debug)]
pub struct Sweeper {
    rows: Rows<NotificationState>,
    queues: Queues,
    clock: Clock,
    /// What was swept lately.
    swept: Cache<NotificationId, Queued>,
    /// Where the next look of each bucket goes on; `None`: at its beginning.
    places: [Option<Item>; BUCKETS as usize],
}

impl Sweeper {
    /// A sweeper that has not looked yet.
    pub fn new(rows: Rows<NotificationState>, queues: Queues, clock: Clock) -> Self {
        let swept = Cache::builder().max_capacity(REMEMBERED).time_to_live(REMEMBERED_FOR).build();
        Self { rows, queues, clock, swept, places: Default::default() }
    }

    /// Looks while `leads` says so, until the shutdown begins.
    pub async fn run(mut self, leads: impl Fn() -> bool, shutdown: Shutdown) {
        let mut tick = tokio::time::interval(INTERVAL);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! { () = shutdown.begun() => return, _ = tick.tick() => () }
            if !leads() {
                // Whoever leads tells it: what this process told last would stand beside it for ever.
                QUEUES.iter().for_each(|queue| QUEUE_DEPTH.set(0.0, [queue.lane.as_str().into()]));
            } else if let Err(error) = self.sweep().await {
                tracing::warn!(error = &error as &dyn Error, "the sweep failed");
            }
        }
    }

    async fn sweep(&mut self) -> Result<(), StoreError> {
        let mut lanes = HashMap::new();
        for lane in QUEUES.map(|queue| queue.lane) {
            let backlog = self.queues.backlog(lane).await?;
            QUEUE_DEPTH.set(u32::try_from(backlog).unwrap_or(u32::MAX).into(), [lane.as_str().into()]);
            lanes.insert(lane, LaneNow { is_empty: backlog == 0, has_come_to: self.queues.has_come_to(lane) });
        }
        // One bucket that cannot be swept does not hold up those behind it.
        for bucket in 0..BUCKETS {
            if let Err(error) = self.sweep_bucket(bucket, &lanes).await {
                tracing::warn!(bucket, error = &error as &dyn Error, "a bucket could not be swept");
            }
        }
        Ok(())
    }

    async fn sweep_bucket(&mut self, bucket: u8, lanes: &HashMap<Lane, LaneNow>) -> Result<(), StoreError> {
        let place = &mut self.places[usize::from(bucket)];
        // After an error it begins anew: a place of a generation that is read no more would be refused for ever.
        let due = self.rows.due(bucket, self.clock.now(), place.take(), BATCH).await?;
        *place = due.next;
        for notification in due.unreadable {
            tracing::error!(bucket, ?notification, "a notification's row cannot be read and is not swept");
        }
        for (lane, now) in lanes {
            let mut lost = Vec::new();
            for row in due.rows.iter().filter(|row| row.lane == *lane) {
                let swept = self.swept.get(&row.id).await.filter(|swept| swept.version == row.version);
                if is_to_be_queued(row, swept.as_ref(), now, self.clock.now()) {
                    lost.push(row);
                }
            }
            self.queue_again(*lane, &lost).await?;
        }
        Ok(())
    }

    async fn queue_again(&self, lane: Lane, lost: &[&NotificationState]) -> Result<(), StoreError> {
        let messages: Vec<_> = lost.iter().map(|row| (row.id, row.traceparent.as_deref())).collect();
        let queued = self.queues.send_all(lane, &messages).await?;
        for row in lost.iter().filter(|row| queued.contains(&row.id)) {
            self.swept.insert(row.id, Queued { version: row.version, at: self.clock.now() }).await;
            tracing::info!(notification = %row.id, status = row.status.as_str(), "a notification is queued again");
        }
        Ok(())
    }
}
