//! What operators and auditors run by hand: checks of the log, checkpoints, exports, the mending of read models, and
//! the keys of access tokens.
//!
//! Exit codes: 0 when all is well, 1 when something is wrong with the log or what belongs to it, 2 when it could not be
//! checked or done (also when the arguments cannot be read).

mod archive;
pub mod audit;
mod checkpoint;
mod checkpoints;
mod claims;
mod dlq;
mod export;
mod heal;
mod keys;
mod parked;
mod progress;
mod rebuild;
mod replay;
mod scan;
mod status;
mod verify;

pub use self::status::Own;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use platform::{access::Principal, clock::Clock, context::Context, crypto::Secrets, settings::Settings};

/// Exit code when something is wrong.
const WRONG: u8 = 1;

/// Exit code when it could not be checked.
const NOT_DONE: u8 = 2;

/// What each command's help says of them.
const EXIT_CODES: &str = "Exit code 0: all is well. 1: something is wrong. 2: it could not be checked or done.";

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
    /// Look after notifications that nothing moves any more: in the dead letters, or of unknown outcome.
    Dlq(dlq::Arguments),
    /// Look at the keys of access tokens, and rotate them; or drop them all.
    Keys(keys::Arguments),
    /// Look after the streams that were set aside because a commit of theirs cannot be applied.
    Parked(parked::Arguments),
    /// Build a read model anew from the log beside the one that is read, and switch over to it; interrupted, it goes on.
    #[command(after_help = EXIT_CODES)]
    Rebuild(rebuild::Arguments),
    /// Apply streams again and put the rows right that are not the fold of the log; or only tell which ones are not.
    #[command(after_help = EXIT_CODES)]
    Replay(replay::Arguments),
    /// Tell how the projector is: shards, owners, lag, lanes, parked streams, and what went wrong lately.
    Status(status::Arguments),
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
            Operation::Dlq(arguments) => Box::pin(dlq::run(arguments)).await,
            Operation::Keys(arguments) => Box::pin(keys::run(arguments)).await,
            Operation::Parked(arguments) => Box::pin(parked::run(arguments)).await,
            Operation::Rebuild(arguments) => Box::pin(rebuild::run(arguments)).await,
            Operation::Replay(arguments) => Box::pin(replay::run(arguments)).await,
            Operation::Status(arguments) => Box::pin(status::run(arguments)).await,
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
    Ok(Context::connect(settings, Principal::Operator, Clock::system()).await?)
}
