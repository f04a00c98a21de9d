//! A webhook whose signature holds.

use axum::{
    body::Bytes,
    extract::{FromRequest, Request},
    http::StatusCode,
};
use platform::{
    http::Problem,
    telnyx::{
        signature::{SIGNATURE_HEADER, TIMESTAMP_HEADER},
        wire::Webhook,
    },
};

use crate::state::AppState;

/// What Telnyx signed: as an extractor, so that nothing of a body is looked at before its signature.
#[derive(Debug)]
pub struct Signed(pub Webhook);

impl FromRequest<AppState> for Signed {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &AppState) -> Result<Self, Problem> {
        let headers = request.headers().clone();
        let body = Bytes::from_request(request, &())
            .await
            .map_err(|_| Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body-too-large", "The body is too large"))?;
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let now = state.context.clock.now();
        state.telnyx_keys.verify(header(SIGNATURE_HEADER), header(TIMESTAMP_HEADER), &body, now).map_err(|error| {
            tracing::warn!(reason = %error, "a webhook was refused");
            Problem::new(StatusCode::UNAUTHORIZED, "invalid-signature", "The signature does not hold")
        })?;
        serde_json::from_slice(&body)
            .map(Self)
            .map_err(|_| Problem::bad_request("malformed-json", "The body is not a webhook"))
    }
}
