//! The load balancer at home: the same routing by method, and the headers that an ALB adds.

mod connector;
mod forward;
mod headers;

use std::{
    net::{SocketAddr, TcpListener},
    sync::Arc,
};

use axum::{Router, http::Method};
use platform::clock::Clock;

use crate::serve::Server;
use forward::Forward;

pub use headers::VIEWER_ADDRESS;

/// The two services behind the load balancer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// query-api.
    Query,
    /// command-api.
    Command,
}

/// The methods that only read. Infrastructure sends these to query-api by its one listener rule.
pub const READING_METHODS: [Method; 2] = [Method::GET, Method::HEAD];

/// Who answers a request: what reads goes to query-api, everything else (`OPTIONS` too) to command-api.
pub fn route(method: &Method) -> Target {
    if READING_METHODS.contains(method) { Target::Query } else { Target::Command }
}

/// Where the two services listen.
#[derive(Debug, Clone, Copy)]
pub struct Targets {
    /// query-api.
    pub query: SocketAddr,
    /// command-api.
    pub command: SocketAddr,
}

impl Targets {
    fn address(&self, target: Target) -> SocketAddr {
        match target {
            Target::Query => self.query,
            Target::Command => self.command,
        }
    }
}

/// The running load balancer. Dropping it begins the stop as well, but does not wait for its end.
#[derive(Debug)]
pub struct Proxy {
    server: Server,
}

impl Proxy {
    /// Routes what comes in on `listener` to the services, which need not be up yet.
    ///
    /// # Errors
    /// The listener cannot be handed to the runtime.
    pub fn start(listener: TcpListener, targets: Targets, clock: Clock) -> anyhow::Result<Self> {
        let forward = Arc::new(Forward::new(targets, clock));
        let router = Router::new().fallback(forward::forward).with_state(forward);
        let server = Server::start(listener, &router)?;
        Ok(Self { server })
    }

    /// The address of the whole API, without a slash at the end.
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// Accepts no more, lets running requests end for up to 2 s and cuts off the rest (open event streams).
    pub async fn stop(self) {
        self.server.stop().await;
    }
}

#[cfg(test)]
mod tests;
