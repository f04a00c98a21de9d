//! What Telnyx tells us: of our messages, and of people who want none.

mod inbound;
pub mod profile;
pub mod receipt;
mod signed;

use std::time::Duration;

use axum::{
    extract::Request,
    middleware::Next,
    response::{IntoResponse, Response},
};
use platform::http::Problem;

/// How long a webhook may take. Telnyx waits for two seconds, with the way there and back, and comes again when it hears of
/// trouble; of an answer that comes too late it hears nothing, and takes us for broken.
const ANSWER_WITHIN: Duration = Duration::from_millis(1_500);

/// Answers in time, from the request's head on. What is recorded is recorded before the answer; what was not in time may have
/// been, and the next try finds that out.
pub async fn in_time(request: Request, next: Next) -> Response {
    match tokio::time::timeout(ANSWER_WITHIN, next.run(request)).await {
        Ok(answer) => answer,
        Err(_) => Problem::unavailable().detail("it could not be recorded in time").into_response(),
    }
}
