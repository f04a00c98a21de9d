//! `POST /v1/webhooks/telnyx/{notification_id}?attempt=n`

use axum::{
    extract::{Query, State, rejection::QueryRejection},
    http::StatusCode,
};
use events::{
    decider::Decider,
    envelope::{Actor, Metadata},
    ids::NotificationId,
    notification::{Notification, NotificationCommand, NotificationRefusal, NotificationState},
};
use platform::{
    http::{
        Problem,
        documented::{Named, Served},
        id::Id,
    },
    store::{ExecuteError, Folded, Intent, StoreError},
    telemetry::{
        metrics::RECEIPTS,
        trip::{SpanKind, Start},
    },
    telnyx::{
        address::WebhookAddress,
        receipt::receipt_of,
        wire::{EventType, Message, Webhook},
    },
};
use serde::Deserialize;

use super::signed::Signed;
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
    Id(notification): Id<NotificationId>,
    attempt: Result<Query<Attempt>, QueryRejection>,
    Signed(webhook): Signed,
) -> Result<StatusCode, Problem> {
    let Ok(Query(Attempt { attempt })) = attempt else {
        return Err(Problem::bad_request("invalid-query", "The query string cannot be read"));
    };
    let at = WebhookAddress { notification, attempt };
    let Some(message) = news_of(&webhook) else { return Ok(StatusCode::NO_CONTENT) };
    // The address is not signed, but is repeated in what is: whoever has seen one webhook cannot send it again to another
    // notification.
    if message.webhook_url.as_deref().is_some_and(|url| WebhookAddress::read(url) != Some(at)) {
        tracing::warn!(%notification, attempt, "a webhook of another message came to this one's address");
        return Ok(StatusCode::NO_CONTENT);
    }
    Box::pin(record(&state, at, message)).await
}

fn unavailable(error: StoreError) -> Problem {
    problem(ExecuteError::<Refused<NotificationRefusal>>::Store(error), nothing_taken)
}

/// The message of ours that a webhook tells of; nothing when it is of a kind that moves none.
pub(super) fn news_of(webhook: &Webhook) -> Option<Message> {
    match webhook.data.event_type {
        EventType::Sent | EventType::Finalized => webhook.data.message().ok(),
        EventType::Received | EventType::Other => None,
    }
}

/// Records what became of a message.
///
/// # Errors
/// 409 or 503.
pub(super) async fn record(state: &AppState, at: WebhookAddress, message: Message) -> Result<StatusCode, Problem> {
    let Some(receipt) = receipt_of(&message) else { return Ok(StatusCode::NO_CONTENT) };
    RECEIPTS.add(1, [receipt.name().into()]);
    let stream = at.notification.into();
    let known = state.context.notifications.glance(stream).await.map_err(unavailable)?;
    // The trip of the notification goes on here; the request is one of its own.
    let trip = known.state.as_ref().and_then(|it| it.traceparent.clone());
    let hop = Start::new(SpanKind::Consumer, "take a receipt").after(trip.as_deref()).begin();
    let metadata = metadata(Actor::Telnyx, None);
    let traceparent = hop.traceparent().or(trip).or_else(|| metadata.traceparent.clone());
    let intent = Intent::of(Metadata { traceparent, ..metadata });
    let command = NotificationCommand::Receive { attempt: at.attempt, provider_id: message.id, receipt };
    let decide = |folded: &Folded<Option<NotificationState>>| Ok(Notification::decide(&folded.state, command.clone())?);
    match hop.carry(Box::pin(state.context.notifications.execute(stream, &intent, decide))).await {
        // A receipt for what we never sent is acknowledged: repeating it would not help.
        Ok(_) | Err(ExecuteError::Refused(Refused::Rule(NotificationRefusal::NotFound))) => Ok(StatusCode::NO_CONTENT),
        Err(error) => Err(problem(error, nothing_taken)),
    }
}
