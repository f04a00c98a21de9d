//! `part`: runs one service by its `serve`, so that process tests always start what was just built.

use std::process::ExitCode;

use anyhow::bail;
use clap::Parser;
use command_api::founding::Program as Founding;
use platform::{access::Principal, clock::Clock, lifecycle::Shutdown, telemetry};
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
    dev::access::enforce();
    let arguments: Vec<String> = std::iter::once(part.clone()).chain(arguments).collect();
    if part == "projector" && Program::is_meant_by(arguments.get(1).map(String::as_str)) {
        return Ok(Box::pin(Program::parse_from(arguments).run()).await);
    }
    if part == "command-api" && Founding::is_meant_by(arguments.get(1).map(String::as_str)) {
        return Ok(Box::pin(Founding::read(arguments).run()).await);
    }
    Box::pin(serve(&part, arguments)).await.map(|()| ExitCode::SUCCESS)
}

/// Serves with the telemetry that its `main` would install.
async fn told(
    principal: Principal,
    config: &telemetry::Config,
    serving: impl Future<Output = anyhow::Result<()>>,
) -> anyhow::Result<()> {
    let telemetry = telemetry::install(principal.name(), config)?;
    let served = serving.await;
    telemetry.close().await;
    served
}

async fn serve(part: &str, arguments: Vec<String>) -> anyhow::Result<()> {
    let (clock, shutdown) = (Clock::system(), Shutdown::on_signals()?);
    match part {
        "command-api" => {
            let config = command_api::config::Config::parse_from(arguments);
            told(Principal::CommandApi, &config.settings.telemetry, async {
                let state = command_api::state::AppState::open(&config, clock).await?;
                command_api::server::serve(TcpListener::bind(config.listen).await?, state, shutdown).await
            })
            .await
        }
        "query-api" => {
            let config = query_api::config::Config::parse_from(arguments);
            told(Principal::QueryApi, &config.settings.telemetry, async {
                let state = query_api::state::AppState::open(&config, clock).await?;
                query_api::server::serve(TcpListener::bind(config.listen).await?, state, shutdown).await
            })
            .await
        }
        "projector" => {
            let config = projector::config::Config::parse_from(arguments);
            let serving = Box::pin(async {
                let state = projector::state::AppState::open(&config, clock).await?;
                projector::server::serve(TcpListener::bind(config.listen).await?, state, shutdown).await
            });
            told(Principal::Projector, &config.settings.telemetry, serving).await
        }
        "world" => {
            let arguments = dev::program::Arguments::parse_from(arguments);
            let telemetry = telemetry::install("fieldfuze", &arguments.telemetry)?;
            let ended = dev::program::run(arguments).await;
            telemetry.close().await;
            ended
        }
        other => bail!("there is no part {other}"),
    }
}
