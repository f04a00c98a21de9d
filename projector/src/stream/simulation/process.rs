//! A process that runs a reader: it can be killed, held up, and have a wrong clock.

use chrono::{DateTime, TimeDelta, Utc};
use platform::clock::Clock;
use tokio::{
    task::AbortHandle,
    time::{Instant, sleep_until},
};
use uuid::Uuid;

use super::{
    events::Event,
    world::{World, wall},
};
use crate::stream::Config;

#[derive(Debug)]
pub(super) struct Process {
    pub(super) me: Uuid,
    pub(super) config: Config,
    pub(super) clock: Clock,
    /// By how much its wall clock is wrong.
    pub(super) skew: TimeDelta,
    /// Its root task, while it runs.
    pub(super) task: Option<AbortHandle>,
    /// It dies after so many more steps.
    pub(super) fuse: Option<u32>,
    /// Its calls stand still until then.
    pub(super) held_until: Instant,
}

impl Process {
    /// Sets the wall clock, which can only go on: it stands still while it is ahead.
    pub(super) fn tell_time(&self, now: DateTime<Utc>) {
        let ahead = now + self.skew - self.clock.now();
        if let Ok(ahead) = ahead.to_std() {
            self.clock.advance(ahead);
        }
    }
}

/// One side of every seam: before a call is sent, and before its answer is received. Here a process dies, or is held up.
pub(super) async fn step(world: &World, process: usize) {
    loop {
        let held_until = {
            let mut state = world.lock();
            let now = state.now();
            let Some(this) = state.processes.get_mut(&process) else { return };
            if let Some(fuse) = &mut this.fuse {
                *fuse = fuse.saturating_sub(1);
            }
            if this.fuse == Some(0) {
                this.fuse = None;
                this.task.take().iter().for_each(AbortHandle::abort);
                state.count(Event::DiedInCall);
                state.note(|| format!("process {process} dies in the middle of a call"));
            } else if this.task.is_some() {
                this.tell_time(now);
                if this.held_until <= Instant::now() {
                    return;
                }
            }
            let this = &state.processes[&process];
            this.task.is_some().then_some(this.held_until)
        };
        match held_until {
            Some(until) => sleep_until(until).await,
            // Dead: nothing goes on.
            None => std::future::pending().await,
        }
    }
}

/// The wall clock of a new process.
pub(super) fn clock(elapsed: std::time::Duration, skew: TimeDelta) -> Clock {
    Clock::manual(wall(elapsed) + skew)
}
