//! Step-up: what would let a stolen token become more is only for who signed in a moment ago (OWASP ASVS 5.0, 7.5.1).

use axum::http::{HeaderValue, StatusCode, header};
use chrono::TimeDelta;
use platform::http::{Problem, auth::Caller};

use crate::state::AppState;

/// How long ago a sign-in may be.
const RECENT: TimeDelta = TimeDelta::minutes(10);

/// Refuses a caller whose session did not begin a moment ago: they sign in again (RFC 9470 §3).
///
/// # Errors
/// 401 `step-up-required`.
pub fn require_recent(state: &AppState, caller: &Caller) -> Result<(), Problem> {
    if state.context.clock.now().timestamp() - caller.claims.auth_time <= RECENT.num_seconds() {
        return Ok(());
    }
    let challenge = format!("Bearer error=\"insufficient_user_authentication\", max_age={}", RECENT.num_seconds());
    let problem = Problem::new(StatusCode::UNAUTHORIZED, "step-up-required", "Sign in again to do this")
        .detail(format!("it takes a sign-in of the last {} minutes", RECENT.num_minutes()));
    Err(match HeaderValue::from_str(&challenge) {
        Ok(challenge) => problem.header(header::WWW_AUTHENTICATE, challenge),
        Err(_) => problem,
    })
}
