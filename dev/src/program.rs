//! The program `fieldfuze`: its arguments, what it prints, and when it ends.

use std::{io::Write, path::PathBuf};

use clap::{Parser, Subcommand};
use platform::{clock::Clock, lifecycle::Shutdown, telemetry};
use secrecy::{ExposeSecret, SecretString};

use crate::{
    data_dir::DataDir,
    engines::Engines,
    ports::Ports,
    seed::ADMINISTRATOR,
    world::{Addresses, World, WorldConfig},
};

/// FieldFuze's backend on one machine, with everything that it needs.
#[derive(Debug, Parser)]
#[command(name = "fieldfuze")]
pub struct Arguments {
    #[command(subcommand)]
    part: Option<Part>,
    /// Where the state lives; it survives a restart.
    #[arg(long, env = "FIELDFUZE_DATA_DIR", default_value = ".fieldfuze", global = true)]
    data_dir: PathBuf,
    /// Throws the state away first.
    #[arg(long, global = true)]
    reset: bool,
    #[command(flatten)]
    ports: Ports,
    /// The administrator's password, used at the first start only; generated when absent.
    #[arg(long, env = "FIELDFUZE_ADMIN_PASSWORD", hide_env_values = true)]
    admin_password: Option<SecretString>,
    /// What the services tell of themselves.
    #[command(flatten)]
    pub telemetry: telemetry::Config,
}

#[derive(Debug, Subcommand)]
enum Part {
    /// Only DynamoDB, SQS and Telnyx, for services that you start yourself.
    Engine,
}

/// Runs the program until a signal ends it.
///
/// # Errors
/// When ports or data are in use, or a service fails.
pub async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let data_dir = DataDir::open(&arguments.data_dir)?;
    if arguments.reset {
        data_dir.reset()?;
    }
    let signals = Shutdown::on_signals()?;
    match arguments.part {
        Some(Part::Engine) => engine(data_dir, &arguments.ports, signals).await,
        None => {
            let Arguments { data_dir: path, ports, admin_password, .. } = arguments;
            world(data_dir, WorldConfig { data_dir: path, ports, admin_password }, signals).await
        }
    }
}

async fn engine(data_dir: DataDir, ports: &Ports, signals: Shutdown) -> anyhow::Result<()> {
    let engines = Engines::start(ports, data_dir.path(), Clock::system()).await?;
    let public_url = format!("http://127.0.0.1:{}", ports.alb_port);
    let exports = engines.environment(data_dir.path(), &public_url).into_iter();
    let exports: String = exports.map(|(name, value)| format!("export {name}='{value}'\n")).collect();
    say(&format!("For services that you start yourself:\n\n{exports}"));
    signals.begun().await;
    engines.stop().await;
    Ok(())
}

async fn world(data_dir: DataDir, config: WorldConfig, signals: Shutdown) -> anyhow::Result<()> {
    let mut world = World::start_in(data_dir, &config).await?;
    say(&greeting(&world, config.admin_password.is_some()));
    tokio::select! {
        () = signals.begun() => (),
        ended = world.failed() => ended?,
    }
    tokio::select! {
        () = world.stop() => (),
        () = signals.forced() => (),
    }
    Ok(())
}

/// What a person needs to begin.
fn greeting(world: &World, given: bool) -> String {
    let Addresses { public, command_api, query_api, projector, dynamodb, sqs, telnyx } = &world.addresses;
    let password = match &world.generated_password {
        Some(password) => password.expose_secret(),
        None if given => "'\"$FIELDFUZE_ADMIN_PASSWORD\"'",
        None => "<your password>",
    };
    let about_it = match &world.generated_password {
        Some(_) => format!("{password}   (shown this once)"),
        None if given => "as FIELDFUZE_ADMIN_PASSWORD gave it at the first start".to_owned(),
        None => "as shown at the first start; start afresh with --reset".to_owned(),
    };
    format!(
        "FieldFuze is ready.

  API             {public}   (as the load balancer serves it)
  documentation   {public}/docs
  command-api     {command_api}
  query-api       {query_api}
  projector       {projector}
  DynamoDB        {dynamodb}
  SQS             {sqs}
  Telnyx          {telnyx}/_standin/messages   (the messages that were sent)

  administrator   {ADMINISTRATOR}
  password        {about_it}

Sign in:

  curl -s {public}/v1/auth/login -H 'content-type: application/json' \\
    -d '{{\"identifier\":\"{ADMINISTRATOR}\",\"password\":\"{password}\"}}'

"
    )
}

/// Whoever read our output may have gone: that is no reason to end.
fn say(text: &str) {
    let mut out = std::io::stdout().lock();
    if let Err(error) = out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        tracing::warn!(%error, "nobody reads the standard output");
    }
}
