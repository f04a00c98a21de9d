//! `/healthz` says that the process answers, `/readyz` that it can do its work.

use std::sync::Arc;

use axum::{Json, Router, http::StatusCode, response::IntoResponse, routing::get};
use futures::future::BoxFuture;
use serde::Serialize;

use super::Problem;

/// Tells what a service still waits for; nothing when it is ready.
pub type Readiness = Arc<dyn Fn() -> BoxFuture<'static, Vec<&'static str>> + Send + Sync>;

#[derive(Debug, Serialize)]
struct Answer {
    status: &'static str,
}

/// The two routes. They need no token and appear in no document.
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
    Router::new().route("/healthz", get(|| async { Json(Answer { status: "ok" }) })).route("/readyz", get(ready))
}
