//! How far the read models are behind the log, as the projector's leases tell.

use std::{
    sync::{Arc, RwLock},
    time::Duration,
};

use aws_sdk_dynamodb::{Client, types::AttributeValue};
use axum::{
    extract::{Request, State},
    http::{HeaderName, HeaderValue},
    middleware::Next,
    response::Response,
};
use chrono::{DateTime, Utc};
use platform::{
    clock::Clock,
    store::{StoreError, unavailable},
    tables::{LEASES, Names},
};

/// How far an answer that asks for no version may be behind: milliseconds, or `unknown`.
pub const PROJECTION_LAG: HeaderName = HeaderName::from_static("projection-lag");

/// How often the leases are read.
const POLL: Duration = Duration::from_secs(1);

/// The position of the slowest shard.
#[derive(Debug, Clone)]
pub struct Lag {
    client: Client,
    table: String,
    clock: Clock,
    slowest: Arc<RwLock<Option<DateTime<Utc>>>>,
}

impl Lag {
    /// Unknown until it is polled.
    pub fn new(client: Client, names: &Names, clock: Clock) -> Self {
        Self { client, table: names.table(&LEASES), clock, slowest: Arc::default() }
    }

    /// Reads the leases once a second, for ever. A failure makes the lag unknown.
    pub async fn poll(self) {
        let mut tick = tokio::time::interval(POLL);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
            let slowest = self.read().await.unwrap_or_else(|error| {
                tracing::warn!(error = &error as &dyn std::error::Error, "the leases cannot be read");
                None
            });
            *self.slowest.write().unwrap_or_else(std::sync::PoisonError::into_inner) = slowest;
        }
    }

    /// Milliseconds since the moment up to which everything is projected.
    pub fn milliseconds(&self) -> Option<i64> {
        let slowest = *self.slowest.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        slowest.map(|at| (self.clock.now() - at).num_milliseconds().max(0))
    }

    /// A handful of rows, one per shard.
    async fn read(&self) -> Result<Option<DateTime<Utc>>, StoreError> {
        let mut pages = self.client.scan().table_name(&self.table).into_paginator().items().send();
        let mut slowest: Option<DateTime<Utc>> = None;
        while let Some(item) = pages.next().await {
            let item = item.map_err(unavailable)?;
            let text = |name| match item.get(name) {
                Some(AttributeValue::S(text)) => Some(text.as_str()),
                _ => None,
            };
            if text("checkpoint") == Some("SHARD_END") || !item.contains_key("checkpoint") {
                continue;
            }
            match text("position_at").and_then(|at| at.parse().ok()) {
                Some(at) => slowest = Some(slowest.map_or(at, |slowest| slowest.min(at))),
                None => return Ok(None),
            }
        }
        Ok(slowest)
    }
}

/// Puts the lag on every answer.
pub async fn state_lag(State(lag): State<Lag>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let value = match lag.milliseconds() {
        Some(milliseconds) => HeaderValue::from(milliseconds),
        None => HeaderValue::from_static("unknown"),
    };
    response.headers_mut().insert(PROJECTION_LAG, value);
    response
}
