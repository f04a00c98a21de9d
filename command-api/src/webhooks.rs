//! What Telnyx tells us: of our messages, and of people who want none.

mod inbound;
pub mod profile;
pub mod receipt;
mod signed;

use std::{future::Future, time::Duration};

use axum::http::StatusCode;
use platform::http::Problem;

/// How long a webhook may take. Telnyx waits for two seconds, with the way there and back, and comes again when it hears of
/// trouble; of an answer that comes too late it hears nothing, and takes us for broken.
const ANSWER_WITHIN: Duration = Duration::from_millis(1_500);

/// What is recorded is recorded before the answer; what was not in time may have been, and the next try finds that out.
async fn in_time(work: impl Future<Output = Result<StatusCode, Problem>>) -> Result<StatusCode, Problem> {
    tokio::time::timeout(ANSWER_WITHIN, work)
        .await
        .unwrap_or_else(|_| Err(Problem::unavailable().detail("it could not be recorded in time")))
}
