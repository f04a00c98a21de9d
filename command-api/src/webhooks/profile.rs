//! `POST /v1/webhooks/telnyx`

use axum::{extract::State, http::StatusCode};
use events::{
    envelope::Actor,
    number::{NumberCommand, NumberRefusal, Source, Wish},
};
use platform::{
    http::{Problem, documented::Served},
    telnyx::{
        address::WebhookAddress,
        wire::{EventType, Webhook},
    },
};

use super::{
    inbound::{Said, wish},
    receipt::{news_of, record},
    signed::Signed,
};
use crate::{
    command::{Refused, metadata, nothing_taken, problem},
    state::AppState,
};

/// Take what concerns no single message.
///
/// The address of the messaging profile. What people send to our numbers comes here: STOP and START are recorded for their
/// number, everything else is acknowledged and forgotten. Receipts come here when their own address did not answer.
#[utoipa::path(
    post, path = "/v1/webhooks/telnyx", tag = "webhooks", operation_id = "telnyx_profile",
    request_body(content = Object, description = "Telnyx's webhook envelope", content_type = "application/json", example = json!({
        "data": {
            "event_type": "message.received", "id": "b301ed3f-1490-491f-995f-6e64e69674d4", "record_type": "event",
            "occurred_at": "2026-01-29T20:15:38.613+00:00",
            "payload": {
                "id": "834f3d53-8a3c-4aa0-a733-7f2d682a72df", "record_type": "message", "direction": "inbound",
                "from": { "phone_number": "+15125550123" }, "text": "STOP", "autoresponse_type": "STOP"
            }
        }
    })),
    params(
        ("telnyx-signature-ed25519" = String, Header, description = "Signature over `<timestamp>|<body>`, base64"),
        ("telnyx-timestamp" = String, Header, description = "When it was signed, in epoch seconds"),
    ),
    responses(
        (status = 204, description = "Taken, or nothing to take"),
        (status = 400, description = "`malformed-json`", body = Problem, content_type = "application/problem+json"),
        (status = 401, description = "`invalid-signature`: not signed by Telnyx, or too old", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "`conflict`: others kept changing it; Telnyx tries again", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "`body-too-large`", body = Problem, content_type = "application/problem+json"),
        Served,
    )
)]
pub async fn profile(State(state): State<AppState>, Signed(webhook): Signed) -> Result<StatusCode, Problem> {
    match webhook.data.event_type {
        EventType::Received => Box::pin(heard(&state, &webhook)).await,
        EventType::Sent | EventType::Finalized => {
            let Some(message) = news_of(&webhook) else { return Ok(StatusCode::NO_CONTENT) };
            let at = message.webhook_url.as_deref().and_then(WebhookAddress::read);
            let Some(at) = at else { return Ok(StatusCode::NO_CONTENT) };
            Box::pin(record(&state, at, message)).await
        }
        EventType::Other => Ok(StatusCode::NO_CONTENT),
    }
}

/// Records what somebody wrote, if it is a wish.
async fn heard(state: &AppState, webhook: &Webhook) -> Result<StatusCode, Problem> {
    let said = webhook.data.message().ok().as_ref().and_then(wish);
    let Some((phone, said)) = said else { return Ok(StatusCode::NO_CONTENT) };
    // A clock that is ahead of ours must not make later wishes count for nothing.
    let said_at = webhook.data.occurred_at.min(state.context.clock.now());
    let wish = Wish { source: Source::Inbound, said_at };
    let command = match said {
        Said::Stop => NumberCommand::OptOut(wish),
        Said::Start => NumberCommand::OptIn(wish),
    };
    let recorded =
        state.context.numbers.record::<Refused<NumberRefusal>>(&phone, command, metadata(Actor::Telnyx, None));
    recorded.await.map_err(|error| problem(error, nothing_taken))?;
    Ok(StatusCode::NO_CONTENT)
}
