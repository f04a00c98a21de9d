//! A proxy between a service and DynamoDB that remembers each call.

use std::sync::{Arc, Mutex};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::Value;

/// One call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// The operation.
    pub operation: String,
    /// The table, `-` for a transaction.
    pub table: String,
    /// What is put, as text.
    pub item: String,
}

impl Call {
    /// Operation and table.
    pub fn of<'a>(calls: impl IntoIterator<Item = &'a Self>) -> Vec<(&'a str, &'a str)> {
        calls.into_iter().map(|call| (call.operation.as_str(), call.table.as_str())).collect()
    }

    /// What a request asks for.
    pub fn read(headers: &HeaderMap, body: &[u8]) -> Self {
        let target = headers.get("x-amz-target").and_then(|value| value.to_str().ok()).unwrap_or_default();
        let operation = target.rsplit('.').next().unwrap_or_default().to_owned();
        let request: Value = serde_json::from_slice(body).unwrap_or_default();
        let table = request["TableName"].as_str().unwrap_or("-").to_owned();
        Self { operation, table, item: request["Item"].to_string() }
    }
}

/// The way on to the engine.
#[derive(Clone)]
pub struct Line {
    client: reqwest::Client,
    target: String,
}

impl Line {
    pub fn to(target: String) -> Self {
        Self { client: reqwest::Client::builder().build().unwrap(), target }
    }

    /// Sends a request on and gives its answer.
    pub async fn forward(&self, headers: HeaderMap, body: Bytes) -> Response {
        let mut onward = headers;
        onward.remove(header::HOST);
        match self.client.post(&self.target).headers(onward).body(body).send().await {
            Ok(answer) => {
                let (status, headers) = (answer.status(), answer.headers().clone());
                (status, headers, answer.bytes().await.unwrap_or_default()).into_response()
            }
            Err(_) => StatusCode::BAD_GATEWAY.into_response(),
        }
    }
}

/// The proxy.
pub struct Wiretap {
    pub url: String,
    calls: Arc<Mutex<Vec<Call>>>,
}

impl Wiretap {
    /// Starts between a service and `target`.
    pub async fn start(target: String) -> Self {
        let calls = Arc::new(Mutex::new(Vec::new()));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(forward).with_state((Line::to(target), Arc::clone(&calls)));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, calls }
    }

    /// The calls since the last time this was asked, without the polls that no request causes.
    pub fn take(&self) -> Vec<Call> {
        let mut calls = std::mem::take(&mut *self.calls.lock().unwrap());
        calls.retain(|call| call.table != "rights" && call.table != "leases");
        calls
    }
}

async fn forward(
    State((line, calls)): State<(Line, Arc<Mutex<Vec<Call>>>)>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    calls.lock().unwrap().push(Call::read(&headers, &body));
    line.forward(headers, body).await
}
