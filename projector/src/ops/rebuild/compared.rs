//! The comparison of every new row with the log, after the scan that made them. It tells which rows are whole.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::AttributeValue;
use events::{
    decider::Decider,
    stream::{StreamId, Version},
    views::Row,
};
use futures::future::try_join_all;
use platform::{
    rows::{Item, Model, Rows},
    store::{StoreError, unavailable},
    tables::{EVENTS, SCAN_PAGE},
};
use tokio::sync::Mutex;
use uuid::Uuid;

use super::Work;
use crate::{
    feed::{ApplyError, Generation, chain},
    ops::{
        progress::Progress,
        scan::{SEGMENTS, rough_size},
    },
};

/// Rows that are asked for at once in each part.
const ROWS: usize = 400;

/// What the comparison came to. Its size is that of what is wrong.
#[derive(Debug, Default)]
pub(super) struct Compared {
    /// Rows that the log's streams have.
    pub(super) rows: u64,
    /// How many of them were behind.
    pub(super) healed: u64,
    /// Streams that cannot be applied to their end, with what is said of each.
    pub(super) unreadable: BTreeMap<String, String>,
    /// Entities whose row that is read is newer than the new one can be made.
    pub(super) behind: Vec<Uuid>,
}

/// What is compared, and how far it is.
struct Comparing<'a, R: Row> {
    new: &'a Generation<R>,
    rows: Rows<R>,
    read: Rows<R>,
    progress: Mutex<Progress>,
    found: Mutex<Compared>,
}

impl<R: Row> Work<'_, R> {
    /// Compares the version of every row with the log, and brings up what is behind.
    pub(super) async fn compare(&self, new: &Generation<R>, model: &Model, number: u32) -> anyhow::Result<Compared> {
        let size = rough_size(self.context, &self.context.names.table(&EVENTS)).await;
        let comparing = Comparing {
            new,
            rows: self.rows.at(number),
            read: self.rows.at(model.current),
            progress: Mutex::new(Progress::of("comparing", size)),
            found: Mutex::default(),
        };
        try_join_all((0..SEGMENTS).map(|segment| self.compare_part(&comparing, segment))).await?;
        Ok(comparing.found.into_inner())
    }

    async fn compare_part(&self, comparing: &Comparing<'_, R>, segment: i32) -> Result<(), StoreError> {
        let mut pages =
            self.commits(segment).limit(SCAN_PAGE).projection_expression("#stream, version").into_paginator().send();
        let mut heads: BTreeMap<Uuid, Version> = BTreeMap::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(unavailable)?;
            comparing.progress.lock().await.add(u64::try_from(page.scanned_count).unwrap_or_default());
            let mut last = None;
            for item in page.items.unwrap_or_default() {
                let Some((stream, version)) = place_of(&item) else {
                    let name = item.get("stream").and_then(|name| name.as_s().ok()).cloned().unwrap_or_default();
                    comparing.found.lock().await.unreadable.insert(name, "its key is none of ours".to_owned());
                    continue;
                };
                last = Some(stream.id);
                let head = heads.entry(stream.id).or_default();
                *head = version.max(*head);
            }
            // The last stream may go on in the next page.
            let goes_on = last.and_then(|id| heads.remove_entry(&id));
            self.compare_rows(comparing, std::mem::take(&mut heads)).await?;
            heads.extend(goes_on);
        }
        self.compare_rows(comparing, heads).await
    }

    async fn compare_rows(
        &self,
        comparing: &Comparing<'_, R>,
        heads: BTreeMap<Uuid, Version>,
    ) -> Result<(), StoreError> {
        let heads: Vec<(Uuid, Version)> = heads.into_iter().collect();
        for heads in heads.chunks(ROWS) {
            let ids: Vec<Uuid> = heads.iter().map(|(id, _)| *id).collect();
            let versions = comparing.rows.versions_of(&ids).await?;
            comparing.found.lock().await.rows += ids.len() as u64;
            for (id, head) in heads {
                if versions.get(id).is_none_or(|version| version < head) {
                    self.heal(comparing, *id).await?;
                }
            }
        }
        Ok(())
    }

    async fn heal(&self, comparing: &Comparing<'_, R>, id: Uuid) -> Result<(), StoreError> {
        let stream = StreamId { category: <R::Rules as Decider>::CATEGORY, id };
        let why = match comparing.new.bring_to_the_end(self.context.store(), stream).await {
            Ok(()) => {
                comparing.found.lock().await.healed += 1;
                return Ok(());
            }
            Err(ApplyError::Transient(error)) => return Err(error),
            Err(ApplyError::Poison { source, .. }) => chain(&source),
        };
        // Of what could be brought to the end of the log none is older than the one that is read: it is fed first.
        let version = async |rows: &Rows<R>| rows.versions_of(&[id]).await.map(|versions| versions.get(&id).copied());
        let is_older = version(&comparing.rows).await? < version(&comparing.read).await?;
        let mut found = comparing.found.lock().await;
        found.unreadable.insert(stream.to_string(), why);
        if is_older {
            found.behind.push(id);
        }
        Ok(())
    }
}

/// The stream and the version of a commit.
fn place_of(item: &Item) -> Option<(StreamId, Version)> {
    let text = |name| match item.get(name) {
        Some(AttributeValue::S(text) | AttributeValue::N(text)) => Some(text),
        _ => None,
    };
    Some((text("stream")?.parse().ok()?, Version(text("version")?.parse().ok()?)))
}
