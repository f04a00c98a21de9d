//! One run of catching up at a time: shards that need one at the same moment share it.

use chrono::{DateTime, Utc};
use platform::clock::Clock;
use tokio::{sync::Mutex, time::Instant};

use super::{Handler, HandlerError};

/// The last run that succeeded.
#[derive(Debug, Default)]
pub(super) struct CatchUp(Mutex<Option<Run>>);

#[derive(Debug, Clone, Copy)]
struct Run {
    began: Instant,
    began_at: DateTime<Utc>,
}

impl CatchUp {
    /// Returns when everything that was in the log at `needed` has been applied, with the moment (wall clock) at which
    /// the run that did it began. A run that began earlier does not count.
    pub(super) async fn since<H: Handler>(
        &self,
        needed: Instant,
        handler: &H,
        clock: &Clock,
    ) -> Result<DateTime<Utc>, HandlerError> {
        let mut last = self.0.lock().await;
        if let Some(run) = last.filter(|run| run.began >= needed) {
            return Ok(run.began_at);
        }
        let run = Run { began: Instant::now(), began_at: clock.now() };
        handler.catch_up().await?;
        *last = Some(run);
        Ok(run.began_at)
    }
}
