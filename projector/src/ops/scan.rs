//! Reads the whole log, several parts of it at once.

use std::collections::BTreeMap;

use futures::future::try_join_all;
use platform::{
    context::Context,
    store::{attributes_of, unavailable},
    tables::{EVENTS, SCAN_PAGE},
};
use tokio::sync::mpsc;

use super::progress::Progress;

/// Parts that are read at once. A stream lies in one of them as a whole.
pub(super) const SEGMENTS: i32 = 4;

/// Pages that wait for the reader, so that memory stays bounded.
const PAGES: usize = 2;

/// An item as text by attribute name.
pub(super) type Text = BTreeMap<String, String>;

/// Gives each page of the log to `each`, with the number of its segment. A stream's items come in order.
pub(super) async fn scan(
    context: &Context,
    what: &'static str,
    mut each: impl FnMut(usize, Vec<Text>) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let table = context.names.table(&EVENTS);
    let (pages, mut told) = mpsc::channel(PAGES);
    let reading = try_join_all((0..SEGMENTS).map(|segment| read(context, &table, segment, pages.clone())));
    drop(pages);
    let mut progress = Progress::of(what, rough_size(context, &table).await);
    let taking = async {
        while let Some((segment, page)) = told.recv().await {
            progress.add(page.len() as u64);
            each(segment, page)?;
        }
        anyhow::Ok(())
    };
    tokio::try_join!(async { reading.await.map_err(anyhow::Error::from) }, taking)?;
    Ok(())
}

async fn read(
    context: &Context,
    table: &str,
    segment: i32,
    told: mpsc::Sender<(usize, Vec<Text>)>,
) -> Result<(), platform::store::StoreError> {
    let scan = context.aws.dynamodb.scan().table_name(table).consistent_read(true).limit(SCAN_PAGE);
    let mut pages = scan.segment(segment).total_segments(SEGMENTS).into_paginator().send();
    while let Some(page) = pages.next().await {
        let items = page.map_err(unavailable)?.items.unwrap_or_default();
        let page = items.into_iter().map(attributes_of).collect();
        if told.send((usize::try_from(segment).unwrap_or_default(), page)).await.is_err() {
            // Whoever takes them has failed and says why.
            return Ok(());
        }
    }
    Ok(())
}

/// How many commits there are, as the table counted them in the last hours; nothing where that cannot be had.
pub(super) async fn rough_size(context: &Context, table: &str) -> Option<u64> {
    let described = context.aws.dynamodb.describe_table().table_name(table).send().await.ok()?;
    let size = u64::try_from(described.table?.item_count?).ok()?;
    (size > 0).then_some(size)
}
