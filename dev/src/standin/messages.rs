//! `/v2`: the part that Telnyx has too.

use std::{sync::Arc, time::Duration};

use axum::{
    Extension, Json,
    body::Bytes,
    extract::{Path, State as Shared, rejection::BytesRejection},
    http::{HeaderMap, StatusCode, header::AUTHORIZATION},
    response::{IntoResponse, Response},
};
use platform::{
    http::serve::Connection,
    telnyx::wire::{DeliveryStatus, Message, Party, Recipient, SendResponse},
};
use secrecy::ExposeSecret;
use serde_json::json;

use super::{
    State,
    delivery::plan,
    faults::{After, Before},
    refusal::Refusal,
    rules::{self, Valid},
    store::{Addresses, Step},
};

/// How long a request hangs before its connection closes: longer than any client of ours waits.
const HANG: Duration = Duration::from_mins(1);

/// `POST /v2/messages`: accepts a message. A repetition is a second message, whatever its headers say.
pub(super) async fn send(
    Shared(state): Shared<Arc<State>>,
    Extension(connection): Extension<Connection>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Refusal> {
    authorise(&state, &headers)?;
    let before = state.faults().before();
    match before {
        Some(Before::Reject(refusal)) => return Err(refusal),
        Some(Before::Hang) => {
            tokio::time::sleep(HANG).await;
            return Ok(no_answer(&connection).await);
        }
        None => (),
    }
    let body = body.map_err(|rejection| Refusal::new(rejection.status(), "10015"))?;
    let valid = rules::check(&body)?;
    if state.store.has_opted_out(valid.request.to.clone()).await? {
        return Err(Refusal::new(StatusCode::BAD_REQUEST, "40300").at("/to"));
    }
    let message = accept(&state, valid).await?;
    let after = state.faults().after();
    match after {
        Some(After::Drop) => Ok(no_answer(&connection).await),
        Some(After::Fail) => Err(Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "10007")),
        None => Ok(Json(SendResponse { data: message }).into_response()),
    }
}

/// `GET /v2/messages/{id}`: the message as it stands.
pub(super) async fn read(
    Shared(state): Shared<Arc<State>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Json<SendResponse>, Refusal> {
    authorise(&state, &headers)?;
    let found = state.store.message(id).await?;
    let data = found.ok_or_else(|| Refusal::new(StatusCode::NOT_FOUND, "10005"))?;
    Ok(Json(SendResponse { data }))
}

/// `GET /v2/public_key`: the key of the webhooks' signatures.
pub(super) async fn public_key(
    Shared(state): Shared<Arc<State>>,
    headers: HeaderMap,
) -> Result<Json<serde_json::Value>, Refusal> {
    authorise(&state, &headers)?;
    let public = state.signing_key.public_key();
    Ok(Json(json!({"data": {"public": public, "record_type": "public_key"}})))
}

fn authorise(state: &State, headers: &HeaderMap) -> Result<(), Refusal> {
    let key = headers
        .get(AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Bearer "));
    if key == Some(state.api_key.expose_secret()) {
        Ok(())
    } else {
        Err(Refusal::new(StatusCode::UNAUTHORIZED, "10009"))
    }
}

async fn accept(state: &State, valid: Valid) -> anyhow::Result<Message> {
    let now = state.clock.now();
    let Valid { request, segments } = valid;
    let addresses = Addresses { webhook: request.webhook_url, failover: request.webhook_failover_url };
    let message = Message {
        id: state.clock.new_id().to_string(),
        record_type: "message".to_owned(),
        direction: "outbound".to_owned(),
        kind: "SMS".to_owned(),
        from: request.from.map(party),
        to: vec![Recipient {
            phone_number: request.to,
            status: Some(DeliveryStatus::Queued),
            carrier: None,
            line_type: None,
        }],
        text: request.text,
        encoding: Some(segments.encoding.to_owned()),
        parts: u32::try_from(segments.parts).ok(),
        webhook_url: addresses.webhook.clone(),
        errors: Vec::new(),
        autoresponse_type: None,
        received_at: Some(now),
        sent_at: None,
        completed_at: None,
    };
    let faults = state.faults().webhooks;
    let [sent, finalized] = plan(now, faults);
    let steps = vec![(Step::Sent, state.clock.new_id(), sent), (Step::Finalized, state.clock.new_id(), finalized)];
    let stored = state.store.accept(message.clone(), addresses, steps, faults).await;
    stored?;
    state.owed.notify_one();
    Ok(message)
}

/// A number as the sender of a message.
pub(super) fn party(phone_number: String) -> Party {
    Party { phone_number, carrier: None, line_type: None }
}

/// Closes the connection instead of answering.
async fn no_answer(connection: &Connection) -> Response {
    connection.cut();
    std::future::pending().await
}
