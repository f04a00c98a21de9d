//! Which leases to take. Pure.

use std::collections::BTreeMap;

/// A lease that could be held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// The shard.
    pub shard: String,
    /// Who holds it; `None` when nobody does, or its holder stood still for the lease's time.
    pub owner: Option<String>,
}

/// The shards whose leases `me` should take now: free ones up to a fair share, else one from whoever has most.
pub fn choose(candidates: &[Candidate], me: &str) -> Vec<String> {
    let mut held: BTreeMap<&str, Vec<&str>> = BTreeMap::from([(me, Vec::new())]);
    let mut free = Vec::new();
    for candidate in candidates {
        match candidate.owner.as_deref() {
            Some(owner) => held.entry(owner).or_default().push(&candidate.shard),
            None => free.push(candidate.shard.as_str()),
        }
    }
    let fair = candidates.len().div_ceil(held.len());
    let mine = held.get(me).map_or(0, Vec::len);
    let wanted = fair.saturating_sub(mine);
    if !free.is_empty() {
        return free.into_iter().take(wanted).map(ToOwned::to_owned).collect();
    }
    let richest = held.iter().filter(|(owner, _)| **owner != me).max_by_key(|(_, shards)| shards.len());
    match richest {
        Some((_, shards)) if shards.len() > mine + 1 => {
            shards.first().map(|shard| (*shard).to_owned()).into_iter().collect()
        }
        _ => Vec::new(),
    }
}
