//! Serves a router until the shutdown.

use axum::Router;
use tokio::net::TcpListener;

use crate::lifecycle::Shutdown;

/// Accepts until the shutdown begins, then lets the requests at hand finish until it is forced.
///
/// # Errors
/// When the listener fails.
pub async fn serve(listener: TcpListener, router: Router, shutdown: Shutdown) -> std::io::Result<()> {
    let begun = shutdown.clone();
    let service = router.into_make_service();
    let server = axum::serve(listener, service).with_graceful_shutdown(async move { begun.begun().await });
    tokio::select! {
        served = async { server.await } => served,
        () = shutdown.forced() => Ok(()),
    }
}
