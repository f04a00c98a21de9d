//! `cargo bench-fieldfuze`: measures the real services against the bare SDK on the same engine, in the same run.
//!
//! Every figure is a ratio first: machines are noisy, and what stands beside it was measured under the same noise.

mod closed_loop;
mod length;
mod raw;
mod report;
mod stage;
mod update;

use clap::Parser;

use crate::{report::Report, stage::Stage};

/// What to measure.
#[derive(Debug, Parser)]
#[command(name = "bench-fieldfuze")]
struct Arguments {
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

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let mut report = Report::default();
    for clients in &arguments.clients {
        let stage = Stage::start(*clients).await?;
        update::measure(&stage, &arguments, *clients, &mut report).await?;
        stage.stop().await;
    }
    length::measure(&arguments, &mut report).await?;
    print!("{}", report.table());
    report.save()
}
