//! `/_standin`: what only the stand-in has. Whoever reaches the port may use it.

use std::sync::Arc;

use axum::{
    Json,
    body::Bytes,
    extract::State as Shared,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use events::notification::segments::segments;
use platform::telnyx::wire::{Message, Recipient, SendResponse};
use serde::Deserialize;
use serde_json::json;

use super::{
    State,
    account::{Account, Rules},
    delivery::Plan,
    faults::{Faults, WebhookFaults},
    messages::{party, to_its_end},
    refusal::Refusal,
    rules::{is_e164, is_web_address, parse},
    store::{Addresses, LedgerItem, Step},
};

/// Words that opt a sender out, whatever their case. Telnyx acts on them by itself.
const STOP_WORDS: [&str; 7] = ["STOP", "STOPALL", "STOP ALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT"];

/// Words that opt a sender in again.
const START_WORDS: [&str; 2] = ["START", "UNSTOP"];

/// `GET /_standin/messages`: every accepted send, oldest first.
pub(super) async fn ledger(Shared(state): Shared<Arc<State>>) -> Result<Json<serde_json::Value>, Refusal> {
    let items: Vec<LedgerItem> = state.store.ledger().await?;
    Ok(Json(json!({"items": items})))
}

/// `GET /_standin/faults`: the knobs as they stand, counts run down.
pub(super) async fn faults(Shared(state): Shared<Arc<State>>) -> Json<Faults> {
    Json(state.faults().clone())
}

/// `PUT /_standin/faults`: sets all knobs; one that is left out is off.
pub(super) async fn set_faults(Shared(state): Shared<Arc<State>>, body: Bytes) -> Result<Json<Faults>, Refusal> {
    let faults: Faults = parse(&body)?;
    if let Some(mistake) = faults.mistake() {
        return Err(Refusal::new(StatusCode::BAD_REQUEST, "10015").because(mistake));
    }
    state.faults().clone_from(&faults);
    Ok(Json(faults))
}

/// `DELETE /_standin/faults`: turns all knobs off.
pub(super) async fn clear_faults(Shared(state): Shared<Arc<State>>) -> StatusCode {
    *state.faults() = Faults::default();
    StatusCode::NO_CONTENT
}

/// `GET /_standin/account`: the account's rules, with the balance that is left.
pub(super) async fn account(Shared(state): Shared<Arc<State>>) -> Json<Rules> {
    Json(state.account().rules().clone())
}

/// `PUT /_standin/account`: sets all rules; one that is left out is off. What was used so far is forgotten.
pub(super) async fn set_account(Shared(state): Shared<Arc<State>>, body: Bytes) -> Result<Json<Rules>, Refusal> {
    let rules: Rules = parse(&body)?;
    if let Some(mistake) = rules.mistake() {
        return Err(Refusal::new(StatusCode::BAD_REQUEST, "10015").because(mistake));
    }
    *state.account() = Account::under(rules.clone());
    Ok(Json(rules))
}

/// A message to one of our numbers.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Inbound {
    from: String,
    to: String,
    text: String,
    /// Where the profile's webhooks go.
    webhook_url: String,
}

/// `POST /_standin/inbound`: somebody writes to one of our numbers; a `message.received` goes to `webhook_url`.
pub(super) async fn inbound(Shared(state): Shared<Arc<State>>, body: Bytes) -> Result<Response, Refusal> {
    to_its_end(take_in(state, body)).await
}

async fn take_in(state: Arc<State>, body: Bytes) -> Result<Response, Refusal> {
    let inbound: Inbound = parse(&body)?;
    let bad = |pointer| Refusal::new(StatusCode::BAD_REQUEST, "10015").at(pointer);
    if !is_e164(&inbound.from) {
        return Err(bad("/from"));
    }
    if !is_web_address(&inbound.webhook_url) {
        return Err(bad("/webhook_url"));
    }
    let autoresponse = autoresponse(&inbound.text);
    let now = state.clock.now();
    match autoresponse {
        Some("STOP") => {
            let keyword = inbound.text.trim().to_ascii_uppercase();
            state.store.opt_out(inbound.from.clone(), inbound.to.clone(), keyword, now).await?;
        }
        Some("START") => state.store.opt_in(inbound.from.clone()).await?,
        _ => (),
    }
    let segments = segments(&inbound.text);
    let message = Message {
        id: state.clock.new_id().to_string(),
        record_type: "message".to_owned(),
        direction: "inbound".to_owned(),
        kind: "SMS".to_owned(),
        from: Some(party(inbound.from)),
        to: vec![Recipient { phone_number: inbound.to, status: None, carrier: None, line_type: None }],
        text: Some(inbound.text),
        encoding: Some(segments.encoding.to_owned()),
        parts: u32::try_from(segments.parts).ok(),
        webhook_url: Some(inbound.webhook_url.clone()),
        errors: Vec::new(),
        autoresponse_type: autoresponse.map(str::to_owned),
        received_at: Some(now),
        sent_at: None,
        completed_at: None,
    };
    let addresses = Addresses { webhook: Some(inbound.webhook_url), failover: None };
    let at_once = Plan { occurs_at: now, due: now };
    let steps = vec![(Step::Received, state.clock.new_id(), at_once)];
    let owed = state.store.accept(message.clone(), addresses, steps, WebhookFaults::default()).await?;
    state.owe(owed);
    Ok((StatusCode::ACCEPTED, Json(SendResponse { data: message })).into_response())
}

fn autoresponse(text: &str) -> Option<&'static str> {
    let word = text.trim().to_ascii_uppercase();
    if STOP_WORDS.contains(&word.as_str()) {
        Some("STOP")
    } else if START_WORDS.contains(&word.as_str()) {
        Some("START")
    } else {
        (word == "HELP").then_some("HELP")
    }
}
