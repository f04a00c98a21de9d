//! Services as processes of their own.

use std::{net::TcpListener as Free, process::Stdio};

use anyhow::Context;
use clap::Parser;
use platform::{access::Principal, clock::Clock, lifecycle::Shutdown, telemetry};
use tokio::{
    net::TcpListener,
    process::{Child, Command},
};

use crate::{
    proc::{cpu_seconds, memory},
    projector::{part, service, until},
    stage::Stage,
};

/// A service.
pub(crate) struct Service {
    pub(crate) base: String,
    process: Child,
}

/// What the process is: command-api, with the telemetry that its `main` installs unless it is to be `silent`.
pub(crate) async fn command_api(silent: bool) -> anyhow::Result<()> {
    let shutdown = Shutdown::on_signals()?;
    let config = command_api::config::Config::parse_from(["command-api"]);
    let install = || telemetry::install(Principal::CommandApi.name(), &config.settings.telemetry);
    let _telemetry = (!silent).then(install).transpose()?;
    let listener = TcpListener::bind(config.listen).await?;
    let state = command_api::state::AppState::open(&config, Clock::system()).await?;
    command_api::server::serve(listener, state, shutdown).await
}

/// What the process is: query-api, as its `main` starts it.
pub(crate) async fn query_api() -> anyhow::Result<()> {
    let shutdown = Shutdown::on_signals()?;
    let config = query_api::config::Config::parse_from(["query-api"]);
    let _telemetry = telemetry::install(Principal::QueryApi.name(), &config.settings.telemetry)?;
    let listener = TcpListener::bind(config.listen).await?;
    let state = query_api::state::AppState::open(&config, Clock::system()).await?;
    query_api::server::serve(listener, state, shutdown).await
}

impl Service {
    /// Starts one of the two in a stage's surroundings, and waits until it is ready.
    pub(crate) async fn start(stage: &Stage, name: &str, surroundings: &[(&str, &str)]) -> anyhow::Result<Self> {
        Self::begin(stage, service(stage, name)?, surroundings).await
    }

    /// The same for command-api as this program plays it.
    pub(crate) async fn play(stage: &Stage, arguments: &[&str], surroundings: &[(&str, &str)]) -> anyhow::Result<Self> {
        let mut command = part(stage, "command-api")?;
        command.args(arguments);
        Self::begin(stage, command, surroundings).await
    }

    async fn begin(stage: &Stage, mut command: Command, surroundings: &[(&str, &str)]) -> anyhow::Result<Self> {
        let address = Free::bind("127.0.0.1:0")?.local_addr()?.to_string();
        command.env("FIELDFUZE_COMMAND_API_LISTEN", &address).env("FIELDFUZE_QUERY_API_LISTEN", &address);
        // The lines of the requests are the same on all sides, and not what is measured.
        command.env("RUST_LOG", "warn").envs(surroundings.iter().copied());
        let process = command.stdout(Stdio::null()).spawn()?;
        let base = format!("http://{address}");
        until("the service is ready", || async {
            let answer = stage.http.get(format!("{base}/readyz")).send().await;
            Ok(answer.is_ok_and(|answer| answer.status().is_success()))
        })
        .await?;
        Ok(Self { base, process })
    }

    /// As [`cpu_seconds`].
    pub(crate) fn cpu_seconds(&self) -> anyhow::Result<f64> {
        cpu_seconds(self.process.id().context("it ended")?)
    }

    /// As [`memory`].
    pub(crate) fn memory(&self) -> anyhow::Result<(f64, f64)> {
        memory(self.process.id().context("it ended")?)
    }
}
