//! `cargo bench-fieldfuze`: measures the real services against the bare SDK on the same engine, in the same run.
//!
//! Every figure is a ratio first: machines are noisy, and what stands beside it was measured under the same noise.

mod closed_loop;
mod length;
mod notifications;
mod projection;
mod projector;
mod raw;
mod raw_projector;
mod rebuild;
mod report;
mod sign_in;
mod stage;
mod telemetry;
mod update;
mod visible;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::{report::Report, stage::Stage};

/// What to measure.
#[derive(Debug, Parser)]
#[command(name = "bench-fieldfuze")]
struct Arguments {
    #[command(subcommand)]
    part: Option<Part>,
    /// Which cells; all unless said otherwise.
    #[arg(long, value_delimiter = ',', default_values = ["update", "length", "visible", "projection", "rebuild", "sign-in", "sends", "pace", "receipts", "codes", "telemetry"])]
    cells: Vec<String>,
    /// Clients that send one request after the other.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 8, 32])]
    clients: Vec<usize>,
    /// Rounds of each side; the median counts.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Seconds of each round.
    #[arg(long, default_value_t = 4)]
    seconds: u64,
}

/// What this program starts itself as.
#[derive(Debug, Subcommand)]
enum Part {
    /// A projector.
    #[command(hide = true)]
    Projector,
    /// A command-api.
    #[command(hide = true)]
    CommandApi {
        /// Without any telemetry.
        #[arg(long)]
        silent: bool,
    },
    /// An operator's command.
    #[command(hide = true)]
    Operate {
        /// What it is told.
        arguments: Vec<String>,
    },
    /// What stands beside it.
    #[command(hide = true)]
    RawProjector {
        /// The record after which to begin.
        after: String,
        /// How many to project.
        count: usize,
        /// Told apart from other rounds.
        round: u64,
    },
}

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    match &arguments.part {
        Some(Part::Projector) => projector::run().await?,
        Some(Part::CommandApi { silent }) => telemetry::run(*silent).await?,
        Some(Part::Operate { arguments }) => return Ok(projector::operate(arguments).await),
        Some(Part::RawProjector { after, count, round }) => raw_projector::run(after, *count, *round).await?,
        None => measure(&arguments).await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn measure(arguments: &Arguments) -> anyhow::Result<()> {
    let mut report = Report::default();
    for cell in &arguments.cells {
        match cell.as_str() {
            "update" => {
                for clients in &arguments.clients {
                    let stage = Stage::start(*clients).await?;
                    update::measure(&stage, arguments, *clients, &mut report).await?;
                    stage.stop().await;
                }
            }
            "length" => length::measure(arguments, &mut report).await?,
            "visible" => visible::measure(arguments, &mut report).await?,
            "projection" => projection::measure(arguments, &mut report).await?,
            "sign-in" => sign_in::measure(arguments, &mut report).await?,
            "sends" => notifications::sends(&mut report).await?,
            "pace" => notifications::pace(&mut report).await?,
            "receipts" => notifications::receipts(&mut report).await?,
            "codes" => notifications::codes(&mut report).await?,
            "telemetry" => telemetry::measure(arguments, &mut report).await?,
            "rebuild" => rebuild::measure(&mut report).await?,
            other => anyhow::bail!("there is no cell {other}"),
        }
    }
    print!("{}", report.table());
    report.save()
}
