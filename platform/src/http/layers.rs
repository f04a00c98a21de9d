//! What every request goes through, outermost first.

use std::{any::Any, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{DefaultBodyLimit, MatchedPath, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
};
use events::ids::derive;
use metrics::SharedString;
use tokio::sync::Semaphore;
use tower_http::catch_panic::CatchPanicLayer;
use tracing::Instrument;
use uuid::Uuid;

use super::{Problem, methods};
use crate::{
    clock::Clock,
    telemetry::{
        metrics::{REQUEST_TIME, REQUESTS, REQUESTS_SHED},
        trip::{Hop, Origin, SpanKind, Start},
    },
};

/// Largest body of a request, unless a route says otherwise.
pub const MAX_BODY_BYTES: usize = 32 * 1024;

/// Longest a request may take: below the load balancer's 60 s and CodeDeploy's drain.
pub const REQUEST_DEADLINE: Duration = Duration::from_secs(20);

/// Requests that a service works on at once; what is more is refused at once. At ten milliseconds each that is more than
/// ten thousand a second; with the largest pages it is a few hundred MB.
pub const MAX_IN_FLIGHT: usize = 128;

/// By which a client can name the whole trip that its request is a part of (a UUID).
pub const CORRELATION_ID: HeaderName = HeaderName::from_static("x-correlation-id");

/// A request that takes longer is worth a warning: nothing that we do by ourselves should, but for a page at its largest.
const SLOW: Duration = Duration::from_secs(1);

/// Routes that are asked all the time and say nothing of interest when they answer.
const HEALTH: [&str; 4] = ["/healthz", "/readyz", "/metrics", "/status"];

tokio::task_local! {
    static TRIP: Trip;
}

/// What is known of the request at hand.
#[derive(Debug, Clone)]
pub struct Trip {
    /// The whole trip: the client's, or a new one.
    pub correlation_id: Uuid,
    /// By which the trip goes on (W3C Trace Context): our own hop's, else the client's if it sent a well-formed one.
    pub traceparent: Option<String>,
    /// The trip's id in traces, if it has one.
    trace_id: Option<String>,
}

impl Trip {
    /// The trip of the request at hand.
    pub fn current() -> Self {
        TRIP.try_with(Clone::clone).unwrap_or_else(|_| Self {
            correlation_id: derive(&["no request"]),
            traceparent: None,
            trace_id: None,
        })
    }

    /// Goes on with the trip where the request's own task has ended, such as in a streamed answer.
    pub async fn carry<F: Future>(self, work: F) -> F::Output {
        TRIP.scope(self, work).await
    }

    fn of(headers: &HeaderMap, origin: &Origin, hop: &Hop, clock: &Clock) -> Self {
        let named = headers.get(&CORRELATION_ID).and_then(|value| value.to_str().ok()).and_then(|id| id.parse().ok());
        Self {
            correlation_id: named.unwrap_or_else(|| clock.new_id()),
            traceparent: hop.traceparent().or_else(|| origin.traceparent()),
            trace_id: hop.trip().or_else(|| origin.trip()),
        }
    }

    fn trace_id(&self) -> String {
        self.trace_id.clone().unwrap_or_else(|| self.correlation_id.simple().to_string())
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
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().map_or("unmatched", MatchedPath::as_str).to_owned();
    let is_health = HEALTH.contains(&route.as_str());
    let origin = Origin::of(request.headers());
    let hop = if is_health { Hop::default() } else { hop_of(&method, &route, &origin) };
    let trip = Trip::of(request.headers(), &origin, &hop, &clock);
    if hop.is_noted() {
        hop.note("fieldfuze.correlation_id", trip.correlation_id.to_string());
    }
    let span = tracing::info_span!("request", trace_id = %trip.trace_id(), correlation_id = %trip.correlation_id);
    let started = tokio::time::Instant::now();
    let correlation = HeaderValue::from_str(&trip.correlation_id.to_string());

    let noted = hop.clone();
    let told = async move {
        let response = next.run(request).await;
        let (took, status) = (started.elapsed(), response.status());
        tell(&method, route, status, took, is_health);
        noted.note("http.response.status_code", i64::from(status.as_u16()));
        if status.is_server_error() {
            noted.failed("5xx");
        }
        response
    };
    let mut response = TRIP.scope(trip, hop.carry(told).instrument(span)).await;
    if let Ok(correlation) = correlation {
        response.headers_mut().insert(CORRELATION_ID, correlation);
    }
    response.headers_mut().entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

fn hop_of(method: &Method, route: &str, origin: &Origin) -> Hop {
    Start::new(SpanKind::Server, format!("{method} {route}"))
        .from(origin)
        .with("http.request.method", method.to_string())
        .with("http.route", route.to_owned())
        .begin()
}

fn tell(method: &Method, route: String, status: StatusCode, took: Duration, is_health: bool) {
    let (milliseconds, status) = (u64::try_from(took.as_millis()).unwrap_or(u64::MAX), status.as_u16());
    if is_health {
        return tracing::debug!(%method, route, status, milliseconds, "{method} {route} answered");
    }
    if took >= SLOW {
        tracing::warn!(%method, route, status, milliseconds, "{method} {route} was slow");
    } else {
        tracing::info!(%method, route, status, milliseconds, "{method} {route} answered");
    }
    let outcome = match status {
        500.. => "failed",
        400.. => "refused",
        _ => "answered",
    };
    let route = SharedString::from(route);
    REQUESTS.add(1, [route.clone(), outcome.into()]);
    REQUEST_TIME.record(took, [route]);
}

/// Refuses what is too much before any of it is read. Health is asked for all the more then, and costs nothing.
async fn shed(State(places): State<Arc<Semaphore>>, request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().map_or("", MatchedPath::as_str);
    if HEALTH.contains(&route) {
        return next.run(request).await;
    }
    let Ok(_place) = places.try_acquire() else {
        REQUESTS_SHED.add(1, []);
        return Problem::overloaded().into_response();
    };
    next.run(request).await
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
