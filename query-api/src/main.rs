//! The program `query-api`.

use clap::Parser;
use platform::{access::Principal, clock::Clock, lifecycle::Shutdown, telemetry};
use query_api::{config::Config, server, state::AppState};

/// DynamoDB's JSON is many small allocations, for which this one takes less of the CPU than the C library's (ADR 0028).
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
