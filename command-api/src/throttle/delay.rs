use chrono::{DateTime, TimeDelta, Utc};
use serde::Deserialize;

/// Some attempts at once, then each has to wait twice as long as the one before, up to a bound: guessing becomes slow, and
/// nobody is ever locked out.
///
/// An attempt counts as a failure until it says that it succeeded, so that many at once are no way around. The free ones
/// are one conditional addition each; of those that wait, one at a time gets through, by comparing what it read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delay {
    /// The rule's name.
    pub name: &'static str,
    /// Attempts that need not wait.
    pub free: u32,
    /// The first wait.
    pub first: TimeDelta,
    /// The longest.
    pub longest: TimeDelta,
    /// How long after the last attempt all are forgotten. So many free attempts in that time must be fewer than those that
    /// go on waiting for the longest: otherwise who pauses would gain by it.
    pub forgotten_after: TimeDelta,
    /// What a success does.
    pub success: Success,
    /// Whether every answer tells where the counter stands, or only the one that it refuses.
    pub told: bool,
}

/// What a success does to a counter of failures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Success {
    /// Failures are forgotten, and for so long it is remembered that there was a success.
    Remembered(TimeDelta),
    /// Failures are forgotten.
    Forgiven,
    /// The attempt itself does not count; what others did does.
    NotCounted,
}

/// What lies in the table. Times are milliseconds since 1970, but for `expires_at`, which the table compares.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(super) struct Failures {
    /// Attempts that count.
    pub tries: u32,
    /// When the next one may be made, once none is free.
    pub next_at: i64,
    /// When all are forgotten.
    pub forgotten_at: i64,
    /// Until when a success is remembered.
    pub known_until: Option<i64>,
    /// When the table may drop it, in seconds.
    pub expires_at: i64,
}

impl Delay {
    /// How long after the attempt that made it `tries` the next one has to wait, once none is free.
    pub(super) fn pause(&self, tries: u32) -> TimeDelta {
        let doubled = tries.saturating_sub(self.free);
        let factor = 1_i32.checked_shl(doubled).filter(|factor| *factor > 0).unwrap_or(i32::MAX);
        self.first.checked_mul(factor).unwrap_or(self.longest).min(self.longest)
    }

    /// What counts after one more attempt.
    ///
    /// # Errors
    /// When it may be made, if not yet.
    pub(super) fn count(&self, seen: &Failures, now: DateTime<Utc>) -> Result<Failures, DateTime<Utc>> {
        let at = now.timestamp_millis();
        let tries = match seen {
            Failures { forgotten_at, .. } if *forgotten_at <= at => 1,
            Failures { tries, next_at, .. } if *tries >= self.free && at < *next_at => {
                return Err(DateTime::from_timestamp_millis(*next_at).unwrap_or(now + self.longest));
            }
            Failures { tries, .. } => tries.saturating_add(1),
        };
        let forgotten_at = (now + self.forgotten_after).timestamp_millis();
        let kept_until = seen.known_until.map_or(forgotten_at, |known| known.max(forgotten_at));
        Ok(Failures {
            tries,
            next_at: (now + self.pause(tries)).timestamp_millis(),
            forgotten_at,
            known_until: seen.known_until,
            expires_at: kept_until / 1_000 + 1,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DELAY: Delay = Delay {
        name: "test",
        free: 3,
        first: TimeDelta::seconds(1),
        longest: TimeDelta::seconds(60),
        forgotten_after: TimeDelta::hours(1),
        success: Success::Forgiven,
        told: true,
    };

    #[test]
    fn the_first_ones_are_free_then_the_wait_doubles_up_to_its_bound() {
        let (mut seen, mut now, mut waited) = (Failures::default(), DateTime::UNIX_EPOCH, Vec::new());
        for _ in 0..12 {
            seen = match DELAY.count(&seen, now) {
                Ok(next) => next,
                Err(until) => {
                    waited.push((until - now).num_seconds());
                    now = until;
                    DELAY.count(&seen, now).unwrap()
                }
            };
        }
        assert_eq!(waited, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
        assert_eq!(DELAY.count(&seen, now + DELAY.forgotten_after).unwrap().tries, 1);
    }

    #[test]
    fn no_number_of_tries_is_too_large_to_wait() {
        assert_eq!(DELAY.pause(u32::MAX), DELAY.longest);
        assert_eq!(DELAY.pause(DELAY.free + 31), DELAY.longest);
    }

    proptest! {
        #[test]
        fn waits_only_grow_and_nobody_comes_earlier(pauses in prop::collection::vec(0_i64..90_000, 1..300)) {
            let (mut seen, mut now, mut last) = (Failures::default(), DateTime::UNIX_EPOCH, None);
            for pause in pauses {
                now += TimeDelta::milliseconds(pause);
                if let Ok(next) = DELAY.count(&seen, now) {
                    if let Some(last) = last.filter(|_| seen.tries >= DELAY.free) {
                        prop_assert!(now - last >= DELAY.pause(seen.tries));
                    }
                    prop_assert!(DELAY.pause(next.tries) >= DELAY.pause(seen.tries));
                    (seen, last) = (next, Some(now));
                }
            }
        }
    }
}
