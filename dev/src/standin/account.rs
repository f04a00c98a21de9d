//! The rules of the stand-in's account: what Telnyx lets a profile send, and how much of it was used.

mod dollars;

use std::collections::VecDeque;

use axum::http::{HeaderValue, StatusCode, response};
use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use events::values::Phone;
use serde::{Deserialize, Serialize};

use super::refusal::{RATE_LIMIT_RESET, Refusal};
use dollars::Dollars;

/// What each part of a message costs. Telnyx's own price depends on where it goes; this one is of its size.
const PRICE_OF_A_PART: Dollars = Dollars::from_millionths(4_000);

/// The window of the rate limit.
const WINDOW: TimeDelta = TimeDelta::seconds(1);

/// The most countries of an allow list: more than there are.
const MOST_COUNTRIES: usize = 300;

/// Stands for every country in an allow list.
const EVERY_COUNTRY: &str = "*";

/// The rules, all of them off at first. They are in memory only.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Rules {
    /// Where messages may go: ISO 3166-1 alpha-2, or `*` alone. Elsewhere: 40309.
    whitelisted_destinations: Option<Vec<String>>,
    /// US dollars that are left; each accepted message takes its price. Too few: 20100.
    balance: Option<Dollars>,
    /// US dollars that may be spent before midnight UTC. More: 40333.
    daily_spend_limit: Option<Dollars>,
    /// Messages that are accepted in any second, a longer one counted once for each part. More: 10011.
    messages_per_second: Option<u32>,
    /// How fast messages leave for the carrier.
    queue: Option<Queue>,
}

/// Telnyx's own queue.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Queue {
    /// Parts that leave it in a second; 0.1 for a long code.
    messages_per_second: f64,
    /// Parts that wait in it at most. More: 40318.
    capacity: u32,
}

impl Rules {
    /// What is wrong with these rules, if anything.
    pub(super) fn mistake(&self) -> Option<&'static str> {
        let is_country = |text: &String| text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_uppercase());
        let allowed = self.whitelisted_destinations.as_deref();
        if allowed
            .is_some_and(|all| all.len() > MOST_COUNTRIES || !(all == [EVERY_COUNTRY] || all.iter().all(is_country)))
        {
            return Some("whitelisted_destinations are codes of ISO 3166-1 alpha-2, or * alone");
        }
        if self.messages_per_second == Some(0) {
            return Some("messages_per_second is 1 or more");
        }
        let unusable = |queue: &Queue| !(queue.messages_per_second > 0.0 && queue.messages_per_second.is_finite());
        self.queue.as_ref().is_some_and(unusable).then_some("queue.messages_per_second is more than 0")
    }

    fn allows(&self, country: Option<&str>) -> bool {
        self.whitelisted_destinations
            .as_ref()
            .is_none_or(|allowed| allowed.iter().any(|one| one == EVERY_COUNTRY || Some(one.as_str()) == country))
    }
}

/// The rules, and what was used under them since they were set.
#[derive(Debug, Default)]
pub(super) struct Account {
    rules: Rules,
    /// What was accepted within the window: when, and how many parts.
    recent: VecDeque<(DateTime<Utc>, u32)>,
    /// The day of the last accepted message, and what its messages cost.
    spent: (NaiveDate, Dollars),
    /// When the last message leaves the queue.
    queue_ends: DateTime<Utc>,
}

impl Account {
    /// An account of which nothing was used.
    pub(super) fn under(rules: Rules) -> Self {
        Self { rules, ..Self::default() }
    }

    /// The rules, with the balance that is left.
    pub(super) fn rules(&self) -> &Rules {
        &self.rules
    }

    /// Whether it depends on the recipient's country what may be sent.
    pub(super) fn asks_for_countries(&self) -> bool {
        self.rules.whitelisted_destinations.is_some()
    }

    /// Takes a message of so many parts, and says how long it waits before it goes to the carrier.
    pub(super) fn admit(
        &mut self,
        country: Option<&str>,
        parts: u32,
        now: DateTime<Utc>,
    ) -> Result<TimeDelta, Refusal> {
        let used = self.used(now);
        // One that is larger than the limit would never pass: it has a second of its own.
        if self.rules.messages_per_second.is_some_and(|limit| used > 0 && used.saturating_add(parts) > limit) {
            return Err(Refusal::new(StatusCode::TOO_MANY_REQUESTS, "10011"));
        }
        if !self.rules.allows(country) {
            return Err(Refusal::new(StatusCode::FORBIDDEN, "40309").at("/to"));
        }
        let price = PRICE_OF_A_PART.times(parts);
        let balance = match self.rules.balance {
            None => None,
            Some(balance) => {
                Some(balance.less(price).ok_or_else(|| Refusal::new(StatusCode::PAYMENT_REQUIRED, "20100"))?)
            }
        };
        let today = now.date_naive();
        let spent = if self.spent.0 == today { self.spent.1 } else { Dollars::default() }.and(price);
        if self.rules.daily_spend_limit.is_some_and(|limit| spent > limit) {
            return Err(Refusal::new(StatusCode::TOO_MANY_REQUESTS, "40333"));
        }
        let wait = self.enqueue(parts, now)?;
        self.recent.push_back((now, parts));
        self.spent = (today, spent);
        self.rules.balance = balance;
        Ok(wait)
    }

    /// The parts that were accepted within the window.
    fn used(&mut self, now: DateTime<Utc>) -> u32 {
        while self.recent.pop_front_if(|(at, _)| now - *at >= WINDOW).is_some() {}
        self.recent.iter().map(|(_, parts)| parts).sum()
    }

    fn enqueue(&mut self, parts: u32, now: DateTime<Utc>) -> Result<TimeDelta, Refusal> {
        let Some(Queue { messages_per_second, capacity }) = self.rules.queue else { return Ok(TimeDelta::zero()) };
        let wait = (self.queue_ends - now).max(TimeDelta::zero());
        if wait.as_seconds_f64() * messages_per_second + f64::from(parts) > f64::from(capacity) {
            return Err(Refusal::new(StatusCode::BAD_REQUEST, "40318"));
        }
        #[expect(clippy::cast_possible_truncation, reason = "a float too large becomes the longest time")]
        let takes = TimeDelta::microseconds((f64::from(parts) / messages_per_second * 1e6) as i64);
        self.queue_ends = now + wait + takes;
        Ok(wait)
    }

    /// Says in an answer's headers what is left of the rate limit, unless they say something else already.
    pub(super) fn tell(&mut self, now: DateTime<Utc>, answer: &mut response::Parts) {
        let Some(limit) = self.rules.messages_per_second else { return };
        let left = limit.saturating_sub(self.used(now));
        let oldest = self.recent.front().map(|(at, _)| *at + WINDOW - now);
        let reset = oldest.map_or(0, |wait| u64::from(wait > TimeDelta::zero()));
        for (name, value) in
            [("x-ratelimit-limit", limit.into()), ("x-ratelimit-remaining", left.into()), (RATE_LIMIT_RESET, reset)]
        {
            answer.headers.entry(name).or_insert(HeaderValue::from(value));
        }
    }
}

/// The country of a number, as the numbering plans know it.
pub(super) fn country(phone: &str) -> Option<String> {
    Phone::parse(phone).ok()?.country()
}

#[cfg(test)]
mod tests;
