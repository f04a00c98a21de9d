//! The program `query-api`.

use clap::Parser;
use platform::{access::Principal, clock::Clock, lifecycle::Shutdown, telemetry};
use query_api::{config::Config, server, state::AppState};

/// JSON of DynamoDB is many small allocations: by this one they take a fifth less of the CPU than by the C library's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let config = Config::parse();
    let telemetry = telemetry::install(Principal::QueryApi.name(), &config.settings.telemetry)?;
    let shutdown = Shutdown::on_signals()?;
    let listener = tokio::net::TcpListener::bind(config.listen).await?;
    let state = AppState::open(&config, Clock::system()).await?;
    let served = server::serve(listener, state, shutdown).await;
    telemetry.close().await;
    served
}
