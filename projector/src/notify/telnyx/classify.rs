//! What an answer of the provider means: for the message, and for all that come after it.
//!
//! The provider's code decides, never the status alone: 429 is a rate limit or an empty purse. The codes are those of
//! Telnyx's error reference; its page on webhooks gives some of them other meanings, and is not followed.

use chrono::{DateTime, TimeDelta, Utc};
use events::notification::{NotificationDeferred, Outcome};
use uuid::Uuid;

use crate::notify::pacing::{Scope, Stopped, midnight_after};

/// First pause after a request that certainly was not received; doubled with each try.
const FIRST_PAUSE: TimeDelta = TimeDelta::seconds(2);

/// Longest pause between two tries.
const LONGEST_PAUSE: TimeDelta = TimeDelta::minutes(15);

/// Shortest pause of the sender at a rate limit, whatever the provider's headers say: its second is over at once, and all who
/// wait would meet the limit again.
const SHORTEST_HOLD: TimeDelta = FIRST_PAUSE;

/// Longest pause of the sender that the provider's headers can ask for: a rate limit is over within a minute, and who reads a
/// header wrongly must not be silent for a day.
const LONGEST_HOLD: TimeDelta = LONGEST_PAUSE;

/// Pause when the provider's own queue for the sender is full: it holds four hours' worth, so minutes do not empty it.
const QUEUE_PAUSE: TimeDelta = TimeDelta::minutes(5);

/// Pause of the sender when a carrier wants less of it.
const CARRIER_PAUSE: TimeDelta = TimeDelta::minutes(1);

/// Until somebody looks again whether keys, senders and campaigns are in order.
const CONFIGURATION_PAUSE: TimeDelta = TimeDelta::minutes(15);

/// Until somebody looks again whether there is money.
const MONEY_PAUSE: TimeDelta = TimeDelta::hours(1);

/// For how long the provider holds back what looks like fraud.
const FRAUD_PAUSE: TimeDelta = TimeDelta::hours(24);

/// Over which span messages come again that met a stop: not all at once.
const AFTER_A_STOP: TimeDelta = TimeDelta::seconds(10);

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    /// The request never left: no connection.
    NotSent,
    /// No answer, or one that tells nothing: it may have been received.
    Nothing,
    /// Taken.
    Accepted {
        /// The provider's id.
        id: String,
    },
    /// Refused, certainly not taken.
    Refused {
        /// HTTP status.
        status: u16,
        /// The provider's code, a string.
        code: Option<String>,
        /// When to come back, as the provider's headers say.
        wait: Option<String>,
    },
}

/// What an answer means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// For the notification.
    pub outcome: Outcome,
    /// For what comes after it.
    pub(in crate::notify) consequence: Option<Consequence>,
}

/// What an answer means for other messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::notify) enum Consequence {
    /// The provider takes messages, or refuses one for its recipient only.
    Works,
    /// The provider did not say whether it took the message, or could not be reached.
    NoAnswer,
    /// The sender pauses.
    HoldBack(DateTime<Utc>),
    /// All messages stop, until somebody mends it.
    Stop(Scope, Stopped),
    /// The number wants no messages.
    OptedOut,
    /// Somebody has to look: our request, our text, or a code that we do not know.
    Alarm(String),
}

/// What the codes have in common.
enum Class {
    Rate,
    QueueFull,
    SpendLimit,
    Money,
    Configuration(Scope),
    OptedOut,
    Recipient,
    Content,
    CarrierLater,
    CarrierSlower,
    Fraud,
    Malformed,
    Ambiguous,
    Unheard,
}

fn class(code: &str) -> Class {
    match code {
        "10011" | "http-429" => Class::Rate,
        "40318" => Class::QueueFull,
        "40333" => Class::SpendLimit,
        "20100" | "20012" => Class::Money,
        "10009" | "10010" | "20001" | "20002" | "http-401" | "http-403" => Class::Configuration(Scope::Account),
        "40010" | "40305" | "40306" | "40307" | "40311" | "40312" | "40313" | "40314" | "40321" | "40329" | "40330"
        | "40331" => Class::Configuration(Scope::Sender),
        "40300" => Class::OptedOut,
        "10002" | "10016" | "40001" | "40012" | "40301" | "40309" | "40310" | "40319" => Class::Recipient,
        "40009" | "40302" | "40304" | "40316" | "40317" | "40322" | "40328" => Class::Content,
        "40006" | "40008" => Class::CarrierLater,
        "40002" | "40005" | "40011" | "40014" | "40016" | "40017" | "40018" => Class::CarrierSlower,
        "40020" | "40320" => Class::Fraud,
        "10004" | "10015" | "10023" | "10027" => Class::Malformed,
        // The request may have been received although the answer says that something broke.
        "10007" | "10008" | "http-408" => Class::Ambiguous,
        _ => Class::Unheard,
    }
}

/// Says what an answer to try number `attempt` of the notification `id` means.
pub(super) fn classify(answer: Answer, now: DateTime<Utc>, id: Uuid, attempt: u32) -> Sent {
    let (status, code, wait) = match answer {
        Answer::Accepted { id } => return Outcome::Accepted(id).with(Consequence::Works),
        Answer::Nothing => return Outcome::Unknown.with(Consequence::NoAnswer),
        Answer::NotSent => {
            return later("no-connection", now + backoff(id, attempt)).with(Consequence::NoAnswer);
        }
        Answer::Refused { status, code, wait } => (status, code, wait),
    };
    let code = code.unwrap_or_else(|| format!("http-{status}"));
    let hint = wait.and_then(|wait| moment(&wait, now));
    let stop = |scope, until: DateTime<Utc>| {
        let again = until + jitter(id, AFTER_A_STOP);
        later(&code, again).with(Consequence::Stop(scope, Stopped { until, cause: code.clone() }))
    };
    match class(&code) {
        Class::Rate => {
            let own = now + backoff(id, attempt);
            let held = hint.unwrap_or(own).clamp(now + SHORTEST_HOLD, now + LONGEST_HOLD);
            later(&code, held.max(own) + jitter(id, FIRST_PAUSE)).with(Consequence::HoldBack(held))
        }
        Class::QueueFull => {
            later(&code, now + QUEUE_PAUSE + jitter(id, QUEUE_PAUSE)).with(Consequence::HoldBack(now + QUEUE_PAUSE))
        }
        // The headers of every answer tell of the rate, which resets each second. Money comes back at midnight only.
        Class::SpendLimit => stop(Scope::Account, midnight_after(now)),
        Class::Money => stop(Scope::Account, now + MONEY_PAUSE),
        Class::Configuration(scope) => stop(scope, now + CONFIGURATION_PAUSE),
        Class::OptedOut => Outcome::Suppressed("opted-out").with(Consequence::OptedOut),
        Class::Recipient => Outcome::Refused(code).with(Consequence::Works),
        Class::Content | Class::Unheard => Outcome::Refused(code.clone()).with(Consequence::Alarm(code)),
        Class::CarrierLater => later(&code, now + backoff(id, attempt)).alone(),
        Class::CarrierSlower => Outcome::Refused(code).with(Consequence::HoldBack(now + CARRIER_PAUSE)),
        Class::Fraud => later(&code, now + FRAUD_PAUSE).with(Consequence::Alarm(code)),
        Class::Malformed => Outcome::Malformed(code.clone()).with(Consequence::Alarm(code)),
        Class::Ambiguous => Outcome::Unknown.with(Consequence::NoAnswer),
    }
}

trait Means: Sized {
    fn with(self, consequence: Consequence) -> Sent;
    fn alone(self) -> Sent;
}

impl Means for Outcome {
    fn with(self, consequence: Consequence) -> Sent {
        Sent { outcome: self, consequence: Some(consequence) }
    }

    fn alone(self) -> Sent {
        Sent { outcome: self, consequence: None }
    }
}

fn later(code: &str, not_before: DateTime<Utc>) -> Outcome {
    Outcome::Deferred(NotificationDeferred { error_code: code.to_owned(), not_before })
}

fn backoff(id: Uuid, attempt: u32) -> TimeDelta {
    let factor = 1_i32 << attempt.saturating_sub(1).min(10);
    let pause = (FIRST_PAUSE * factor).min(LONGEST_PAUSE);
    pause + jitter(id, pause)
}

/// A part of a span that is the notification's own: its id is a hash. So those that fail together do not come again together.
fn jitter(id: Uuid, span: TimeDelta) -> TimeDelta {
    let share = i32::from(id.as_bytes()[0]);
    span * share / 256
}

/// `Retry-After` in seconds or as a date (RFC 9110 §10.2.3), or a number of seconds until the limit resets.
fn moment(wait: &str, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let wait = wait.trim();
    match wait.parse::<u32>() {
        Ok(seconds) => Some(now + TimeDelta::seconds(seconds.into())),
        Err(_) => DateTime::parse_from_rfc2822(wait).ok().map(|at| at.to_utc()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> DateTime<Utc> {
        "2026-01-02T03:04:05Z".parse().unwrap()
    }

    fn answered(answer: Answer, attempt: u32) -> Sent {
        classify(answer, now(), Uuid::nil(), attempt)
    }

    fn refused(status: u16, code: Option<&str>, wait: Option<&str>) -> Sent {
        let wait = wait.map(ToOwned::to_owned);
        answered(Answer::Refused { status, code: code.map(ToOwned::to_owned), wait }, 1)
    }

    #[test]
    fn what_may_have_been_received_is_unknown() {
        let unknown = Outcome::Unknown.with(Consequence::NoAnswer);
        assert_eq!(answered(Answer::Nothing, 1), unknown);
        for (status, code) in [(408, None), (422, Some("10007")), (400, Some("10008"))] {
            assert_eq!(refused(status, code, None), unknown, "{code:?}");
        }
    }

    #[test]
    fn what_was_not_received_is_tried_again_less_and_less_often_and_not_together() {
        let pauses = [1, 2, 3, 20].map(|attempt| answered(Answer::NotSent, attempt));
        let at = |seconds| later("no-connection", now() + TimeDelta::seconds(seconds)).with(Consequence::NoAnswer);
        assert_eq!(pauses, [at(2), at(4), at(8), at(900)]);
        let other = classify(Answer::NotSent, now(), Uuid::from_u128(128 << 120), 1);
        assert_eq!(other, at(3));
    }

    #[test]
    fn a_rate_limit_waits_as_long_as_it_says_within_bounds_and_holds_the_sender_back() {
        let at = |seconds| now() + TimeDelta::seconds(seconds);
        let long_ago = "Thu, 02 Jan 2025 03:04:35 GMT";
        for (hint, seconds) in [
            (Some("30"), 30),
            (Some("Fri, 02 Jan 2026 03:04:35 GMT"), 30),
            (None, 2),
            (Some("0"), 2),
            (Some("1"), 2),
            (Some(long_ago), 2),
            (Some("999999"), 900),
        ] {
            let expected = later("10011", at(seconds)).with(Consequence::HoldBack(at(seconds)));
            assert_eq!(refused(429, Some("10011"), hint), expected, "{hint:?}");
        }
        // One that met the limit often waits longer itself, and does not hold up the others for it.
        let answer = Answer::Refused { status: 429, code: Some("10011".to_owned()), wait: Some("1".to_owned()) };
        assert_eq!(answered(answer, 5), later("10011", at(32)).with(Consequence::HoldBack(at(2))));
    }

    #[test]
    fn what_a_human_has_to_mend_stops_all_messages_and_burns_none() {
        let midnight = "2026-01-03T00:00:00Z".parse().unwrap();
        let in_minutes = |minutes| now() + TimeDelta::minutes(minutes);
        let cases = [
            (429, "40333", None, Scope::Account, midnight),
            // What stands in the headers is about the rate.
            (429, "40333", Some("0"), Scope::Account, midnight),
            (429, "40333", Some("60"), Scope::Account, midnight),
            (402, "20100", None, Scope::Account, in_minutes(60)),
            (401, "10009", None, Scope::Account, in_minutes(15)),
            (400, "40305", None, Scope::Sender, in_minutes(15)),
        ];
        for (status, code, hint, scope, until) in cases {
            let stopped = Stopped { until, cause: code.to_owned() };
            let expected = later(code, until).with(Consequence::Stop(scope, stopped));
            assert_eq!(refused(status, Some(code), hint), expected, "{code}");
        }
    }

    #[test]
    fn the_other_codes() {
        let refused_for = |code: &str| Outcome::Refused(code.to_owned());
        assert_eq!(refused(422, Some("40310"), None), refused_for("40310").with(Consequence::Works));
        let alarm = |code: &str| Consequence::Alarm(code.to_owned());
        assert_eq!(refused(400, Some("40302"), None), refused_for("40302").with(alarm("40302")));
        assert_eq!(refused(418, Some("99999"), None), refused_for("99999").with(alarm("99999")));
        assert_eq!(refused(400, None, None), refused_for("http-400").with(alarm("http-400")));
        let opted_out = Outcome::Suppressed("opted-out").with(Consequence::OptedOut);
        assert_eq!(refused(400, Some("40300"), None), opted_out);
        let malformed = Outcome::Malformed("10015".to_owned()).with(alarm("10015"));
        assert_eq!(refused(400, Some("10015"), None), malformed);
        let held = later("40020", now() + FRAUD_PAUSE).with(alarm("40020"));
        assert_eq!(refused(403, Some("40020"), None), held);
    }
}
