//! Runs command-api.

use std::sync::Arc;

use axum::middleware;
use futures::FutureExt;
use platform::{
    http::{health, layers, methods, query, serve},
    lifecycle::{Background, Shutdown},
};
use tokio::net::TcpListener;

use crate::{api, state::AppState, throttle};

/// Whether a route knows a query string: signing in takes its body only.
fn knows_query(route: &str) -> bool {
    !route.starts_with("/v1/auth/") || route == "/v1/auth/logout"
}

/// Serves until the shutdown.
///
/// # Errors
/// When the rights are not read any more, or the document of both APIs cannot be read.
pub async fn serve(listener: TcpListener, state: AppState, shutdown: Shutdown) -> anyhow::Result<()> {
    if state.client_address_header.is_none() {
        tracing::warn!("no header is configured that states a client's address: nobody is throttled by address");
    }
    let rights = state.context.rights.clone();
    let mut background = Background::default();
    background.spawn("the reader of the rights", rights.clone().poll());
    let context = &state.context;
    background.spawn("the reader of the keys", context.token_keys.clone().follow(context.secrets.clone()));
    let readiness: health::Readiness = Arc::new(move || {
        let missing = if rights.is_fresh() { vec![] } else { vec!["the rights table"] };
        async move { missing }.boxed()
    });
    let (clock, later) = (state.context.clock.clone(), state.later.clone());
    let (routes, document) = api::routes(state).split_for_parts();
    let routes = routes.layer(middleware::from_fn(|request, next| query::refuse_unknown(knows_query, request, next)));
    let routes = routes.layer(middleware::from_fn(throttle::tell));
    let elsewhere = methods::elsewhere(&document, api::BOTH)?;
    let router = layers::wrap(routes.merge(elsewhere).merge(health::routes(readiness)), clock);
    let serving = async {
        serve::serve(listener, router, shutdown.clone()).await;
        tokio::select! { () = later.finished() => (), () = shutdown.forced() => () }
    };
    Ok(background.beside(serving, &shutdown).await?)
}
