//! The scan of the log, which fills the new generation.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_dynamodb::{operation::scan::builders::ScanFluentBuilder, types::AttributeValue};
use events::{commit::StoredCommit, decider::Decider, stream::StreamId, views::Row};
use futures::future::try_join_all;
use platform::{
    store::{StoreError, decode_item, unavailable},
    tables::EVENTS,
};
use tokio::sync::Mutex;

use super::{Work, place::Place};
use crate::{
    feed::Generation,
    ops::{
        progress::Progress,
        scan::{SEGMENTS, rough_size},
    },
};

/// Commits per page, after which the place is noted.
const PAGE: i32 = 500;

impl<R: Row> Work<'_, R> {
    /// Applies the whole log, in several parts at once, each from where it was. What cannot be applied is passed over: the
    /// comparison finds it.
    pub(super) async fn scan(&self, new: &Generation<R>, number: u32) -> anyhow::Result<()> {
        let places = self.places(number, SEGMENTS).await?;
        if places.iter().any(|place| *place != Place::Beginning) {
            eprintln!("going on where it was interrupted");
        }
        let size = rough_size(self.context, &self.context.names.table(&EVENTS)).await;
        let progress = Mutex::new(Progress::of("building", size));
        let parts = (0..).zip(places).map(|(segment, place)| self.part(new, segment, place, &progress));
        try_join_all(parts).await?;
        Ok(())
    }

    async fn part(
        &self,
        new: &Generation<R>,
        segment: i32,
        place: Place,
        progress: &Mutex<Progress>,
    ) -> Result<(), StoreError> {
        let mut start = match place {
            Place::Beginning => None,
            Place::After(key) => Some(key),
            Place::End => return Ok(()),
        };
        loop {
            let page = self.commits(segment).limit(PAGE).set_exclusive_start_key(start).send().await;
            let page = page.map_err(unavailable)?;
            let looked_at = u64::try_from(page.scanned_count).unwrap_or_default();
            new.bring_all(self.context.store(), decoded(page.items())).await?;
            start = page.last_evaluated_key;
            self.note_place(segment, start.clone()).await?;
            progress.lock().await.add(looked_at);
            if start.is_none() {
                return Ok(());
            }
        }
    }

    /// A part of the log, of which only the streams that feed this read model.
    pub(super) fn commits(&self, segment: i32) -> ScanFluentBuilder {
        let prefix = format!("{}#", <R::Rules as Decider>::CATEGORY.as_str());
        let scan = self.context.aws.dynamodb.scan().table_name(self.context.names.table(&EVENTS)).consistent_read(true);
        scan.segment(segment)
            .total_segments(SEGMENTS)
            .filter_expression("begins_with(#stream, :prefix)")
            .expression_attribute_names("#stream", "stream")
            .expression_attribute_values(":prefix", AttributeValue::S(prefix))
    }
}

/// The commits of a page by stream, without those that cannot be read.
fn decoded(items: &[HashMap<String, AttributeValue>]) -> BTreeMap<StreamId, Vec<StoredCommit>> {
    let mut streams: BTreeMap<StreamId, Vec<StoredCommit>> = BTreeMap::new();
    for commit in items.iter().filter_map(|item| decode_item(item).ok()) {
        streams.entry(commit.stream).or_default().push(commit);
    }
    streams
}
