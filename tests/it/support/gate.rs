//! A proxy that stands between a process and what it asks, and can stop everything at one request, so that the process can be
//! killed exactly there. Besides, it remembers what went through.

use std::sync::{Arc, Mutex};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{Request, State},
    http::{HeaderMap, Method, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use dev::serve::Server;
use tokio::sync::Notify;

use super::SOON;

/// Longest body: more than any that goes through here.
const MAX_BODY: usize = 1024 * 1024;

/// What came by.
#[derive(Debug, Clone)]
pub struct Seen {
    pub method: Method,
    /// With the query.
    pub path: String,
    pub headers: HeaderMap,
    pub body: Bytes,
}

/// A request and what was answered.
#[derive(Debug, Clone)]
pub struct Exchange {
    pub request: Seen,
    pub status: StatusCode,
    pub answer: Bytes,
}

/// Where everything stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The request has arrived, and is not passed on.
    Before,
    /// It was carried out, and the answer is not passed back.
    After,
}

type Chosen = Box<dyn FnMut(&Seen) -> bool + Send>;

#[derive(Default)]
struct Plan {
    chosen: Option<(Side, Chosen)>,
    /// Whether it is shut: nothing gets through any more.
    shut: bool,
    exchanges: Vec<Exchange>,
}

#[derive(Clone)]
struct Shared {
    target: String,
    client: reqwest::Client,
    plan: Arc<Mutex<Plan>>,
    reached: Arc<Notify>,
}

/// The proxy.
pub struct Gate {
    shared: Shared,
    server: Server,
}

impl Gate {
    /// Stands before `target`, open.
    pub fn before(target: String) -> Self {
        let shared = Shared {
            target,
            client: reqwest::Client::builder().build().unwrap(),
            plan: Arc::default(),
            reached: Arc::default(),
        };
        let router = Router::new().fallback(pass).with_state(shared.clone());
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        Self { shared, server: Server::start(listener, &router).unwrap() }
    }

    /// Its address.
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// Shuts it at the first request that is chosen, on one side of it.
    pub fn shut_at(&self, side: Side, chosen: impl FnMut(&Seen) -> bool + Send + 'static) {
        self.shared.plan.lock().unwrap().chosen = Some((side, Box::new(chosen)));
    }

    /// Waits until it is shut.
    pub async fn reached(&self) {
        tokio::time::timeout(SOON, self.shared.reached.notified()).await.expect("the request comes");
    }

    /// Lets everything through again.
    pub fn open(&self) {
        let mut plan = self.shared.plan.lock().unwrap();
        plan.shut = false;
        plan.chosen = None;
    }

    /// What has gone through so far.
    pub fn exchanges(&self) -> Vec<Exchange> {
        self.shared.plan.lock().unwrap().exchanges.clone()
    }
}

impl Shared {
    /// Whether everything stops at a request, and on which side.
    fn stops(&self, seen: &Seen) -> Option<Side> {
        let mut plan = self.plan.lock().unwrap();
        if plan.shut {
            return Some(Side::Before);
        }
        let stops = plan.chosen.as_mut().and_then(|(side, chosen)| chosen(seen).then_some(*side));
        plan.shut = stops.is_some();
        stops
    }

    async fn forward(&self, seen: &Seen) -> Result<(StatusCode, HeaderMap, Bytes), reqwest::Error> {
        let mut headers = seen.headers.clone();
        headers.remove(header::HOST);
        let request = self.client.request(seen.method.clone(), format!("{}{}", self.target, seen.path));
        let answer = request.headers(headers).body(seen.body.clone()).send().await?;
        let (status, mut headers) = (answer.status(), answer.headers().clone());
        headers.remove(header::TRANSFER_ENCODING);
        Ok((status, headers, answer.bytes().await?))
    }
}

async fn pass(State(shared): State<Shared>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, MAX_BODY).await.unwrap_or_default();
    let path = path_of(&parts.uri);
    let seen = Seen { method: parts.method, path, headers: parts.headers, body };
    let stops = shared.stops(&seen);
    if stops == Some(Side::Before) {
        shared.reached.notify_one();
        return std::future::pending().await;
    }
    let answered = shared.forward(&seen).await;
    if stops == Some(Side::After) {
        shared.reached.notify_one();
        return std::future::pending().await;
    }
    let Ok((status, headers, answer)) = answered else { return StatusCode::BAD_GATEWAY.into_response() };
    shared.plan.lock().unwrap().exchanges.push(Exchange { request: seen, status, answer: answer.clone() });
    (status, headers, Body::from(answer)).into_response()
}

fn path_of(uri: &Uri) -> String {
    uri.path_and_query().map_or_else(|| uri.path().to_owned(), ToString::to_string)
}
