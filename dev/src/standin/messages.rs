//! `/v2`: the part that Telnyx has too.

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{
    Extension, Json,
    body::{Body, Bytes},
    extract::{Path, State as Shared, rejection::BytesRejection},
    http::{HeaderMap, StatusCode, header::AUTHORIZATION},
    response::{IntoResponse, Response},
};
use futures::{StreamExt, stream};
use platform::{
    http::serve::Connection,
    telnyx::wire::{DeliveryStatus, Message, Party, Recipient, SendResponse},
};
use secrecy::ExposeSecret;
use serde_json::json;

use super::{
    State, account,
    delivery::{deliver, plan},
    faults::{After, Before},
    refusal::Refusal,
    rules::{self, Valid},
    store::{Addresses, Step},
};

/// How long a request hangs before its connection closes: longer than any client of ours waits.
const HANG: Duration = Duration::from_mins(1);

/// In how many pieces a slow body comes.
const DRIPS: usize = 8;

/// `POST /v2/messages`: accepts a message. A repetition is a second message, whatever its headers say.
pub(super) async fn send(
    Shared(state): Shared<Arc<State>>,
    Extension(connection): Extension<Connection>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let answer = answer(&state, &connection, &headers, body).await.into_response();
    let (mut parts, body) = answer.into_parts();
    state.account().tell(state.clock.now(), &mut parts);
    let latency = state.faults().latency();
    tokio::time::sleep(latency).await;
    Response::from_parts(parts, body)
}

async fn answer(
    state: &Arc<State>,
    connection: &Connection,
    headers: &HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Refusal> {
    authorise(state, headers)?;
    let before = state.faults().before();
    match before {
        Some(Before::Reject(refusal)) => return Err(refusal),
        Some(Before::Hang) => {
            tokio::time::sleep(HANG).await;
            return Ok(no_answer(connection).await);
        }
        None => (),
    }
    let body = body.map_err(|rejection| Refusal::new(rejection.status(), "10015"))?;
    let valid = rules::check(&body)?;
    if state.store.has_opted_out(valid.request.to.clone()).await? {
        return Err(Refusal::new(StatusCode::BAD_REQUEST, "40300").at("/to"));
    }
    let data = to_its_end(accept(Arc::clone(state), valid)).await?;
    let after = state.faults().after();
    match after {
        Some(After::Drop) => Ok(no_answer(connection).await),
        Some(After::Fail) => Err(Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "10007")),
        Some(After::Drip(over)) => Ok(dripping(Json(SendResponse { data }).into_response(), over).await),
        None => Ok(Json(SendResponse { data }).into_response()),
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

pub(super) fn authorise(state: &State, headers: &HeaderMap) -> Result<(), Refusal> {
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

/// Does what must not stop half-way because whoever asked has gone: a message that is kept and never moves on.
pub(super) async fn to_its_end<T: Send + 'static>(
    work: impl Future<Output = Result<T, Refusal>> + Send + 'static,
) -> Result<T, Refusal> {
    let ended = tokio::spawn(work).await;
    ended.unwrap_or_else(|_| Err(Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "10007")))
}

async fn accept(state: Arc<State>, valid: Valid) -> Result<Message, Refusal> {
    let Valid { request, segments } = valid;
    let country = if state.account().asks_for_countries() { account::country(&request.to) } else { None };
    let now = state.clock.now();
    let parts = u32::try_from(segments.parts).unwrap_or(u32::MAX);
    let wait = state.account().admit(country.as_deref(), parts, now)?;
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
        parts: Some(parts),
        webhook_url: addresses.webhook.clone(),
        errors: Vec::new(),
        autoresponse_type: None,
        received_at: Some(now),
        sent_at: None,
        completed_at: None,
    };
    let (faults, before_answer) = {
        let faults = state.faults();
        (faults.webhooks, faults.webhook_before_answer)
    };
    let [sent, finalized] = plan(now, wait, before_answer, faults);
    let steps = vec![(Step::Sent, state.clock.new_id(), sent), (Step::Finalized, state.clock.new_id(), finalized)];
    let owed = state.store.accept(message.clone(), addresses, steps, faults).await?;
    let (at_once, later): (Vec<_>, Vec<_>) =
        owed.into_iter().partition(|timer| before_answer && timer.step == Step::Sent);
    for timer in at_once {
        let again = deliver(&state, timer).await;
        state.owe(again);
    }
    state.owe(later);
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

/// The answer with its head at once and its body in pieces.
async fn dripping(answer: Response, over: Duration) -> Response {
    let (parts, body) = answer.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap_or_default();
    let size = body.len().div_ceil(DRIPS).max(1);
    let pieces: Vec<Bytes> = body.chunks(size).map(Bytes::copy_from_slice).collect();
    let pause = over / u32::try_from(pieces.len().max(1)).unwrap_or(u32::MAX);
    let dripping = stream::iter(pieces).then(move |piece| async move {
        tokio::time::sleep(pause).await;
        Ok::<_, Infallible>(piece)
    });
    Response::from_parts(parts, Body::from_stream(dripping))
}
