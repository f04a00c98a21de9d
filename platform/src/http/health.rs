//! `/healthz` says that the process answers, `/readyz` that it can do its work.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::Request,
    http::{HeaderName, StatusCode, header::CONTENT_TYPE},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{MethodRouter, get},
};
use futures::future::BoxFuture;
use serde::Serialize;

use super::{Problem, serve::Connection};
use crate::telemetry;

/// Prometheus's text format, version 0.0.4.
const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Load balancers say in it for whom they ask.
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Tells what a service still waits for; nothing when it is ready.
pub type Readiness = Arc<dyn Fn() -> BoxFuture<'static, Vec<&'static str>> + Send + Sync>;

#[derive(Debug, Serialize)]
struct Answer {
    status: &'static str,
}

/// These, and the metrics for whoever is on this machine. They need no token and appear in no document.
pub fn routes(readiness: Readiness) -> Router {
    let ready = move || {
        let readiness = Arc::clone(&readiness);
        async move {
            let missing = readiness().await;
            if missing.is_empty() {
                return Json(Answer { status: "ready" }).into_response();
            }
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, "not-ready", "The service is not ready")
                .detail(format!("waiting for {}", missing.join(", ")))
                .into_response()
        }
    };
    Router::new()
        .route("/healthz", get(|| async { Json(Answer { status: "ok" }) }))
        .route("/readyz", get(ready))
        .merge(on_this_machine("/metrics", get(|| async { ([(CONTENT_TYPE, PROMETHEUS)], telemetry::exposition()) })))
}

/// A route for whoever is on this machine. For anybody else it does not exist: how much there is to do, and what goes wrong,
/// is no one's business outside.
pub fn on_this_machine(path: &str, methods: MethodRouter) -> Router {
    Router::new().route(path, methods).layer(middleware::from_fn(refuse_others))
}

async fn refuse_others(request: Request, next: Next) -> Response {
    let is_near = request.extensions().get::<Connection>().is_some_and(|connection| connection.peer.ip().is_loopback());
    if is_near && !request.headers().contains_key(FORWARDED_FOR) {
        next.run(request).await
    } else {
        Problem::not_found().into_response()
    }
}
