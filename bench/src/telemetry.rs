//! What telemetry costs: changes through three command-apis on one engine, in turns: one that was told nothing of
//! telemetry, one as it runs without a collector, one that sends the spans of every request.

use std::time::Duration;

use anyhow::Context;
use serde_json::json;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
};

use crate::{
    Arguments, closed_loop,
    report::{Load, Report},
    services::Service,
    stage::Stage,
};

/// Enough to keep the machine busy.
const CLIENTS: usize = 8;

/// Measures the three in turns.
pub(crate) async fn measure(arguments: &Arguments, report: &mut Report) -> anyhow::Result<()> {
    let stage = &Stage::start(CLIENTS).await?;
    let collector = collector().await?;
    let all = [("OTEL_EXPORTER_OTLP_ENDPOINT", &*collector), ("OTEL_TRACES_SAMPLER_ARG", "1")];
    let sides = [
        Service::play(stage, &["--silent"], &[]).await?,
        Service::play(stage, &[], &[]).await?,
        Service::play(stage, &[], &all).await?,
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
    let load = Load::Closed(CLIENTS);
    report.against("no telemetry", "update a user, metrics on, no collector", load, &installed, &silent);
    report.against("no telemetry", "update a user, every span sent", load, &sending, &silent).at_least = Some(0.95);
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
