//! Runs query-api.

use std::sync::Arc;

use axum::{Extension, middleware};
use futures::FutureExt;
use platform::{
    http::{health, layers, methods, query, serve},
    lifecycle::{Background, Shutdown},
};
use tokio::net::TcpListener;

use crate::{api, document, lag, state::AppState};

/// Routes that read a query string.
const WITH_QUERY: [&str; 10] = [
    "/v1/users",
    "/v1/users/{id}",
    "/v1/users/{id}/events",
    "/v1/users/{id}/permissions:explain",
    "/v1/roles",
    "/v1/roles/{id}",
    "/v1/roles/{id}/events",
    "/v1/notifications",
    "/v1/audit",
    "/v1/audit/stream",
];

/// Serves until the shutdown.
///
/// # Errors
/// When the document of both APIs cannot be read, or the rights or the leases are not read any more.
pub async fn serve(listener: TcpListener, state: AppState, shutdown: Shutdown) -> anyhow::Result<()> {
    let rights = state.context.rights.clone();
    let mut background = Background::default();
    background.spawn("the reader of the rights", rights.clone().poll());
    let context = &state.context;
    background.spawn("the reader of the keys", context.token_keys.clone().follow(context.secrets.clone()));
    background.spawn("the reader of the generations", state.context.generations.clone().poll());
    background.spawn("the reader of the leases", state.lag.clone().poll());
    let readiness: health::Readiness = Arc::new(move || {
        let missing = if rights.is_fresh() { vec![] } else { vec!["the rights table"] };
        async move { missing }.boxed()
    });
    let clock = state.context.clock.clone();
    let measured = middleware::from_fn_with_state(state.lag.clone(), lag::state_lag);
    let (routes, document) = api::routes(state).split_for_parts();
    let routes = routes.layer(middleware::from_fn(|request, next| {
        query::refuse_unknown(|route| WITH_QUERY.contains(&route), request, next)
    }));
    // A stream would go on for ever, and with it the drain.
    let routes = routes.layer(Extension(shutdown.clone()));
    let elsewhere = methods::elsewhere(&document, document::BOTH)?;
    let routes = routes.layer(measured).merge(elsewhere).merge(document::routes()).merge(health::routes(readiness));
    let serving = serve::serve(listener, layers::wrap(routes, clock), shutdown.clone());
    Ok(background.beside(serving, &shutdown).await?)
}
