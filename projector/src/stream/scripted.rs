//! A scripted stream and lease table for tests: shards that split, end, vanish and are trimmed, calls that fail.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard},
};

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use super::{
    Handler, HandlerError, LeaseError, LeaseStore, Page, Record, Replaced, Source, SourceError,
    lease::{Checkpoint, Lease},
    shards::Shard,
    source::From,
};

pub(super) const ARN: &str = "arn:aws:dynamodb:r:1:table/events/stream/1";

#[derive(Debug, Clone)]
pub(super) struct ScriptedShard {
    pub(super) parents: Vec<String>,
    pub(super) records: Vec<u64>,
    /// So many of the first records are gone.
    pub(super) trimmed: usize,
    pub(super) closed: bool,
}

#[derive(Debug)]
pub(super) struct World {
    pub(super) stream: String,
    pub(super) shards: BTreeMap<String, ScriptedShard>,
    /// Iterators of an earlier age have expired.
    pub(super) age: u64,
    pub(super) throttled_calls: u32,
    pub(super) leases: BTreeMap<String, Lease>,
    /// The lease table does not answer.
    pub(super) leases_down: bool,
    /// So many lease writes are stored, but their answers are lost.
    pub(super) lost_answers: u32,
    pub(super) applied: Vec<u64>,
    pub(super) batches_to_fail: u32,
    pub(super) caught_up: u32,
    pub(super) plan: u64,
}

/// Plays the stream, the lease table and the handler.
#[derive(Debug, Clone)]
pub(super) struct Script(Arc<Mutex<World>>);

impl Script {
    pub(super) fn new() -> Self {
        Self(Arc::new(Mutex::new(World {
            stream: ARN.to_owned(),
            shards: BTreeMap::new(),
            age: 0,
            throttled_calls: 0,
            leases: BTreeMap::new(),
            leases_down: false,
            lost_answers: 0,
            plan: 0,
            applied: Vec::new(),
            batches_to_fail: 0,
            caught_up: 0,
        })))
    }

    pub(super) fn world(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap()
    }

    pub(super) fn shard(&self, id: &str, parents: &[&str], records: &[u64]) {
        let parents = parents.iter().map(ToString::to_string).collect();
        let shard = ScriptedShard { parents, records: records.to_vec(), trimmed: 0, closed: false };
        self.world().shards.insert(id.to_owned(), shard);
    }

    pub(super) fn append(&self, shard: &str, record: u64) {
        self.world().shards.get_mut(shard).unwrap().records.push(record);
    }

    pub(super) fn close(&self, shard: &str) {
        self.world().shards.get_mut(shard).unwrap().closed = true;
    }

    pub(super) fn lease(&self, shard: &str) -> Option<Lease> {
        let world = self.world();
        world.leases.get(&format!("{}/{shard}", world.stream)).cloned()
    }

    pub(super) fn owners(&self) -> HashMap<Uuid, usize> {
        let mut owners = HashMap::new();
        for lease in self.world().leases.values().filter(|lease| !lease.is_leaders()) {
            if let Some(owner) = lease.owner {
                *owners.entry(owner).or_default() += 1;
            }
        }
        owners
    }

    fn stored(&self) -> Result<(), LeaseError> {
        let mut world = self.world();
        if world.lost_answers > 0 {
            world.lost_answers -= 1;
            return Err(LeaseError::Unavailable("the answer is lost".into()));
        }
        Ok(())
    }

    fn reachable(&self) -> Result<MutexGuard<'_, World>, LeaseError> {
        let world = self.world();
        if world.leases_down { Err(LeaseError::Unavailable("the table is down".into())) } else { Ok(world) }
    }
}

/// Record `n` is created `n` seconds after the epoch.
pub(super) fn created(record: u64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::seconds(i64::try_from(record).unwrap())
}

impl Source for Script {
    async fn stream(&self) -> Result<String, SourceError> {
        Ok(self.world().stream.clone())
    }

    async fn shards(&self, _: &str) -> Result<Vec<Shard>, SourceError> {
        let world = self.world();
        Ok(world.shards.iter().map(|(id, shard)| Shard { id: id.clone(), parents: shard.parents.clone() }).collect())
    }

    async fn children(&self, stream: &str, parent: &str) -> Result<Vec<Shard>, SourceError> {
        let mut shards = self.shards(stream).await?;
        shards.retain(|shard| shard.parents.iter().any(|id| id == parent));
        Ok(shards)
    }

    async fn iterator(&self, _: &str, shard: &str, from: &From) -> Result<String, SourceError> {
        let world = self.world();
        let found = world.shards.get(shard).ok_or_else(|| SourceError::NotFound("no such shard".into()))?;
        let place = match from {
            From::Horizon => found.trimmed,
            From::After(sequence) => {
                let last: u64 = sequence.parse().unwrap();
                let place = found.records.iter().take_while(|record| **record <= last).count();
                if place < found.trimmed {
                    return Err(SourceError::Trimmed);
                }
                place
            }
        };
        Ok(format!("{shard} {place} {}", world.age))
    }

    async fn records(&self, iterator: &str) -> Result<Page, SourceError> {
        let mut world = self.world();
        let [shard, place, age] = iterator.split(' ').collect::<Vec<_>>().try_into().unwrap();
        let place: usize = place.parse().unwrap();
        if world.throttled_calls > 0 {
            world.throttled_calls -= 1;
            return Err(SourceError::Throttled("slowly".into()));
        }
        if age.parse::<u64>().unwrap() < world.age {
            return Err(SourceError::Expired);
        }
        let age = world.age;
        let found = world.shards.get_mut(shard).ok_or_else(|| SourceError::NotFound("no such shard".into()))?;
        if place < found.trimmed {
            return Err(SourceError::Trimmed);
        }
        let page: Vec<u64> = found.records[place..].iter().copied().take(2).collect();
        let next = place + page.len();
        let ended = found.closed && next == found.records.len();
        Ok(Page {
            last: page.last().map(|last| (last.to_string(), created(*last))),
            full: page.len() == 2,
            next: (!ended).then(|| format!("{shard} {next} {age}")),
            ignored: 0,
            records: page
                .into_iter()
                .map(|record| Record { sequence: record.to_string(), created: created(record), image: HashMap::new() })
                .collect(),
        })
    }
}

impl LeaseStore for Script {
    async fn list(&self) -> Result<Vec<Lease>, LeaseError> {
        Ok(self.reachable()?.leases.values().cloned().collect())
    }

    async fn create(&self, lease: &Lease) -> Result<bool, LeaseError> {
        let mut world = self.reachable()?;
        if world.leases.contains_key(&lease.key()) {
            return Ok(false);
        }
        world.leases.insert(lease.key(), lease.clone());
        Ok(true)
    }

    async fn replace(&self, seen: &Lease, new: &Lease) -> Result<Replaced, LeaseError> {
        {
            let mut world = self.reachable()?;
            let Some(row) = world.leases.get_mut(&seen.key()) else { return Ok(Replaced::Refused(None)) };
            let request_changes = seen.wanted_by != new.wanted_by;
            let alike = (row.owner, row.counter) == (seen.owner, seen.counter);
            if !alike || (request_changes && row.wanted_by != seen.wanted_by) {
                return Ok(Replaced::Refused(Some(Box::new(row.clone()))));
            }
            let wanted_by = if request_changes { new.wanted_by } else { row.wanted_by };
            *row = Lease { wanted_by, ..new.clone() };
        }
        self.stored().map(|()| Replaced::Done)
    }

    async fn delete(&self, seen: &Lease) -> Result<bool, LeaseError> {
        let mut world = self.reachable()?;
        let alike =
            world.leases.get(&seen.key()).is_some_and(|row| (row.owner, row.counter) == (seen.owner, seen.counter));
        if alike {
            world.leases.remove(&seen.key());
        }
        Ok(alike)
    }
}

impl Handler for Script {
    async fn plan(&self) -> Result<u64, HandlerError> {
        Ok(self.world().plan)
    }

    async fn apply(&self, records: Vec<Record>) -> Result<(), HandlerError> {
        let mut world = self.world();
        if world.batches_to_fail > 0 {
            world.batches_to_fail -= 1;
            return Err(HandlerError::new("not now"));
        }
        world.applied.extend(records.iter().map(|record| record.sequence.parse::<u64>().unwrap()));
        Ok(())
    }

    async fn catch_up(&self) -> Result<(), HandlerError> {
        self.world().caught_up += 1;
        Ok(())
    }
}

/// What a shard's lease says about how far it was read.
pub(super) fn after(record: u64) -> Checkpoint {
    Checkpoint::After(record.to_string())
}
