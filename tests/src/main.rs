//! `part`: runs one service by its `serve`, so that process tests always start what was just built.

use std::process::ExitCode;

use anyhow::bail;
use clap::Parser;
use platform::{clock::Clock, lifecycle::Shutdown, telemetry};
use projector::ops::Program;
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(code) => code,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> anyhow::Result<ExitCode> {
    let mut arguments = std::env::args();
    let _program = arguments.next();
    let Some(part) = arguments.next() else { bail!("which part?") };
    let arguments: Vec<String> = std::iter::once(part.clone()).chain(arguments).collect();
    if part == "projector" && Program::is_meant_by(arguments.get(1).map(String::as_str)) {
        return Ok(Program::parse_from(arguments).run().await);
    }
    telemetry::install()?;
    Box::pin(serve(&part, arguments)).await.map(|()| ExitCode::SUCCESS)
}

async fn serve(part: &str, arguments: Vec<String>) -> anyhow::Result<()> {
    let (clock, shutdown) = (Clock::system(), Shutdown::on_signals()?);
    match part {
        "command-api" => {
            let config = command_api::config::Config::parse_from(arguments);
            let state = command_api::state::AppState::open(&config, clock).await?;
            command_api::server::serve(TcpListener::bind(config.listen).await?, state, shutdown).await?;
            Ok(())
        }
        "query-api" => {
            let config = query_api::config::Config::parse_from(arguments);
            let state = query_api::state::AppState::open(&config, clock).await?;
            query_api::server::serve(TcpListener::bind(config.listen).await?, state, shutdown).await
        }
        "projector" => {
            let config = projector::config::Config::parse_from(arguments);
            let state = projector::state::AppState::open(&config, clock).await?;
            projector::server::serve(TcpListener::bind(config.listen).await?, state, shutdown).await
        }
        "world" => dev::program::run(dev::program::Arguments::parse_from(arguments)).await,
        other => bail!("there is no part {other}"),
    }
}
