use chrono::{DateTime, TimeDelta, Utc};

/// At most so many attempts in a stretch of time, whatever comes of them.
///
/// Time is cut into windows, and each window of each counter is an item of its own, so that counting is one conditional
/// addition: without reading first, without contention, and right with any number of instances. Clients that come back
/// when a window begins would all come at once, so each counter's windows begin at a moment of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// The rule's name.
    pub name: &'static str,
    /// Attempts in one window. Any stretch of a window's length touches two of them at most.
    pub per_window: u32,
    /// Length of a window, in whole seconds.
    pub window: TimeDelta,
    /// Whether every answer tells where the counter stands, or only the one that it refuses.
    pub told: bool,
}

/// One window of one counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Window {
    pub number: i64,
    pub end: DateTime<Utc>,
}

impl Quota {
    /// Most attempts in any stretch of a window's length, wherever it begins.
    pub const fn most(&self) -> u32 {
        2 * self.per_window
    }

    /// The window of the counter `id` in which `now` lies.
    pub(super) fn window_at(&self, id: &str, now: DateTime<Utc>) -> Window {
        let length = self.window.num_milliseconds().max(1);
        let begins = id.bytes().fold(0_i64, |sum, byte| (sum * 64 + i64::from(byte)) % length);
        let number = (now.timestamp_millis() - begins).div_euclid(length);
        let end = begins + (number + 1) * length;
        Window { number, end: DateTime::from_timestamp_millis(end).unwrap_or(now + self.window) }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    const QUOTA: Quota = Quota { name: "test", per_window: 5, window: TimeDelta::seconds(10), told: true };

    proptest! {
        #[test]
        fn no_stretch_of_a_window_s_length_has_more_than_the_quota(
            id in "[A-Za-z0-9_-]{43}",
            pauses in prop::collection::vec(0_i64..4_000, 1..200),
        ) {
            let (mut now, mut used, mut admitted) = (DateTime::UNIX_EPOCH, HashMap::new(), Vec::new());
            for pause in pauses {
                now += TimeDelta::milliseconds(pause);
                let window = QUOTA.window_at(&id, now);
                prop_assert!(now < window.end && window.end - now <= QUOTA.window);
                let used: &mut u32 = used.entry(window.number).or_default();
                if *used < QUOTA.per_window {
                    *used += 1;
                    admitted.push(now);
                }
            }
            for begin in &admitted {
                let within = admitted.iter().filter(|at| *begin <= **at && **at < *begin + QUOTA.window).count();
                prop_assert!(within <= QUOTA.most() as usize, "{within}");
            }
        }
    }

    #[test]
    fn windows_follow_each_other_and_begin_at_a_moment_of_their_own() {
        let first = QUOTA.window_at("one", DateTime::UNIX_EPOCH);
        let second = QUOTA.window_at("one", first.end);
        assert_eq!((second.number, second.end), (first.number + 1, first.end + QUOTA.window));
        assert_eq!(QUOTA.window_at("one", first.end - TimeDelta::milliseconds(1)), first);
        assert_ne!(QUOTA.window_at("two", DateTime::UNIX_EPOCH).end, first.end);
    }
}
