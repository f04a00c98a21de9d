//! Two-step shutdown: the first signal drains, the second one (or the deadline) ends at once.

mod background;

use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

pub use background::{Background, Died};

/// How long a service may take to drain after the first signal: CodeDeploy and the load balancer wait 30 s.
pub const DRAIN_DEADLINE: Duration = Duration::from_secs(25);

/// The two steps of a shutdown. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Shutdown {
    drain: CancellationToken,
    abort: CancellationToken,
}

impl Shutdown {
    /// A shutdown that only the program itself can start.
    pub fn new() -> Self {
        Self::default()
    }

    /// A shutdown that SIGTERM and SIGINT start; a second signal or [`DRAIN_DEADLINE`] forces it.
    pub fn on_signals() -> std::io::Result<Self> {
        let shutdown = Self::default();
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let handle = shutdown.clone();
        tokio::spawn(async move {
            tokio::select! { _ = terminate.recv() => (), _ = interrupt.recv() => () }
            tracing::info!("shutdown begins: draining");
            handle.begin();
            tokio::select! {
                _ = terminate.recv() => (),
                _ = interrupt.recv() => (),
                () = tokio::time::sleep(DRAIN_DEADLINE) => (),
            }
            tracing::warn!("shutdown forced");
            handle.force();
        });
        Ok(shutdown)
    }

    /// Starts draining.
    pub fn begin(&self) {
        self.drain.cancel();
    }

    /// Ends draining: what still runs is cut off.
    pub fn force(&self) {
        self.abort.cancel();
    }

    /// Whether draining has begun.
    pub fn has_begun(&self) -> bool {
        self.drain.is_cancelled()
    }

    /// Completes when draining begins.
    pub async fn begun(&self) {
        self.drain.cancelled().await;
    }

    /// Completes when there is no more time to drain.
    pub async fn forced(&self) {
        self.abort.cancelled().await;
    }
}
