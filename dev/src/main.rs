//! `fieldfuze`: the whole system on one machine.

use std::process::ExitCode;

use clap::Parser;
use dev::program::{Arguments, run};
use platform::telemetry;

/// As in the services.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> ExitCode {
    match begin(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("fieldfuze: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn begin(arguments: Arguments) -> anyhow::Result<()> {
    let telemetry = telemetry::install("fieldfuze", &arguments.telemetry)?;
    let ended = run(arguments).await;
    telemetry.close().await;
    ended
}
