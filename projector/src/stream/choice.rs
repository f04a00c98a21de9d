//! Which leases a process takes, and which one it asks for. Pure.

use std::{collections::BTreeMap, time::Duration};

use uuid::Uuid;

#[cfg(test)]
mod tests;

/// Who chooses, and after how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// The process that chooses.
    pub me: Uuid,
    /// A lease whose counter stood still for so long has lost its owner.
    pub lease_time: Duration,
    /// An owner that was asked so long ago is not waited for any more.
    pub hand_over_time: Duration,
}

/// A shard that may be read now, as the chooser sees its lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// The shard.
    pub shard: String,
    /// Who holds the lease.
    pub owner: Option<Uuid>,
    /// Who asked for it.
    pub wanted_by: Option<Uuid>,
    /// For how long owner and counter have stood still.
    pub standing: Duration,
    /// For how long the request has been there.
    pub wanted: Duration,
    /// Whether the chooser itself is reading the shard.
    pub running: bool,
}

/// What to do with a lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Choice {
    /// Become its owner.
    Take(String),
    /// Ask its owner to hand it over.
    Ask(String),
}

/// Chooses among all the shards that may be read now.
///
/// What is its own but not running, was asked for and let go, or was asked for in vain, is taken. Of what nobody holds
/// it takes up to a fair share among those that hold or are about to hold something. If nothing is free, it asks the
/// one that holds most for one lease, provided that this one still holds no less than itself afterwards; one request at
/// a time. Repeated by all processes this ends with nobody holding two more than another.
pub fn choose(rules: &Rules, candidates: &[Candidate]) -> Vec<Choice> {
    let loads = Loads::count(rules, candidates);
    let mut choices: Vec<Choice> = candidates
        .iter()
        .filter(|candidate| standing(rules, candidate) == Standing::Mine)
        .map(|candidate| Choice::Take(candidate.shard.clone()))
        .collect();

    let free: Vec<&Candidate> =
        candidates.iter().filter(|candidate| standing(rules, candidate) == Standing::Free).collect();
    let room = candidates.len().div_ceil(loads.0.len()).saturating_sub(loads.of(rules.me));
    let first = spread(rules.me, free.len());
    choices.extend(
        free.iter().cycle().skip(first).take(room.min(free.len())).map(|chosen| Choice::Take(chosen.shard.clone())),
    );

    let waiting = candidates.iter().any(|lease| lease.wanted_by == Some(rules.me) && lease.owner != Some(rules.me));
    if free.is_empty() && !waiting {
        choices.extend(loads.one_of_the_most_loaded(rules, candidates).map(Choice::Ask));
    }
    choices
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// To be taken whatever the shares are.
    Mine,
    /// To be taken by anybody with room.
    Free,
    /// Somebody holds it, or is about to.
    Held(Uuid),
}

fn standing(rules: &Rules, lease: &Candidate) -> Standing {
    let expired = lease.standing >= rules.lease_time;
    match (lease.owner, lease.wanted_by) {
        (Some(owner), _) if owner == rules.me && !lease.running => Standing::Mine,
        (Some(owner), Some(wanted)) if owner != wanted && (owner == rules.me || !expired) => {
            let in_vain = wanted == rules.me && lease.wanted >= rules.hand_over_time;
            if in_vain { Standing::Mine } else { Standing::Held(wanted) }
        }
        (Some(owner), _) if owner == rules.me || !expired => Standing::Held(owner),
        (None, Some(wanted)) if wanted == rules.me => Standing::Mine,
        (None, Some(wanted)) if !expired => Standing::Held(wanted),
        (Some(_) | None, _) => Standing::Free,
    }
}

/// How many leases each live process holds or is about to hold. The chooser always counts as one of them; another
/// process that holds nothing is not seen, and sees to its share itself.
struct Loads(BTreeMap<Uuid, usize>);

impl Loads {
    fn count(rules: &Rules, candidates: &[Candidate]) -> Self {
        let mut loads = BTreeMap::from([(rules.me, 0)]);
        for candidate in candidates {
            // An owner that was asked is alive, though it may be about to hold nothing.
            if let Some(owner) = candidate.owner.filter(|_| candidate.standing < rules.lease_time) {
                loads.entry(owner).or_insert(0);
            }
            match standing(rules, candidate) {
                Standing::Mine => *loads.entry(rules.me).or_insert(0) += 1,
                Standing::Held(holder) => *loads.entry(holder).or_insert(0) += 1,
                Standing::Free => (),
            }
        }
        Self(loads)
    }

    fn of(&self, who: Uuid) -> usize {
        self.0.get(&who).copied().unwrap_or_default()
    }

    fn one_of_the_most_loaded(&self, rules: &Rules, candidates: &[Candidate]) -> Option<String> {
        let (&most, &load) =
            self.0.iter().filter(|(who, _)| **who != rules.me).max_by_key(|(who, load)| (**load, **who))?;
        if load < self.of(rules.me) + 2 {
            return None;
        }
        let its: Vec<&Candidate> =
            candidates.iter().filter(|lease| lease.owner == Some(most) && lease.wanted_by.is_none()).collect();
        its.get(spread(rules.me, its.len())).map(|lease| lease.shard.clone())
    }
}

/// A place to begin that differs between processes, so that they do not all reach for the same lease. The lower half
/// of an id of ours is random.
fn spread(me: Uuid, among: usize) -> usize {
    let (_, low) = me.as_u64_pair();
    u64::try_from(among)
        .ok()
        .filter(|among| *among > 0)
        .and_then(|among| usize::try_from(low % among).ok())
        .unwrap_or(0)
}
