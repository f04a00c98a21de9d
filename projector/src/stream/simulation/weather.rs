//! What goes wrong with calls, and how often.

use std::{collections::BTreeMap, time::Duration};

use tokio::time::Instant;

use super::{events::Event, world::State};

/// What a call is made to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Part {
    Stream,
    Leases,
    Rows,
}

pub(super) const PARTS: [Part; 3] = [Part::Stream, Part::Leases, Part::Rows];

/// What becomes of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// Takes effect, and is answered.
    Answered { before: Duration, after: Duration },
    /// Never gets there.
    Failed { after: Duration },
    /// Takes effect, and the answer is lost.
    AnswerLost { before: Duration, after: Duration },
    /// Is given up, and takes effect later, whoever lives then.
    Late { given_up: Duration, effect: Duration },
}

impl Fate {
    /// What goes wrong, if anything does.
    pub(super) fn event(&self) -> Option<Event> {
        match self {
            Self::Answered { .. } => None,
            Self::Failed { .. } => Some(Event::Failed),
            Self::AnswerLost { .. } => Some(Event::AnswerLost),
            Self::Late { .. } => Some(Event::Late),
        }
    }
}

/// Rates in thousandths of the calls.
#[derive(Debug, Clone, Default)]
pub(super) struct Weather {
    pub(super) failing: u32,
    pub(super) losing: u32,
    pub(super) late: u32,
    pub(super) slow: u32,
    pub(super) throttling: u32,
    /// Empty pages in the middle of a shard.
    pub(super) empty: u32,
    /// Records that never reach the stream.
    pub(super) lost_records: u32,
    /// Records that reach the stream twice.
    pub(super) repeated_records: u32,
    /// How long a new shard may stay unlisted.
    pub(super) listing_lag: Duration,
    /// Until when nothing of a part works.
    pub(super) down: BTreeMap<Part, Instant>,
    /// Until when calls to a part take.
    pub(super) hanging: BTreeMap<Part, Instant>,
}

impl State {
    pub(super) fn happens(&mut self, thousandths: u32) -> bool {
        thousandths > 0 && self.chance.u32(0..1000) < thousandths
    }

    pub(super) fn millis(&mut self, range: std::ops::Range<u64>) -> Duration {
        Duration::from_millis(self.chance.u64(range))
    }

    /// Draws what becomes of a call.
    pub(super) fn fate(&mut self, part: Part) -> Fate {
        let mut before = self.millis(1..15);
        if let Some(until) = self.weather.hanging.get(&part) {
            before += until.saturating_duration_since(Instant::now());
        }
        if self.weather.down.get(&part).is_some_and(|until| Instant::now() < *until) {
            return Fate::Failed { after: self.millis(5..500) };
        }
        if self.happens(self.weather.failing) {
            return Fate::Failed { after: self.millis(1..3000) };
        }
        if self.happens(self.weather.losing) {
            return Fate::AnswerLost { before, after: self.millis(1..3000) };
        }
        if self.happens(self.weather.late) {
            return Fate::Late { given_up: self.millis(1..3000), effect: self.millis(1..40_000) };
        }
        if self.happens(self.weather.slow) {
            return Fate::Answered { before: self.millis(10..3000), after: self.millis(10..3000) };
        }
        let after = if self.chance.u8(0..4) == 0 { self.millis(1..15) } else { Duration::ZERO };
        Fate::Answered { before, after }
    }
}
