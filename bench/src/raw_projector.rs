//! What the projector is compared with: the bare SDK, doing the same reads and writes.

use std::{
    collections::{BTreeMap, HashMap},
    time::Instant,
};

use anyhow::Context;
use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_dynamodbstreams::types::{AttributeValue as Image, ShardIteratorType};
use futures::{StreamExt, TryStreamExt, stream};

use crate::raw;

/// Streams that are written at once, as many as the projector does.
const CONCURRENT_STREAMS: usize = 32;

/// A page of `GetRecords`, as large as the projector asks for.
const PAGE: i32 = 1_000;

/// Bytes that the events of one rename take in a row of the feed, sealed.
const EVENT_BYTES: usize = 200;

type Item = HashMap<String, AttributeValue>;

/// What the bare SDK does to project: reads the stream after a checkpoint, and makes for each record the two writes
/// that the projector makes, to the same tables with keys of its own. Prints events per second.
///
/// # Errors
/// The first call that fails.
pub(crate) async fn run(after: &str, count: usize, round: u64) -> anyhow::Result<()> {
    let url = std::env::var("AWS_ENDPOINT_URL_DYNAMODB")?;
    let (tables, streams) = (raw::client(&url), raw::streams(&url));
    let table = tables.describe_table().table_name("events").send().await?.table.context("no table")?;
    let arn = table.latest_stream_arn.context("no stream")?;
    let description = streams.describe_stream().stream_arn(&arn).send().await?.stream_description;
    let shards = description.and_then(|description| description.shards).unwrap_or_default();
    let shard = shards.into_iter().next().and_then(|shard| shard.shard_id).context("no shard")?;

    let began = Instant::now();
    let opening = streams.get_shard_iterator().stream_arn(&arn).shard_id(shard).sequence_number(after);
    let opened = opening.shard_iterator_type(ShardIteratorType::AfterSequenceNumber).send().await?;
    let (mut iterator, mut done) = (opened.shard_iterator.context("no iterator")?, 0);
    while done < count {
        let page = streams.get_records().shard_iterator(iterator).limit(PAGE).send().await?;
        iterator = page.next_shard_iterator.context("the shard ended")?;
        let mut by_stream: BTreeMap<String, Vec<u64>> = BTreeMap::new();
        for record in page.records.unwrap_or_default() {
            let mut image = record.dynamodb.and_then(|record| record.new_image).unwrap_or_default();
            let (Some(Image::S(stream)), Some(Image::N(version))) = (image.remove("stream"), image.remove("version"))
            else {
                continue;
            };
            by_stream.entry(stream).or_default().push(version.parse()?);
            done += 1;
        }
        stream::iter(by_stream)
            .map(|(stream, versions)| project(&tables, round, stream, versions))
            .buffer_unordered(CONCURRENT_STREAMS)
            .try_collect::<Vec<()>>()
            .await?;
    }
    #[expect(clippy::cast_precision_loss, reason = "a count of events")]
    let rate = done as f64 / began.elapsed().as_secs_f64();
    println!("{rate}");
    Ok(())
}

async fn project(
    tables: &aws_sdk_dynamodb::Client,
    round: u64,
    stream: String,
    versions: Vec<u64>,
) -> anyhow::Result<()> {
    for version in versions {
        let text = |text: &str| AttributeValue::S(text.to_owned());
        let event = Item::from([
            ("slot".to_owned(), text(&format!("raw{round}#{}", version % 16))),
            ("position".to_owned(), text(&format!("2026-01-02T03:04:05.000000Z#{stream}#{version:020}#0"))),
            ("event".to_owned(), text(&"x".repeat(EVENT_BYTES))),
            ("stream".to_owned(), text(&stream)),
            ("version".to_owned(), AttributeValue::N(version.to_string())),
            ("actor".to_owned(), text("user#01890a5d-ac96-774b-bcce-b302099a8057")),
            ("correlation_id".to_owned(), text("01890a5d-ac96-774b-bcce-b302099a8057")),
        ]);
        let put = tables.put_item().table_name("audit").set_item(Some(event));
        put.condition_expression("attribute_not_exists(slot)").send().await?;
        let row = Item::from([
            ("id".to_owned(), text(&format!("raw{round}#{stream}"))),
            ("bucket".to_owned(), text(&format!("raw{round}#{}", stream.len() % 8))),
            ("created".to_owned(), text(&format!("2026-01-02T03:04:05.000000Z#{stream}"))),
            ("version".to_owned(), AttributeValue::N(version.to_string())),
            ("email".to_owned(), text("person1@example.com")),
            ("username".to_owned(), text("person1")),
            ("first_name".to_owned(), text(&format!("Ada {version}"))),
            ("last_name".to_owned(), text("Lovelace")),
            ("phone".to_owned(), text("+15122000001")),
            ("status".to_owned(), text("invited")),
            ("created_at".to_owned(), text("2026-01-02T03:04:05.000000Z")),
            ("updated_at".to_owned(), text("2026-01-02T03:04:05.000000Z")),
        ]);
        let put = tables.put_item().table_name("users1").set_item(Some(row));
        let put = put.condition_expression("attribute_not_exists(id) OR version < :version");
        put.expression_attribute_values(":version", AttributeValue::N(version.to_string())).send().await?;
    }
    Ok(())
}
