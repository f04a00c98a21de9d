use std::time::Duration;

use axum::{body::Body, extract::DefaultBodyLimit, extract::Request, http::HeaderMap, response::Response};
use tokio::sync::mpsc;
use tokio_util::bytes::Bytes;

use super::*;

/// The longest that a test waits for what must happen.
const DEADLINE: Duration = Duration::from_secs(10);

fn listener() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").unwrap()
}

/// A service that answers with its name, the method, the path and the length of the body.
fn service(name: &'static str) -> Server {
    let answer = move |request: Request| async move {
        let line = format!("{name} {} {}", request.method(), request.uri());
        let body = axum::body::to_bytes(request.into_body(), usize::MAX).await;
        format!("{line} {}", body.unwrap().len())
    };
    Server::start(listener(), &Router::new().fallback(answer)).unwrap()
}

fn client() -> reqwest::Client {
    reqwest::Client::builder().timeout(DEADLINE).build().unwrap()
}

fn start(query: SocketAddr, command: SocketAddr) -> Proxy {
    Proxy::start(listener(), Targets { query, command }, Clock::system()).unwrap()
}

#[test]
fn only_what_reads_goes_to_the_query_side() {
    for (method, target) in [
        (Method::GET, Target::Query),
        (Method::HEAD, Target::Query),
        (Method::POST, Target::Command),
        (Method::PUT, Target::Command),
        (Method::PATCH, Target::Command),
        (Method::DELETE, Target::Command),
        (Method::OPTIONS, Target::Command),
        (Method::from_bytes(b"PURGE").unwrap(), Target::Command),
    ] {
        assert_eq!(route(&method), target, "{method}");
    }
}

#[tokio::test]
async fn requests_arrive_whole_at_the_right_service() {
    let (query, command) = (service("query"), service("command"));
    let proxy = start(query.address(), command.address());
    let read = client().get(format!("{}/v1/users?page_size=2", proxy.url()));
    let read = read.send().await.unwrap().text().await.unwrap();
    assert_eq!(read, "query GET /v1/users?page_size=2 0");
    let write = client().post(format!("{}/v1/users", proxy.url()));
    let write = write.body("x".repeat(1_000_000)).send().await.unwrap();
    assert_eq!(write.text().await.unwrap(), "command POST /v1/users 1000000");
    proxy.stop().await;
}

#[tokio::test]
async fn an_answer_passes_piece_by_piece() {
    let (pieces, rest) = mpsc::channel::<Result<Bytes, std::io::Error>>(1);
    let rest = std::sync::Mutex::new(Some(rest));
    let stream = move |headers: HeaderMap| {
        let mut rest = rest.lock().unwrap().take().unwrap();
        assert!(headers.contains_key("x-amzn-trace-id"));
        assert_eq!(headers["x-forwarded-for"], "127.0.0.1");
        let pieces = futures::stream::poll_fn(move |context| rest.poll_recv(context));
        std::future::ready(Response::new(Body::from_stream(pieces)))
    };
    let stream = Arc::new(stream);
    let router = Router::new().fallback(move |headers: HeaderMap| stream(headers));
    let query = Server::start(listener(), &router).unwrap();
    let proxy = start(query.address(), query.address());
    let mut answer = client().get(proxy.url()).send().await.unwrap();
    for piece in ["one", "two"] {
        pieces.send(Ok(Bytes::from_static(piece.as_bytes()))).await.unwrap();
        assert_eq!(answer.chunk().await.unwrap().unwrap(), piece);
    }
    // A client that goes away ends the stream at the service.
    drop(answer);
    tokio::time::timeout(DEADLINE, pieces.closed()).await.expect("the service is told");
    proxy.stop().await;
}

#[tokio::test]
async fn a_service_that_is_down_is_a_problem_in_json() {
    let gone = listener().local_addr().unwrap();
    let proxy = start(gone, gone);
    let answer = client().get(proxy.url()).send().await.unwrap();
    assert_eq!(answer.status(), 502);
    assert_eq!(answer.headers()["content-type"], "application/problem+json");
    let body: serde_json::Value = answer.json().await.unwrap();
    assert_eq!(body["code"], "bad_gateway");
    proxy.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_of_a_large_body_arrives() {
    // As our services do it: what is too large is read to its end and thrown away before it is refused.
    let refuse = |_: Bytes| async { axum::http::StatusCode::PAYLOAD_TOO_LARGE };
    let command =
        Server::start(listener(), &Router::new().fallback(refuse).layer(DefaultBodyLimit::disable())).unwrap();
    let proxy = start(command.address(), command.address());
    for _ in 0..50 {
        let write = client().post(proxy.url()).body("x".repeat(1_000_000));
        assert_eq!(write.send().await.unwrap().status(), 413);
    }
    proxy.stop().await;
}
