//! A proxy before DynamoDB that can be slow, and that answers queries of an index as of a while ago, because the
//! indexes of AWS are behind their tables.
//!
//! It knows what an index showed from the writes that pass through it, so whoever writes the indexed tables has to
//! reach DynamoDB through it as well. Reads by key and queries of a table itself are answered as they are now.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

/// The proxy.
pub struct StaleIndex {
    pub url: String,
    line: Arc<Line>,
}

struct Line {
    client: reqwest::Client,
    target: String,
    /// How far indexes are behind.
    behind: Duration,
    delay_ms: AtomicU64,
    hidden: AtomicU64,
    /// By table and key.
    puts: Mutex<HashMap<(String, String), Vec<Put>>>,
}

/// An item that was put, with the moment at which its table had it for certain.
type Put = (Instant, Value);

impl StaleIndex {
    /// Starts before `target`, with indexes that are `behind`; zero leaves them as they are.
    pub async fn start(target: String, behind: Duration) -> Self {
        let line = Arc::new(Line {
            client: reqwest::Client::builder().build().unwrap(),
            target,
            behind,
            delay_ms: AtomicU64::new(0),
            hidden: AtomicU64::new(0),
            puts: Mutex::default(),
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(forward).with_state(Arc::clone(&line));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, line }
    }

    /// Lets every call wait for so long before it is passed on.
    pub fn delay(&self, delay: Duration) {
        self.line.delay_ms.store(u64::try_from(delay.as_millis()).unwrap(), Ordering::Relaxed);
    }

    /// How many items were left out of answers or shown as they had been.
    pub fn hidden(&self) -> u64 {
        self.line.hidden.load(Ordering::Relaxed)
    }
}

async fn forward(State(line): State<Arc<Line>>, headers: HeaderMap, body: Bytes) -> Response {
    sleep(Duration::from_millis(line.delay_ms.load(Ordering::Relaxed))).await;
    let target = headers.get("x-amz-target").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let operation = target.rsplit('.').next().unwrap_or_default().to_owned();
    let mut request: Value = serde_json::from_slice(&body).unwrap_or_default();
    let stale = operation == "Query" && request.get("IndexName").is_some() && !line.behind.is_zero();
    // What is hidden must not take the place of what is shown: everything is asked for, and cut here.
    let limit = if stale { request.as_object_mut().and_then(|request| request.remove("Limit")) } else { None };
    let sent = if stale { Bytes::from(request.to_string()) } else { body };
    let mut onward = headers;
    for name in [header::HOST, header::CONTENT_LENGTH, header::ACCEPT_ENCODING] {
        onward.remove(name);
    }
    let Ok(answer) = line.client.post(&line.target).headers(onward).body(sent).send().await else {
        return StatusCode::BAD_GATEWAY.into_response();
    };
    let (status, mut headers) = (answer.status(), answer.headers().clone());
    let bytes = answer.bytes().await.unwrap_or_default();
    if status.is_success() {
        let parts = request["TransactItems"].as_array().into_iter().flatten().map(|part| &part["Put"]);
        let whole = Some(&request).filter(|_| operation == "PutItem");
        parts.chain(whole).for_each(|put| line.note(put));
    }
    if !stale || !status.is_success() {
        return (status, headers, bytes).into_response();
    }
    let shown = line.as_it_was(table(&request), &serde_json::from_slice(&bytes).unwrap(), limit.as_ref());
    for name in ["content-length", "x-amz-crc32"] {
        headers.remove(name);
    }
    (status, headers, shown.to_string()).into_response()
}

fn table(request: &Value) -> &str {
    request["TableName"].as_str().unwrap_or_default()
}

impl Line {
    fn note(&self, put: &Value) {
        if let Some(id) = put["Item"]["id"]["S"].as_str() {
            let key = (table(put).to_owned(), id.to_owned());
            self.puts.lock().unwrap().entry(key).or_default().push((Instant::now(), put["Item"].clone()));
        }
    }

    /// An index's answer with each item as it was: the newest that is old enough, none if none is.
    fn as_it_was(&self, table: &str, answer: &Value, limit: Option<&Value>) -> Value {
        let puts = self.puts.lock().unwrap();
        let now = Instant::now();
        assert!(answer.get("LastEvaluatedKey").is_none(), "more items than this proxy is made for");
        let items = answer["Items"].as_array().into_iter().flatten().filter_map(|item| {
            let key = (table.to_owned(), item["id"]["S"].as_str().unwrap_or_default().to_owned());
            let history = puts.get(&key).map(Vec::as_slice).unwrap_or_default();
            let old = history.iter().rev().find(|(at, _)| now - *at >= self.behind);
            let shown = old.map(|(_, item)| item.clone());
            if shown.as_ref() != Some(item) {
                self.hidden.fetch_add(1, Ordering::Relaxed);
            }
            shown
        });
        let limit = limit.and_then(Value::as_u64).map_or(usize::MAX, |limit| usize::try_from(limit).unwrap());
        let items: Vec<Value> = items.take(limit).collect();
        json!({ "Count": items.len(), "ScannedCount": items.len(), "Items": items })
    }
}
