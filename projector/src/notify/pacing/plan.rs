//! What all dispatchers share of a provider's account: how fast it and its senders are, what was spent today, and what is
//! stopped.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Days, NaiveDate, NaiveTime, TimeDelta, Utc};
use events::notification::Lane;
use serde::{Deserialize, Serialize};

use super::pace::{Pace, Stopped};

/// How far ahead messages are let through: so short that a one-time code, which goes before all others that wait, waits no
/// longer than that for those that were let through before it; and long enough that a fast account is asked ten times a second.
pub(super) const HORIZON: TimeDelta = TimeDelta::milliseconds(100);

/// How much may be sent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    /// Segments a second of the account.
    pub account: f64,
    /// Segments a second of one sender.
    pub sender: f64,
    /// Segments a day (UTC) of the account. One-time codes may use them up; the other lanes stop before.
    pub daily: u64,
}

/// How many hundredths of a day's segments are gone when a lane stops. What can wait waits for the next day first, what
/// somebody's own action caused comes next, and the last tenth is left to one-time codes: without theirs nobody gets in.
const fn share(lane: Lane) -> u64 {
    match lane {
        Lane::Bulk => 80,
        Lane::Transactional => 90,
        Lane::Code => 100,
    }
}

/// While a message tries whether sending works again, those behind it ask so often what became of it.
const PROBE_LOOK: TimeDelta = TimeDelta::milliseconds(100);

/// What a code of the provider stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::notify) enum Scope {
    /// All messages.
    Account,
    /// Those of the sender that was used.
    Sender,
}

/// The code of what waits for the next day.
const DAILY_CAP: &str = "daily-cap";

/// The shared state.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Plan {
    account: Pace,
    senders: BTreeMap<String, Pace>,
    day: NaiveDate,
    spent: u64,
    /// Lanes that have met the day's cap.
    #[serde(default)]
    capped: BTreeSet<Lane>,
}

/// What became of a message that wants to go out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It goes out then, within the horizon.
    At(DateTime<Utc>),
    /// It is not its turn yet: ask again then.
    Ask(DateTime<Utc>),
    /// Nothing goes out.
    Stopped(Stopped),
}

impl Plan {
    /// Lets one message through, if it is its turn.
    pub(super) fn admit(
        &mut self,
        sender: &str,
        lane: Lane,
        segments: u32,
        limits: &Limits,
        now: DateTime<Utc>,
    ) -> Verdict {
        if self.day != now.date_naive() {
            (self.day, self.spent) = (now.date_naive(), 0);
            self.capped.clear();
        }
        if self.spent.saturating_add(segments.into()) > limits.daily.saturating_mul(share(lane)) / 100 {
            self.capped.insert(lane);
            return Verdict::Stopped(Stopped { until: midnight_after(now), cause: DAILY_CAP.to_owned() });
        }
        let pace = self.senders.entry(sender.to_owned()).or_default();
        if let Some(stopped) = self.account.stopped(now).or_else(|| pace.stopped(now)) {
            return Verdict::Stopped(stopped);
        }
        if let Some(end) = self.account.probed(now).max(pace.probed(now)) {
            return Verdict::Ask(end.min(now + PROBE_LOOK));
        }
        let slot = self.account.slot(segments, limits.account, now).max(pace.slot(segments, limits.sender, now));
        if slot > now + HORIZON {
            return Verdict::Ask(slot - HORIZON);
        }
        self.account.take(segments, limits.account, slot);
        pace.take(segments, limits.sender, slot);
        self.spent += u64::from(segments);
        Verdict::At(slot)
    }

    /// Whether a message is on its way to see whether sending works again.
    pub(super) fn is_probing(&self, sender: &str) -> bool {
        self.account.is_probing() || self.senders.get(sender).is_some_and(Pace::is_probing)
    }

    /// Lanes that have met the day's cap, and had not when the plan was `before`.
    pub(super) fn newly_capped<'a>(&'a self, before: &'a Self) -> impl Iterator<Item = Lane> + 'a {
        let known = move |lane: &Lane| before.day == self.day && before.capped.contains(lane);
        self.capped.iter().copied().filter(move |lane| !known(lane))
    }

    /// Stops an account or a sender. `false`: it was.
    pub(super) fn stop(&mut self, scope: Scope, sender: &str, stopped: Stopped) -> bool {
        self.of(scope, sender).stop(stopped)
    }

    /// Sends nothing of a sender before then. `false`: that was so.
    pub(super) fn hold_back(&mut self, sender: &str, at: DateTime<Utc>) -> bool {
        self.of(Scope::Sender, sender).hold_back(at)
    }

    /// The provider took a message. `false`: that was no news.
    pub(super) fn worked(&mut self, sender: &str) -> bool {
        let account = self.account.worked();
        self.of(Scope::Sender, sender).worked() || account
    }

    fn of(&mut self, scope: Scope, sender: &str) -> &mut Pace {
        match scope {
            Scope::Account => &mut self.account,
            Scope::Sender => self.senders.entry(sender.to_owned()).or_default(),
        }
    }
}

/// The next midnight UTC: then the provider's daily limits and ours begin anew.
pub(in crate::notify) fn midnight_after(now: DateTime<Utc>) -> DateTime<Utc> {
    (now.date_naive() + Days::new(1)).and_time(NaiveTime::MIN).and_utc()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { account: 50.0, sender: 20.0, daily: 10 };

    fn now() -> DateTime<Utc> {
        "2026-01-02T03:04:05Z".parse().unwrap()
    }

    fn asked(plan: &mut Plan, sender: &str, now: DateTime<Utc>) -> Verdict {
        plan.admit(sender, Lane::Code, 1, &LIMITS, now)
    }

    fn admitted(plan: &mut Plan, now: DateTime<Utc>) -> bool {
        matches!(asked(plan, "+1", now), Verdict::At(_))
    }

    #[test]
    fn the_slower_of_account_and_sender_sets_the_pace_and_only_what_is_near_is_let_through() {
        let mut plan = Plan::default();
        let slots: Vec<_> = (0..3).map(|_| asked(&mut plan, "+1", now())).collect();
        let pause = TimeDelta::microseconds(51_500);
        assert_eq!(slots[..2], [Verdict::At(now()), Verdict::At(now() + pause)]);
        assert_eq!(slots[2], Verdict::Ask(now() + pause * 2 - HORIZON));
        assert_eq!(asked(&mut plan, "+2", now()), Verdict::At(now() + pause + TimeDelta::microseconds(20_600)));
    }

    #[test]
    fn a_day_has_its_end() {
        let mut plan = Plan::default();
        let times = (0..11).map(|second| now() + TimeDelta::seconds(second));
        assert_eq!(times.filter(|time| admitted(&mut plan, *time)).count(), 10);
        let tomorrow = midnight_after(now());
        assert_eq!(tomorrow.to_rfc3339(), "2026-01-03T00:00:00+00:00");
        let stopped = Stopped { until: tomorrow, cause: DAILY_CAP.to_owned() };
        assert_eq!(asked(&mut plan, "+1", now()), Verdict::Stopped(stopped));
        assert!(admitted(&mut plan, tomorrow));
    }

    #[test]
    fn who_can_wait_meets_the_days_end_first_and_each_lane_is_told_once() {
        let (mut plan, mut told) = (Plan::default(), Vec::new());
        let mut let_through = BTreeMap::new();
        for second in 0..30 {
            let now = now() + TimeDelta::seconds(second);
            for lane in [Lane::Bulk, Lane::Transactional, Lane::Code] {
                // Whoever is less urgent asks first, and does so until nothing is left.
                let before = plan.clone();
                let verdict = plan.admit("+1", lane, 1, &LIMITS, now);
                told.extend(plan.newly_capped(&before));
                if matches!(verdict, Verdict::At(_)) {
                    *let_through.entry(lane).or_insert(0) += 1;
                    break;
                }
            }
        }
        assert_eq!(let_through, BTreeMap::from([(Lane::Bulk, 8), (Lane::Transactional, 1), (Lane::Code, 1)]));
        assert_eq!(told, [Lane::Bulk, Lane::Transactional, Lane::Code]);
        let before = plan.clone();
        let tomorrow = plan.admit("+1", Lane::Bulk, 1, &LIMITS, midnight_after(now()));
        assert!(matches!(tomorrow, Verdict::At(_)) && plan.newly_capped(&before).next().is_none());
    }

    #[test]
    fn what_stops_the_account_stops_every_sender_and_one_message_of_one_sender_tries_again() {
        let mut plan = Plan::default();
        let until = now() + TimeDelta::minutes(1);
        let stopped = Stopped { until, cause: "20100".to_owned() };
        assert!(plan.stop(Scope::Account, "+1", stopped.clone()));
        assert_eq!(asked(&mut plan, "+2", now()), Verdict::Stopped(stopped));
        assert!(admitted(&mut plan, until) && plan.is_probing("+1"));
        assert_eq!(asked(&mut plan, "+2", until), Verdict::Ask(until + PROBE_LOOK), "who comes next waits for it");
        assert!(plan.worked("+1") && !plan.worked("+1"));
        assert!(admitted(&mut plan, until + TimeDelta::seconds(1)));
    }
}
