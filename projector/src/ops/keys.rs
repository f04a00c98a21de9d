//! The keys of access tokens: which there are, their rotation, and their end.

use chrono::{DateTime, Utc};
use clap::Subcommand;
use platform::{
    access::Principal,
    aws::Aws,
    clock::Clock,
    crypto::{SecretsSource, SigningAlgorithm, SigningKeys},
    settings::Settings,
    tokens::{KEY_SET_MAX_AGE, Rotated, kid, may_rotate_from, replace_all, rotate},
};
use serde::Serialize;

use super::{EXIT_CODES, Verdict};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Draw the first keys of an installation into the secret that the settings name, which must not hold any yet.
    #[command(after_help = EXIT_CODES)]
    Create {
        #[command(flatten)]
        settings: Settings,
        /// The key in KMS that wraps the key that wraps every person's key: id, ARN or alias.
        #[arg(long)]
        kms_key: String,
    },
    /// Tell the public side of every key, and from when on they can be rotated. Wrong is only that there is no next key.
    #[command(after_help = EXIT_CODES)]
    Show {
        #[command(flatten)]
        settings: Settings,
        /// Say it as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Let the next key sign, go on accepting the one before it, and publish another next one. Ends no token.
    #[command(after_help = EXIT_CODES)]
    Rotate {
        #[command(flatten)]
        settings: Settings,
        /// Drop every key instead, because one was stolen: every access token ends.
        #[arg(long)]
        emergency: bool,
        /// How the new keys sign; unless said, as the newest one does.
        #[arg(long)]
        algorithm: Option<SigningAlgorithm>,
    },
}

/// What is told of a key.
#[derive(Serialize)]
struct Told<'a> {
    place: &'a str,
    kid: String,
    algorithm: SigningAlgorithm,
    created_at: DateTime<Utc>,
}

/// What is told of all of them.
#[derive(Serialize)]
struct AllTold<'a> {
    keys: Vec<Told<'a>>,
    signs_since: DateTime<Utc>,
    may_rotate_from: Option<DateTime<Utc>>,
}

pub(super) async fn run(arguments: Arguments) -> anyhow::Result<Verdict> {
    match arguments.what {
        What::Create { settings, kms_key } => create(&settings, &kms_key).await,
        What::Show { settings, json } => show(&source(&settings).await, json).await,
        What::Rotate { settings, emergency, algorithm } => turn(&source(&settings).await, emergency, algorithm).await,
    }
}

async fn create(settings: &Settings, kms_key: &str) -> anyhow::Result<Verdict> {
    let aws = Aws::connect(settings, Principal::Operator).await;
    let source = SecretsSource::new(settings, &aws);
    source.create(&aws.kms, kms_key, Clock::system().now()).await?;
    println!("the keys are drawn");
    say(source.load().await?.signing())?;
    Ok(Verdict::Well)
}

async fn source(settings: &Settings) -> SecretsSource {
    SecretsSource::new(settings, &Aws::connect(settings, Principal::Operator).await)
}

async fn show(source: &SecretsSource, as_json: bool) -> anyhow::Result<Verdict> {
    let secrets = source.load().await?;
    let keys = secrets.signing();
    if as_json {
        println!("{}", serde_json::to_string_pretty(&told(keys)?)?);
    } else {
        say(keys)?;
    }
    Ok(if keys.next.is_some() { Verdict::Well } else { Verdict::Wrong })
}

async fn turn(source: &SecretsSource, emergency: bool, algorithm: Option<SigningAlgorithm>) -> anyhow::Result<Verdict> {
    let (held, now) = (source.hold().await?, Clock::system().now());
    let mut keys = held.secrets().signing().clone();
    let within = source.seen_within().as_secs();
    let done = if emergency {
        let newest = keys.next.as_ref().unwrap_or(&keys.current).algorithm;
        keys = replace_all(algorithm.unwrap_or(newest), now)?;
        let cached = KEY_SET_MAX_AGE.num_seconds();
        format!(
            "all keys are new: within {within} seconds our services refuse every access token of before, other services \
             when they read the key set again ({cached} seconds after that). Sessions go on: clients refresh"
        )
    } else {
        match rotate(&mut keys, algorithm, now)? {
            Rotated::Turned => format!("the keys are rotated: within {within} seconds the next one signs everywhere"),
            Rotated::Published => "there was no next key: it is published now, and signs after another rotation".into(),
        }
    };
    held.replace_signing(keys.clone()).await?;
    println!("{done}");
    say(&keys)?;
    Ok(Verdict::Well)
}

fn told(keys: &SigningKeys) -> anyhow::Result<AllTold<'_>> {
    let each = keys
        .by_place()
        .map(|(place, key)| Ok(Told { place, kid: kid(key)?, algorithm: key.algorithm, created_at: key.created_at }));
    let all = each.collect::<anyhow::Result<Vec<_>>>()?;
    Ok(AllTold { keys: all, signs_since: keys.rotated_at, may_rotate_from: may_rotate_from(keys) })
}

fn say(keys: &SigningKeys) -> anyhow::Result<()> {
    let AllTold { keys, signs_since, may_rotate_from } = told(keys)?;
    for Told { place, kid, algorithm, created_at } in keys {
        println!("{place}: {kid}, {algorithm}, drawn {created_at}");
    }
    println!("the current one signs since {signs_since}");
    match may_rotate_from {
        Some(from) => println!("they can be rotated from {from}"),
        None => println!("there is no next key: the next rotation publishes one"),
    }
    Ok(())
}
