//! A proxy between a service and DynamoDB that does to calls what networks and engines do at their worst.

use std::{
    net::{SocketAddr, TcpListener},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
};

use axum::{
    Extension, Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use dev::serve::Server;
use platform::http::serve::Connection;
use serde_json::{Value, json};

use dev::wiretap::{Call, Line};

/// Ports that the system gives to nobody else, so that a proxy comes back where it was.
const FIRST_PORT: u16 = 10_000;

/// How many of them are tried.
const PORTS: u32 = 10_000;

/// The checksum of an answer's body (CRC-32), which does not fit another one.
const CHECKSUM: &str = "x-amz-crc32";

/// How many of them this process has tried.
static NEXT: AtomicU32 = AtomicU32::new(0);

/// What happens to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It is read, not carried out, and never answered.
    Hang,
    /// The connection breaks before it is carried out.
    CutBefore,
    /// It is carried out, and the connection breaks before the answer.
    CutAfter,
    /// It is answered with 500 and not carried out.
    Broken,
    /// It is refused with this error and not carried out.
    Refuse(&'static str),
    /// A batch of writes is answered with all of them undone.
    Undone,
    /// A read is answered by a copy of the table that has not seen the newest item yet.
    Behind,
    /// The transaction is cancelled, with this as the reason of its first action.
    Cancel(&'static str),
}

type Choice = Box<dyn FnMut(&Call) -> Option<Fault> + Send>;

/// What a proxy knows.
#[derive(Default)]
struct Plan {
    choice: Option<Choice>,
    faults: usize,
}

/// The proxy.
pub struct Faults {
    pub url: String,
    router: Router,
    address: SocketAddr,
    server: Option<Server>,
    plan: Arc<Mutex<Plan>>,
}

impl Faults {
    /// Starts between a service and `target`, without faults.
    pub fn start(target: String) -> Self {
        let plan = Arc::new(Mutex::new(Plan::default()));
        let router = Router::new()
            .fallback(forward)
            .with_state((Line::to(target, reqwest::Client::builder().build().unwrap()), Arc::clone(&plan)));
        let offset = std::process::id() % PORTS;
        // None twice: a proxy that is down still owns its port.
        let next = || NEXT.fetch_add(1, Ordering::Relaxed);
        let ports = (0..PORTS).map(|_| FIRST_PORT + u16::try_from((offset + next()) % PORTS).unwrap());
        let mut listeners = ports.filter_map(|port| TcpListener::bind(("127.0.0.1", port)).ok());
        let listener = listeners.next().expect("a free port");
        let address = listener.local_addr().unwrap();
        let server = Some(Server::start(listener, &router).unwrap());
        Self { url: format!("http://{address}"), router, address, server, plan }
    }

    /// From now on, what is chosen happens to each call.
    pub fn choose(&self, choice: impl FnMut(&Call) -> Option<Fault> + Send + 'static) {
        *self.plan.lock().unwrap() = Plan { choice: Some(Box::new(choice)), faults: 0 };
    }

    /// From now on, `fault` happens to the next `times` calls of `operation`.
    pub fn on(&self, operation: &'static str, fault: Fault, times: usize) {
        let mut left = times;
        self.choose(move |call| {
            let happens = call.operation == operation && call.table != "rights" && left > 0;
            left -= usize::from(happens);
            happens.then_some(fault)
        });
    }

    /// From now on all is well. Tells how many calls had a fault.
    pub fn heal(&self) -> usize {
        std::mem::take(&mut *self.plan.lock().unwrap()).faults
    }

    /// How many calls had a fault since it was chosen.
    pub fn count(&self) -> usize {
        self.plan.lock().unwrap().faults
    }

    /// Closes the port: whoever connects is refused.
    pub async fn down(&mut self) {
        if let Some(server) = self.server.take() {
            server.stop().await;
        }
    }

    /// Opens the port again.
    pub fn up(&mut self) {
        let listener = TcpListener::bind(self.address).unwrap();
        self.server = Some(Server::start(listener, &self.router).unwrap());
    }
}

async fn forward(
    State((line, plan)): State<(Line, Arc<Mutex<Plan>>)>,
    Extension(connection): Extension<Connection>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let call = Call::read(&headers, &body);
    let fault = {
        let mut plan = plan.lock().unwrap();
        let fault = plan.choice.as_mut().and_then(|choice| choice(&call));
        plan.faults += usize::from(fault.is_some());
        fault
    };
    match fault {
        None => line.forward(headers, body).await,
        Some(Fault::Hang) => std::future::pending().await,
        Some(Fault::CutBefore) => cut(&connection).await,
        Some(Fault::CutAfter) => {
            line.forward(headers, body).await;
            cut(&connection).await
        }
        Some(Fault::Broken) => refuse(StatusCode::INTERNAL_SERVER_ERROR, "InternalServerError", &Value::Null),
        Some(Fault::Refuse(error)) => refuse(StatusCode::BAD_REQUEST, error, &Value::Null),
        Some(Fault::Undone) => {
            let request: Value = serde_json::from_slice(&body).unwrap();
            let answer = json!({ "UnprocessedItems": request["RequestItems"] });
            ([(header::CONTENT_TYPE, "application/x-amz-json-1.0")], answer.to_string()).into_response()
        }
        Some(Fault::Behind) => {
            let (mut parts, body) = line.forward(headers, body).await.into_parts();
            let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
            let mut answer: Value = serde_json::from_slice(&body).unwrap();
            answer.as_object_mut().unwrap().remove("Item");
            // The newest one is the first: it reads backwards.
            let items = answer.get_mut("Items").and_then(Value::as_array_mut);
            if let Some(items) = items.filter(|items| !items.is_empty()) {
                items.remove(0);
            }
            parts.headers.remove(header::CONTENT_LENGTH);
            parts.headers.remove(CHECKSUM);
            Response::from_parts(parts, answer.to_string().into())
        }
        Some(Fault::Cancel(reason)) => {
            let request: Value = serde_json::from_slice(&body).unwrap();
            let actions = request["TransactItems"].as_array().map_or(0, Vec::len);
            let code = |at| if at == 0 { json!({ "Code": reason }) } else { json!({ "Code": "None" }) };
            let reasons = (0..actions).map(code).collect();
            refuse(StatusCode::BAD_REQUEST, "TransactionCanceledException", &reasons)
        }
    }
}

async fn cut(connection: &Connection) -> Response {
    connection.cut();
    std::future::pending().await
}

/// An error as DynamoDB tells it.
fn refuse(status: StatusCode, error: &str, reasons: &Value) -> Response {
    let kind = format!("com.amazonaws.dynamodb.v20120810#{error}");
    let body = json!({ "__type": kind, "message": "a fault", "CancellationReasons": reasons });
    (status, [(header::CONTENT_TYPE, "application/x-amz-json-1.0")], body.to_string()).into_response()
}
