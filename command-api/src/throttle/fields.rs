use std::{
    convert::Infallible,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    extract::{FromRequestParts, Request},
    http::{HeaderMap, HeaderName, HeaderValue, request::Parts},
    middleware::Next,
    response::Response,
};
use chrono::{DateTime, Utc};

use super::counter::Standing;

/// Where the counters of a request stand (draft-ietf-httpapi-ratelimit-headers-11, §4).
const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");

/// The rules by which it was counted (the same, §3).
const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// What the answer of the request at hand has to tell of its counters.
#[derive(Debug, Clone, Default)]
pub struct Tally(Arc<Mutex<Told>>);

#[derive(Debug, Default)]
struct Told {
    standings: Vec<String>,
    policies: Vec<String>,
}

impl Tally {
    /// Keeps what may be told: a counter that counts what others do elsewhere is told only when it refuses.
    pub(super) fn note(&self, standings: &[Standing], now: DateTime<Utc>) {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for standing in standings.iter().filter(|standing| standing.refused || standing.counter.rule.is_told()) {
            let (name, (quota, window)) = (standing.counter.rule.name(), standing.counter.rule.policy());
            told.standings.push(format!("\"{name}\";r={};t={}", standing.left, standing.seconds(now)));
            told.policies.push(format!("\"{name}\";q={quota};w={window}"));
        }
    }

    fn write(&self, headers: &mut HeaderMap) {
        let told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (name, items) in [(RATE_LIMIT, &told.standings), (POLICY, &told.policies)] {
            if let Ok(value) = HeaderValue::from_str(&items.join(", "))
                && !items.is_empty()
            {
                headers.insert(name, value);
            }
        }
    }
}

impl<S: Sync> FromRequestParts<S> for Tally {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(parts.extensions.get::<Self>().cloned().unwrap_or_default())
    }
}

/// Writes what a request's handler noted into the fields of its answer, whatever that is.
pub async fn tell(mut request: Request, next: Next) -> Response {
    let tally = Tally::default();
    request.extensions_mut().insert(tally.clone());
    let mut response = next.run(request).await;
    tally.write(response.headers_mut());
    response
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;
    use crate::throttle::{Counter, Quota, Rule};

    #[test]
    fn counters_and_rules_are_told_as_structured_fields() {
        let now = DateTime::UNIX_EPOCH;
        let rule = |name, told| Rule::Quota(Quota { name, per_window: 50, window: TimeDelta::seconds(60), told });
        let standing = |rule, refused| Standing {
            refused,
            left: 7,
            ..Standing::refused(&Counter::new(rule, "id"), now + TimeDelta::milliseconds(29_001))
        };
        let (tally, mut headers) = (Tally::default(), HeaderMap::new());
        tally.write(&mut headers);
        assert!(headers.is_empty());
        let told =
            [standing(rule("a", true), false), standing(rule("b", false), false), standing(rule("c", false), true)];
        tally.note(&told, now);
        tally.write(&mut headers);
        assert_eq!(headers[RATE_LIMIT], "\"a\";r=7;t=30, \"c\";r=7;t=30");
        assert_eq!(headers[POLICY], "\"a\";q=100;w=60, \"c\";q=100;w=60");
    }
}
