//! The program `fieldfuze`: its arguments, what it prints, and when it ends.

use std::path::PathBuf;

use clap::{Parser, Subcommand};
use platform::{clock::Clock, lifecycle::Shutdown};
use secrecy::{ExposeSecret, SecretString};

use crate::{
    data_dir::DataDir,
    engines::Engines,
    ports::Ports,
    seed::ADMINISTRATOR,
    world::{World, WorldConfig},
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
    println!("For services that you start yourself:\n");
    let public_url = format!("http://127.0.0.1:{}", ports.alb_port);
    for (name, value) in engines.environment(data_dir.path(), &public_url) {
        println!("export {name}='{value}'");
    }
    signals.begun().await;
    engines.stop().await;
    Ok(())
}

async fn world(data_dir: DataDir, config: WorldConfig, signals: Shutdown) -> anyhow::Result<()> {
    let mut world = World::start_in(data_dir, &config).await?;
    greet(&world, config.admin_password.is_some());
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

fn greet(world: &World, given: bool) {
    let addresses = &world.addresses;
    let password = match &world.generated_password {
        Some(password) => password.expose_secret(),
        None => "<your password>",
    };
    println!("FieldFuze is ready.\n");
    println!("  API             {}   (as the load balancer serves it)", addresses.public);
    println!("  documentation   {}/docs", addresses.public);
    println!("  command-api     {}", addresses.command_api);
    println!("  query-api       {}", addresses.query_api);
    println!("  projector       {}", addresses.projector);
    println!("  DynamoDB        {}", addresses.dynamodb);
    println!("  SQS             {}", addresses.sqs);
    println!("  Telnyx          {}/_standin/messages   (the messages that were sent)\n", addresses.telnyx);
    println!("  administrator   {ADMINISTRATOR}");
    match &world.generated_password {
        Some(_) => println!("  password        {password}   (shown this once)\n"),
        None if given => println!("  password        as FIELDFUZE_ADMIN_PASSWORD gave it at the first start\n"),
        None => println!("  password        as shown at the first start; start afresh with --reset\n"),
    }
    println!("Sign in:\n");
    println!("  curl -s {}/v1/auth/login -H 'content-type: application/json' \\", addresses.public);
    println!("    -d '{{\"identifier\":\"{ADMINISTRATOR}\",\"password\":\"{password}\"}}'\n");
}
