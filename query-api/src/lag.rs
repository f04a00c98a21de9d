//! How far the read models are behind the log, as the projector's leases and its parked streams tell.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use aws_sdk_dynamodb::{Client, types::AttributeValue};
use axum::{
    extract::{Request, State},
    http::{HeaderName, HeaderValue},
    middleware::Next,
    response::Response,
};
use chrono::{DateTime, TimeDelta, Utc};
use platform::{
    clock::Clock,
    positions::{self, Position},
    store::{ON_ITS_WAY, StoreError, unavailable},
    tables::{EVENTS, LEASES, Names, PARKED},
};

/// How far an answer that asks for no version may be behind: milliseconds, or `unknown`.
pub const PROJECTION_LAG: HeaderName = HeaderName::from_static("projection-lag");

/// How often the leases are read.
const POLL: Duration = Duration::from_secs(1);

/// How far the clocks of two of our machines, or of one and DynamoDB, are apart at most. Amazon's time service
/// keeps them within milliseconds.
const CLOCKS_APART: Duration = Duration::from_secs(2);

/// How far behind the slowest shard everything is known to be in the log: what was recorded before may still have been on
/// its way when the shard's last record was read.
const MARGIN: Duration = ON_ITS_WAY.saturating_add(CLOCKS_APART);

/// How old a record of the table's stream can be at most: `DynamoDB` keeps them for so long.
const OLDEST_RECORD: TimeDelta = TimeDelta::hours(24);

type Item = HashMap<String, AttributeValue>;

/// What is known at a moment.
#[derive(Debug, Clone, Copy, Default)]
struct Known {
    /// The position of the slowest shard.
    slowest: Option<DateTime<Utc>>,
    /// Everything that was recorded before is projected.
    complete_until: Option<DateTime<Utc>>,
}

/// How far everything is projected.
#[derive(Debug, Clone)]
pub struct Lag {
    client: Client,
    leases: String,
    parked: String,
    events: String,
    clock: Clock,
    known: Arc<RwLock<Known>>,
}

impl Lag {
    /// Unknown until it is polled.
    pub fn new(client: Client, names: &Names, clock: Clock) -> Self {
        let (leases, parked, events) = (names.table(&LEASES), names.table(&PARKED), names.table(&EVENTS));
        Self { client, leases, parked, events, clock, known: Arc::default() }
    }

    /// Reads the leases and the parked streams once a second, for ever. A failure makes it unknown.
    pub async fn poll(self) {
        let mut tick = tokio::time::interval(POLL);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
            let known = self.read().await.unwrap_or_else(|error| {
                tracing::warn!(error = &error as &dyn std::error::Error, "the leases cannot be read");
                Known::default()
            });
            *self.known.write().unwrap_or_else(PoisonError::into_inner) = known;
        }
    }

    /// Milliseconds since the moment up to which everything is projected that is not parked.
    pub fn milliseconds(&self) -> Option<i64> {
        self.known().slowest.map(|at| (self.clock.now() - at).num_milliseconds().max(0))
    }

    /// Everything that was recorded before this is projected: the oldest position of all shards and parked streams.
    pub fn complete_until(&self) -> Option<DateTime<Utc>> {
        self.known().complete_until
    }

    fn known(&self) -> Known {
        *self.known.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// A stream is parked before its shard goes on, so what was not parked after the leases were read is not behind them.
    async fn read(&self) -> Result<Known, StoreError> {
        let Some(slowest) = self.slowest_shard().await? else { return Ok(Known::default()) };
        let mut complete_until = slowest - MARGIN;
        let scan = self.client.scan().table_name(&self.parked).consistent_read(true);
        let mut parked = scan.into_paginator().items().send();
        while let Some(item) = parked.next().await {
            match self.parked_from(&item.map_err(unavailable)?).await? {
                Some(from) => complete_until = complete_until.min(from),
                None => return Ok(Known { slowest: Some(slowest), complete_until: None }),
            }
        }
        Ok(Known { slowest: Some(slowest), complete_until: Some(complete_until) })
    }

    /// A handful of rows, one per shard. Consistent, so that all of them are of the time of this read.
    async fn slowest_shard(&self) -> Result<Option<DateTime<Utc>>, StoreError> {
        let scan = self.client.scan().table_name(&self.leases).consistent_read(true);
        let mut pages = scan.into_paginator().items().send();
        let mut rows = Vec::new();
        while let Some(item) = pages.next().await {
            rows.push(item.map_err(unavailable)?);
        }
        Ok(applied_until(&rows))
    }

    /// When the first commit was recorded that a parked stream lacks. Of one that does not even say so, the record was
    /// read from the table's stream, and is no older than that keeps any.
    async fn parked_from(&self, parked: &Item) -> Result<Option<DateTime<Utc>>, StoreError> {
        let (stream, version) =
            (text(parked, "stream"), text(parked, "version").and_then(|text| text.parse::<u64>().ok()));
        if let (Some(stream), Some(version)) = (stream, version) {
            let get = self.client.get_item().table_name(&self.events).projection_expression("recorded_at");
            let get = get.key("stream", AttributeValue::S(stream.to_owned()));
            let get = get.key("version", AttributeValue::N(version.to_string()));
            let commit = get.send().await.map_err(unavailable)?.item;
            if let Some(recorded_at) = commit.and_then(|commit| moment(&commit, "recorded_at")) {
                return Ok(Some(recorded_at));
            }
        }
        Ok(moment(parked, "parked_at").map(|at| at - OLDEST_RECORD))
    }
}

/// Up to when the shards of these rows are applied. Other rows of the table have no checkpoint.
fn applied_until(rows: &[Item]) -> Option<DateTime<Utc>> {
    let shards: Vec<Position<'_>> = rows.iter().filter(|row| row.contains_key("checkpoint")).map(position).collect();
    positions::complete_until(&shards)
}

/// What cannot be read of a row holds the whole back: it is unknown how far it is, or whose child it is.
fn position(row: &Item) -> Position<'_> {
    let (stream, shard) = text(row, "lease").and_then(|key| key.rsplit_once('/')).unwrap_or_default();
    let parents = row.get("parents").and_then(|parents| parents.as_l().ok()).into_iter().flatten();
    Position {
        stream,
        shard,
        parents: parents.filter_map(|parent| parent.as_s().ok().map(String::as_str)).collect(),
        ended: text(row, "checkpoint") == Some("SHARD_END"),
        applied_until: moment(row, "position_at"),
    }
}

fn text<'a>(item: &'a Item, name: &str) -> Option<&'a str> {
    item.get(name)?.as_s().ok().map(String::as_str)
}

fn moment(item: &Item, name: &str) -> Option<DateTime<Utc>> {
    text(item, name)?.parse().ok()
}

/// Puts the lag on every answer.
pub async fn state_lag(State(lag): State<Lag>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let value = match lag.milliseconds() {
        Some(milliseconds) => HeaderValue::from(milliseconds),
        None => HeaderValue::from_static("unknown"),
    };
    response.headers_mut().insert(PROJECTION_LAG, value);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: [&str; 2] = ["2026-01-02T03:04:05.000001Z", "2026-01-02T03:04:06.000002Z"];

    fn row(shard: &str, checkpoint: Option<&str>, parents: &[&str], position_at: Option<&str>) -> Item {
        let text = |text: &str| AttributeValue::S(text.to_owned());
        let parents = parents.iter().map(|parent| text(parent)).collect();
        let optional = [("checkpoint", checkpoint), ("position_at", position_at)];
        [("lease", text(&format!("arn:aws:dynamodb:r:1:table/events/stream/1/{shard}")))]
            .into_iter()
            .chain([("parents", AttributeValue::L(parents))])
            .chain(optional.into_iter().filter_map(|(name, value)| value.map(|value| (name, text(value)))))
            .map(|(name, value)| (name.to_owned(), value))
            .collect()
    }

    #[test]
    fn an_ended_shard_holds_the_feed_back_until_a_row_names_it_as_parent() {
        let [early, late] = AT.map(|at| at.parse::<DateTime<Utc>>().unwrap());
        let ended = row("a", Some("SHARD_END"), &[], Some(AT[0]));
        let other = row("x", Some("9"), &[], Some(AT[1]));
        let leader = row("leader", None, &[], None);
        assert_eq!(applied_until(&[ended.clone(), other.clone(), leader.clone()]), Some(early));
        let child = row("b", Some("TRIM_HORIZON"), &["a"], Some(AT[1]));
        assert_eq!(applied_until(&[ended.clone(), other.clone(), leader.clone(), child]), Some(late));
        let unknown = row("b", Some("TRIM_HORIZON"), &["a"], None);
        assert_eq!(applied_until(&[ended, other, unknown]), None);
        assert_eq!(applied_until(&[leader]), None);
    }
}
