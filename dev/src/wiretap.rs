//! A proxy between a service and DynamoDB that remembers each call and what it read.

use std::{
    mem,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::{Map, Value};

/// One call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// The operation.
    pub operation: String,
    /// The table, of a batch the first one, and `-` for a transaction.
    pub table: String,
    /// What is put, as text.
    pub item: String,
    /// The values that a query looks for, as text.
    pub values: String,
    /// Whether it may be answered by a copy of the table that is behind.
    pub eventual: bool,
    /// How many items were looked at to answer it.
    pub items: u64,
    /// Half units of capacity that it took: read units of a read, write units of any other.
    pub half_units: u64,
}

impl Call {
    /// Whether it only reads.
    pub fn is_read(&self) -> bool {
        READS.contains(&self.operation.as_str())
    }

    /// Operation and table.
    pub fn of<'a>(calls: impl IntoIterator<Item = &'a Self>) -> Vec<(&'a str, &'a str)> {
        calls.into_iter().map(|call| (call.operation.as_str(), call.table.as_str())).collect()
    }

    /// What a request asks for.
    pub fn read(headers: &HeaderMap, body: &[u8]) -> Self {
        let target = headers.get("x-amz-target").and_then(|value| value.to_str().ok()).unwrap_or_default();
        let operation = target.rsplit('.').next().unwrap_or_default().to_owned();
        let request: Value = serde_json::from_slice(body).unwrap_or_default();
        let batch = request["RequestItems"].as_object();
        let table = request["TableName"].as_str().or(batch.and_then(|batch| Some(batch.keys().next()?.as_str())));
        let table = table.unwrap_or("-").to_owned();
        let item = if batch.is_some() { &request["RequestItems"] } else { &request["Item"] };
        let values = request["ExpressionAttributeValues"].to_string();
        let each_consistent = |batch: &Map<String, Value>| batch.values().all(|asked| asked["ConsistentRead"] == true);
        let consistent = request["ConsistentRead"] == true || batch.is_some_and(each_consistent);
        let eventual = READS.contains(&operation.as_str()) && !consistent;
        Self { operation, table, item: item.to_string(), values, eventual, items: 0, half_units: 0 }
    }

    /// What the answer says that it took.
    fn answered(self, answer: &[u8]) -> Self {
        let answer: Value = serde_json::from_slice(answer).unwrap_or_default();
        let found = |value: &Value| value.as_array().map_or(0, |items| items.len() as u64);
        let batch = answer["Responses"].as_object().map_or(0, |tables| tables.values().map(found).sum());
        let one = u64::from(answer.get("Item").is_some());
        let units = |capacity: &Value| capacity["CapacityUnits"].as_f64().unwrap_or_default();
        let capacity = &answer["ConsumedCapacity"];
        let units = capacity.as_array().map_or_else(|| units(capacity), |each| each.iter().map(units).sum());
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a unit is at least a half")]
        let half_units = (units * 2.0).round() as u64;
        Self { items: answer["ScannedCount"].as_u64().unwrap_or(batch + one), half_units, ..self }
    }
}

/// Calls that only read.
const READS: [&str; 4] = ["GetItem", "BatchGetItem", "Query", "Scan"];

/// Tables that a service reads by the clock, whether it is asked anything or not.
const POLLED: [&str; 3] = ["rights", "leases", "parked"];

/// The way on to the engine.
#[derive(Debug, Clone)]
pub struct Line {
    client: reqwest::Client,
    target: String,
}

impl Line {
    /// To the engine at this address.
    pub fn to(target: String, client: reqwest::Client) -> Self {
        Self { client, target }
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
#[derive(Debug)]
pub struct Wiretap {
    /// Its own address.
    pub url: String,
    calls: Arc<Mutex<Vec<Call>>>,
}

impl Wiretap {
    /// Starts between a service and `target`.
    ///
    /// # Errors
    /// No free port, or no client.
    pub async fn start(target: String) -> anyhow::Result<Self> {
        let calls = Arc::new(Mutex::new(Vec::new()));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let line = Line::to(target, reqwest::Client::builder().build()?);
        let router = Router::new().fallback(forward).with_state((line, Arc::clone(&calls)));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Ok(Self { url, calls })
    }

    /// The polls of a table since anything was last asked for. Other calls stay.
    pub fn take_polls(&self, table: &str) -> Vec<Call> {
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        let (polls, others) = mem::take(&mut *calls).into_iter().partition(|call| call.table == table);
        *calls = others;
        polls
    }

    /// The calls since the last time this was asked, without the polls that no request causes.
    pub fn take(&self) -> Vec<Call> {
        let mut calls = mem::take(&mut *self.calls.lock().unwrap_or_else(PoisonError::into_inner));
        calls.retain(|call| !POLLED.contains(&call.table.as_str()));
        calls
    }
}

async fn forward(
    State((line, calls)): State<(Line, Arc<Mutex<Vec<Call>>>)>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let call = Call::read(&headers, &body);
    let (parts, body) = line.forward(headers, body).await.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap_or_default();
    calls.lock().unwrap_or_else(PoisonError::into_inner).push(call.answered(&body));
    Response::from_parts(parts, body.into())
}
