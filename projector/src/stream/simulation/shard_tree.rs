//! The table's stream: shards that roll over and split, page by page, for a day.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use aws_sdk_dynamodbstreams::types::AttributeValue;
use chrono::SubsecRound;

use super::{
    bug::Bug,
    events::Event,
    log::Commit,
    world::{State, wall},
};
use crate::stream::{Page, Record, SourceError, shards::Shard, source::From};

/// How long the stream keeps a record.
pub(super) const RETENTION: Duration = Duration::from_hours(24);

/// How long an iterator can be used.
const ITERATOR_LIFE: Duration = Duration::from_mins(15);

/// Keys are spread over this range.
const RANGE: u64 = 1 << 16;

/// The most empty pages in a row that tell nothing: one fewer than a reader takes for the tip.
const EMPTY_PAGES: u8 = 2;

#[derive(Debug)]
pub(super) struct ShardTree {
    /// ARN of the stream that the table has.
    pub(super) stream: String,
    pub(super) shards: BTreeMap<String, TreeShard>,
    /// Records per page.
    pub(super) page: usize,
    /// Whether a closed shard's end shows only on an empty page behind its last record.
    pub(super) late_end: bool,
    /// Whether of two shards that go on from one, one may be listed before the other.
    pub(super) siblings_apart: bool,
    /// Iterators that were given before have expired.
    expired_before: usize,
    iterators: Vec<Iterator>,
    streams: u64,
    sequence: u64,
}

#[derive(Debug)]
pub(super) struct TreeShard {
    pub(super) stream: String,
    pub(super) parent: Option<String>,
    range: (u64, u64),
    pub(super) records: Vec<Entry>,
    /// So many of the first records are gone.
    pub(super) trimmed: usize,
    pub(super) closed_at: Option<Duration>,
    listed_from: Duration,
    /// Neither listed nor found any more.
    pub(super) gone: bool,
}

#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) sequence: u64,
    pub(super) commit: Commit,
    pub(super) at: Duration,
    pub(super) delivered: bool,
}

#[derive(Debug, Clone)]
struct Iterator {
    shard: String,
    place: usize,
    given: Duration,
    empties: u8,
}

impl ShardTree {
    pub(super) fn new(shards: u64, page: usize, late_end: bool, siblings_apart: bool) -> Self {
        let mut tree = Self {
            stream: String::new(),
            shards: BTreeMap::new(),
            page,
            late_end,
            siblings_apart,
            expired_before: 0,
            iterators: Vec::new(),
            streams: 0,
            sequence: 0,
        };
        tree.replace(shards, Duration::ZERO);
        tree
    }

    /// The stream is switched off and on: the table has another one, of so many shards.
    pub(super) fn replace(&mut self, shards: u64, now: Duration) {
        for shard in self.shards.values_mut() {
            shard.closed_at.get_or_insert(now);
        }
        self.streams += 1;
        self.stream = format!("arn:aws:dynamodb:r:1:table/events/stream/{}", self.streams);
        for number in 0..shards {
            self.add(None, (RANGE * number / shards, RANGE * (number + 1) / shards), now);
        }
    }

    /// Closes a shard. As many others go on from it as `lags` are given: so much later each may be listed.
    pub(super) fn close(&mut self, id: &str, now: Duration, lags: &[Duration]) {
        let Some(shard) = self.shards.get_mut(id) else { return };
        shard.closed_at = Some(now);
        let (from, to) = shard.range;
        let (listed, parts) = (shard.listed_from, lags.len() as u64);
        for (part, lag) in (0..).zip(lags) {
            // What is listed lists its parents.
            let listed_from = listed.max(now + *lag);
            let range = (from + (to - from) * part / parts, from + (to - from) * (part + 1) / parts);
            self.add(Some(id.to_owned()), range, listed_from);
        }
    }

    fn add(&mut self, parent: Option<String>, range: (u64, u64), listed_from: Duration) {
        let shard = TreeShard {
            stream: self.stream.clone(),
            parent,
            range,
            records: Vec::new(),
            trimmed: 0,
            closed_at: None,
            listed_from,
            gone: false,
        };
        self.shards.insert(format!("shardId-{:04}", self.shards.len()), shard);
    }

    /// The shards that records go into.
    pub(super) fn open(&self) -> impl std::iter::Iterator<Item = (&String, &TreeShard)> {
        self.shards.iter().filter(|(_, shard)| shard.closed_at.is_none())
    }

    /// Puts a record into the shard of its key.
    pub(super) fn put(&mut self, commit: Commit, at: Duration) {
        let key = commit.stream.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 48;
        self.sequence += 1;
        let entry = Entry { sequence: self.sequence, commit, at, delivered: false };
        let open = self
            .shards
            .values_mut()
            .find(|shard| shard.closed_at.is_none() && (shard.range.0..shard.range.1).contains(&key));
        if let Some(shard) = open {
            shard.records.push(entry);
        }
    }

    /// Every iterator that was given expires.
    pub(super) fn expire_all(&mut self) {
        self.expired_before = self.iterators.len();
    }

    /// Records that are too old go, and with them closed shards.
    pub(super) fn trim(&mut self, now: Duration) -> Vec<Event> {
        let Some(horizon) = now.checked_sub(RETENTION) else { return Vec::new() };
        let mut events = Vec::new();
        for shard in self.shards.values_mut() {
            let trimmed = shard.records.partition_point(|entry| entry.at < horizon);
            if shard.records[shard.trimmed..trimmed].iter().any(|entry| !entry.delivered) {
                events.push(Event::TrimmedUnread);
            }
            shard.trimmed = trimmed;
            let goes = shard.closed_at.is_some_and(|at| at < horizon) && trimmed == shard.records.len();
            if goes && !shard.gone {
                shard.gone = true;
                events.push(Event::ShardGone);
            }
        }
        events
    }
}

impl State {
    pub(super) fn list_shards(&self, stream: &str) -> Vec<Shard> {
        let now = self.elapsed();
        let listed = self
            .tree
            .shards
            .iter()
            .filter(|(_, shard)| shard.stream == stream && !shard.gone && shard.listed_from <= now);
        listed
            .map(|(id, shard)| {
                let parent = shard.parent.iter().filter(|_| self.bug != Some(Bug::NoParents));
                Shard { id: id.clone(), parents: parent.cloned().collect() }
            })
            .collect()
    }

    pub(super) fn give_iterator(&mut self, shard: &str, from: &From) -> Result<String, SourceError> {
        let found = self.tree.shards.get(shard).filter(|found| !found.gone);
        let found = found.ok_or_else(|| SourceError::NotFound("no such shard".into()))?;
        let place = match from {
            From::Horizon => found.trimmed,
            From::After(sequence) => {
                let last: u64 = sequence.parse().unwrap();
                let place = found.records.partition_point(|entry| entry.sequence <= last);
                if place < found.trimmed && self.bug != Some(Bug::SilentTrim) {
                    return Err(SourceError::Trimmed);
                }
                place.max(found.trimmed)
            }
        };
        Ok(self.iterate(shard.to_owned(), place, 0))
    }

    fn iterate(&mut self, shard: String, place: usize, empties: u8) -> String {
        let given = self.elapsed();
        self.tree.iterators.push(Iterator { shard, place, given, empties });
        (self.tree.iterators.len() - 1).to_string()
    }

    pub(super) fn give_records(&mut self, iterator: &str) -> Result<Page, SourceError> {
        let number: usize = iterator.parse().unwrap();
        let Iterator { shard: id, mut place, given, empties } = self.tree.iterators[number].clone();
        if number < self.tree.expired_before || self.elapsed().saturating_sub(given) > ITERATOR_LIFE {
            self.count(Event::Expired);
            return Err(SourceError::Expired);
        }
        let lineage = self.parents_first(&id);
        self.check(lineage);
        let shard = &self.tree.shards[&id];
        if shard.gone {
            return Err(SourceError::NotFound("no such shard".into()));
        }
        if place < shard.trimmed {
            if self.bug != Some(Bug::SilentTrim) {
                return Err(SourceError::Trimmed);
            }
            place = shard.trimmed;
        }
        if empties < EMPTY_PAGES && self.happens(self.weather.empty) {
            self.count(Event::EmptyPage);
            return Ok(Page { next: Some(self.iterate(id, place, empties + 1)), ..Page::default() });
        }
        let (limit, late_end) = (self.tree.page, self.tree.late_end);
        let shard = &self.tree.shards[&id];
        let entries: Vec<Entry> = shard.records[place..].iter().take(limit).cloned().collect();
        place += entries.len();
        let closed = shard.closed_at.is_some() && place == shard.records.len();
        let ended = closed && (!late_end || (entries.is_empty() && empties > 0));
        let empties = if entries.is_empty() { empties.saturating_add(1) } else { 0 };
        self.note(|| format!("{id} gives {} records, ended: {ended}", entries.len()));
        Ok(Page {
            last: entries.last().map(|last| (last.sequence.to_string(), wall(last.at).trunc_subsecs(0))),
            full: entries.len() == limit,
            next: (!ended).then(|| self.iterate(id, place, empties)),
            ignored: 0,
            records: entries.iter().map(Entry::record).collect(),
        })
    }

    /// A shard is read only when its parent was read to its end, or does not exist any more.
    fn parents_first(&self, id: &str) -> Result<(), String> {
        let Some(parent) = &self.tree.shards[id].parent else { return Ok(()) };
        let settled = self.tree.shards[parent].gone || self.leases.ended.contains(parent);
        if settled { Ok(()) } else { Err(format!("{id} is read before its parent {parent} has ended")) }
    }

    /// Notes that records reached a handler.
    pub(super) fn delivered(&mut self, records: &[Commit]) {
        for entry in self.tree.shards.values_mut().flat_map(|shard| &mut shard.records) {
            entry.delivered |= records.contains(&entry.commit);
        }
    }
}

impl Entry {
    fn record(&self) -> Record {
        let number = |value: u64| AttributeValue::N(value.to_string());
        let commit = self.commit;
        let image: HashMap<String, AttributeValue> = [
            ("stream", number(commit.stream)),
            ("version", number(commit.version.0)),
            ("payload", number(commit.payload)),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into();
        Record { sequence: self.sequence.to_string(), created: wall(self.at).trunc_subsecs(0), image }
    }
}
