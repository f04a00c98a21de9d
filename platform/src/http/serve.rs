//! An HTTP/1.1 server on a bound listener: bounded in its connections, in what it waits for on each, and in its stop.

mod patience;

use std::{convert::Infallible, error::Error, net::SocketAddr, sync::Arc, time::Duration};

use axum::Router;
use hyper::{
    Request, Response,
    body::{Body, Incoming},
    server::conn::http1,
    service::{Service, service_fn},
};
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

use self::patience::{Patience, Patient};
use super::layers::MAX_IN_FLIGHT;
use crate::lifecycle::Shutdown;

/// Connections at a time: enough that what is too much is told so instead of waiting, and far below a process's files.
/// Further ones wait in the system's own queue.
const MAX_CONNECTIONS: usize = 4 * MAX_IN_FLIGHT;

/// Most bytes of a connection that are kept at once: a request's head must fit, and ours take a few KB.
const MAX_BUFFER_BYTES: usize = 64 * 1024;

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

/// Serves a router until the shutdown begins, then lets the requests at hand finish until it is forced.
pub async fn serve(listener: TcpListener, router: Router, shutdown: Shutdown) {
    serve_with(listener, TowerToHyperService::new(router), shutdown).await;
}

/// As [`serve`], for any service. Each request carries its [`Connection`] as an extension.
pub async fn serve_with<S, B>(listener: TcpListener, service: S, shutdown: Shutdown)
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Clone + Send + Sync + 'static,
    S::Future: Send,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let (accepted, place) = tokio::select! {
            () = shutdown.begun() => break,
            accepted = async {
                let place = Arc::clone(&places).acquire_owned().await;
                (listener.accept().await, place)
            } => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                let connection = Connection { peer, cut: CancellationToken::new() };
                let serving = serve_connection(stream, service.clone(), connection, shutdown.clone());
                connections.spawn(async move {
                    serving.await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    // Dropping the set ends whatever did not end in time.
    tokio::select! {
        () = async { while connections.join_next().await.is_some() {} } => (),
        () = shutdown.forced() => (),
    }
}

async fn serve_connection<S, B>(stream: TcpStream, service: S, connection: Connection, shutdown: Shutdown)
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>,
    B: Body + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    // Small answers at once: without it each waits for the peer's delayed acknowledgement.
    let _ = stream.set_nodelay(true);
    let patience = Arc::new(Patience::new());
    let stream = TokioIo::new(Patient::new(stream, Arc::clone(&patience)));
    let cut = connection.cut.clone();
    let answering = service_fn(|mut request: Request<Incoming>| {
        patience.answering();
        request.extensions_mut().insert(connection.clone());
        let answer = service.call(request);
        async {
            let answer = answer.await;
            patience.answered();
            answer
        }
    });
    // The times of waiting are kept by `patience`: the server's own one does not tell an idle connection from a client
    // that sends its head byte by byte.
    let serving = http1::Builder::new()
        .max_buf_size(MAX_BUFFER_BYTES)
        .header_read_timeout(None)
        .serve_connection(stream, answering);
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
            waited = patience.ends() => {
                tracing::debug!(waited, "a connection was waited for long enough");
                return;
            }
            () = shutdown.begun(), if !draining => {
                draining = true;
                serving.as_mut().graceful_shutdown();
            }
        }
    }
}

#[cfg(test)]
mod tests;
