//! Nothing goes wrong any more: everything has to become right, within a bound.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use chrono::{DateTime, Utc};
use tokio::{
    task::AbortHandle,
    time::{Instant, sleep, timeout},
};

use super::{
    director::Director,
    log::Commit,
    shard_tree::TreeShard,
    weather::Weather,
    world::{State, wall},
};
use crate::stream::{Tally, lease::LEADER};

/// From the end of all faults until everything is right: the longest waits of a reader one after the other.
const SETTLED_WITHIN: Duration = Duration::from_mins(3);

/// From a commit to its row, in a world without faults.
const FRESH_WITHIN: Duration = Duration::from_secs(10);

/// From the request to end until every lease is let go.
const ENDED_WITHIN: Duration = Duration::from_secs(10);

impl State {
    /// Whether everybody who looked at the leases at a moment has to reckon with a shard: it had a row, or it goes on,
    /// with no sibling that has a row, from one that they had to reckon with.
    fn is_known(&self, stream: Option<&str>, id: &str, at: DateTime<Utc>) -> bool {
        let shard = &self.tree.shards[id];
        if Some(shard.stream.as_str()) != stream {
            return false;
        }
        if let Some(created) = self.leases.created(&shard.stream, id) {
            return self.wall_at(created) < at;
        }
        let Some(parent) = &shard.parent else { return false };
        let mut siblings = self.tree.shards.iter().filter(|(_, other)| other.parent.as_ref() == Some(parent));
        let alone = !siblings.any(|(sibling, _)| self.leases.created(&shard.stream, sibling).is_some());
        alone && self.is_known(stream, parent, at)
    }
}

impl Director {
    pub(super) async fn settle(&mut self) -> Result<(), String> {
        self.calm();
        let began = Instant::now();
        while let Err(why) = self.is_settled().and_then(|()| self.everything_was_seen()) {
            self.what_is_told_is_true();
            if began.elapsed() > SETTLED_WITHIN {
                return Err(format!("without faults it is still so: {why}"));
            }
            sleep(Duration::from_secs(1)).await;
        }
        self.settled_in = began.elapsed();
        self.is_alive().await?;
        self.end_all().await
    }

    fn calm(&mut self) {
        self.leaving.drain(..).for_each(|task: AbortHandle| task.abort());
        if self.is_warped() {
            self.unwarp();
            self.running.keys().copied().collect::<Vec<_>>().into_iter().for_each(|number| self.remove(number));
        }
        {
            let mut state = self.world.lock();
            state.note(|| "nothing goes wrong any more".to_owned());
            state.weather = Weather::default();
            // A lost record shows when the next one of its stream comes.
            for stream in std::mem::take(&mut state.lossy) {
                state.commit(stream);
            }
        }
        let wanted = self.draw(1..=self.most_processes);
        while self.running.len() < wanted {
            self.start();
        }
    }

    /// Rows equal the fold of the log, every shard that ended was read to its end, every open one has a live owner, the
    /// shares are even, and somebody lists the shards.
    fn is_settled(&self) -> Result<(), String> {
        let state = self.world.lock();
        if let Some((stream, version)) = state.pending().first() {
            return Err(format!("{stream}@{version} is not stored"));
        }
        if let Some(number) = self.running.keys().find(|number| state.processes[number].held_until > Instant::now()) {
            return Err(format!("process {number} still stands still"));
        }
        if state.hung_until > Instant::now() {
            return Err("calls still hang".to_owned());
        }
        let mut shares: BTreeMap<_, usize> = self.running.values().map(|running| (running.me, 0)).collect();
        for (id, shard) in &state.tree.shards {
            if shard.closed_at.is_some() {
                if shard.stream == state.tree.stream && !shard.gone && !state.leases.ended.contains(id) {
                    return Err(format!("{id} is not read to its end"));
                }
                continue;
            }
            let owner = state.leases.get(&state.tree.stream, id).and_then(|lease| lease.owner);
            let share = owner.and_then(|owner| shares.get_mut(&owner));
            *share.ok_or_else(|| format!("{id} has no owner that is alive"))? += 1;
        }
        let leader = state.leases.get(&state.tree.stream, LEADER).and_then(|lease| lease.owner);
        if !leader.is_some_and(|leader| shares.contains_key(&leader)) {
            return Err("nobody who is alive lists the shards".to_owned());
        }
        let (least, most) = (shares.values().min().copied(), shares.values().max().copied());
        if most > least.map(|least| least + 1) {
            return Err(format!("the shares are uneven: {:?}", shares.values()));
        }
        Ok(())
    }

    /// Every record was delivered, unless the stream lost it first. Then somebody told of having caught up from the log,
    /// and had begun with it after the record.
    fn everything_was_seen(&self) -> Result<(), String> {
        let state = self.world.lock();
        let told = self.counted(Tally::CaughtUp) > 0;
        for (id, shard) in &state.tree.shards {
            let readable = if shard.gone || shard.stream != state.tree.stream { usize::MAX } else { shard.trimmed };
            for (place, entry) in shard.records.iter().enumerate().filter(|(_, entry)| !entry.delivered) {
                let (stream, version) = (entry.commit.stream, entry.commit.version);
                if place >= readable {
                    return Err(format!("{stream}@{version} is in {id} and was never delivered"));
                }
                if !told || state.caught_up < Some(entry.at) {
                    return Err(format!("{stream}@{version} was lost by the stream, and nobody told"));
                }
            }
        }
        Ok(())
    }

    /// Whatever a process says to be complete is stored, for a clock that may be wrong. What it cannot know of does
    /// not count.
    pub(super) fn what_is_told_is_true(&self) {
        let mut state = self.world.lock();
        for (number, running) in &self.running {
            let status = running.worker.status();
            let Some(until) = status.complete_until else { continue };
            let certain = until - state.skew;
            let known = |(id, _): &(&String, &TreeShard)| state.is_known(status.stream.as_deref(), id, certain);
            let shards = state.tree.shards.iter().filter(known).map(|(_, shard)| shard);
            let recorded = shards.flat_map(|shard| shard.records.iter().take_while(|entry| wall(entry.at) < certain));
            let missing =
                recorded.map(|entry| entry.commit).find(|commit| !state.is_durable(commit.stream, commit.version.0));
            if let Some(Commit { stream, version, .. }) = missing {
                let at = state.now();
                state.violate(format!(
                    "process {number} tells at {at} that all is stored until {until}, and {stream}@{version} is not"
                ));
            }
        }
    }

    /// Owners not only hold their shards, they read them.
    async fn is_alive(&self) -> Result<(), String> {
        (0..self.streams).for_each(|stream| self.world.lock().commit(stream));
        let began = Instant::now();
        loop {
            let pending = self.world.lock().pending().pop_first();
            let Some((stream, version)) = pending else { return Ok(()) };
            self.what_is_told_is_true();
            if began.elapsed() > FRESH_WITHIN {
                return Err(format!("{stream}@{version} is not stored, though its shard has an owner"));
            }
            sleep(Duration::from_millis(100)).await;
        }
    }

    async fn end_all(&mut self) -> Result<(), String> {
        let mut owners = BTreeSet::new();
        for (number, running) in std::mem::take(&mut self.running) {
            owners.insert(running.me);
            running.shutdown.begin();
            let ended = timeout(ENDED_WITHIN, running.task).await;
            if !matches!(ended, Ok(Ok(()))) {
                return Err(format!("process {number} did not end: {ended:?}"));
            }
        }
        let state = self.world.lock();
        let held = state.leases.list().into_iter().find(|lease| {
            lease.stream == state.tree.stream && lease.owner.is_some_and(|owner| owners.contains(&owner))
        });
        held.map_or(Ok(()), |lease| Err(format!("the lease of {} was not let go", lease.shard)))
    }
}
