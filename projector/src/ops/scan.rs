//! Reads the whole log, several parts of it at once.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_dynamodb::types::AttributeValue;
use futures::future::try_join_all;
use platform::{context::Context, store::unavailable, tables::EVENTS};
use tokio::sync::mpsc;

use super::progress::Progress;

/// Parts that are read at once. A stream lies in one of them as a whole.
pub(super) const SEGMENTS: i32 = 4;

/// Pages that wait for the reader, so that memory stays bounded.
const PAGES: usize = 2;

/// An item as text by attribute name. An attribute that is no text and no number is not one of ours.
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
    let mut progress = Progress::of(what, None);
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
    let scan = context.aws.dynamodb.scan().table_name(table).consistent_read(true);
    let mut pages = scan.segment(segment).total_segments(SEGMENTS).into_paginator().send();
    while let Some(page) = pages.next().await {
        let items = page.map_err(unavailable)?.items.unwrap_or_default();
        let page = items.into_iter().map(text).collect();
        if told.send((usize::try_from(segment).unwrap_or_default(), page)).await.is_err() {
            // Whoever takes them has failed and says why.
            return Ok(());
        }
    }
    Ok(())
}

fn text(item: HashMap<String, AttributeValue>) -> Text {
    let text = |value| match value {
        AttributeValue::S(text) | AttributeValue::N(text) => text,
        _ => "neither text nor a number".to_owned(),
    };
    item.into_iter().map(|(name, value)| (name, text(value))).collect()
}
