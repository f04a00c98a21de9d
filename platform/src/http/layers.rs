//! What every request goes through, outermost first.

use std::{any::Any, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{DefaultBodyLimit, MatchedPath, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
};
use events::ids::derive;
use tokio::sync::Semaphore;
use tower_http::catch_panic::CatchPanicLayer;
use tracing::Instrument;
use uuid::Uuid;

use super::{Problem, methods};
use crate::clock::Clock;

/// Largest body of a request, unless a route says otherwise.
pub const MAX_BODY_BYTES: usize = 32 * 1024;

/// Longest a request may take: below the load balancer's 60 s and CodeDeploy's drain.
pub const REQUEST_DEADLINE: Duration = Duration::from_secs(20);

/// Requests that a service works on at once; what is more is refused at once. At ten milliseconds each that is more than
/// ten thousand a second; with the largest pages it is a few hundred MB.
pub const MAX_IN_FLIGHT: usize = 128;

/// By which a client can name the whole trip that its request is a part of (a UUID).
pub const CORRELATION_ID: HeaderName = HeaderName::from_static("x-correlation-id");

/// W3C Trace Context.
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// Routes that are asked all the time and say nothing of interest when they answer.
const HEALTH: [&str; 2] = ["/healthz", "/readyz"];

tokio::task_local! {
    static TRIP: Trip;
}

/// What is known of the request at hand.
#[derive(Debug, Clone)]
pub struct Trip {
    /// The whole trip: the client's, or a new one.
    pub correlation_id: Uuid,
    /// W3C trace context, if the client sent a well-formed one.
    pub traceparent: Option<String>,
}

impl Trip {
    /// The trip of the request at hand.
    pub fn current() -> Self {
        TRIP.try_with(Clone::clone)
            .unwrap_or_else(|_| Self { correlation_id: derive(&["no request"]), traceparent: None })
    }

    /// Goes on with the trip where the request's own task has ended, such as in a streamed answer.
    pub async fn carry<F: Future>(self, work: F) -> F::Output {
        TRIP.scope(self, work).await
    }

    fn trace_id(&self) -> String {
        let id = self.traceparent.as_deref().and_then(|parent| parent.get(3..35));
        id.map_or_else(|| self.correlation_id.simple().to_string(), ToOwned::to_owned)
    }
}

/// What names the request at hand in the logs.
pub(super) fn current_trace_id() -> Option<String> {
    TRIP.try_with(Trip::trace_id).ok()
}

/// Puts the common layers around a service's routes.
pub fn wrap(routes: Router, clock: Clock) -> Router {
    routes
        .fallback(|| async { Problem::not_found() })
        .method_not_allowed_fallback(|| async { methods::not_allowed() })
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(middleware::from_fn(deadline))
        .layer(middleware::from_fn_with_state(Arc::new(Semaphore::new(MAX_IN_FLIGHT)), shed))
        .layer(middleware::from_fn_with_state(clock, trip))
}

/// Names the request, measures it and logs one line about it: no query, no header, no body.
async fn trip(State(clock): State<Clock>, request: Request, next: Next) -> Response {
    let trip = trip_of(request.headers(), &clock);
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().map_or("unmatched", MatchedPath::as_str).to_owned();
    let span = tracing::info_span!("request", trace_id = %trip.trace_id(), correlation_id = %trip.correlation_id);
    let started = tokio::time::Instant::now();
    let correlation = HeaderValue::from_str(&trip.correlation_id.to_string());

    let logged = async move {
        let response = next.run(request).await;
        let milliseconds = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let status = response.status().as_u16();
        if HEALTH.contains(&route.as_str()) {
            tracing::debug!(%method, route, status, milliseconds, "{method} {route} answered");
        } else {
            tracing::info!(%method, route, status, milliseconds, "{method} {route} answered");
        }
        response
    };
    let mut response = TRIP.scope(trip, logged.instrument(span)).await;
    if let Ok(correlation) = correlation {
        response.headers_mut().insert(CORRELATION_ID, correlation);
    }
    response.headers_mut().entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

fn trip_of(headers: &HeaderMap, clock: &Clock) -> Trip {
    let header = |name: &HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let correlation_id = header(&CORRELATION_ID).and_then(|id| id.parse().ok());
    let traceparent = header(&TRACEPARENT).filter(|parent| is_traceparent(parent)).map(ToOwned::to_owned);
    Trip { correlation_id: correlation_id.unwrap_or_else(|| clock.new_id()), traceparent }
}

/// `version-traceid-parentid-flags` in lower-case hexadecimal (W3C Trace Context §3.2).
fn is_traceparent(text: &str) -> bool {
    let lengths = [2, 32, 16, 2];
    let parts: Vec<&str> = text.split('-').collect();
    parts.len() == lengths.len()
        && parts.iter().zip(lengths).all(|(part, length)| {
            part.len() == length && part.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
        })
}

/// Refuses what is too much before any of it is read. Health is asked for all the more then, and costs nothing.
async fn shed(State(places): State<Arc<Semaphore>>, request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().map_or("", MatchedPath::as_str);
    if HEALTH.contains(&route) {
        return next.run(request).await;
    }
    match places.try_acquire() {
        Ok(_place) => next.run(request).await,
        Err(_) => Problem::overloaded().into_response(),
    }
}

async fn deadline(request: Request, next: Next) -> Response {
    match tokio::time::timeout(REQUEST_DEADLINE, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Problem::unavailable().detail("the request took too long").into_response(),
    }
}

/// A panic is a fault of ours. Its message may quote a request and is not logged; the place is, by telemetry's hook.
fn panicked(_: Box<dyn Any + Send>) -> Response {
    tracing::error!("a request handler panicked");
    Problem::internal().into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_well_formed_traceparent_is_kept() {
        assert!(is_traceparent("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"));
        for text in [
            "",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
        ] {
            assert!(!is_traceparent(text), "{text}");
        }
    }
}
