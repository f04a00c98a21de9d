//! The background audit: goes round the log, slowly and for ever, and compares what was made of it.
//!
//! Where everything works it finds nothing. What it finds is put right through the same conditional writes as ever, and
//! counted: the number should stay 0. Commits that a row lacks are delivered again, with everything that they add: nobody
//! would add it once the row is written.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use aws_sdk_dynamodb::types::AttributeValue;
use chrono::{DateTime, TimeDelta, Utc};
use events::{
    ids::UserId,
    notification::NotificationState,
    role::RoleState,
    stream::{Category, StreamId},
    user::{Status, UserState},
    views::Row,
};
use platform::{
    context::Context,
    lifecycle::Shutdown,
    rows::Rows,
    store::{StoreError, unavailable},
    tables::{EVENTS, LEASES, NOTIFICATIONS, ROLES, USERS},
    telemetry::metrics::DRIFT,
};
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use super::claims;
use crate::feed::{Compared, Feed, Standing, chain, compare_quickly};

/// Commits per page of the log.
const PAGE: i32 = 25;

/// From one page to the next: with [`PAGE`], at most 5 commits a second are looked at, 18,000 an hour.
const PAUSE: Duration = Duration::from_secs(5);

/// A process that has just begun has other things to do first.
const REST: Duration = Duration::from_mins(5);

/// How far the clocks of two services may be apart: what was recorded so shortly before the moment up to which everything
/// is applied may be on its way.
const CLOCKS_APART: TimeDelta = TimeDelta::seconds(10);

/// The key of the item that says how far the audit is, in table `leases`.
const KEY: &str = "audit";

/// What the audit counted since the process began.
#[derive(Debug, Default)]
pub struct Counted {
    /// Streams that were compared.
    pub streams: AtomicU64,
    /// Rows and claims that were not as the log says.
    pub drift: AtomicU64,
    /// How many of them are right now.
    pub healed: AtomicU64,
}

/// The audit of one stage. Only one process at a time should run it; several do no harm.
#[derive(Debug)]
pub struct Audit {
    context: Context,
    feed: Feed,
    counted: Arc<Counted>,
    users: Rows<UserState>,
    roles: Rows<RoleState>,
    notifications: Rows<NotificationState>,
    /// Looked at in the last page: a long stream is in many.
    lately: BTreeSet<StreamId>,
}

type Key = Option<HashMap<String, AttributeValue>>;

impl Audit {
    /// An audit that counts from 0, and gives `feed` what did not reach the rows.
    pub fn new(context: Context, feed: Feed) -> Self {
        let (client, names, generations) = (|| context.aws.dynamodb.clone(), &context.names, &context.generations);
        Self {
            users: Rows::new(client(), names, &USERS, generations),
            roles: Rows::new(client(), names, &ROLES, generations),
            notifications: Rows::new(client(), names, &NOTIFICATIONS, generations),
            counted: Arc::default(),
            lately: BTreeSet::new(),
            context,
            feed,
        }
    }

    /// What was counted, for as long as the process lives.
    pub fn counted(&self) -> Arc<Counted> {
        Arc::clone(&self.counted)
    }

    /// Looks at a page of the log now and then until the shutdown begins, while `leads` gives the moment up to which
    /// everything is applied.
    pub async fn run(mut self, leads: impl Fn() -> Option<DateTime<Utc>> + Send, shutdown: Shutdown) {
        let mut tick = interval_at(Instant::now() + REST, PAUSE);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! { () = shutdown.begun() => return, _ = tick.tick() => () }
            let Some(applied_until) = leads() else { continue };
            tokio::select! {
                () = shutdown.begun() => return,
                looked = self.look(applied_until) => if let Err(error) = looked {
                    tracing::warn!(error = &error as &dyn std::error::Error, "the audit could not go on");
                }
            }
        }
    }

    /// Looks at one page of the log. `true`: it was the last one, and the next look begins a new round.
    ///
    /// # Errors
    /// When a table does not answer.
    pub async fn look(&mut self, applied_until: DateTime<Utc>) -> Result<bool, StoreError> {
        let client = &self.context.aws.dynamodb;
        let scan = client.scan().table_name(self.context.names.table(&EVENTS)).limit(PAGE);
        let scan = scan.projection_expression("#stream").expression_attribute_names("#stream", "stream");
        let page = scan.set_exclusive_start_key(self.place().await?).send().await.map_err(unavailable)?;
        let named = |item: &HashMap<String, AttributeValue>| item.get("stream")?.as_s().ok()?.parse().ok();
        let streams: BTreeSet<StreamId> = page.items().iter().filter_map(named).collect();
        for stream in streams.difference(&self.lately.clone()) {
            match self.audit(*stream, applied_until).await {
                // A table that can never take what would put one stream right must not keep the others from being looked at.
                Err(error) if !error.is_outage() => self.note(*stream, &chain(&error), false),
                audited => audited?,
            }
        }
        let is_last = page.last_evaluated_key.is_none();
        self.lately = if is_last { BTreeSet::new() } else { streams };
        if is_last {
            let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
            let Counted { streams, drift, healed } = &*self.counted;
            let (streams, drift, healed) = (count(streams), count(drift), count(healed));
            tracing::info!(streams, drift, healed, "the audit has been round the log");
        }
        self.note_place(page.last_evaluated_key).await?;
        Ok(is_last)
    }

    async fn audit(&self, stream: StreamId, applied_until: DateTime<Utc>) -> Result<(), StoreError> {
        let can_be_folded = match stream.category {
            Category::User => {
                let user = self.row(&self.users, stream, applied_until).await?;
                if user.as_ref().is_some_and(|user| user.status == Status::Erased) {
                    // A sign-in that raced the erasure may have left a session behind.
                    self.feed.forget(UserId(stream.id)).await?;
                }
                user.is_some()
            }
            Category::Role => self.row(&self.roles, stream, applied_until).await?.is_some(),
            Category::Notification => self.row(&self.notifications, stream, applied_until).await?.is_some(),
            Category::Session | Category::Number => true,
        };
        self.counted.streams.fetch_add(1, Ordering::Relaxed);
        if can_be_folded {
            for drift in claims::of_stream(&self.context, stream, true).await? {
                self.note(stream, &drift.to_string(), drift.healed);
            }
        }
        Ok(())
    }

    /// Gives the stream's state, unless it cannot be folded: one that cannot is parked, and told of there.
    async fn row<R: Row>(
        &self,
        rows: &Rows<R>,
        stream: StreamId,
        applied_until: DateTime<Utc>,
    ) -> Result<Option<R>, StoreError> {
        let (found, recorded_at) = compare_quickly(self.context.store(), rows, stream).await?;
        let is_on_its_way = recorded_at.is_some_and(|at| at > applied_until - CLOCKS_APART);
        match found.standing {
            Standing::Missing(_) | Standing::Behind(..) if is_on_its_way => (),
            Standing::Equal | Standing::Unfoldable(_) => (),
            _ => self.put_right(rows, stream, &found).await?,
        }
        Ok(found.into_fold())
    }

    async fn put_right<R: Row>(&self, rows: &Rows<R>, stream: StreamId, found: &Compared<R>) -> Result<(), StoreError> {
        let what = &found.standing;
        let healed = match what.lacks_after() {
            Some(version) => {
                if !self.feed.deliver_again(stream, version).await? {
                    return Ok(());
                }
                let (now, _) = compare_quickly(self.context.store(), rows, stream).await?;
                now.standing == Standing::Equal || self.mend(rows, &now).await?
            }
            None => self.mend(rows, found).await?,
        };
        // One that somebody wrote while it was compared is looked at again in the next round.
        if healed || !what.can_be_mended() {
            self.note(stream, &what.to_string(), healed);
        }
        Ok(())
    }

    async fn mend<R: Row>(&self, rows: &Rows<R>, found: &Compared<R>) -> Result<bool, StoreError> {
        Ok(found.standing.can_be_mended() && found.mend(rows, self.context.clock.new_id()).await?)
    }

    fn note(&self, stream: StreamId, what: &str, healed: bool) {
        self.counted.drift.fetch_add(1, Ordering::Relaxed);
        DRIFT.add(1, [stream.category.as_str().into()]);
        self.counted.healed.fetch_add(u64::from(healed), Ordering::Relaxed);
        tracing::error!(stream = %stream, what, healed, "the audit found what is not as the log says");
    }

    /// Where the last page ended, by whichever process.
    async fn place(&self) -> Result<Key, StoreError> {
        let get = self.context.aws.dynamodb.get_item().table_name(self.context.names.table(&LEASES));
        let item = get.key("lease", AttributeValue::S(KEY.to_owned())).send().await.map_err(unavailable)?.item;
        Ok(item.and_then(|mut item| match item.remove("place") {
            Some(AttributeValue::M(place)) => Some(place),
            _ => None,
        }))
    }

    async fn note_place(&self, place: Key) -> Result<(), StoreError> {
        let put = self.context.aws.dynamodb.put_item().table_name(self.context.names.table(&LEASES));
        let put = put.item("lease", AttributeValue::S(KEY.to_owned()));
        let put = match place {
            Some(place) => put.item("place", AttributeValue::M(place)),
            None => put,
        };
        put.send().await.map(drop).map_err(unavailable)
    }
}
