//! The deletion of rows that nobody reads or feeds any more.

use aws_sdk_dynamodb::types::AttributeValue;
use events::views::Row;
use futures::{StreamExt, TryStreamExt, stream};
use platform::{
    store::{StoreError, unavailable},
    tables::SCAN_PAGE,
};

use super::Work;
use crate::ops::progress::Progress;

/// Rows that are deleted at once.
const AT_ONCE: usize = 8;

impl<R: Row> Work<'_, R> {
    /// Deletes the rows of all generations before `first`, and says how many.
    pub(super) async fn sweep(&self, first: u32) -> Result<u64, StoreError> {
        let (client, table) = (&self.context.aws.dynamodb, self.context.names.table(self.table));
        let mut pages =
            client.scan().table_name(&table).projection_expression("id").limit(SCAN_PAGE).into_paginator().send();
        let mut progress = Progress::of("deleting", None);
        let mut deleted = 0;
        while let Some(page) = pages.next().await {
            let items = page.map_err(unavailable)?.items.unwrap_or_default();
            let old = items.into_iter().filter_map(|mut item| item.remove("id")).filter(|id| is_before(id, first));
            let deletions: Vec<()> = stream::iter(old)
                .map(|id| async {
                    client.delete_item().table_name(&table).key("id", id).send().await.map(drop).map_err(unavailable)
                })
                .buffer_unordered(AT_ONCE)
                .try_collect()
                .await?;
            deleted += deletions.len() as u64;
            progress.add(deletions.len() as u64);
        }
        Ok(deleted)
    }
}

fn is_before(id: &AttributeValue, first: u32) -> bool {
    let generation = id.as_s().ok().and_then(|id| id.split_once('#')?.0.parse::<u32>().ok());
    generation.is_some_and(|generation| generation < first)
}
