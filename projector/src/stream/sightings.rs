//! When each lease was last seen to change, on the reader's own monotonic clock. Pure.

use std::{collections::HashMap, time::Duration};

use tokio::time::Instant;
use uuid::Uuid;

use super::lease::Lease;

/// What one process has seen of the lease table. No time that another machine wrote is ever compared.
#[derive(Debug, Default)]
pub struct Sightings(HashMap<String, Sighting>);

#[derive(Debug)]
struct Sighting {
    owner: Option<Uuid>,
    counter: u64,
    since: Instant,
    wanted_by: Option<Uuid>,
    wanted_since: Instant,
}

impl Sightings {
    /// Notes what a read of the whole table gave. `ended`: when the read was over. Rows that are gone are forgotten.
    pub fn observe(&mut self, leases: &[Lease], ended: Instant) {
        let mut before = std::mem::take(&mut self.0);
        self.0 = leases
            .iter()
            .map(|lease| {
                let key = lease.key();
                let old = before.remove(&key);
                let moved = old.as_ref().is_none_or(|old| (old.owner, old.counter) != (lease.owner, lease.counter));
                let asked = old.as_ref().is_none_or(|old| old.wanted_by != lease.wanted_by);
                let sighting = Sighting {
                    owner: lease.owner,
                    counter: lease.counter,
                    since: old.as_ref().filter(|_| !moved).map_or(ended, |old| old.since),
                    wanted_by: lease.wanted_by,
                    wanted_since: old.as_ref().filter(|_| !asked).map_or(ended, |old| old.wanted_since),
                };
                (key, sighting)
            })
            .collect();
    }

    /// For how long a lease's owner and counter have stood still for certain: from the end of the read that first
    /// showed them to the beginning of the one that showed them last.
    pub fn standing(&self, lease: &Lease, began: Instant) -> Duration {
        self.0
            .get(&lease.key())
            .filter(|seen| (seen.owner, seen.counter) == (lease.owner, lease.counter))
            .map_or(Duration::ZERO, |seen| began.saturating_duration_since(seen.since))
    }

    /// When the next of the leases that others hold runs out if its counter goes on standing still.
    pub fn next_expiry(&self, me: Uuid, lease_time: Duration, now: Instant) -> Option<Instant> {
        let others = self.0.values().filter(|seen| seen.owner.is_some_and(|owner| owner != me));
        others.map(|seen| seen.since + lease_time).filter(|expiry| *expiry > now).min()
    }

    /// For how long the request on a lease has been there for certain; zero without one.
    pub fn wanted(&self, lease: &Lease, began: Instant) -> Duration {
        self.0
            .get(&lease.key())
            .filter(|seen| seen.wanted_by.is_some() && seen.wanted_by == lease.wanted_by)
            .map_or(Duration::ZERO, |seen| began.saturating_duration_since(seen.wanted_since))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn time_runs_from_the_end_of_the_first_sight_and_starts_anew_when_the_counter_moves() {
        let start = Instant::now();
        let lease = Lease::of_shard("arn", "a", vec![], None).taken_by(Uuid::from_u128(1));
        let mut seen = Sightings::default();
        assert_eq!(seen.standing(&lease, start), Duration::ZERO);
        seen.observe(std::slice::from_ref(&lease), start + SECOND);
        seen.observe(std::slice::from_ref(&lease), start + 5 * SECOND);
        assert_eq!(seen.standing(&lease, start + 4 * SECOND), 3 * SECOND);
        let renewed = lease.renewed(lease.checkpoint.clone(), None);
        seen.observe(std::slice::from_ref(&renewed), start + 6 * SECOND);
        assert_eq!(seen.standing(&renewed, start + 5 * SECOND), Duration::ZERO);
        assert_eq!(seen.standing(&renewed, start + 8 * SECOND), 2 * SECOND);
    }

    #[test]
    fn a_request_has_a_time_of_its_own() {
        let start = Instant::now();
        let (a, b) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let lease = Lease::of_shard("arn", "a", vec![], None).taken_by(a).asked_by(b);
        let mut seen = Sightings::default();
        seen.observe(std::slice::from_ref(&lease), start);
        let renewed = lease.renewed(lease.checkpoint.clone(), None);
        seen.observe(std::slice::from_ref(&renewed), start + SECOND);
        assert_eq!(seen.wanted(&renewed, start + 3 * SECOND), 3 * SECOND);
        assert_eq!(seen.standing(&renewed, start + 3 * SECOND), 2 * SECOND);
    }

    #[test]
    fn the_next_expiry_is_that_of_another_owner_and_is_when_its_lease_counts_as_run_out() {
        let start = Instant::now();
        let (me, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let free = Lease::of_shard("arn", "a", vec![], None);
        let mine = Lease::of_shard("arn", "b", vec![], None).taken_by(me);
        let theirs = Lease::of_shard("arn", "c", vec![], None).taken_by(other);
        let mut seen = Sightings::default();
        seen.observe(&[free.clone(), mine.clone()], start);
        assert_eq!(seen.next_expiry(me, 10 * SECOND, start), None);
        seen.observe(&[free, mine, theirs.clone()], start + SECOND);
        let expiry = seen.next_expiry(me, 10 * SECOND, start + SECOND).unwrap();
        assert_eq!(expiry, start + 11 * SECOND);
        assert_eq!(seen.standing(&theirs, expiry), 10 * SECOND);
        assert_eq!(seen.next_expiry(me, 10 * SECOND, expiry), None, "it is not looked for again and again");
    }

    #[test]
    fn rows_that_are_gone_are_forgotten() {
        let start = Instant::now();
        let lease = Lease::of_shard("arn", "a", vec![], None);
        let mut seen = Sightings::default();
        seen.observe(std::slice::from_ref(&lease), start);
        seen.observe(&[], start + SECOND);
        seen.observe(std::slice::from_ref(&lease), start + 2 * SECOND);
        assert_eq!(seen.standing(&lease, start + 3 * SECOND), SECOND);
    }
}
