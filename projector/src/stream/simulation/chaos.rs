//! What the director does to the processes and to the world.

use std::time::Duration;

use chrono::TimeDelta;
use tokio::{
    task::AbortHandle,
    time::{Instant, sleep, sleep_until, timeout},
};

use super::{
    director::Director,
    events::Event,
    weather::{PARTS, Part},
    world::State,
};

/// Shards that there may be before none splits any more: a run is short.
const SHARDS: usize = 14;

/// For so many milliseconds a call may hang: longer than a new owner waits for a hand-over.
const MOST_PATIENCE: u64 = 60_000;

/// How long a process may take to end before it is killed, as a deployment would.
const DRAIN: Duration = Duration::from_secs(25);

impl Director {
    /// One thing that happens.
    pub(super) async fn act(&mut self) {
        match self.draw(0..=99) {
            0..23 => self.grow(),
            23..38 => self.kill(),
            38..48 => self.kill_soon(),
            48..66 => self.join(),
            66..72 => self.end(),
            72..80 => self.hold(),
            80..84 => self.outage(),
            84..88 => self.hang(),
            88..92 => self.jump(),
            92..94 => {
                let mut state = self.world.lock();
                state.expire_iterators();
            }
            94..96 => self.another_stream(),
            _ => self.night().await,
        }
    }

    /// Appends a few commits.
    pub(super) fn commit_some(&self) {
        let mut state = self.world.lock();
        for _ in 0..state.chance.u8(0..8) {
            let stream = state.chance.u64(0..self.streams);
            state.commit(stream);
        }
    }

    /// A shard rolls over or splits.
    fn grow(&self) {
        let mut state = self.world.lock();
        let open: Vec<String> = state.tree.open().map(|(id, _)| id.clone()).collect();
        if state.tree.shards.len() >= SHARDS || open.is_empty() {
            return;
        }
        let (id, splits) = (open[state.chance.usize(0..open.len())].clone(), state.chance.bool());
        let now = state.elapsed();
        let lag = Duration::from_millis(state.weather.listing_lag.as_millis().try_into().unwrap());
        let lag = |state: &mut State| lag.mul_f64(state.chance.f64());
        let mut lags = vec![lag(&mut state)];
        if splits {
            lags.push(if state.tree.siblings_apart { lag(&mut state) } else { lags[0] });
        }
        state.count(if splits { Event::Split } else { Event::RolledOver });
        state.note(|| format!("{id} closes, {} go on from it", lags.len()));
        state.tree.close(&id, now, &lags);
    }

    fn any(&self) -> Option<usize> {
        let numbers: Vec<usize> = self.running.keys().copied().collect();
        if numbers.is_empty() { None } else { Some(numbers[self.draw(0..=numbers.len() - 1)]) }
    }

    /// A process dies where it stands.
    fn kill(&mut self) {
        if let Some(number) = self.any() {
            self.remove(number);
        }
    }

    pub(super) fn remove(&mut self, number: usize) {
        if let Some(running) = self.running.remove(&number) {
            running.task.abort();
        }
        let mut state = self.world.lock();
        state.count(Event::Killed);
        state.note(|| format!("process {number} is killed"));
        if let Some(process) = state.processes.get_mut(&number) {
            process.task = None;
        }
    }

    /// A process dies within one of its next calls.
    fn kill_soon(&mut self) {
        let Some(number) = self.any() else { return };
        let mut state = self.world.lock();
        let fuse = state.chance.u32(1..60);
        if let Some(process) = state.processes.get_mut(&number) {
            process.fuse = Some(fuse);
        }
        // Whether it is dead already does not matter: it is not asked for anything any more.
        drop(state);
        if let Some(running) = self.running.remove(&number) {
            self.leaving.push(running.task.abort_handle());
        }
    }

    /// A process is asked to end, and killed when it takes too long.
    fn end(&mut self) {
        let Some(number) = self.any() else { return };
        let Some(running) = self.running.remove(&number) else { return };
        {
            let mut state = self.world.lock();
            state.count(Event::AskedToEnd);
            state.note(|| format!("process {number} is asked to end"));
        }
        running.shutdown.begin();
        let kill = running.task.abort_handle();
        self.leaving.push(kill.clone());
        tokio::spawn(async move {
            if timeout(DRAIN, running.task).await.is_err() {
                kill.abort();
            }
        });
    }

    /// A process stands still, often for longer than its leases last.
    fn hold(&self) {
        let Some(number) = self.any() else { return };
        let mut state = self.world.lock();
        let pause = state.millis(500..40_000);
        state.note(|| format!("process {number} stands still for {pause:?}"));
        if let Some(process) = state.processes.get_mut(&number) {
            process.held_until = Instant::now() + pause;
            if pause > process.config.lease_time {
                state.count(Event::StoodStill);
            }
        }
    }

    /// A part of the world does not answer.
    fn outage(&self) {
        let mut state = self.world.lock();
        let (part, pause) = (PARTS[state.chance.usize(0..PARTS.len())], state.millis(500..20_000));
        state.count(Event::Outage);
        state.note(|| format!("{part:?} does not answer for {pause:?}"));
        state.weather.down.insert(part, Instant::now() + pause);
    }

    /// One more process, if there may be one.
    fn join(&mut self) {
        if self.running.len() < self.most_processes {
            self.start();
        }
    }

    /// A part of the world answers only after a while. Meanwhile somebody comes and wants a share of the work.
    fn hang(&mut self) {
        self.join();
        let mut state = self.world.lock();
        let part = if state.chance.bool() { Part::Rows } else { PARTS[state.chance.usize(0..PARTS.len())] };
        let pause = state.millis(500..MOST_PATIENCE);
        state.count(Event::Hung);
        state.note(|| format!("{part:?} hangs for {pause:?}"));
        let until = Instant::now() + pause;
        state.weather.hanging.insert(part, until);
        state.hung_until = state.hung_until.max(until);
    }

    /// A process's wall clock is set to another time.
    fn jump(&self) {
        let Some(number) = self.any() else { return };
        let mut state = self.world.lock();
        let skew = state.wrong_by();
        state.note(|| format!("the wall clock of process {number} is wrong by {skew} from now on"));
        if let Some(process) = state.processes.get_mut(&number)
            && process.skew != skew
        {
            process.skew = skew;
            state.count(Event::ClockJumped);
        }
    }

    fn another_stream(&self) {
        let mut state = self.world.lock();
        let (shards, now) = (state.chance.u64(1..=3), state.elapsed());
        state.tree.replace(shards, now);
        state.count(Event::AnotherStream);
        state.note(|| "the table has another stream".to_owned());
    }

    /// Hours go by in which every process is dead or stands still; the log goes on, the stream forgets.
    async fn night(&mut self) {
        let until = {
            let mut state = self.world.lock();
            let hours = state.chance.u64(6..40);
            state.note(|| format!("nobody works for {hours} hours"));
            Instant::now() + Duration::from_hours(hours)
        };
        self.leaving.drain(..).for_each(|task: AbortHandle| task.abort());
        for number in self.running.keys().copied().collect::<Vec<_>>() {
            if self.draw(0..=2) == 0 {
                self.remove(number);
            } else if let Some(process) = self.world.lock().processes.get_mut(&number) {
                process.held_until = until;
            }
        }
        while Instant::now() < until {
            let pause = self.world.lock().millis(1_800_000..14_400_000);
            sleep_until(until.min(Instant::now() + pause)).await;
            self.commit_some();
            if self.draw(0..=3) == 0 {
                self.grow();
            }
            self.world.lock().trim();
        }
        if self.running.is_empty() {
            sleep(Duration::from_secs(1)).await;
            self.start();
        }
    }
}

impl State {
    /// By how much some wall clock is wrong.
    pub(super) fn wrong_by(&mut self) -> TimeDelta {
        let most = self.skew.num_seconds();
        TimeDelta::seconds(self.chance.i64(-most..=most))
    }

    /// Appends a commit; its record reaches the stream at once, twice, or never.
    pub(super) fn commit(&mut self, stream: u64) {
        let payload = self.chance.u64(..);
        let commit = self.log.append(stream, payload);
        let at = self.elapsed();
        self.note(|| format!("commit {}@{}", commit.stream, commit.version));
        if self.happens(self.weather.lost_records) {
            self.count(Event::RecordLost);
            self.note(|| format!("the record of {}@{} is lost", commit.stream, commit.version));
            self.lossy.insert(stream);
            return;
        }
        self.tree.put(commit, at);
        if self.happens(self.weather.repeated_records) {
            self.count(Event::RecordRepeated);
            self.tree.put(commit, at);
        }
    }

    fn expire_iterators(&mut self) {
        self.tree.expire_all();
        self.note(|| "every iterator has expired".to_owned());
    }

    pub(super) fn trim(&mut self) {
        let now = self.elapsed();
        for event in self.tree.trim(now) {
            self.count(event);
        }
    }
}
