//! A proxy before DynamoDB that can be slow, and that answers queries of an index as of a while ago, because the
//! indexes of AWS are behind their tables: an item that moved stands where it stood, one that was deleted is still there.
//!
//! It knows what an index showed from the writes that pass through it, so whoever writes the indexed tables has to
//! reach DynamoDB through it as well. Reads by key and queries of a table itself are answered as they are now.

use std::{
    collections::BTreeMap,
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
    former: AtomicU64,
    /// By table and key.
    written: Mutex<BTreeMap<(String, String), Vec<Written>>>,
}

/// An item that was put, or `None` for one that was deleted, with the moment at which its table knew it for certain.
type Written = (Instant, Option<Value>);

/// What a query of an index asks for.
struct Asked<'a> {
    table: &'a str,
    partition: (&'a str, &'a str),
    sort: (&'a str, &'a str, &'a str),
    descending: bool,
    limit: usize,
}

impl StaleIndex {
    /// Starts before `target`, with indexes that are `behind`; zero leaves them as they are.
    pub async fn start(target: String, behind: Duration) -> Self {
        let line = Arc::new(Line {
            client: reqwest::Client::builder().build().unwrap(),
            target,
            behind,
            delay_ms: AtomicU64::new(0),
            hidden: AtomicU64::new(0),
            former: AtomicU64::new(0),
            written: Mutex::default(),
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

    /// How many items were left out of answers, or shown otherwise than they had come to be.
    pub fn hidden(&self) -> u64 {
        self.line.hidden.load(Ordering::Relaxed)
    }

    /// How many items were shown at a place that they had left.
    pub fn former(&self) -> u64 {
        self.line.former.load(Ordering::Relaxed)
    }
}

async fn forward(State(line): State<Arc<Line>>, headers: HeaderMap, body: Bytes) -> Response {
    sleep(Duration::from_millis(line.delay_ms.load(Ordering::Relaxed))).await;
    let target = headers.get("x-amz-target").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let operation = target.rsplit('.').next().unwrap_or_default().to_owned();
    let request: Value = serde_json::from_slice(&body).unwrap_or_default();
    if operation == "Query"
        && !line.behind.is_zero()
        && let Some(asked) = Asked::of(&request)
    {
        let shown = line.as_it_was(&asked);
        return ([(header::CONTENT_TYPE, "application/x-amz-json-1.0")], shown.to_string()).into_response();
    }
    let mut onward = headers;
    for name in [header::HOST, header::CONTENT_LENGTH, header::ACCEPT_ENCODING] {
        onward.remove(name);
    }
    let Ok(answer) = line.client.post(&line.target).headers(onward).body(body).send().await else {
        return StatusCode::BAD_GATEWAY.into_response();
    };
    let (status, headers) = (answer.status(), answer.headers().clone());
    let bytes = answer.bytes().await.unwrap_or_default();
    if status.is_success() {
        let parts = request["TransactItems"].as_array().into_iter().flatten();
        parts.for_each(|part| line.note(&part["Put"], &part["Delete"]));
        match operation.as_str() {
            "PutItem" => line.note(&request, &Value::Null),
            "DeleteItem" => line.note(&Value::Null, &request),
            _ => (),
        }
    }
    (status, headers, bytes).into_response()
}

impl<'a> Asked<'a> {
    /// `None`: it is no query of an index, or of none that lists are read by.
    fn of(request: &'a Value) -> Option<Self> {
        request.get("IndexName")?;
        let name = |name: &str| request["ExpressionAttributeNames"][name].as_str();
        let value = |name: &str| request["ExpressionAttributeValues"][name]["S"].as_str();
        Some(Self {
            table: request["TableName"].as_str()?,
            partition: (name("#partition")?, value(":partition")?),
            sort: (name("#sort")?, value(":from")?, value(":to")?),
            descending: request["ScanIndexForward"] == false,
            limit: request["Limit"].as_u64().map_or(usize::MAX, |limit| usize::try_from(limit).unwrap()),
        })
    }

    /// The item's place in what is asked for.
    fn place<'i>(&self, item: &'i Value) -> Option<&'i str> {
        let place = item[self.sort.0]["S"].as_str()?;
        let meant = item[self.partition.0]["S"] == self.partition.1 && (self.sort.1..=self.sort.2).contains(&place);
        meant.then_some(place)
    }
}

impl Line {
    fn note(&self, put: &Value, delete: &Value) {
        for (request, item) in [(put, put.get("Item")), (delete, None)] {
            let id = item.or(request.get("Key")).and_then(|key| key["id"]["S"].as_str());
            if let (Some(table), Some(id)) = (request["TableName"].as_str(), id) {
                let mut written = self.written.lock().unwrap();
                written.entry((table.to_owned(), id.to_owned())).or_default().push((Instant::now(), item.cloned()));
            }
        }
    }

    /// An index's answer with each item as it was: the newest that is old enough, none if none is.
    fn as_it_was(&self, asked: &Asked<'_>) -> Value {
        let written = self.written.lock().unwrap();
        let now = Instant::now();
        let mut shown: Vec<(&str, &Value)> = Vec::new();
        for (_, history) in written.iter().filter(|((table, _), _)| table == asked.table) {
            let old = history.iter().rev().find(|(at, _)| now - *at >= self.behind).and_then(|(_, item)| item.as_ref());
            let new = history.last().and_then(|(_, item)| item.as_ref());
            let (was, is) = (old.and_then(|item| asked.place(item)), new.and_then(|item| asked.place(item)));
            self.hidden.fetch_add(u64::from((was.is_some() || is.is_some()) && old != new), Ordering::Relaxed);
            self.former.fetch_add(u64::from(was.is_some() && was != is), Ordering::Relaxed);
            shown.extend(was.zip(old));
        }
        shown.sort_by_key(|(place, _)| *place);
        if asked.descending {
            shown.reverse();
        }
        let items: Vec<&Value> = shown.into_iter().map(|(_, item)| item).take(asked.limit).collect();
        json!({ "Count": items.len(), "ScannedCount": items.len(), "Items": items })
    }
}
