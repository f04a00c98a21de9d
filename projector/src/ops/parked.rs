//! Streams that are set aside: which, why, and once more.

use anyhow::{Context as _, ensure};
use aws_sdk_dynamodb::types::AttributeValue;
use clap::Subcommand;
use platform::{
    context::Context,
    settings::Settings,
    store::{attributes_of, unavailable},
    tables::EVENTS,
};
use serde_json::json;

use super::{EXIT_CODES, Verdict, connect};
use crate::{
    feed::{Feed, ParkedStream, Parking, Retried},
    notify::Queues,
};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Tell which streams are parked: name, version, since when, how often they failed, why.
    #[command(after_help = EXIT_CODES)]
    List {
        #[command(flatten)]
        settings: Settings,
        /// Say it as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Tell everything of one parked stream, with the commit that failed as it lies in the log; what is sealed stays
    /// sealed.
    #[command(after_help = EXIT_CODES)]
    Show {
        #[command(flatten)]
        settings: Settings,
        /// The stream, such as `user#6f1d3c1e-8f0b-4c52-9a57-2b6f0e1d77a4`.
        stream: String,
    },
    /// Apply parked streams from the log, and remove the note of each that is applied to its end.
    #[command(after_help = EXIT_CODES)]
    Retry {
        #[command(flatten)]
        settings: Settings,
        /// The stream.
        #[arg(required_unless_present = "all")]
        stream: Option<String>,
        /// Every parked stream.
        #[arg(long, conflicts_with = "stream")]
        all: bool,
    },
}

pub(super) async fn run(arguments: Arguments) -> anyhow::Result<Verdict> {
    match arguments.what {
        What::List { settings, json } => Box::pin(list(&settings, json)).await,
        What::Show { settings, stream } => Box::pin(show(&settings, &stream)).await,
        What::Retry { settings, stream, .. } => Box::pin(retry(&settings, stream.as_deref())).await,
    }
}

fn parking(context: &Context) -> Parking {
    Parking::new(context.aws.dynamodb.clone(), &context.names, context.clock.clone())
}

async fn list(settings: &Settings, as_json: bool) -> anyhow::Result<Verdict> {
    let (context, _) = connect(settings).await?;
    let mut parked = parking(&context).list().await?;
    parked.sort_by_key(|parked| parked.parked_at);
    if as_json {
        println!("{}", serde_json::to_string_pretty(&json!({ "parked": parked }))?);
    } else {
        for ParkedStream { stream, version, error, parked_at, failures, .. } in &parked {
            println!("{stream} at {version}, since {parked_at}, failed {failures} times: {error}");
        }
        println!("{} streams are parked", parked.len());
    }
    Ok(verdict(parked.is_empty()))
}

async fn show(settings: &Settings, stream: &str) -> anyhow::Result<Verdict> {
    let (context, _) = connect(settings).await?;
    let Some(parked) = parking(&context).get(stream).await? else {
        println!("{stream} is not parked");
        return Ok(Verdict::Well);
    };
    let (table, key) = (context.names.table(&EVENTS), AttributeValue::S(stream.to_owned()));
    let newest = context.aws.dynamodb.query().table_name(&table).consistent_read(true).scan_index_forward(false);
    let newest = newest
        .limit(1)
        .key_condition_expression("#stream = :stream")
        .expression_attribute_names("#stream", "stream")
        .expression_attribute_values(":stream", key.clone());
    let newest = newest.send().await.map_err(unavailable)?.items.unwrap_or_default().pop().map(attributes_of);
    let commit = match parked.version.parse::<u64>() {
        Ok(version) => {
            let get = context.aws.dynamodb.get_item().table_name(&table).consistent_read(true).key("stream", key);
            let get = get.key("version", AttributeValue::N(version.to_string()));
            get.send().await.map_err(unavailable)?.item.map(attributes_of)
        }
        Err(_) => None,
    };
    let head = newest.and_then(|mut newest| newest.remove("version"));
    let told = json!({ "parked": parked, "last_version_in_the_log": head, "commit": commit });
    println!("{}", serde_json::to_string_pretty(&told)?);
    Ok(Verdict::Wrong)
}

/// One stream, or all of them.
async fn retry(settings: &Settings, stream: Option<&str>) -> anyhow::Result<Verdict> {
    let (context, _) = connect(settings).await?;
    let parking = parking(&context);
    let parked = match stream {
        Some(stream) => {
            let parked = parking.get(stream).await?;
            ensure!(parked.is_some(), "{stream} is not parked");
            parked.into_iter().collect()
        }
        None => parking.list().await?,
    };
    let queues = Queues::find(context.aws.sqs.clone(), &context.names).await.context("the queues")?;
    let feed = Feed::new(&context, queues);
    let mut applied = 0;
    for parked in &parked {
        let stream = &parked.stream;
        match feed.retry(parked).await? {
            Retried::Applied => {
                applied += 1;
                println!("{stream} is applied");
            }
            Retried::Fails { version, error } => println!("{stream} at {version} fails still: {error}"),
            Retried::Unnamed => println!("{stream} is no stream that this build knows"),
            Retried::Contended => println!("{stream}: records of it go on failing in a projector; try again"),
        }
    }
    println!("{applied} of {} streams are applied", parked.len());
    Ok(verdict(applied == parked.len()))
}

fn verdict(well: bool) -> Verdict {
    if well { Verdict::Well } else { Verdict::Wrong }
}
