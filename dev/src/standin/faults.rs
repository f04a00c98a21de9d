//! What the stand-in is told to do wrong.

use std::time::Duration;

use axum::http::{HeaderValue, StatusCode};
use serde::{Deserialize, Serialize};

use super::refusal::Refusal;

/// The longest that a knob may slow an answer down: longer than any client of ours waits, shorter than an idle connection
/// lasts.
const LONGEST_MS: u32 = 60_000;

/// The knobs. Counts run down with each request that they hit; the rest stays until it is changed.
///
/// A request meets at most one of those with counts, in the order in which they stand here. They are in memory only.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Faults {
    /// The next requests are refused.
    reject: Option<Reject>,
    /// The next requests are read and not accepted, and never answered (for 60 s, then the connection closes).
    hang: u32,
    /// The next accepted requests get no answer: the connection closes.
    accept_then_drop: u32,
    /// The next accepted requests are answered with 500.
    accept_then_500: u32,
    /// The next answers of accepted requests begin at once and take their time to end.
    slow_body: Option<SlowBody>,
    /// Milliseconds that every answer to a send takes longer, refusals too.
    latency_ms: u32,
    /// That a message was sent is told before its request is answered.
    pub(super) webhook_before_answer: bool,
    /// What happens to webhooks of messages that are accepted from now on.
    pub(super) webhooks: WebhookFaults,
}

/// A refusal on demand.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Reject {
    /// How many requests.
    #[serde(default = "once")]
    count: u32,
    /// HTTP status, 400 to 599.
    status: u16,
    /// Telnyx's code.
    code: String,
    /// Value of `Retry-After`: seconds or an HTTP date.
    #[serde(default)]
    retry_after: Option<RetryAfter>,
    /// Value of `x-ratelimit-reset`, seconds.
    #[serde(default)]
    rate_limit_reset: Option<u64>,
}

/// A body that drips.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SlowBody {
    /// How many answers.
    #[serde(default = "once")]
    count: u32,
    /// Milliseconds from the head to the last byte, at most 60,000.
    over_ms: u32,
}

fn once() -> u32 {
    1
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum RetryAfter {
    Seconds(u64),
    Text(String),
}

impl RetryAfter {
    fn header(&self) -> Option<HeaderValue> {
        match self {
            Self::Seconds(seconds) => Some(HeaderValue::from(*seconds)),
            Self::Text(text) => HeaderValue::from_str(text).ok(),
        }
    }
}

/// What happens to webhooks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct WebhookFaults {
    /// None is sent; the message goes its way all the same.
    pub(super) drop: bool,
    /// Each is sent twice, with one event id.
    pub(super) duplicate: bool,
    /// The last is sent first.
    pub(super) shuffle: bool,
    /// Milliseconds added to when each is sent.
    pub(super) delay_ms: u32,
}

/// What goes wrong with a request before it is read as a message.
#[derive(Debug)]
pub(super) enum Before {
    Reject(Refusal),
    Hang,
}

/// What goes wrong with a request after its message was accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum After {
    Drop,
    Fail,
    Drip(Duration),
}

impl Faults {
    /// What is wrong with these knobs, if anything.
    pub(super) fn mistake(&self) -> Option<&'static str> {
        if self.slow_body.as_ref().is_some_and(|slow| slow.over_ms > LONGEST_MS) {
            return Some("slow_body.over_ms is at most 60000");
        }
        if self.latency_ms > LONGEST_MS {
            return Some("latency_ms is at most 60000");
        }
        let reject = self.reject.as_ref()?;
        let status = StatusCode::from_u16(reject.status);
        if !status.is_ok_and(|status| status.is_client_error() || status.is_server_error()) {
            return Some("reject.status is 400 to 599");
        }
        let unsendable = |value: &RetryAfter| value.header().is_none();
        (reject.retry_after.as_ref().is_some_and(unsendable)).then_some("reject.retry_after is no value of a header")
    }

    /// How much longer every answer to a send takes.
    pub(super) fn latency(&self) -> Duration {
        Duration::from_millis(self.latency_ms.into())
    }

    /// Takes what the request at hand meets first.
    pub(super) fn before(&mut self) -> Option<Before> {
        if let Some(reject) = &mut self.reject
            && take(&mut reject.count)
        {
            let status = StatusCode::from_u16(reject.status).unwrap_or(StatusCode::BAD_REQUEST);
            let retry_after = reject.retry_after.as_ref().and_then(RetryAfter::header);
            let refusal = Refusal::new(status, &reject.code).later(retry_after, reject.rate_limit_reset);
            return Some(Before::Reject(refusal));
        }
        take(&mut self.hang).then_some(Before::Hang)
    }

    /// Takes what the request at hand meets once its message was accepted.
    pub(super) fn after(&mut self) -> Option<After> {
        if take(&mut self.accept_then_drop) {
            return Some(After::Drop);
        }
        if take(&mut self.accept_then_500) {
            return Some(After::Fail);
        }
        let slow = self.slow_body.as_mut()?;
        take(&mut slow.count).then(|| After::Drip(Duration::from_millis(slow.over_ms.into())))
    }
}

fn take(count: &mut u32) -> bool {
    let some = *count > 0;
    *count = count.saturating_sub(1);
    some
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn counts_run_down_one_by_one() {
        let knobs = json!({"reject": {"status": 429, "code": "10011"}, "hang": 1, "accept_then_drop": 1, "accept_then_500": 1,
                   "slow_body": {"over_ms": 5}});
        let mut faults: Faults = serde_json::from_value(knobs).unwrap();
        assert!(matches!(faults.before(), Some(Before::Reject(_))));
        assert!(matches!(faults.before(), Some(Before::Hang)));
        assert!(faults.before().is_none());
        assert_eq!(faults.after(), Some(After::Drop));
        assert_eq!(faults.after(), Some(After::Fail));
        assert_eq!(faults.after(), Some(After::Drip(Duration::from_millis(5))));
        assert_eq!(faults.after(), None);
    }

    #[test]
    fn a_knob_that_does_not_exist_is_an_error() {
        assert!(serde_json::from_value::<Faults>(json!({"hangs": 1})).is_err());
        for knobs in [
            json!({"reject": {"status": 200, "code": "1"}}),
            json!({"latency_ms": 60_001}),
            json!({"slow_body": {"over_ms": 60_001}}),
        ] {
            let faults: Faults = serde_json::from_value(knobs.clone()).unwrap();
            assert!(faults.mistake().is_some(), "{knobs}");
        }
    }
}
