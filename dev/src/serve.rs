//! The services' server for the parts that only exist here: started on a listener, stopped in time.

use std::{convert::Infallible, error::Error, net::SocketAddr, time::Duration};

use anyhow::Context;
use axum::Router;
use hyper::{
    Request, Response,
    body::{Body, Incoming},
    service::Service,
};
use hyper_util::service::TowerToHyperService;
use platform::{http::serve::serve_with, lifecycle::Shutdown};
use tokio::{net::TcpListener, task::JoinHandle};

/// How long requests that run may take to end once the stop has begun; what is left is cut off.
/// The longest thing in flight is a long poll of an empty queue, for which nobody should wait.
const DRAIN: Duration = Duration::from_secs(2);

/// A running server. Dropping it begins the stop as well, but does not wait for its end.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    stop: Stop,
    serving: JoinHandle<()>,
}

/// Begins the stop when it is dropped.
#[derive(Debug, Default)]
struct Stop(Shutdown);

impl Drop for Stop {
    fn drop(&mut self) {
        self.0.begin();
    }
}

impl Server {
    /// Serves an axum router; each request carries a [`platform::http::serve::Connection`] as an extension.
    ///
    /// # Errors
    /// The listener cannot be handed to the runtime.
    pub fn start(listener: std::net::TcpListener, router: &Router) -> anyhow::Result<Self> {
        Self::start_with(listener, TowerToHyperService::new(router.clone()))
    }

    /// Serves any service.
    ///
    /// # Errors
    /// The listener cannot be handed to the runtime.
    pub fn start_with<S, B>(listener: std::net::TcpListener, service: S) -> anyhow::Result<Self>
    where
        S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Clone + Send + Sync + 'static,
        S::Future: Send,
        B: Body + Send + 'static,
        B::Data: Send,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        listener.set_nonblocking(true).context("a listener that does not block")?;
        let listener = TcpListener::from_std(listener).context("hand the listener to the runtime")?;
        let address = listener.local_addr().context("the listener's address")?;
        let stop = Stop::default();
        let serving = tokio::spawn(serve_with(listener, service, stop.0.clone()));
        Ok(Self { address, stop, serving })
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
        let Self { stop, mut serving, .. } = self;
        stop.0.begin();
        let drained = tokio::time::timeout(DRAIN, &mut serving).await;
        stop.0.force();
        let ended = match drained {
            Ok(ended) => ended,
            Err(_) => serving.await,
        };
        if let Err(error) = ended {
            tracing::error!(%error, "the accept loop failed");
        }
    }
}
