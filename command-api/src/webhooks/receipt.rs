//! `POST /v1/webhooks/telnyx/{notification_id}?attempt=n`

use axum::{
    body::Bytes,
    extract::{
        Query, State,
        rejection::{BytesRejection, QueryRejection},
    },
    http::{HeaderMap, StatusCode},
};
use events::{
    decider::Decider,
    envelope::Actor,
    ids::NotificationId,
    notification::{Notification, NotificationCommand, NotificationRefusal, NotificationState, Receipt},
};
use platform::{
    http::{
        Problem,
        documented::{Named, Served},
        id::Id,
    },
    store::{ExecuteError, Folded, Intent},
    telnyx::{
        receipt::receipt_of,
        signature::{SIGNATURE_HEADER, TIMESTAMP_HEADER},
        wire::{EventType, Webhook},
    },
};
use serde::Deserialize;

use crate::{
    command::{Refused, metadata, nothing_taken, problem},
    state::AppState,
};

/// What our own part of the webhook's address says.
#[derive(Debug, Deserialize)]
pub struct Attempt {
    /// Number of the try that the receipt is for.
    attempt: u32,
}

/// Take a delivery receipt.
///
/// For Telnyx alone: signed over the raw body, at most five minutes old. Recorded before it is acknowledged; repeats
/// and disorder change nothing.
#[utoipa::path(
    post, path = "/v1/webhooks/telnyx/{notification_id}", tag = "webhooks", operation_id = "telnyx_receipt",
    request_body(content = Object, description = "Telnyx's webhook envelope", content_type = "application/json", example = json!({
        "data": {
            "event_type": "message.finalized", "id": "b301ed3f-1490-491f-995f-6e64e69674d4", "record_type": "event",
            "occurred_at": "2026-01-29T20:15:38.613+00:00",
            "payload": {
                "id": "834f3d53-8a3c-4aa0-a733-7f2d682a72df", "record_type": "message", "direction": "outbound",
                "to": [{ "phone_number": "+15125550123", "status": "delivered" }], "errors": []
            }
        }
    })),
    params(
        ("notification_id" = Uuid, Path, description = "The notification"),
        ("attempt" = u32, Query, description = "Number of the try"),
        ("telnyx-signature-ed25519" = String, Header, description = "Signature over `<timestamp>|<body>`, base64"),
        ("telnyx-timestamp" = String, Header, description = "When it was signed, in epoch seconds"),
    ),
    responses(
        (status = 204, description = "Taken, or nothing to take"),
        (status = 401, description = "`invalid-signature`: not signed by Telnyx, or too old", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "`conflict`: others kept changing it; Telnyx tries again", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "`body-too-large`", body = Problem, content_type = "application/problem+json"),
        Served, Named,
    )
)]
pub async fn receipt(
    State(state): State<AppState>,
    Id(id): Id<NotificationId>,
    attempt: Result<Query<Attempt>, QueryRejection>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<StatusCode, Problem> {
    let body =
        body.map_err(|_| Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body-too-large", "The body is too large"))?;
    let header = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let now = state.context.clock.now();
    state.telnyx_keys.verify(header(SIGNATURE_HEADER), header(TIMESTAMP_HEADER), &body, now).map_err(|error| {
        tracing::warn!(reason = %error, "a webhook was refused");
        Problem::new(StatusCode::UNAUTHORIZED, "invalid-signature", "The signature does not hold")
    })?;
    let Ok(Query(Attempt { attempt })) = attempt else {
        return Err(Problem::bad_request("invalid-query", "The query string cannot be read"));
    };
    let webhook: Webhook = serde_json::from_slice(&body)
        .map_err(|_| Problem::bad_request("malformed-json", "The body is not a webhook"))?;
    let Some((provider_id, receipt)) = read(&webhook) else { return Ok(StatusCode::NO_CONTENT) };
    let command = NotificationCommand::Receive { attempt, provider_id, receipt };
    record(&state, id, command).await
}

/// What a webhook says of which message; nothing when it is of a kind that moves no notification.
fn read(webhook: &Webhook) -> Option<(String, Receipt)> {
    match webhook.data.event_type {
        EventType::Sent | EventType::Finalized => {
            let message = webhook.data.message().ok()?;
            let receipt = receipt_of(&message)?;
            Some((message.id, receipt))
        }
        _ => None,
    }
}

async fn record(state: &AppState, id: NotificationId, command: NotificationCommand) -> Result<StatusCode, Problem> {
    let intent = Intent::of(metadata(Actor::Telnyx, None));
    let decide = |folded: &Folded<Option<NotificationState>>| Ok(Notification::decide(&folded.state, command.clone())?);
    match state.context.notifications.execute(id.into(), &intent, decide).await {
        // A receipt for what we never sent is acknowledged: repeating it would not help.
        Ok(_) | Err(ExecuteError::Refused(Refused::Rule(NotificationRefusal::NotFound))) => Ok(StatusCode::NO_CONTENT),
        Err(error) => Err(problem(error, nothing_taken)),
    }
}
