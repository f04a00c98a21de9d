//! When the next message may go out: how fast one sender or account is, and whether it may send at all.

use std::collections::VecDeque;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

/// How much slower than allowed we send: what a message is late or early on its way must not push too many into a second.
const MARGIN: f64 = 1.03;

/// The span within which no more goes out than the rate allows: a second, with the margin.
const WINDOW: TimeDelta = TimeDelta::milliseconds(1_030);

/// From this rate on, in segments a second, the margin is more than the longest of our messages has (3 segments), and what
/// went out within the last second need not be known one by one.
const FAST: f64 = 100.0;

/// How long the one message that tries whether sending works again may take, before another one tries.
const PROBE: TimeDelta = TimeDelta::seconds(20);

/// Messages that were on their way when everything stopped say the same again: within so much of a stop that stands, its end
/// is no news. It is longer than a request takes.
const ECHO: TimeDelta = TimeDelta::seconds(10);

/// Where a sender or an account stands.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Pace {
    /// What was let through last, oldest first: when it goes out, and its segments. Of a slow sender, what goes out within
    /// the last second; of a fast one, the last message.
    recent: VecDeque<(DateTime<Utc>, u32)>,
    /// Nothing goes out before, as the provider asks.
    not_before: Option<DateTime<Utc>>,
    /// Whether anything may be sent at all.
    #[serde(default)]
    breaker: Breaker,
}

/// Stops everything when the provider refuses whatever is sent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
enum Breaker {
    #[default]
    Closed,
    Open {
        until: DateTime<Utc>,
        cause: String,
    },
    /// One message is on its way to see whether it works again; until then it has time.
    HalfOpen {
        until: DateTime<Utc>,
        cause: String,
    },
}

/// Nothing may be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::notify) struct Stopped {
    /// When it may be tried again.
    pub until: DateTime<Utc>,
    /// The code for which it was stopped.
    pub cause: String,
}

impl Pace {
    /// When a message of so many segments may go out at `rate` segments a second.
    pub(super) fn slot(&self, segments: u32, rate: f64, now: DateTime<Utc>) -> DateTime<Utc> {
        let free = self.recent.back().map(|(at, segments)| *at + pause(*segments, rate));
        let mut slot = free.into_iter().chain(self.not_before).fold(now, DateTime::max);
        if rate < FAST {
            let mut within: u32 = self.recent.iter().map(|(_, segments)| segments).sum();
            for (at, before) in &self.recent {
                if *at + WINDOW > slot && f64::from(within + segments) > rate {
                    slot = *at + WINDOW;
                }
                within -= before;
            }
        }
        slot
    }

    /// Until when nothing may be sent, if that is so at `now`.
    pub(super) fn stopped(&self, now: DateTime<Utc>) -> Option<Stopped> {
        match &self.breaker {
            Breaker::Open { until, cause } if now < *until => Some(Stopped { until: *until, cause: cause.clone() }),
            _ => None,
        }
    }

    /// Until when the one message has time that tries whether sending works again, if one does at `now`.
    pub(super) fn probed(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        match &self.breaker {
            Breaker::HalfOpen { until, .. } if now < *until => Some(*until),
            _ => None,
        }
    }

    /// Lets a message through that goes out at `at`. The first one after a stop tries whether sending works again.
    pub(super) fn take(&mut self, segments: u32, rate: f64, at: DateTime<Utc>) {
        let passed = |(before, _): &(DateTime<Utc>, u32)| rate >= FAST || *before + WINDOW <= at;
        while self.recent.front().is_some_and(passed) {
            self.recent.pop_front();
        }
        self.recent.push_back((at, segments));
        if let Breaker::Open { cause, .. } | Breaker::HalfOpen { cause, .. } = &mut self.breaker {
            self.breaker = Breaker::HalfOpen { until: at + PROBE, cause: std::mem::take(cause) };
        }
    }

    /// Whether a message is on its way to see whether sending works again.
    pub(super) fn is_probing(&self) -> bool {
        matches!(self.breaker, Breaker::HalfOpen { .. })
    }

    /// Stops everything. `false`: it was stopped for about this time or longer.
    pub(super) fn stop(&mut self, stopped: Stopped) -> bool {
        let Stopped { until, cause } = stopped;
        if matches!(&self.breaker, Breaker::Open { until: stands, .. } if *stands + ECHO >= until) {
            return false;
        }
        self.breaker = Breaker::Open { until, cause };
        true
    }

    /// The provider took a message. `false`: that was no news.
    pub(super) fn worked(&mut self) -> bool {
        let news = self.is_probing();
        if news {
            self.breaker = Breaker::Closed;
        }
        news
    }

    /// Sends nothing before `at`. `false`: that was so.
    pub(super) fn hold_back(&mut self, at: DateTime<Utc>) -> bool {
        let news = self.not_before.is_none_or(|stands| stands < at);
        if news {
            self.not_before = Some(at);
        }
        news
    }
}

/// The time that a message of so many segments takes of `rate`.
fn pause(segments: u32, rate: f64) -> TimeDelta {
    let microseconds = (f64::from(segments) / rate * MARGIN * 1e6).round().min(LONGEST_PAUSE_MICROSECONDS);
    #[expect(clippy::cast_possible_truncation, reason = "bounded the line above")]
    TimeDelta::microseconds(microseconds as i64)
}

/// A day: no rate that one can set is slower.
const LONGEST_PAUSE_MICROSECONDS: f64 = 86_400.0 * 1e6;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(microseconds: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::microseconds(microseconds)
    }

    fn stopped(until: i64) -> Stopped {
        Stopped { until: at(until), cause: "40333".to_owned() }
    }

    #[test]
    fn one_message_tries_whether_it_works_again() {
        let mut pace = Pace::default();
        assert!(pace.stop(stopped(10)) && !pace.stop(stopped(10)));
        assert_eq!(pace.stopped(at(9)), Some(stopped(10)));
        assert_eq!((pace.stopped(at(10)), pace.probed(at(10))), (None, None));
        pace.take(1, 50.0, at(10));
        let probing = at(10) + PROBE;
        assert_eq!((pace.stopped(at(11)), pace.probed(at(11))), (None, Some(probing)), "the others wait for it");
        assert_eq!(pace.probed(probing), None, "the try was never heard of again");
        assert!(pace.clone().stop(stopped(1_000)), "the try failed");
        assert!(pace.worked() && !pace.worked());
        assert_eq!(pace.probed(at(11)), None);
    }

    #[test]
    fn what_was_on_its_way_when_everything_stopped_is_no_news() {
        let mut pace = Pace::default();
        let later = |by| Stopped { until: at(0) + by, ..stopped(0) };
        assert!(pace.stop(later(TimeDelta::zero())));
        assert!(!pace.stop(later(ECHO)));
        assert!(pace.stop(later(ECHO * 2)));
    }

    #[test]
    fn what_the_provider_asks_for_is_kept() {
        let mut pace = Pace::default();
        assert!(pace.hold_back(at(50)) && !pace.hold_back(at(40)));
        assert_eq!(pace.slot(1, 50.0, at(10)), at(50));
        assert_eq!(pace.slot(1, 50.0, at(60)), at(60));
    }

    #[test]
    fn a_steady_flow_is_close_to_the_rate() {
        let (mut pace, mut last) = (Pace::default(), at(0));
        for _ in 0..500 {
            last = pace.slot(1, 50.0, at(0));
            pace.take(1, 50.0, last);
        }
        let ideal = TimeDelta::milliseconds(499 * 20);
        assert!(last - at(0) >= ideal && last - at(0) <= ideal * 105 / 100, "{last}");
    }

    proptest! {
        #[test]
        fn no_second_has_more_segments_than_the_rate(
            rate in 3.0_f64..200.0,
            messages in prop::collection::vec((1_u32..=3, 0_i64..100_000), 1..300),
        ) {
            let (mut pace, mut now, mut sent) = (Pace::default(), at(0), Vec::new());
            for (segments, later) in messages {
                now += TimeDelta::microseconds(later);
                let slot = pace.slot(segments, rate, now);
                pace.take(segments, rate, slot);
                sent.push((slot, segments));
            }
            for (at, (from, _)) in sent.iter().enumerate() {
                let within = sent[at..].iter().take_while(|(slot, _)| *slot < *from + TimeDelta::seconds(1));
                let segments: u32 = within.map(|(_, segments)| segments).sum();
                prop_assert!(f64::from(segments) <= rate, "{segments} of {rate}");
            }
        }
    }
}
