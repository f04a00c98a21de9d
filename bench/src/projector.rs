//! A projector as a process of its own.

use std::{
    path::Path,
    process::{ExitCode, Stdio},
    time::Duration,
};

use anyhow::{Context, bail};
use aws_sdk_dynamodb::types::AttributeValue;
use chrono::{DateTime, Utc};
use clap::Parser;
use platform::{clock::Clock, lifecycle::Shutdown};
use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    process::{Child, Command},
    time::{Instant, sleep},
};

use crate::{proc::memory, stage::Stage};

/// How long anything may take that must happen.
const SOON: Duration = Duration::from_mins(10);

/// How often it is asked for.
pub(crate) const ASK_EVERY: Duration = Duration::from_millis(10);

/// A projector that applied nothing for so long has nothing to do: its position is written every few seconds.
const QUIET: Duration = Duration::from_secs(5);

/// Says where the services' own binaries are, as the image holds them. Without it this program plays the services, and what
/// is told of their memory is of a program in which everything else is, too.
const BINARIES: &str = "FIELDFUZE_BENCH_BINARIES";

/// A projector, a process of its own.
pub(crate) struct Projector(Child);

/// What the lease of the stream's one shard says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Lease {
    pub(crate) owned: bool,
    /// The last record that was applied.
    pub(crate) checkpoint: String,
    /// Up to when everything is applied; none until that is known.
    pub(crate) position_at: Option<DateTime<Utc>>,
}

/// This program, told to be one of its parts in the stage's environment.
pub(crate) fn part(stage: &Stage, name: &str) -> anyhow::Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg(name);
    Ok(surrounded(command, stage))
}

/// A service in the stage's environment, by its own binary if there is one.
pub(crate) fn service(stage: &Stage, name: &str) -> anyhow::Result<Command> {
    match std::env::var_os(BINARIES) {
        Some(binaries) => Ok(surrounded(Command::new(Path::new(&binaries).join(name)), stage)),
        None => part(stage, name),
    }
}

fn surrounded(mut command: Command, stage: &Stage) -> Command {
    command.envs(stage.environment()).env("FIELDFUZE_PROJECTOR_LISTEN", "127.0.0.1:0");
    command.stdin(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    command
}

/// What the process is that [`Projector::start`] starts.
pub(crate) async fn run() -> anyhow::Result<()> {
    let shutdown = Shutdown::on_signals()?;
    let config = projector::config::Config::parse_from(["projector"]);
    let listener = tokio::net::TcpListener::bind(config.listen).await?;
    let state = projector::state::AppState::open(&config, Clock::system()).await?;
    projector::server::serve(listener, state, shutdown).await
}

/// What the process is that runs an operator's command.
pub(crate) async fn operate(arguments: &[String]) -> ExitCode {
    let program = std::iter::once("projector").chain(arguments.iter().map(String::as_str));
    projector::ops::Program::parse_from(program).run().await
}

impl Projector {
    /// Starts one and waits until it reads the shard.
    pub(crate) async fn start(stage: &Stage) -> anyhow::Result<Self> {
        Self::start_around(stage, &[]).await
    }

    /// The same, with some of its surroundings other than the stage's.
    pub(crate) async fn start_around(stage: &Stage, surroundings: &[(&str, &str)]) -> anyhow::Result<Self> {
        let projector = Self::beside(stage, surroundings)?;
        until("the projector reads", || async { Ok(lease(stage).await?.is_some_and(|lease| lease.owned)) }).await?;
        Ok(projector)
    }

    /// Starts one beside another, which has the shard.
    pub(crate) fn beside(stage: &Stage, surroundings: &[(&str, &str)]) -> anyhow::Result<Self> {
        Ok(Self(service(stage, "projector")?.envs(surroundings.iter().copied()).spawn()?))
    }

    /// The process's id.
    pub(crate) fn id(&self) -> anyhow::Result<u32> {
        self.0.id().context("it ended")
    }

    /// Lets it give up its lease, then ends it.
    pub(crate) async fn stop(mut self, stage: &Stage) -> anyhow::Result<()> {
        self.signal(Signal::TERM)?;
        until("the lease is free", || async { Ok(lease(stage).await?.is_some_and(|lease| !lease.owned)) }).await?;
        Ok(self.0.kill().await?)
    }

    /// As [`memory`].
    pub(crate) fn memory(&self) -> anyhow::Result<(f64, f64)> {
        memory(self.0.id().context("it ended")?)
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        Ok(kill_process(self.pid()?, signal)?)
    }

    fn pid(&self) -> anyhow::Result<Pid> {
        let id = self.0.id().context("it ended")?;
        Pid::from_raw(i32::try_from(id)?).context("no process has the id 0")
    }
}

/// The lease of the log's shard, once there is one.
pub(crate) async fn lease(stage: &Stage) -> anyhow::Result<Option<Lease>> {
    let rows = stage.dynamodb.scan().table_name("leases").consistent_read(true).send().await?.items.unwrap_or_default();
    Ok(rows.iter().find_map(|row| {
        let Some(AttributeValue::S(checkpoint)) = row.get("checkpoint") else { return None };
        let position_at = row.get("position_at").and_then(|at| at.as_s().ok()?.parse().ok());
        Some(Lease { owned: row.contains_key("owner"), checkpoint: checkpoint.clone(), position_at })
    }))
}

/// Waits until all that was recorded before is applied. A projector that has just begun reads the whole log first, and then
/// the stream: for so long its checkpoint stands still, and its position is unknown.
pub(crate) async fn caught_up(stage: &Stage) -> anyhow::Result<()> {
    let asked = Clock::system().now();
    until("all that was recorded is applied", || async {
        Ok(lease(stage).await?.and_then(|lease| lease.position_at).is_some_and(|at| at >= asked))
    })
    .await
}

/// As [`caught_up`], and until nothing was applied for a while: then nothing more comes of it.
pub(crate) async fn settled(stage: &Stage) -> anyhow::Result<()> {
    caught_up(stage).await?;
    let checkpoint = || async { anyhow::Ok(lease(stage).await?.map(|lease| lease.checkpoint)) };
    let (mut last, mut since) = (checkpoint().await?, Instant::now());
    let deadline = since + SOON;
    while since.elapsed() < QUIET {
        let now = checkpoint().await?;
        if now != last {
            (last, since) = (now, Instant::now());
        }
        if Instant::now() > deadline {
            bail!("never: the projector has nothing to do");
        }
        sleep(ASK_EVERY).await;
    }
    Ok(())
}

/// Asks until it holds.
pub(crate) async fn until<F: Future<Output = anyhow::Result<bool>>>(
    what: &str,
    mut holds: impl FnMut() -> F,
) -> anyhow::Result<()> {
    let began = Instant::now();
    while !holds().await? {
        if began.elapsed() > SOON {
            bail!("never: {what}");
        }
        sleep(ASK_EVERY).await;
    }
    Ok(())
}
