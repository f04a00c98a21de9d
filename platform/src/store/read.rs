use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use events::{
    commit::{STATE_EVERY, StoredCommit},
    decider::Decider,
    event::EventData,
    stream::{StreamId, Version},
};

use super::{
    Commit, EventStore, Folded, StoreError,
    error::unavailable,
    item::decode_item,
    open::{carried, open},
    sealing::subject,
};

/// Commits per call when a long stretch is read: memory stays bounded however long a stream is.
const PAGE: i32 = 200;

/// A stretch of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    /// Everything after this version.
    pub after: Version,
    /// Up to and with this one; to the end when absent.
    pub until: Option<Version>,
}

impl EventStore {
    /// The first commits of a stretch, at most `limit`, in order; strongly consistent, and so is whether their subject is
    /// erased.
    ///
    /// # Errors
    /// [`StoreError`]; a missing commit is [`StoreError::Hole`], never a silent end.
    pub async fn read<E: EventData>(
        &self,
        stream: StreamId,
        range: Range,
        limit: usize,
    ) -> Result<Vec<Commit<E>>, StoreError> {
        let stored = self.read_stored(stream, range, limit).await?;
        let key = match subject(stream) {
            Some(subject) if !stored.is_empty() => Some(self.keyring.load_now(subject).await?),
            _ => None,
        };
        stored.iter().map(|commit| open(commit, key.as_ref())).collect()
    }

    /// As [`EventStore::read`], with the events as they lie in the log.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn read_stored(
        &self,
        stream: StreamId,
        range: Range,
        limit: usize,
    ) -> Result<Vec<StoredCommit>, StoreError> {
        let mut commits: Vec<StoredCommit> = Vec::new();
        let mut next = range.after.next();
        while commits.len() < limit && range.until.is_none_or(|until| next <= until) {
            let wanted = i32::try_from(limit - commits.len()).unwrap_or(PAGE).min(PAGE);
            let after = commits.last().map_or(range.after, |commit| commit.version);
            let page = self.query(stream, Range { after, ..range }, true, wanted, true).await?;
            if page.is_empty() {
                break;
            }
            for item in &page {
                let commit = decoded(item)?;
                if commit.version != next {
                    return Err(StoreError::Hole { stream, version: next });
                }
                next = next.next();
                commits.push(commit);
            }
        }
        Ok(commits)
    }

    /// The state of a stream, up to `until` or to its end; strongly consistent. One call where commits carry state.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn load<D: Decider>(
        &self,
        stream: StreamId,
        until: Option<Version>,
    ) -> Result<Folded<D::State>, StoreError> {
        self.fold_newest::<D>(stream, until, true).await
    }

    /// The state of a stream as a copy of the table has it that may be behind, at half the price of [`EventStore::load`].
    /// Only for a command that appends: the condition of its write tells whether it was the newest.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(super) async fn glimpse<D: Decider>(&self, stream: StreamId) -> Result<Folded<D::State>, StoreError> {
        self.fold_newest::<D>(stream, None, false).await
    }

    async fn fold_newest<D: Decider>(
        &self,
        stream: StreamId,
        until: Option<Version>,
        consistent: bool,
    ) -> Result<Folded<D::State>, StoreError> {
        let limit = i32::try_from(STATE_EVERY).unwrap_or(PAGE);
        let all = Range { after: Version::NONE, until };
        let newest = self.query(stream, all, false, limit, consistent).await?;
        let key = self.subject_key(stream, !newest.is_empty()).await?;
        let (mut carrying, mut tail) = (None, Vec::new());
        // What is older than a state that is carried is not even decoded.
        for item in &newest {
            let commit = decoded(item)?;
            carrying = commit.state.as_ref().and_then(|state| carried::<D>(&commit, state, key.as_ref()));
            if carrying.is_some() {
                break;
            }
            tail.push(commit);
        }
        if carrying.is_none() && tail.last().is_some_and(|oldest| oldest.version > Version(1)) {
            return self.fold_from_the_beginning::<D>(stream, until).await;
        }
        let mut folded = carrying.unwrap_or_default();
        for commit in tail.iter().rev() {
            push::<D>(&mut folded, &open(commit, key.as_ref())?)?;
        }
        Ok(folded)
    }

    /// The way without a usable carried state: page by page, so that memory stays bounded.
    async fn fold_from_the_beginning<D: Decider>(
        &self,
        stream: StreamId,
        until: Option<Version>,
    ) -> Result<Folded<D::State>, StoreError> {
        let mut folded = Folded::default();
        loop {
            let range = Range { after: folded.version, until };
            let page = self.read::<D::Event>(stream, range, usize::try_from(PAGE).unwrap_or_default()).await?;
            if page.is_empty() {
                return Ok(folded);
            }
            for commit in &page {
                push::<D>(&mut folded, commit)?;
            }
        }
    }

    /// One call of `Query`: a page may end early at 1 MB.
    async fn query(
        &self,
        stream: StreamId,
        range: Range,
        forward: bool,
        limit: i32,
        consistent: bool,
    ) -> Result<Vec<HashMap<String, AttributeValue>>, StoreError> {
        let (from, until) = (range.after.next(), range.until.unwrap_or(Version(u64::MAX >> 1)));
        if until < from {
            return Ok(Vec::new());
        }
        let answer = self
            .client
            .query()
            .table_name(&self.events)
            .consistent_read(consistent)
            .scan_index_forward(forward)
            .limit(limit)
            .key_condition_expression("#stream = :stream AND version BETWEEN :from AND :until")
            .expression_attribute_names("#stream", "stream")
            .expression_attribute_values(":stream", AttributeValue::S(stream.to_string()))
            .expression_attribute_values(":from", AttributeValue::N(from.to_string()))
            .expression_attribute_values(":until", AttributeValue::N(until.to_string()))
            .send()
            .await
            .map_err(unavailable)?;
        Ok(answer.items.unwrap_or_default())
    }
}

fn decoded(item: &HashMap<String, AttributeValue>) -> Result<StoredCommit, StoreError> {
    let text = |name| match item.get(name) {
        Some(AttributeValue::S(text) | AttributeValue::N(text)) => text.clone(),
        _ => "?".to_owned(),
    };
    let undecodable = |source| StoreError::Undecodable { stream: text("stream"), version: text("version"), source };
    decode_item(item).map_err(undecodable)
}

pub(super) fn push<D: Decider>(folded: &mut Folded<D::State>, commit: &Commit<D::Event>) -> Result<(), StoreError> {
    if commit.version != folded.version.next() {
        return Err(StoreError::Hole { stream: commit.stream, version: folded.version.next() });
    }
    folded.push::<D>(commit);
    Ok(())
}
