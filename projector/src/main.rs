//! The program `projector`.

use clap::Parser;
use platform::{clock::Clock, lifecycle::Shutdown, telemetry};
use projector::{config::Config, server, state::AppState};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    telemetry::install()?;
    let config = Config::parse();
    let shutdown = Shutdown::on_signals()?;
    let listener = tokio::net::TcpListener::bind(config.listen).await?;
    let state = AppState::open(&config, Clock::system()).await?;
    server::serve(listener, state, shutdown).await
}
