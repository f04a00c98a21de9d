//! The lease table, and what must hold of every write to it.

use std::collections::{BTreeMap, BTreeSet};

use tokio::time::Instant;

use super::{bug::Bug, events::Event, world::State};
use crate::stream::{
    Replaced,
    lease::{Checkpoint, Lease},
};

#[derive(Debug, Default)]
pub(super) struct Leases {
    rows: BTreeMap<String, Kept>,
    /// The shards that were checkpointed at their end.
    pub(super) ended: BTreeSet<String>,
}

#[derive(Debug, Clone)]
struct Kept {
    lease: Lease,
    created: Instant,
    /// When it got the owner that it has.
    taken: Instant,
    /// When owner or counter changed.
    moved: Instant,
    /// When the request changed.
    asked: Instant,
}

impl Leases {
    pub(super) fn list(&self) -> Vec<Lease> {
        self.rows.values().map(|kept| kept.lease.clone()).collect()
    }

    /// When the row of a shard's lease was created, if there is one.
    pub(super) fn created(&self, stream: &str, shard: &str) -> Option<Instant> {
        self.rows.get(&format!("{stream}/{shard}")).map(|kept| kept.created)
    }

    /// The lease of a shard, by its stream.
    pub(super) fn get(&self, stream: &str, shard: &str) -> Option<&Lease> {
        self.rows.get(&format!("{stream}/{shard}")).map(|kept| &kept.lease)
    }
}

impl State {
    pub(super) fn create_lease(&mut self, process: usize, lease: Lease) -> bool {
        if self.leases.rows.contains_key(&lease.key()) {
            return false;
        }
        self.note(|| format!("process {process} creates the lease of {}, {:?}", lease.shard, lease.position_at));
        let sound = self.position_is_true(&lease);
        self.check(sound);
        let now = Instant::now();
        self.leases.rows.insert(lease.key(), Kept { lease, created: now, taken: now, moved: now, asked: now });
        true
    }

    pub(super) fn replace_lease(&mut self, process: usize, seen: &Lease, new: Lease) -> Replaced {
        let Some(kept) = self.leases.rows.get(&seen.key()).cloned() else { return Replaced::Refused(None) };
        let row = &kept.lease;
        let request_changes = seen.wanted_by != new.wanted_by;
        let alike = (row.owner, row.counter) == (seen.owner, seen.counter);
        let as_seen = alike && (!request_changes || row.wanted_by == seen.wanted_by);
        if !as_seen && self.bug != Some(Bug::NoCounter) {
            self.count(Event::LeaseRefused);
            return Replaced::Refused(Some(Box::new(row.clone())));
        }
        // As the table's update does it: what does not differ from what was seen is not written.
        let written = Lease {
            wanted_by: if request_changes { new.wanted_by } else { row.wanted_by },
            checkpoint: if seen.checkpoint == new.checkpoint { row.checkpoint.clone() } else { new.checkpoint.clone() },
            position_at: if seen.position_at == new.position_at { row.position_at } else { new.position_at },
            ..new
        };
        self.note(|| {
            let Lease { shard, counter, owner, checkpoint, wanted_by, .. } = &written;
            let (owner, wanted_by) = (owner.map(number_of), wanted_by.map(number_of));
            format!(
                "process {process} writes {shard}: counter {counter}, owner {owner:?}, at {}, wanted by {wanted_by:?}",
                checkpoint.as_str()
            )
        });
        match self.writer_is_entitled(process, &kept, &written) {
            Ok(event) => event.into_iter().for_each(|event| self.count(event)),
            Err(what) => self.violate(what),
        }
        if !written.is_leaders() {
            let sound = self.progress_is_true(&kept, &written).and_then(|()| self.position_is_true(&written));
            self.check(sound);
        }
        if written.is_finished() {
            self.leases.ended.insert(written.shard.clone());
        }
        let now = Instant::now();
        let moved = (written.owner, written.counter) != (kept.lease.owner, kept.lease.counter);
        let asked = written.wanted_by != kept.lease.wanted_by;
        let moved = if moved { now } else { kept.moved };
        let asked = if asked { now } else { kept.asked };
        let taken = if written.owner == kept.lease.owner { kept.taken } else { now };
        let kept = Kept { lease: written, created: kept.created, taken, moved, asked };
        self.leases.rows.insert(kept.lease.key(), kept);
        Replaced::Done
    }

    pub(super) fn delete_lease(&mut self, process: usize, seen: &Lease) -> bool {
        let Some(kept) = self.leases.rows.get(&seen.key()) else { return false };
        if (kept.lease.owner, kept.lease.counter) != (seen.owner, seen.counter) {
            return false;
        }
        let unfinished = !kept.lease.is_finished() && !kept.lease.is_leaders() && seen.stream == self.tree.stream;
        self.note(|| format!("process {process} deletes the lease of {}", seen.shard));
        if unfinished {
            self.violate(format!("the lease of {} is deleted before its end", seen.shard));
        }
        self.leases.rows.remove(&seen.key());
        true
    }

    /// Only its owner makes progress; another takes a lease only when it stood still, was let go or was asked for in
    /// vain; the counter tells of every change but a request.
    fn writer_is_entitled(&self, process: usize, kept: &Kept, new: &Lease) -> Result<Option<Event>, String> {
        let (row, writer) = (&kept.lease, &self.processes[&process]);
        let me = Some(writer.me);
        let asks = new.owner == row.owner && new.counter == row.counter;
        if asks {
            let only = *new == Lease { wanted_by: new.wanted_by, ..row.clone() };
            let what = || format!("a request changed more of {}", row.shard);
            return only.then_some(Some(Event::LeaseAskedFor)).ok_or_else(what);
        }
        if new.counter != row.counter + 1 {
            return Err(format!("the counter of {} went from {} to {}", row.shard, row.counter, new.counter));
        }
        if row.owner == me {
            return Ok(None);
        }
        if new.owner != me {
            return Err(format!("process {process} wrote the lease of {}, which is not its own", row.shard));
        }
        let progress = new.checkpoint != row.checkpoint || new.position_at != row.position_at;
        if progress {
            return Err(format!("process {process} moved {} on while taking it", row.shard));
        }
        let in_vain = row.wanted_by == me && kept.asked.elapsed() >= writer.config.hand_over_time;
        if row.owner.is_none() {
            return Ok((row.wanted_by == me).then_some(Event::HandedOver));
        }
        if kept.moved.elapsed() >= writer.config.lease_time {
            return Ok(Some(Event::TakenFromTheDead));
        }
        if in_vain {
            return Ok(Some(Event::TakenInVain));
        }
        Err(format!("process {process} took {} from an owner that is alive", row.shard))
    }

    /// A checkpoint never goes back, except to the beginning when its owner has caught up from the log, and never passes
    /// what is not stored.
    fn progress_is_true(&self, kept: &Kept, new: &Lease) -> Result<(), String> {
        let Lease { shard: id, .. } = new;
        let shard = &self.tree.shards[id];
        let number = |sequence: &String| sequence.parse::<u64>().unwrap();
        let caught_up = self.caught_up.is_some_and(|began| self.moment(began) >= kept.taken);
        let until = match (&kept.lease.checkpoint, &new.checkpoint) {
            (Checkpoint::End, Checkpoint::Start | Checkpoint::After(_)) => {
                return Err(format!("the end of {id} was taken back"));
            }
            (Checkpoint::After(old), Checkpoint::After(now)) if number(now) < number(old) => {
                return Err(format!("the checkpoint of {id} went back from {old} to {now}"));
            }
            (Checkpoint::After(_), Checkpoint::Start) if !caught_up => {
                return Err(format!("{id} begins anew though nobody caught up"));
            }
            (_, Checkpoint::Start) => return Ok(()),
            (_, Checkpoint::After(sequence)) => number(sequence),
            (_, Checkpoint::End) if shard.closed_at.is_none() => return Err(format!("{id} is open and was ended")),
            (_, Checkpoint::End) => u64::MAX,
        };
        let passed = shard.records.iter().take_while(|entry| entry.sequence <= until);
        match passed.map(|entry| entry.commit).find(|commit| !self.is_durable(commit.stream, commit.version.0)) {
            None => Ok(()),
            Some(commit) => {
                Err(format!("the checkpoint of {id} passed {}@{}, which is not stored", commit.stream, commit.version))
            }
        }
    }

    /// Everything in a shard that was recorded before its position is stored. Processes' clocks may be wrong.
    fn position_is_true(&self, lease: &Lease) -> Result<(), String> {
        let (Some(position), Some(shard)) = (lease.position_at, self.tree.shards.get(&lease.shard)) else {
            return Ok(());
        };
        let certain = position - self.skew;
        let recorded = shard.records.iter().take_while(|entry| super::world::wall(entry.at) < certain);
        let missing =
            recorded.map(|entry| entry.commit).find(|commit| !self.is_durable(commit.stream, commit.version.0));
        match missing {
            None => Ok(()),
            Some(commit) => {
                let Lease { shard, .. } = lease;
                Err(format!("{shard} claims {position}, and {}@{} is not stored", commit.stream, commit.version))
            }
        }
    }
}

/// Owners' ids begin with the number of their process.
fn number_of(id: uuid::Uuid) -> u64 {
    id.as_u64_pair().0
}
