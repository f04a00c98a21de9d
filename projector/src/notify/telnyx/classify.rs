use chrono::{DateTime, TimeDelta, Utc};
use events::notification::{NotificationDeferred, Outcome};

/// First pause after a request that certainly was not received; doubled with each try.
const FIRST_PAUSE: TimeDelta = TimeDelta::seconds(2);

/// Longest pause between two tries.
const LONGEST_PAUSE: TimeDelta = TimeDelta::minutes(15);

/// Pause when money or configuration has to be mended by a human first.
const HUMAN_PAUSE: TimeDelta = TimeDelta::minutes(15);

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

/// Decides by the provider's code, never by the status alone: 429 is a rate limit or an empty purse.
pub(super) fn classify(answer: Answer, now: DateTime<Utc>, attempt: u32) -> Outcome {
    match answer {
        Answer::Accepted { id } => Outcome::Accepted(id),
        Answer::Nothing => Outcome::Unknown,
        Answer::NotSent => later("no-connection", now + backoff(attempt)),
        Answer::Refused { status, code, wait } => {
            let code = code.unwrap_or_else(|| format!("http-{status}"));
            match code.as_str() {
                "10011" | "http-429" => {
                    let at = wait.and_then(|wait| moment(&wait, now)).unwrap_or_else(|| now + backoff(attempt));
                    later(&code, at.min(now + LONGEST_PAUSE))
                }
                "40318" => later(&code, now + LONGEST_PAUSE),
                // Money, keys, senders and campaigns: nothing that the notification could do for.
                "40333" | "20100" | "20012" | "10009" | "10010" | "20001" | "20002" | "40305" | "40306" | "40307"
                | "40311" | "40312" | "40313" | "40314" | "40321" | "40331" | "40329" | "40330" | "40010"
                | "http-401" | "http-403" => {
                    tracing::error!(code, "the provider refuses all messages: a human has to mend it");
                    later(&code, now + HUMAN_PAUSE)
                }
                _ => Outcome::Refused(code),
            }
        }
    }
}

fn later(code: &str, not_before: DateTime<Utc>) -> Outcome {
    Outcome::Deferred(NotificationDeferred { error_code: code.to_owned(), not_before })
}

fn backoff(attempt: u32) -> TimeDelta {
    let factor = 1_i32 << attempt.saturating_sub(1).min(10);
    (FIRST_PAUSE * factor).min(LONGEST_PAUSE)
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

    fn refused(status: u16, code: Option<&str>, wait: Option<&str>) -> Outcome {
        let answer = Answer::Refused { status, code: code.map(ToOwned::to_owned), wait: wait.map(ToOwned::to_owned) };
        classify(answer, now(), 1)
    }

    #[test]
    fn what_may_have_been_received_is_unknown() {
        assert_eq!(classify(Answer::Nothing, now(), 1), Outcome::Unknown);
        assert_eq!(classify(Answer::NotSent, now(), 3), later("no-connection", now() + TimeDelta::seconds(8)));
    }

    #[test]
    fn a_rate_limit_waits_as_long_as_it_says() {
        let at = |seconds| now() + TimeDelta::seconds(seconds);
        assert_eq!(refused(429, Some("10011"), Some("30")), later("10011", at(30)));
        assert_eq!(refused(429, Some("10011"), Some("Fri, 02 Jan 2026 03:04:35 GMT")), later("10011", at(30)));
        assert_eq!(refused(429, Some("10011"), None), later("10011", at(2)));
        assert_eq!(refused(429, Some("10011"), Some("999999")), later("10011", now() + LONGEST_PAUSE));
    }

    #[test]
    fn the_code_decides_and_not_the_status() {
        assert_eq!(refused(429, Some("40333"), Some("1")), later("40333", now() + HUMAN_PAUSE));
        assert_eq!(refused(422, Some("40310"), None), Outcome::Refused("40310".to_owned()));
        assert_eq!(refused(400, None, None), Outcome::Refused("http-400".to_owned()));
    }
}
