//! The program `command-api`.

use std::process::ExitCode;

use clap::Parser;
use command_api::{config::Config, founding::Program, server, state::AppState};
use platform::{access::Principal, clock::Clock, lifecycle::Shutdown, telemetry};

/// DynamoDB's JSON is many small allocations, for which this one takes less of the CPU than the C library's (ADR 0028).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> ExitCode {
    if Program::is_meant_by(std::env::args().nth(1).as_deref()) {
        return Program::read(std::env::args()).run().await;
    }
    match serve().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn serve() -> anyhow::Result<()> {
    let config = Config::parse();
    let telemetry = telemetry::install(Principal::CommandApi.name(), &config.settings.telemetry)?;
    let shutdown = Shutdown::on_signals()?;
    let listener = tokio::net::TcpListener::bind(config.listen).await?;
    let state = AppState::open(&config, Clock::system()).await?;
    let served = server::serve(listener, state, shutdown).await;
    telemetry.close().await;
    served
}
