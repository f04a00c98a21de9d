//! What telemetry costs: changes through three command-apis on one engine, in turns: one that was told nothing of
//! telemetry, one as it runs without a collector, one that sends the spans of every request.

use std::{net::TcpListener as Free, time::Duration};

use anyhow::Context;
use clap::Parser;
use platform::{access::Principal, clock::Clock, lifecycle::Shutdown, telemetry};
use serde_json::json;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    process::Child,
};

use crate::{
    Arguments, closed_loop,
    projector::{part, until},
    report::Report,
    stage::Stage,
};

/// Enough to keep the machine busy.
const CLIENTS: usize = 8;

/// A command-api, a process of its own.
struct Told {
    base: String,
    _process: Child,
}

/// What the process is: command-api, with the telemetry that its `main` installs unless it is to be `silent`.
pub(crate) async fn run(silent: bool) -> anyhow::Result<()> {
    let shutdown = Shutdown::on_signals()?;
    let config = command_api::config::Config::parse_from(["command-api"]);
    let _telemetry = match silent {
        true => None,
        false => Some(telemetry::install(Principal::CommandApi.name(), &config.settings.telemetry)?),
    };
    let listener = TcpListener::bind(config.listen).await?;
    let state = command_api::state::AppState::open(&config, Clock::system()).await?;
    command_api::server::serve(listener, state, shutdown).await
}

impl Told {
    async fn start(stage: &Stage, silent: bool, surroundings: &[(&str, &str)]) -> anyhow::Result<Self> {
        let address = Free::bind("127.0.0.1:0")?.local_addr()?.to_string();
        let mut command = part(stage, "command-api")?;
        if silent {
            command.arg("--silent");
        }
        // The lines of the requests are the same with and without spans, and not what is measured.
        command.env("RUST_LOG", "warn").env("FIELDFUZE_COMMAND_API_LISTEN", &address);
        let process = command.envs(surroundings.iter().copied()).spawn()?;
        let base = format!("http://{address}");
        until("command-api is ready", || async {
            let answer = stage.http.get(format!("{base}/readyz")).send().await;
            Ok(answer.is_ok_and(|answer| answer.status().is_success()))
        })
        .await?;
        Ok(Self { base, _process: process })
    }
}

/// Measures the three in turns.
pub(crate) async fn measure(arguments: &Arguments, report: &mut Report) -> anyhow::Result<()> {
    let stage = &Stage::start(CLIENTS).await?;
    let collector = collector().await?;
    let all = [("OTEL_EXPORTER_OTLP_ENDPOINT", &*collector), ("OTEL_TRACES_SAMPLER_ARG", "1")];
    let sides = [
        Told::start(stage, true, &[]).await?,
        Told::start(stage, false, &[]).await?,
        Told::start(stage, false, &all).await?,
    ];
    let time = Duration::from_secs(arguments.seconds);
    let mut rounds = [const { Vec::new() }; 3];
    for round in 0..=arguments.rounds {
        for (side, rounds) in sides.iter().zip(&mut rounds) {
            let change = |client: usize, _| async move {
                let body = json!({ "first_name": format!("Ada {}", stage.next()) });
                let path = format!("{}/v1/users/{}", side.base, stage.users[client]);
                let request = stage.http.patch(path).bearer_auth(&stage.token).header("if-match", "*").json(&body);
                request.send().await?.error_for_status()?.bytes().await?;
                Ok(())
            };
            let measured = closed_loop::run(CLIENTS, time, change).await?;
            // The first one warms up.
            if round > 0 {
                rounds.push(measured);
            }
        }
    }
    let [silent, installed, sending] = rounds;
    report.add("update a user, metrics on and no collector, against no telemetry", CLIENTS, &installed, &silent);
    report.add("update a user, every span sent, against no telemetry", CLIENTS, &sending, &silent);
    Ok(())
}

/// Takes every batch of spans and looks at none.
async fn collector() -> anyhow::Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    tokio::spawn(async move {
        while let Ok((connection, _)) = listener.accept().await {
            tokio::spawn(take(connection));
        }
    });
    Ok(url)
}

async fn take(connection: TcpStream) -> anyhow::Result<()> {
    let mut connection = BufReader::new(connection);
    loop {
        let mut length = None;
        loop {
            let mut line = String::new();
            if connection.read_line(&mut line).await? == 0 {
                return Ok(());
            }
            if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
                length = Some(value.trim().parse()?);
            }
            if line.trim().is_empty() {
                break;
            }
        }
        let mut body = vec![0; length.context("a request without a length")?];
        connection.read_exact(&mut body).await?;
        connection.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await?;
    }
}
