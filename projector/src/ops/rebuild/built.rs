//! The scan of the log, and the comparison of every row after it.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_dynamodb::types::AttributeValue;
use events::{
    commit::StoredCommit,
    decider::Decider,
    stream::{StreamId, Version},
    views::Row,
};
use futures::{StreamExt, TryStreamExt, future::try_join_all, stream};
use platform::{
    rows::Model,
    store::{StoreError, decode_item, unavailable},
    tables::EVENTS,
};
use tokio::sync::Mutex;
use uuid::Uuid;

use super::{Work, feeds, place::Place};
use crate::{
    feed::{ApplyError, Generation, chain},
    ops::{
        progress::Progress,
        scan::{SEGMENTS, rough_size, scan},
    },
};

/// Commits per page, after which the place is noted.
const PAGE: i32 = 500;

/// Streams of a segment that are written at once.
const AT_ONCE: usize = 4;

/// Streams that cannot be applied to their end, with what is said of each.
pub(super) type Unreadable = BTreeMap<String, String>;

/// What the comparison came to.
#[derive(Debug, Default)]
pub(super) struct Built {
    /// Rows that the log's streams have.
    pub(super) rows: usize,
    /// How many of them were behind.
    pub(super) healed: u64,
    /// Entities whose row that is read is newer than the new one can be made.
    pub(super) behind: Vec<Uuid>,
}

impl<R: Row> Work<'_, R> {
    /// Applies the whole log, in several parts at once, each from where it was.
    pub(super) async fn scan(&self, new: &Generation<R>, number: u32) -> anyhow::Result<Unreadable> {
        let places = self.places(number, SEGMENTS).await?;
        if places.iter().any(|place| *place != Place::Beginning) {
            eprintln!("going on where it was interrupted");
        }
        let size = rough_size(self.context, &self.context.names.table(&EVENTS)).await;
        let (progress, unreadable) = (Mutex::new(Progress::of("building", size)), Mutex::new(Unreadable::new()));
        let parts = (0..).zip(places).map(|(segment, place)| self.part(new, segment, place, &progress, &unreadable));
        try_join_all(parts).await?;
        Ok(unreadable.into_inner())
    }

    async fn part(
        &self,
        new: &Generation<R>,
        segment: i32,
        place: Place,
        progress: &Mutex<Progress>,
        unreadable: &Mutex<Unreadable>,
    ) -> Result<(), StoreError> {
        let mut start = match place {
            Place::Beginning => None,
            Place::After(key) => Some(key),
            Place::End => return Ok(()),
        };
        let table = self.context.names.table(&EVENTS);
        let prefix = format!("{}#", <R::Rules as Decider>::CATEGORY.as_str());
        loop {
            let scan = self.context.aws.dynamodb.scan().table_name(&table).consistent_read(true).limit(PAGE);
            let page = scan
                .segment(segment)
                .total_segments(SEGMENTS)
                .filter_expression("begins_with(#stream, :prefix)")
                .expression_attribute_names("#stream", "stream")
                .expression_attribute_values(":prefix", AttributeValue::S(prefix.clone()))
                .set_exclusive_start_key(start)
                .send()
                .await
                .map_err(unavailable)?;
            let looked_at = u64::try_from(page.scanned_count).unwrap_or_default();
            let streams = decoded(page.items.unwrap_or_default(), unreadable).await;
            let applying = streams.into_values().map(|commits| self.bring(new, commits, unreadable));
            stream::iter(applying).buffer_unordered(AT_ONCE).try_collect::<Vec<()>>().await?;
            start = page.last_evaluated_key;
            self.note_place(segment, start.clone()).await?;
            progress.lock().await.add(looked_at);
            if start.is_none() {
                return Ok(());
            }
        }
    }

    async fn bring(
        &self,
        new: &Generation<R>,
        commits: Vec<StoredCommit>,
        unreadable: &Mutex<Unreadable>,
    ) -> Result<(), StoreError> {
        let Some(stream) = commits.first().map(|commit| commit.stream) else { return Ok(()) };
        match new.bring_to(self.context.store(), None, &commits).await {
            Ok(()) => Ok(()),
            Err(ApplyError::Transient(error)) => Err(error),
            Err(ApplyError::Poison { source, .. }) => {
                unreadable.lock().await.insert(stream.to_string(), chain(&source));
                Ok(())
            }
        }
    }

    /// Compares the version of every row with the log, and brings up what is behind.
    pub(super) async fn complete(
        &self,
        new: &Generation<R>,
        model: &Model,
        number: u32,
        unreadable: &mut Unreadable,
    ) -> anyhow::Result<Built> {
        let mut heads: BTreeMap<Uuid, Version> = BTreeMap::new();
        scan(self.context, "comparing", |_, page| {
            for text in page {
                let stream = text.get("stream").and_then(|stream| stream.parse::<StreamId>().ok());
                let version = text.get("version").and_then(|version| version.parse().ok());
                if let (Some(stream), Some(version)) = (stream.filter(|stream| feeds::<R>(*stream)), version) {
                    let head = heads.entry(stream.id).or_default();
                    *head = (*head).max(Version(version));
                }
            }
            Ok(())
        })
        .await?;
        let mut built = Built { rows: heads.len(), ..Built::default() };
        let mut versions = self.versions(number).await?;
        let mut progress = Progress::of("healing", None);
        for (id, head) in &heads {
            let stream = StreamId { category: <R::Rules as Decider>::CATEGORY, id: *id };
            if versions.get(id).is_some_and(|version| version >= head) {
                unreadable.remove(&stream.to_string());
                continue;
            }
            match new.bring_to_the_end(self.context.store(), stream).await {
                Ok(()) => {
                    built.healed += 1;
                    versions.insert(*id, *head);
                    unreadable.remove(&stream.to_string());
                }
                Err(ApplyError::Transient(error)) => return Err(error.into()),
                Err(ApplyError::Poison { source, .. }) => {
                    unreadable.insert(stream.to_string(), chain(&source));
                }
            }
            progress.add(1);
        }
        if !unreadable.is_empty() {
            versions = self.versions(number).await?;
        }
        // Of what could be brought to the end of the log none is older than the one that is read: it is fed first.
        for (id, read) in self.versions(model.current).await? {
            let new = versions.get(&id);
            let stuck = heads.get(&id).is_some_and(|head| new.is_none_or(|new| new < head));
            if stuck && new.is_none_or(|new| *new < read) {
                built.behind.push(id);
            }
        }
        Ok(built)
    }

    async fn versions(&self, generation: u32) -> Result<HashMap<Uuid, Version>, StoreError> {
        let mut versions = HashMap::new();
        self.rows.at(generation).versions(|row| versions.extend(row)).await?;
        Ok(versions)
    }
}

/// The commits of a page by stream; those that cannot be read are noted.
async fn decoded(
    items: Vec<HashMap<String, AttributeValue>>,
    unreadable: &Mutex<Unreadable>,
) -> BTreeMap<StreamId, Vec<StoredCommit>> {
    let mut streams: BTreeMap<StreamId, Vec<StoredCommit>> = BTreeMap::new();
    for item in items {
        match decode_item(&item) {
            Ok(commit) => streams.entry(commit.stream).or_default().push(commit),
            Err(error) => {
                let name = item.get("stream").and_then(|name| name.as_s().ok()).cloned().unwrap_or_default();
                unreadable.lock().await.insert(name, error.to_string());
            }
        }
    }
    streams
}
