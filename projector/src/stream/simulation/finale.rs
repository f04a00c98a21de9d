//! Nothing goes wrong any more: everything has to become right, within a bound.

use std::{collections::BTreeMap, time::Duration};

use tokio::{
    task::AbortHandle,
    time::{Instant, sleep, timeout},
};

use super::{director::Director, weather::Weather};
use crate::stream::Tally;

/// From the end of all faults until everything is right: the longest waits of a reader one after the other.
const SETTLED_WITHIN: Duration = Duration::from_mins(10);

/// From a commit to its row, in a world without faults.
const FRESH_WITHIN: Duration = Duration::from_secs(10);

/// From the request to end until every lease is let go.
const ENDED_WITHIN: Duration = Duration::from_secs(10);

impl Director {
    pub(super) async fn settle(&mut self) -> Result<(), String> {
        self.calm();
        let began = Instant::now();
        while let Err(why) = self.is_settled() {
            if began.elapsed() > SETTLED_WITHIN {
                return Err(format!("without faults it is still so: {why}"));
            }
            sleep(Duration::from_secs(1)).await;
        }
        self.settled_in = began.elapsed();
        self.everything_was_seen()?;
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

    /// Rows equal the fold of the log, every shard that ended was read to its end, every open one has a live owner, and
    /// the shares are even.
    fn is_settled(&self) -> Result<(), String> {
        let state = self.world.lock();
        if let Some((stream, version)) = state.pending().first() {
            return Err(format!("{stream}@{version} is not stored"));
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
        let (least, most) = (shares.values().min().copied(), shares.values().max().copied());
        if most > least.map(|least| least + 1) {
            return Err(format!("the shares are uneven: {:?}", shares.values()));
        }
        Ok(())
    }

    /// Every record was delivered, unless somebody told of having caught up from the log.
    fn everything_was_seen(&self) -> Result<(), String> {
        let state = self.world.lock();
        let records = state.tree.shards.values().flat_map(|shard| &shard.records);
        match records.filter(|entry| !entry.delivered).map(|entry| entry.commit).next() {
            Some(commit) if self.counted(Tally::CaughtUp) == 0 => {
                Err(format!("{}@{} was never delivered, and nobody told", commit.stream, commit.version))
            }
            _ => Ok(()),
        }
    }

    /// Owners not only hold their shards, they read them.
    async fn is_alive(&self) -> Result<(), String> {
        (0..self.streams).for_each(|stream| self.world.lock().commit(stream));
        let began = Instant::now();
        loop {
            let pending = self.world.lock().pending().pop_first();
            let Some((stream, version)) = pending else { return Ok(()) };
            if began.elapsed() > FRESH_WITHIN {
                return Err(format!("{stream}@{version} is not stored, though its shard has an owner"));
            }
            sleep(Duration::from_millis(100)).await;
        }
    }

    async fn end_all(&mut self) -> Result<(), String> {
        for (number, running) in std::mem::take(&mut self.running) {
            running.shutdown.begin();
            let ended = timeout(ENDED_WITHIN, running.task).await;
            if !matches!(ended, Ok(Ok(()))) {
                return Err(format!("process {number} did not end: {ended:?}"));
            }
        }
        let state = self.world.lock();
        let held =
            state.leases.list().into_iter().find(|lease| lease.stream == state.tree.stream && lease.owner.is_some());
        held.map_or(Ok(()), |lease| Err(format!("the lease of {} was not let go", lease.shard)))
    }
}
