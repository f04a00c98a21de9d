//! More requests than a service works on at once, and clients that do not keep up.

use std::{net::SocketAddr, time::Duration};

use futures::future::join_all;
use platform::http::layers::{MAX_IN_FLIGHT, REQUEST_DEADLINE};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::Instant,
};

use crate::support::{Client, behind::Behind, faults::Fault, new_user};

/// What must be at once, on a machine that has other things to do. Whatever is waited for here takes eight seconds or more.
const AT_ONCE: Duration = Duration::from_secs(5);

/// Requests that hang because the engine does; the others of the limit hang because their clients do.
const AT_THE_ENGINE: usize = 8;

/// Requests beyond the limit.
const SURPLUS: usize = 16;

/// A request whose body is announced, waited for and only begun.
async fn half_a_body(address: SocketAddr) -> TcpStream {
    let mut client = TcpStream::connect(address).await.unwrap();
    let head = "POST /v1/auth/login HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n\
                content-length: 1000\r\nexpect: 100-continue\r\n\r\n";
    client.write_all(head.as_bytes()).await.unwrap();
    let mut answer = [0; 25];
    client.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 100 Continue\r\n\r\n");
    client.write_all(b"{\"identifier\":").await.unwrap();
    client
}

#[tokio::test]
async fn what_is_too_much_is_refused_at_once_and_health_answers() {
    let behind = Behind::start().await;
    let api = &behind.command_api;
    let created = api.post("/v1/users", &new_user(1)).await.expect(201);
    let path = format!("/v1/users/{}", created.text("id"));
    let address = behind.listener.local_addr().unwrap();

    let slow = join_all((AT_THE_ENGINE..MAX_IN_FLIGHT).map(|_| half_a_body(address))).await;
    behind.commands.on("PutItem", Fault::Hang, usize::MAX);
    let hanging = join_all((0..AT_THE_ENGINE).map(|number| {
        let (api, path) = (api.clone(), path.clone());
        tokio::spawn(async move { api.patch(&path, "*", &json!({ "first_name": format!("Ada {number}") })).await })
    }));
    let at_the_engine = async {
        while behind.commands.count() < AT_THE_ENGINE {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(REQUEST_DEADLINE, at_the_engine).await.expect("the requests come to the engine");

    let asked = Instant::now();
    let body = json!({ "first_name": "Augusta" });
    let surplus = join_all((0..SURPLUS).map(|_| api.patch(&path, "*", &body)));
    let (refused, alive, ready) = tokio::join!(surplus, api.get("/healthz"), api.get("/readyz"));
    assert!(asked.elapsed() < AT_ONCE, "{:?}", asked.elapsed());
    for refused in refused {
        let refused = refused.expect(503);
        assert_eq!(refused.body["code"], "overloaded");
        assert!(!refused.header("retry-after").is_empty());
    }
    alive.expect(200);
    ready.expect(200);

    for answer in hanging.await {
        assert_eq!(answer.unwrap().expect(503).body["code"], "unavailable");
    }
    behind.commands.heal();
    drop(slow);
    // Everybody has left: the next one in finds a place, and what was refused was not done.
    let changed = async {
        loop {
            let answer = api.patch(&path, "*", &body).await;
            if answer.status.is_success() {
                return answer;
            }
            assert_eq!(answer.body["code"], "overloaded");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let changed = tokio::time::timeout(REQUEST_DEADLINE, changed).await.expect("there is room again");
    assert_eq!((&changed.body["first_name"], &changed.body["version"]), (&json!("Augusta"), &json!(2)));
    behind.stop();
}

/// Reads until the server closes the connection.
async fn read_to_the_end(mut client: TcpStream) -> (String, Duration) {
    let began = Instant::now();
    let mut answer = Vec::new();
    let _ = client.read_to_end(&mut answer).await;
    (String::from_utf8_lossy(&answer).into_owned(), began.elapsed())
}

/// Asks again and again while `slow` goes on, and gives the longest time that an answer took.
async fn slowest(api: &Client, slow: impl Future<Output = ()>) -> Duration {
    let mut slowest = Duration::ZERO;
    tokio::pin!(slow);
    loop {
        let asked = Instant::now();
        tokio::select! {
            () = &mut slow => return slowest,
            answer = api.get("/.well-known/jwks.json") => answer.expect(200),
        };
        slowest = slowest.max(asked.elapsed());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn slow_clients_cost_only_themselves_and_not_for_ever() {
    let behind = Behind::start().await;
    let address: SocketAddr = behind.query_api.base().trim_start_matches("http://").parse().unwrap();

    let half_a_head = async {
        let mut client = TcpStream::connect(address).await.unwrap();
        client.write_all(b"GET /healthz HTTP/1.1\r\nhost: ").await.unwrap();
        let (answer, after) = read_to_the_end(client).await;
        assert_eq!(answer, "");
        assert!((8..18).contains(&after.as_secs()), "{after:?}");
    };
    let half_a_body = async {
        let client = half_a_body(behind.listener.local_addr().unwrap()).await;
        let (answer, after) = read_to_the_end(client).await;
        assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
        assert!(after < REQUEST_DEADLINE + Duration::from_secs(8), "{after:?}");
    };
    // It asks for far more than any socket's buffers hold, and never reads.
    let no_reading = async {
        let mut client = TcpStream::connect(address).await.unwrap();
        let asking =
            async { while client.write_all(b"GET /openapi.json HTTP/1.1\r\nhost: x\r\n\r\n").await.is_ok() {} };
        tokio::time::timeout(Duration::from_mins(1), asking).await.expect("it is not written to for ever");
    };
    let slow = async {
        tokio::join!(half_a_head, half_a_body, no_reading);
    };
    let slowest = slowest(&behind.query_api, slow).await;
    assert!(slowest < AT_ONCE, "{slowest:?}");
    behind.stop();
}
