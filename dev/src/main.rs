//! `fieldfuze`: the whole system on one machine.

use std::process::ExitCode;

use clap::Parser;
use dev::program::{Arguments, run};
use platform::telemetry;

#[tokio::main]
async fn main() -> ExitCode {
    let ended = match telemetry::install() {
        Ok(()) => run(Arguments::parse()).await,
        Err(error) => Err(error.into()),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("fieldfuze: {error:#}");
            ExitCode::FAILURE
        }
    }
}
