//! Who lists the stream's shards for all: whoever holds the leader's lease. Pure.
//!
//! Two leaders for a moment do no harm: rows are created only where there is none.

use std::time::Duration;

use uuid::Uuid;

use super::lease::Lease;

/// A leader renews after this part of the lease time.
const RENEWALS_PER_LEASE_TIME: u32 = 3;

/// What to do about the leader's lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Duty {
    /// Nobody ever led this stream: write the row.
    Create,
    /// Nobody leads: take the lease.
    Take,
    /// Go on leading, and say so.
    Renew,
    /// Go on leading.
    Lead,
    /// Somebody else leads.
    Follow,
}

/// Decides by the leader's row, if there is one, and for how long it has stood still.
pub(super) fn duty(me: Uuid, row: Option<&Lease>, standing: Duration, lease_time: Duration) -> Duty {
    match row.map(|row| row.owner) {
        None => Duty::Create,
        Some(None) => Duty::Take,
        Some(Some(owner)) if owner == me && standing >= lease_time / RENEWALS_PER_LEASE_TIME => Duty::Renew,
        Some(Some(owner)) if owner == me => Duty::Lead,
        Some(Some(_)) if standing >= lease_time => Duty::Take,
        Some(Some(_)) => Duty::Follow,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIME: Duration = Duration::from_secs(10);

    #[test]
    fn a_leader_is_left_alone_until_its_lease_stands_still_for_the_lease_time() {
        let (me, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let theirs = Lease::of_leader("arn", other);
        assert_eq!(duty(me, None, Duration::ZERO, TIME), Duty::Create);
        assert_eq!(duty(me, Some(&theirs), Duration::from_millis(9_999), TIME), Duty::Follow);
        assert_eq!(duty(me, Some(&theirs), TIME, TIME), Duty::Take);
        assert_eq!(duty(me, Some(&theirs.released()), Duration::ZERO, TIME), Duty::Take);
    }

    #[test]
    fn a_leader_renews_every_third_of_the_lease_time() {
        let me = Uuid::from_u128(1);
        let mine = Lease::of_leader("arn", me);
        assert_eq!(duty(me, Some(&mine), Duration::from_secs(3), TIME), Duty::Lead);
        assert_eq!(duty(me, Some(&mine), Duration::from_secs(4), TIME), Duty::Renew);
    }
}
