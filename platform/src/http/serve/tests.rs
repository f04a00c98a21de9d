use axum::{Extension, routing::get};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::mpsc,
};

use super::*;

/// How long something that must happen may take.
const SOON: Duration = Duration::from_secs(10);

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n";

async fn start(router: Router) -> (SocketAddr, Shutdown, tokio::task::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, shutdown) = (listener.local_addr().unwrap(), Shutdown::new());
    let serving = tokio::spawn(serve(listener, router, shutdown.clone()));
    (address, shutdown, serving)
}

#[tokio::test]
async fn a_cut_connection_closes_without_a_byte() {
    let router = Router::new().route(
        "/",
        get(|Extension(connection): Extension<Connection>| async move {
            connection.cut();
            std::future::pending::<()>().await;
        }),
    );
    let (address, shutdown, serving) = start(router).await;
    let mut client = TcpStream::connect(address).await.unwrap();
    client.write_all(REQUEST).await.unwrap();
    let mut answer = Vec::new();
    let _ = client.read_to_end(&mut answer).await;
    assert!(answer.is_empty());
    shutdown.begin();
    serving.await.unwrap();
}

#[tokio::test]
async fn a_request_that_never_ends_is_cut_off_when_the_shutdown_is_forced() {
    let (reached, mut arrived) = mpsc::channel(1);
    let router = Router::new().route(
        "/",
        get(move || async move {
            reached.send(()).await.unwrap();
            std::future::pending::<()>().await;
        }),
    );
    let (address, shutdown, serving) = start(router).await;
    let mut client = TcpStream::connect(address).await.unwrap();
    client.write_all(REQUEST).await.unwrap();
    arrived.recv().await.unwrap();
    shutdown.begin();
    tokio::task::yield_now().await;
    assert!(!serving.is_finished());
    shutdown.force();
    tokio::time::timeout(SOON, serving).await.expect("stopped").unwrap();
}

#[tokio::test]
async fn a_request_at_hand_is_answered_after_the_shutdown_began_and_an_idle_connection_is_not_waited_for() {
    let (reached, mut arrived) = mpsc::channel(1);
    let answer = Arc::new(tokio::sync::Notify::new());
    let asked = Arc::clone(&answer);
    let router = Router::new().route(
        "/",
        get(move || async move {
            reached.send(()).await.unwrap();
            asked.notified().await;
        }),
    );
    let (address, shutdown, serving) = start(router).await;
    let _idle = TcpStream::connect(address).await.unwrap();
    let mut client = TcpStream::connect(address).await.unwrap();
    client.write_all(REQUEST).await.unwrap();
    arrived.recv().await.unwrap();
    shutdown.begin();
    answer.notify_one();
    let mut answered = String::new();
    client.read_to_string(&mut answered).await.unwrap();
    assert!(answered.starts_with("HTTP/1.1 200"), "{answered}");
    tokio::time::timeout(SOON, serving).await.expect("stopped").unwrap();
}
