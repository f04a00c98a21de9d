//! Reading the whole log: the bare scan, the scan with everything that makes states of it, and the scan with the writes of a
//! read model.

use std::{
    collections::{BTreeSet, HashMap},
    sync::atomic::Ordering,
    time::Instant,
};

use anyhow::Context as _;
use aws_sdk_dynamodb::{Client, types::AttributeValue};
use events::{
    commit::StoredCommit,
    decider::Decider,
    stream::{Category, StreamId},
    user::{User, UserEvent, UserState},
};
use futures::{StreamExt, TryStreamExt, future::try_join_all, stream};
use platform::{
    rows::Item,
    store::{EventStore, decode_item},
};

use crate::closed_loop::Round;

/// Our log.
pub(crate) const EVENTS: &str = "events";

/// As the rebuild reads it.
const SEGMENTS: i32 = 4;
const PAGE: i32 = 500;

/// Rows that are written at once in each segment, as the rebuild does.
const AT_ONCE: usize = 4;

/// What the rebuild writes for each user: the row, and the entry of the list of its status.
const ITEMS_OF_A_USER: usize = 2;

/// Bytes of a row.
const ROW_BYTES: usize = 400;

/// Reads every item of a log, and does with each page what is to be done: items a second.
#[expect(clippy::cast_precision_loss, reason = "a count of items")]
async fn scan<F: Future<Output = anyhow::Result<()>>>(
    client: &Client,
    table: &str,
    each: impl Fn(Vec<Item>) -> F,
) -> anyhow::Result<Round> {
    let (began, each) = (Instant::now(), &each);
    let counts = try_join_all((0..SEGMENTS).map(|segment| async move {
        let scan = client.scan().table_name(table).consistent_read(true).limit(PAGE);
        let mut pages = scan.segment(segment).total_segments(SEGMENTS).into_paginator().send();
        let mut count = 0;
        while let Some(page) = pages.next().await {
            let items = page?.items.unwrap_or_default();
            count += items.len();
            each(items).await?;
        }
        anyhow::Ok(count)
    }));
    let count: usize = counts.await?.into_iter().sum();
    Ok(Round::of_rate(count as f64 / began.elapsed().as_secs_f64()))
}

/// Nothing but the scan.
pub(crate) async fn bare(client: &Client, table: &str) -> anyhow::Result<Round> {
    scan(client, table, |_| async { Ok(()) }).await
}

/// With everything but the writes: each commit decoded, its events unsealed, and every user's state made of them.
pub(crate) async fn folded(client: &Client, store: &EventStore) -> anyhow::Result<Round> {
    scan(client, EVENTS, |items| async move {
        let mut commits: Vec<StoredCommit> = items.iter().map(decode_item).collect::<Result<_, _>>()?;
        commits.retain(|commit| commit.stream.category == Category::User);
        let streams: BTreeSet<StreamId> = commits.iter().map(|commit| commit.stream).collect();
        let openers = store.openers(streams).await?;
        let mut states: HashMap<StreamId, Option<UserState>> = HashMap::new();
        for commit in &commits {
            let state = states.entry(commit.stream).or_default();
            let opener = openers.get(&commit.stream).context("a user without a key")?;
            for event in &opener.events::<UserEvent>(commit)? {
                User::evolve(state, event);
            }
        }
        Ok(())
    })
    .await
}

/// With the writes of a read model, in the way of somebody who needs neither states nor order.
pub(crate) async fn written(client: &Client, serial: &std::sync::atomic::AtomicU64) -> anyhow::Result<Round> {
    let round = serial.fetch_add(1, Ordering::Relaxed);
    scan(client, EVENTS, |items| async move {
        let streams: BTreeSet<String> =
            items.iter().filter_map(|item| item.get("stream")?.as_s().ok().cloned()).collect();
        let puts = streams.iter().flat_map(|stream| (0..ITEMS_OF_A_USER).map(move |number| (stream, number)));
        let puts = puts.map(|(stream, number)| {
            let key = AttributeValue::S(format!("raw{round}#{stream}#{number}"));
            let put = client.put_item().table_name("users1").item("id", key);
            let row = AttributeValue::S("x".repeat(if number == 0 { ROW_BYTES } else { 0 }));
            async move {
                put.item("row", row).send().await?;
                anyhow::Ok(())
            }
        });
        stream::iter(puts).buffer_unordered(AT_ONCE).try_collect::<Vec<()>>().await.map(drop)
    })
    .await
}
