//! How shards descend from each other, from what the stream lists and what the lease table remembers. Pure.
//!
//! Whether a shard is closed is not looked up: the embedded engine gives an open shard an ending sequence number, and
//! AWS may list a parent as open beside its child. Only reading to the end tells, and then the lease says so.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use platform::positions::{self, Position};

use super::lease::{Checkpoint, Lease};

#[cfg(test)]
mod tests;

/// A shard as the stream lists it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Shard {
    /// Its id.
    pub id: String,
    /// The shards that it goes on from, listed or not.
    pub parents: Vec<String>,
}

/// The lease rows of one stream's shards, by shard, without the leader's.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lineage(BTreeMap<String, Lease>);

impl FromIterator<Lease> for Lineage {
    fn from_iter<T: IntoIterator<Item = Lease>>(leases: T) -> Self {
        Self(leases.into_iter().filter(|lease| !lease.is_leaders()).map(|lease| (lease.shard.clone(), lease)).collect())
    }
}

impl Lineage {
    /// The lease of a shard.
    pub fn get(&self, shard: &str) -> Option<&Lease> {
        self.0.get(shard)
    }

    /// Every lease, by shard.
    pub fn iter(&self) -> impl Iterator<Item = &Lease> {
        self.0.values()
    }

    /// The leases that may be read now: not finished, and every parent is finished or has no row. A parent without a
    /// row is gone: a child's row is written only when its parents are finished or no longer listed.
    pub fn readable(&self) -> impl Iterator<Item = &Lease> {
        self.iter().filter(|lease| {
            let waits = lease.parents.iter().filter_map(|parent| self.get(parent)).any(|parent| !parent.is_finished());
            !lease.is_finished() && !waits
        })
    }

    /// How many shards were read to their end: as this number grows there are children to be found.
    pub fn finished(&self) -> usize {
        self.iter().filter(|lease| lease.is_finished()).count()
    }

    /// Whether a shard has ended and no shard is known that goes on from it.
    pub fn has_childless_end(&self) -> bool {
        let continued = self.continued();
        self.iter().any(|lease| lease.is_finished() && !continued.contains(lease.shard.as_str()))
    }

    /// The moment up to which everything recorded in the stream has been applied; see [`positions::complete_until`] for its
    /// rule and its limit.
    pub fn complete_until(&self) -> Option<DateTime<Utc>> {
        positions::complete_until(&self.iter().map(position).collect::<Vec<_>>())
    }

    /// The rows to be written for listed shards that have none and whose turn has come: every parent is finished, or
    /// neither listed nor remembered.
    ///
    /// A new row knows its position from finished parents. Without such a parent nobody knows what was recorded before
    /// the shard, and its position is unknown: its reader has to catch up from the log first.
    pub fn missing(&self, stream: &str, listed: &[Shard]) -> Vec<Lease> {
        let ids: BTreeSet<&str> = listed.iter().map(|shard| shard.id.as_str()).collect();
        let may_begin = |parent: &String| match self.get(parent) {
            Some(lease) => lease.is_finished(),
            None => !ids.contains(parent.as_str()),
        };
        listed
            .iter()
            .filter(|shard| self.get(&shard.id).is_none() && shard.parents.iter().all(may_begin))
            .map(|shard| {
                let before = shard.parents.iter().map(|parent| self.get(parent).and_then(|lease| lease.position_at));
                Lease::of_shard(stream, &shard.id, shard.parents.clone(), before.min().flatten())
            })
            .collect()
    }

    /// The rows that nobody needs any more: the shard is finished and no longer listed, and whatever goes on from it
    /// has begun. A row that went earlier would let its shard's whole lineage be read again.
    pub fn disposable(&self, listed: &[Shard]) -> Vec<&Lease> {
        let needed: BTreeSet<&str> = listed
            .iter()
            .filter(|shard| self.get(&shard.id).is_none())
            .flat_map(|shard| &shard.parents)
            .chain(self.iter().filter(|lease| lease.checkpoint == Checkpoint::Start).flat_map(|lease| &lease.parents))
            .map(String::as_str)
            .chain(listed.iter().map(|shard| shard.id.as_str()))
            .collect();
        self.iter().filter(|lease| lease.is_finished() && !needed.contains(lease.shard.as_str())).collect()
    }

    /// The shards that another one is known to go on from.
    fn continued(&self) -> BTreeSet<&str> {
        self.iter().flat_map(|lease| &lease.parents).map(String::as_str).collect()
    }
}

fn position(lease: &Lease) -> Position<'_> {
    Position {
        stream: &lease.stream,
        shard: &lease.shard,
        parents: lease.parents.iter().map(String::as_str).collect(),
        ended: lease.is_finished(),
        applied_until: lease.position_at,
    }
}
