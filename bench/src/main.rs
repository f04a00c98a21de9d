//! `cargo bench-fieldfuze`: measures the real services against the bare SDK on the same engine, in the same run.
//!
//! Every figure is a ratio first: machines are noisy, and what stands beside it was measured under the same noise.

mod adapter;
mod apart;
mod append;
mod closed_loop;
mod contest;
mod cost;
mod dynamo_es;
mod fold;
mod hand_over;
mod length;
mod log;
mod memory;
mod notifications;
mod open_loop;
mod prices;
mod proc;
mod projection;
mod projector;
mod raw;
mod raw_projector;
mod reads;
mod rebuild;
mod register;
mod report;
mod services;
mod sign_in;
mod size;
mod stage;
mod storm;
mod tables;
mod tapped;
mod telemetry;
mod update;
mod visible;

use std::{process::ExitCode, time::Instant};

use clap::{Parser, Subcommand, ValueEnum};

use crate::{append::Appends, reads::Reads, register::Registrations, report::Report, update::Updates};

/// As in the services, and so for all sides.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What to measure.
#[derive(Debug, Parser)]
#[command(name = "bench-fieldfuze")]
struct Arguments {
    #[command(subcommand)]
    part: Option<Part>,
    /// Which cells; all unless said otherwise.
    #[arg(long, value_delimiter = ',')]
    cells: Vec<Cell>,
    /// Clients that send one request after the other.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 8, 32, 128])]
    clients: Vec<usize>,
    /// Rounds of each side; the median counts.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Seconds of each round.
    #[arg(long, default_value_t = 4)]
    seconds: u64,
    /// Events of the histories that are compared.
    #[arg(long, value_delimiter = ',', default_values_t = [10, 1_000, 10_000])]
    lengths: Vec<usize>,
    /// Users with whom pages, reads and commands are compared.
    #[arg(long, value_delimiter = ',', default_values_t = [1_000, 10_000, 200_000])]
    sizes: Vec<u32>,
    /// Divides what is counted rather than timed: commits that are rebuilt, messages that are sent, an hour's work.
    #[arg(long, default_value_t = 1)]
    shorter: usize,
}

/// What is measured, each on an engine of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Cell {
    Update,
    Register,
    Append,
    Length,
    Read,
    Page,
    Visible,
    Projection,
    Rebuild,
    SignIn,
    Sends,
    Pace,
    Receipts,
    Codes,
    HandOver,
    Cost,
    Size,
    Memory,
    Telemetry,
}

/// What this program starts itself as.
#[derive(Debug, Subcommand)]
enum Part {
    /// A projector.
    #[command(hide = true)]
    Projector,
    /// A query-api.
    #[command(hide = true)]
    QueryApi,
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
        Some(Part::CommandApi { silent }) => services::command_api(*silent).await?,
        Some(Part::QueryApi) => services::query_api().await?,
        Some(Part::Operate { arguments }) => return Ok(projector::operate(arguments).await),
        Some(Part::RawProjector { after, count, round }) => raw_projector::run(after, *count, *round).await?,
        None => Box::pin(measure(&arguments)).await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn measure(arguments: &Arguments) -> anyhow::Result<()> {
    let mut report = Report::new(arguments);
    let all = Cell::value_variants();
    let cells = if arguments.cells.is_empty() { all } else { &arguments.cells };
    for cell in cells {
        let (report, began) = (&mut report, Instant::now());
        match cell {
            Cell::Update => Box::pin(contest::run::<Updates>(arguments, report)).await?,
            Cell::Register => Box::pin(contest::run::<Registrations>(arguments, report)).await?,
            Cell::Append => Box::pin(contest::run::<Appends>(arguments, report)).await?,
            Cell::Length => Box::pin(length::measure(arguments, report)).await?,
            Cell::Read => Box::pin(contest::run::<Reads<false>>(arguments, report)).await?,
            Cell::Page => Box::pin(contest::run::<Reads<true>>(arguments, report)).await?,
            Cell::Visible => Box::pin(visible::measure(arguments, report)).await?,
            Cell::Projection => Box::pin(projection::measure(arguments, report)).await?,
            Cell::Rebuild => Box::pin(rebuild::measure(arguments, report)).await?,
            Cell::SignIn => Box::pin(sign_in::measure(arguments, report)).await?,
            Cell::Sends => Box::pin(notifications::sends(arguments, report)).await?,
            Cell::Pace => Box::pin(notifications::pace(arguments, report)).await?,
            Cell::Receipts => Box::pin(notifications::receipts(arguments, report)).await?,
            Cell::Codes => Box::pin(notifications::codes(arguments, report)).await?,
            Cell::HandOver => Box::pin(hand_over::measure(arguments, report)).await?,
            Cell::Cost => Box::pin(cost::measure(arguments, report)).await?,
            Cell::Size => Box::pin(size::measure(arguments, report)).await?,
            Cell::Memory => Box::pin(memory::measure(arguments, report)).await?,
            Cell::Telemetry => Box::pin(telemetry::measure(arguments, report)).await?,
        }
        println!("{cell:?} took {:.0?}\n", began.elapsed());
        // What was measured is not lost with a cell that fails later.
        report.save()?;
    }
    print!("{}", report.table());
    Ok(())
}
