//! What operators and auditors run by hand: checks of the log, checkpoints, exports.
//!
//! Exit codes: 0 when all is well, 1 when something is wrong with the log or what belongs to it, 2 when it could not be
//! checked (also when the arguments cannot be read).

mod archive;
mod checkpoint;
mod checkpoints;
mod claims;
mod export;
mod heal;
mod progress;
mod scan;
mod verify;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use platform::{clock::Clock, context::Context, crypto::Secrets, settings::Settings};

/// Exit code when something is wrong.
const WRONG: u8 = 1;

/// Exit code when it could not be checked.
const NOT_DONE: u8 = 2;

/// What each command's help says of them.
const EXIT_CODES: &str = "Exit code 0: all is well. 1: something is wrong. 2: it could not be checked.";

/// What ends an operation that was carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Well,
    Wrong,
}

/// The projector's operator commands. Without a command the projector serves; `projector --help` says how.
#[derive(Debug, Parser)]
#[command(name = "projector", after_help = EXIT_CODES)]
pub struct Program {
    #[command(subcommand)]
    operation: Operation,
}

#[derive(Debug, Subcommand)]
enum Operation {
    /// Check the log: every chain, contiguity, carried states, and the last signed checkpoint.
    #[command(after_help = EXIT_CODES)]
    Verify(verify::Arguments),
    /// Check the log, and sign the heads of all its streams.
    #[command(after_help = EXIT_CODES)]
    Checkpoint(checkpoint::Arguments),
    /// Write the whole log into a file that can be verified anywhere; what is sealed stays sealed.
    #[command(after_help = EXIT_CODES)]
    Export(export::Arguments),
    /// Compare the unique values that are held with those that the log says are.
    #[command(after_help = EXIT_CODES)]
    Claims(claims::Arguments),
}

impl Program {
    /// Whether these arguments name an operation.
    pub fn is_meant_by(first: Option<&str>) -> bool {
        let commands = <Self as clap::CommandFactory>::command();
        first.is_some_and(|first| commands.get_subcommands().any(|command| command.get_name() == first))
    }

    /// Carries the operation out, says what came of it, and gives the exit code.
    pub async fn run(self) -> ExitCode {
        let ended = match self.operation {
            Operation::Verify(arguments) => Box::pin(verify::run(arguments)).await,
            Operation::Checkpoint(arguments) => Box::pin(checkpoint::run(arguments)).await,
            Operation::Export(arguments) => Box::pin(export::run(arguments)).await,
            Operation::Claims(arguments) => Box::pin(claims::run(arguments)).await,
        };
        match ended {
            Ok(Verdict::Well) => ExitCode::SUCCESS,
            Ok(Verdict::Wrong) => ExitCode::from(WRONG),
            Err(error) => {
                eprintln!("not done: {error:#}");
                ExitCode::from(NOT_DONE)
            }
        }
    }
}

/// A service's view of the log, and the keys.
async fn connect(settings: &Settings) -> anyhow::Result<(Context, Secrets)> {
    let secrets = Secrets::load(&settings.data_dir)?;
    let context = Context::open(settings, &secrets, Clock::system()).await?;
    Ok((context, secrets))
}
