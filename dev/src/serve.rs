//! An HTTP/1.1 server on a bound listener whose stop is bounded and which can cut a connection without an answer.

use std::{convert::Infallible, error::Error, net::SocketAddr, sync::Arc, time::Duration};

use anyhow::Context;
use axum::{Extension, Router};
use hyper::{
    Request, Response,
    body::{Body, Incoming},
    server::conn::http1,
    service::Service,
};
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    task::{JoinHandle, JoinSet},
};
use tokio_util::sync::{CancellationToken, DropGuard};

/// How long requests that run may take to end once the stop has begun; what is left is cut off.
/// The longest thing in flight is a long poll of an empty queue, for which nobody should wait.
const DRAIN: Duration = Duration::from_secs(2);

/// Connections at a time: far above what services and tests on one machine hold, far below a process's files.
const MAX_CONNECTIONS: usize = 512;

/// The wait after a refused `accept` (out of files): without it the loop would spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// One accepted connection, as a handler sees it (axum: an extension).
#[derive(Debug, Clone)]
pub struct Connection {
    /// Who connected.
    pub peer: SocketAddr,
    cut: CancellationToken,
}

impl Connection {
    /// Closes the connection at once; the request that runs on it gets no answer.
    pub fn cut(&self) {
        self.cut.cancel();
    }
}

/// A running server. Dropping it begins the stop as well, but does not wait for its end.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    drain: DropGuard,
    accepting: JoinHandle<()>,
}

impl Server {
    /// Serves an axum router; each request carries a [`Connection`] as an extension.
    ///
    /// # Errors
    /// The listener cannot be handed to the runtime.
    pub fn start(listener: std::net::TcpListener, router: &Router) -> anyhow::Result<Self> {
        let router = router.clone();
        Self::start_with(listener, move |connection| {
            TowerToHyperService::new(router.clone().layer(Extension(connection)))
        })
    }

    /// Serves whatever service `make` gives for a connection.
    ///
    /// # Errors
    /// The listener cannot be handed to the runtime.
    pub fn start_with<S, B>(
        listener: std::net::TcpListener,
        make: impl Fn(Connection) -> S + Send + 'static,
    ) -> anyhow::Result<Self>
    where
        S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Send + 'static,
        S::Future: Send,
        B: Body + Send + 'static,
        B::Data: Send,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        listener.set_nonblocking(true).context("a listener that does not block")?;
        let listener = TcpListener::from_std(listener).context("hand the listener to the runtime")?;
        let address = listener.local_addr().context("the listener's address")?;
        let drain = CancellationToken::new();
        let accepting = tokio::spawn(accept(listener, make, drain.clone()));
        Ok(Self { address, drain: drain.drop_guard(), accepting })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The base address of its requests, without a slash at the end.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Accepts no more, lets running requests end for up to 2 s and cuts off the rest.
    pub async fn stop(self) {
        drop(self.drain);
        if let Err(error) = self.accepting.await {
            tracing::error!(%error, "the accept loop failed");
        }
    }
}

async fn accept<S, B>(listener: TcpListener, make: impl Fn(Connection) -> S, drain: CancellationToken)
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Send + 'static,
    S::Future: Send,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let accepted = tokio::select! {
            () = drain.cancelled() => break,
            accepted = async {
                let place = Arc::clone(&places).acquire_owned().await;
                (listener.accept().await, place)
            } => accepted,
        };
        match accepted {
            (Ok((stream, peer)), place) => {
                let connection = Connection { peer, cut: CancellationToken::new() };
                let cut = connection.cut.clone();
                let service = make(connection);
                let drain = drain.clone();
                connections.spawn(async move {
                    let _place = place;
                    serve_connection(stream, service, &cut, &drain).await;
                });
            }
            (Err(error), _) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    // Dropping the set ends whatever did not end in time.
    let _ = tokio::time::timeout(DRAIN, async { while connections.join_next().await.is_some() {} }).await;
}

async fn serve_connection<S, B>(stream: TcpStream, service: S, cut: &CancellationToken, drain: &CancellationToken)
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>,
    B: Body + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    // Small answers at once: without it each waits for the peer's delayed acknowledgement.
    let _ = stream.set_nodelay(true);
    let serving = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    tokio::pin!(serving);
    let mut draining = false;
    loop {
        tokio::select! {
            ended = serving.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!(%error, "a connection ended early");
                }
                return;
            }
            () = cut.cancelled() => return,
            () = drain.cancelled(), if !draining => {
                draining = true;
                serving.as_mut().graceful_shutdown();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::routing::get;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    fn listener() -> std::net::TcpListener {
        std::net::TcpListener::bind("127.0.0.1:0").unwrap()
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
        let server = Server::start(listener(), &router).unwrap();
        let mut client = TcpStream::connect(server.address()).await.unwrap();
        client.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        let mut answer = Vec::new();
        let _ = client.read_to_end(&mut answer).await;
        assert!(answer.is_empty());
        server.stop().await;
    }

    #[tokio::test]
    async fn a_request_that_never_ends_does_not_hold_up_the_stop() {
        let (reached, mut arrived) = tokio::sync::mpsc::channel(1);
        let router = Router::new().route(
            "/",
            get(move || async move {
                reached.send(()).await.unwrap();
                std::future::pending::<()>().await;
            }),
        );
        let server = Server::start(listener(), &router).unwrap();
        let mut client = TcpStream::connect(server.address()).await.unwrap();
        client.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        arrived.recv().await.unwrap();
        tokio::time::timeout(DRAIN * 2, server.stop()).await.expect("stopped");
    }
}
