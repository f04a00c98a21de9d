use std::{
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use axum::{
    body::Bytes,
    extract::State as Shared,
    http::{HeaderMap, StatusCode},
};
use platform::telnyx::{
    signature::{PublicKeys, SIGNATURE_HEADER, TIMESTAMP_HEADER},
    wire::{DeliveryStatus, EventType, Webhook},
};
use reqwest::Method;
use serde_json::{Value, json};

use super::*;

mod gone;
mod lists;
mod pace;

/// The longest that a test waits for what must happen: the longest back-off (5 s) fits in.
const DEADLINE: Duration = Duration::from_secs(15);

/// Receives webhooks, and refuses the first so many.
struct Receiver {
    server: Server,
    came: tokio::sync::mpsc::UnboundedReceiver<(HeaderMap, Bytes)>,
}

#[derive(Clone)]
struct Inbox {
    refuse: Arc<AtomicU32>,
    came: tokio::sync::mpsc::UnboundedSender<(HeaderMap, Bytes)>,
}

impl Receiver {
    fn start(refuse: u32) -> Self {
        let (sender, came) = tokio::sync::mpsc::unbounded_channel();
        let inbox = Inbox { refuse: Arc::new(AtomicU32::new(refuse)), came: sender };
        let take = |Shared(inbox): Shared<Inbox>, headers: HeaderMap, body: Bytes| async move {
            inbox.came.send((headers, body)).unwrap();
            let left = inbox.refuse.load(Ordering::SeqCst);
            inbox.refuse.store(left.saturating_sub(1), Ordering::SeqCst);
            if left > 0 { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::NO_CONTENT }
        };
        let router = Router::new().route("/hook", post(take)).with_state(inbox);
        let server = Server::start(listener(), &router).unwrap();
        Self { server, came }
    }

    fn url(&self) -> String {
        format!("{}/hook", self.server.url())
    }

    async fn next(&mut self) -> (HeaderMap, Bytes) {
        tokio::time::timeout(DEADLINE, self.came.recv()).await.expect("a webhook in time").unwrap()
    }

    async fn next_event(&mut self) -> Webhook {
        serde_json::from_slice(&self.next().await.1).unwrap()
    }
}

fn listener() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").unwrap()
}

async fn start(data: &Path) -> Standin {
    Standin::start(listener(), data, Clock::system(), "KEY-test".into()).await.unwrap()
}

async fn call(standin: &Standin, method: Method, path: &str, body: Value) -> (u16, Value) {
    let client = reqwest::Client::builder().timeout(DEADLINE).build().unwrap();
    let response = client
        .request(method, format!("{}{path}", standin.url()))
        .bearer_auth("KEY-test")
        .json(&body)
        .send()
        .await
        .unwrap();
    let status = response.status().as_u16();
    (status, response.json().await.unwrap_or_default())
}

fn sms(webhook_url: Option<&str>) -> Value {
    json!({"from": "+13125550100", "to": "+13125550101", "text": "Hello", "webhook_url": webhook_url})
}

async fn send(standin: &Standin, body: Value) -> (u16, Value) {
    call(standin, Method::POST, "/v2/messages", body).await
}

async fn ledger(standin: &Standin) -> Vec<Value> {
    let (_, body) = call(standin, Method::GET, "/_standin/messages", Value::Null).await;
    body["items"].as_array().unwrap().clone()
}

async fn set_faults(standin: &Standin, faults: Value) {
    let (status, _) = call(standin, Method::PUT, "/_standin/faults", faults).await;
    assert_eq!(status, 200);
}

async fn set_account(standin: &Standin, rules: Value) {
    let (status, body) = call(standin, Method::PUT, "/_standin/account", rules).await;
    assert_eq!(status, 200, "{body}");
}

#[tokio::test]
async fn a_message_goes_its_way_and_signed_webhooks_tell_of_it() {
    let data = tempfile::tempdir().unwrap();
    let standin = start(data.path()).await;
    let mut receiver = Receiver::start(0);
    let (status, accepted) = send(&standin, sms(Some(&receiver.url()))).await;
    assert_eq!(status, 200);
    let id = accepted["data"]["id"].as_str().unwrap();
    assert_eq!(accepted["data"]["to"][0]["status"], "queued");
    assert_eq!(accepted["data"]["encoding"], "GSM-7");

    let keys = PublicKeys::parse([standin.public_key()]).unwrap();
    let mut told = Vec::new();
    for _ in 0..2 {
        let (headers, body) = receiver.next().await;
        let header = |name: &str| headers[name].to_str().unwrap();
        let (signature, timestamp) = (header(SIGNATURE_HEADER), header(TIMESTAMP_HEADER));
        let now = Clock::system().now();
        keys.verify(signature, timestamp, &body, now).unwrap();
        let event: Webhook = serde_json::from_slice(&body).unwrap();
        assert_eq!(event.data.payload["id"], id);
        assert_eq!(event.meta.delivered_to, receiver.url());
        let status = event.data.message().unwrap().status().unwrap();
        told.push((event.data.occurred_at, event.data.event_type, status));
    }
    // In whatever order they came, each tells how things stood at its moment.
    told.sort_by_key(|(occurred_at, ..)| *occurred_at);
    let told: Vec<_> = told.iter().map(|(_, event, status)| (*event, *status)).collect();
    assert_eq!(told, [(EventType::Sent, DeliveryStatus::Sent), (EventType::Finalized, DeliveryStatus::Delivered),]);
    let (_, found) = call(&standin, Method::GET, &format!("/v2/messages/{id}"), Value::Null).await;
    assert_eq!(found["data"]["to"][0]["status"], "delivered");
    standin.stop().await;
}

#[tokio::test]
async fn a_webhook_is_tried_again_until_it_is_acknowledged() {
    let data = tempfile::tempdir().unwrap();
    let standin = start(data.path()).await;
    let mut receiver = Receiver::start(1);
    send(&standin, sms(Some(&receiver.url()))).await;
    let mut sent = Vec::new();
    while sent.len() < 2 {
        let event = receiver.next_event().await;
        if event.data.event_type == EventType::Sent {
            sent.push((event.data.id, event.meta.attempt));
        }
    }
    let event = sent[0].0.clone();
    assert_eq!(sent, [(event.clone(), 1), (event, 2)]);
    standin.stop().await;
}

#[tokio::test]
async fn nothing_is_forgotten_over_a_restart() {
    let data = tempfile::tempdir().unwrap();
    let mut receiver = Receiver::start(0);
    let first = start(data.path()).await;
    let key = first.public_key().to_owned();
    set_faults(&first, json!({"webhooks": {"delay_ms": 1000}})).await;
    let (_, accepted) = send(&first, sms(Some(&receiver.url()))).await;
    first.stop().await;

    let second = start(data.path()).await;
    assert_eq!(second.public_key(), key);
    for _ in 0..2 {
        let event = receiver.next_event().await;
        assert_eq!(event.data.payload["id"], accepted["data"]["id"]);
    }
    let ledger = ledger(&second).await;
    assert_eq!(ledger.len(), 1);
    assert_eq!(ledger[0]["id"], accepted["data"]["id"]);
    assert_eq!(ledger[0]["text"], "Hello");
    second.stop().await;
}

#[tokio::test]
async fn whoever_has_no_key_is_refused() {
    let data = tempfile::tempdir().unwrap();
    let standin = start(data.path()).await;
    let response = reqwest::Client::builder()
        .build()
        .unwrap()
        .post(format!("{}/v2/messages", standin.url()))
        .bearer_auth("other")
        .json(&sms(None))
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), 401);
    let body: Value = response.json().await.unwrap();
    assert_eq!(body["errors"][0]["code"], "10009");
    assert!(ledger(&standin).await.is_empty());
    standin.stop().await;
}

#[tokio::test]
async fn accepted_without_an_answer_is_in_the_ledger_and_a_hung_or_refused_request_is_not() {
    let data = tempfile::tempdir().unwrap();
    let standin = start(data.path()).await;
    let faults = json!({
        "reject": {"status": 429, "code": "10011", "retry_after": 2},
        "hang": 1, "accept_then_drop": 1, "accept_then_500": 1,
    });
    set_faults(&standin, faults).await;

    let client = reqwest::Client::builder().retry(reqwest::retry::never());
    let client = client.timeout(Duration::from_millis(300)).build().unwrap();
    let attempt = || {
        let request = client.post(format!("{}/v2/messages", standin.url()));
        request.bearer_auth("KEY-test").header("idempotency-key", "one").json(&sms(None)).send()
    };
    let refused = attempt().await.unwrap();
    assert_eq!((refused.status().as_u16(), &refused.headers()["retry-after"]), (429, &"2".parse().unwrap()));
    assert!(attempt().await.unwrap_err().is_timeout());
    assert!(ledger(&standin).await.is_empty());

    let dropped = attempt().await.unwrap_err();
    assert!(!dropped.is_timeout() && !dropped.is_connect(), "{dropped:?}");
    assert_eq!(attempt().await.unwrap().status(), 500);
    assert_eq!(attempt().await.unwrap().status(), 200);
    // Three requests, one key, three messages: as with Telnyx.
    assert_eq!(ledger(&standin).await.len(), 3);
    standin.stop().await;
}

#[tokio::test]
async fn webhooks_are_dropped_and_doubled_on_demand() {
    let data = tempfile::tempdir().unwrap();
    let standin = start(data.path()).await;
    let mut receiver = Receiver::start(0);
    set_faults(&standin, json!({"webhooks": {"drop": true}})).await;
    send(&standin, sms(Some(&receiver.url()))).await;
    set_faults(&standin, json!({"webhooks": {"duplicate": true}})).await;
    let (_, second) = send(&standin, sms(Some(&receiver.url()))).await;
    let mut ids = Vec::new();
    for _ in 0..4 {
        let event = receiver.next_event().await;
        assert_eq!(event.data.payload["id"], second["data"]["id"]);
        ids.push(event.data.id);
    }
    ids.sort();
    assert!(ids[0] == ids[1] && ids[1] != ids[2] && ids[2] == ids[3]);
    standin.stop().await;
}

#[tokio::test]
async fn who_writes_stop_gets_no_more_messages_until_start() {
    let data = tempfile::tempdir().unwrap();
    let standin = start(data.path()).await;
    let mut receiver = Receiver::start(0);
    for (text, code) in [(" stop ", Some("40300")), ("Unstop", None)] {
        let body = json!({"from": "+13125550101", "to": "+13125550100", "text": text, "webhook_url": receiver.url()});
        let (status, _) = call(&standin, Method::POST, "/_standin/inbound", body).await;
        assert_eq!(status, 202);
        let event = receiver.next_event().await;
        assert_eq!(event.data.event_type, EventType::Received);
        assert!(event.data.message().unwrap().autoresponse_type.is_some());
        let (_, answer) = send(&standin, sms(None)).await;
        assert_eq!(answer["errors"][0]["code"].as_str(), code);
    }
    assert_eq!(ledger(&standin).await.len(), 1);
    standin.stop().await;
}
