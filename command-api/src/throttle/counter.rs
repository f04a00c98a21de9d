use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

use super::{delay::Delay, quota::Quota};

/// A rule by which attempts are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// So many in a stretch of time.
    Quota(Quota),
    /// After some, each has to wait longer.
    Delay(Delay),
}

impl Rule {
    /// Its name: part of its counters' keys, and of what answers tell.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Quota(quota) => quota.name,
            Self::Delay(delay) => delay.name,
        }
    }

    /// Whether every answer tells where its counter stands, or only the one that it refuses.
    pub(super) const fn is_told(&self) -> bool {
        match self {
            Self::Quota(quota) => quota.told,
            Self::Delay(delay) => delay.told,
        }
    }

    /// Attempts that it allows, and the seconds in which (`q` and `w` of `RateLimit-Policy`).
    pub(super) const fn policy(&self) -> (u32, i64) {
        match self {
            Self::Quota(quota) => (quota.most(), quota.window.num_seconds()),
            Self::Delay(delay) => (delay.free, delay.forgotten_after.num_seconds()),
        }
    }
}

/// One counter: a rule, and whose attempts it counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counter {
    pub(super) rule: Rule,
    /// A MAC, in text.
    pub(super) id: Arc<str>,
}

impl Counter {
    pub(super) fn new(rule: Rule, id: &str) -> Self {
        Self { rule, id: id.into() }
    }

    /// One of `parts` parts (at most 256), always the same for the same counter.
    pub fn part(&self, parts: u64) -> u8 {
        let sum: u64 = self.id.bytes().map(u64::from).sum();
        u8::try_from(sum % parts.max(1)).unwrap_or_default()
    }
}

/// Where a counter stands, the attempt at hand included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Standing {
    pub counter: Counter,
    /// Whether it refuses the attempt.
    pub refused: bool,
    /// How many more it allows before it refuses.
    pub left: u32,
    /// When it allows more.
    pub until: DateTime<Utc>,
    /// Whether it remembers a success.
    pub known: bool,
}

impl Standing {
    pub fn refused(counter: &Counter, until: DateTime<Utc>) -> Self {
        Self { counter: counter.clone(), refused: true, left: 0, until, known: false }
    }

    /// Whole seconds until it allows more, at least one: who comes back then is not too early.
    pub fn seconds(&self, now: DateTime<Utc>) -> u64 {
        let begun = TimeDelta::seconds(1) - TimeDelta::nanoseconds(1);
        u64::try_from((self.until - now + begun).num_seconds()).unwrap_or_default().max(1)
    }
}
