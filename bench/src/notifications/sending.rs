//! Users, notifications for them, their queues and the stand-in's ledger: what the cells of notifications work with.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use chrono::{DateTime, TimeDelta, Utc};
use events::{
    decider::Decider,
    envelope::{Actor, Metadata},
    ids::{EventId, NotificationId, UserId},
    notification::{
        Lane, Notification, NotificationCommand, NotificationEvent, NotificationRefusal, NotificationRequested,
        NotificationState, template::PASSWORD_CHANGED,
    },
    stream::Version,
};
use futures::{StreamExt, TryStreamExt, stream};
use platform::{
    access::Principal,
    clock::Clock,
    context::Context,
    crypto::Secrets,
    store::{Folded, Intent, Range},
};
use projector::notify::Queues;
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::{
    projector::Projector,
    stage::{PASSWORD, Stage},
};

/// How long the stand-in takes to answer, in milliseconds.
pub(super) const LATENCY_MS: u64 = 50;

/// How often the stand-in is asked for all that it accepted: that is work for the machine, too.
pub(super) const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Seeding under way at once.
pub(super) const SEEDING: usize = 64;

/// Messages that are put with one call, and calls under way at once.
const PER_PUT: usize = 10;
const PUTTING: usize = 8;

/// Commits of a notification, at most.
const COMMITS: usize = 32;

/// For how long a message is kept that makes its lane a busy one, in seconds: longer than a run takes.
const KEPT_SECONDS: u32 = 3_600;

/// What all parts work with.
pub(super) struct Sending {
    pub(super) stage: Stage,
    pub(super) context: Context,
    pub(super) queues: Queues,
    pub(super) users: Vec<UserId>,
}

impl Sending {
    pub(super) async fn start(users: usize) -> anyhow::Result<Self> {
        let mut stage = Stage::start(0).await?;
        for number in 0..users {
            let id = stage.register_with(number, Some(PASSWORD)).await?;
            stage.users.push(id);
        }
        let settings = stage.settings();
        let context =
            Context::open(&settings, Principal::Elsewhere, &Secrets::load(&settings.data_dir)?, Clock::system())
                .await?;
        let queues = Queues::find(context.aws.sqs.clone(), &context.names).await?;
        let users = stage.users.iter().map(|id| Ok(id.parse()?)).collect::<anyhow::Result<_>>()?;
        Ok(Self { stage, context, queues, users })
    }

    /// Requests notifications below the reactions without putting them on their lane.
    pub(super) async fn request_all(&self, lane: Lane, count: usize) -> anyhow::Result<Vec<NotificationId>> {
        let requests = (0..count).map(|number| self.requested(lane, number));
        stream::iter(requests).buffer_unordered(SEEDING).try_collect().await
    }

    /// Puts requested notifications on their lane as fast as it takes them.
    pub(super) async fn put(&self, lane: Lane, ids: &[NotificationId]) -> anyhow::Result<()> {
        let messages: Vec<_> = ids.iter().map(|id| (*id, None)).collect();
        let puts = messages.chunks(PER_PUT).map(|some| self.queues.send_all(lane, some));
        let taken: Vec<Vec<NotificationId>> = stream::iter(puts).buffer_unordered(PUTTING).try_collect().await?;
        ensure!(taken.iter().map(Vec::len).sum::<usize>() == ids.len(), "the lane did not take all");
        Ok(())
    }

    /// Takes a message of a lane in hand, which keeps the lane from being empty: then the sweeper leaves requests without a
    /// message to themselves.
    pub(super) async fn keep_busy(&self, lane: Lane) -> anyhow::Result<()> {
        self.queues.send(lane, NotificationId(self.context.clock.new_id()), None).await?;
        let received = self.queues.receive(lane, 1).await?;
        let message = received.first().context("nothing was received")?;
        Ok(self.queues.show_again_in(lane, message, KEPT_SECONDS).await?)
    }

    /// Requests notifications below the reactions, numbered from `first`, and puts them on their lane.
    pub(super) async fn request(&self, lane: Lane, first: usize, count: usize) -> anyhow::Result<()> {
        let requests = (first..first + count).map(|number| async move {
            let id = self.requested(lane, number).await?;
            self.queues.send(lane, id, None).await?;
            anyhow::Ok(())
        });
        stream::iter(requests).buffer_unordered(SEEDING).try_collect::<Vec<()>>().await.map(drop)
    }

    pub(super) async fn requested(&self, lane: Lane, number: usize) -> anyhow::Result<NotificationId> {
        let (user, event) = (self.users[number % self.users.len()], EventId(self.context.clock.new_id()));
        let id = NotificationId::caused_by(event, user, PASSWORD_CHANGED.name);
        let expires_at = self.context.clock.now() + TimeDelta::hours(24);
        let template = PASSWORD_CHANGED.name.to_owned();
        let request = NotificationRequested { user_id: user, event_id: event, template, lane, expires_at };
        self.execute(id, NotificationCommand::Request(request)).await?;
        Ok(id)
    }

    pub(super) async fn execute(&self, id: NotificationId, command: NotificationCommand) -> anyhow::Result<()> {
        let decide = |folded: &Folded<Option<NotificationState>>| -> Result<_, NotificationRefusal> {
            Notification::decide(&folded.state, command.clone())
        };
        self.context.notifications.execute(id.into(), &Intent::of(self.metadata()), decide).await?;
        Ok(())
    }

    pub(super) fn metadata(&self) -> Metadata {
        let correlation_id = self.context.clock.new_id();
        Metadata { actor: Actor::System, reason: None, correlation_id, causation_id: None, traceparent: None }
    }

    /// When a notification was requested, and when it was taken for sending.
    pub(super) async fn moments(&self, id: NotificationId) -> anyhow::Result<[DateTime<Utc>; 2]> {
        let all = Range { after: Version::NONE, until: None };
        let commits = self.context.store().read::<NotificationEvent>(id.into(), all, COMMITS).await?;
        let events = || commits.iter().flat_map(|commit| &commit.events);
        let requested = events().find(|it| matches!(it.event, NotificationEvent::NotificationRequested(_)));
        let taken = events().find(|it| matches!(it.event, NotificationEvent::NotificationSending(_)));
        let (requested, taken) = requested.zip(taken).context("it was not sent")?;
        Ok([requested.recorded_at, taken.recorded_at])
    }

    /// A projector that sends at a pace, once what was asked of the stand-in holds.
    pub(super) async fn projector(&self, pace: u32, faults: &Value) -> anyhow::Result<Projector> {
        let address = format!("{}/_standin/faults", self.stage.engines.telnyx_url());
        self.stage.http.put(address).json(faults).send().await?.error_for_status()?;
        let pace = pace.to_string();
        Projector::start_around(&self.stage, &at_pace(&pace)).await
    }

    /// A second one.
    pub(super) fn beside(&self, pace: u32) -> anyhow::Result<Projector> {
        let pace = pace.to_string();
        Projector::beside(&self.stage, &at_pace(&pace))
    }

    /// What the stand-in accepted: to which number, and when.
    pub(super) async fn ledger(&self) -> anyhow::Result<Vec<(String, DateTime<Utc>)>> {
        let address = format!("{}/_standin/messages", self.stage.engines.telnyx_url());
        let ledger: Value = self.stage.http.get(address).send().await?.json().await?;
        let items = ledger["items"].as_array().context("no ledger")?.iter();
        items
            .map(|item| {
                let text = |name: &str| item[name].as_str().context("not a text");
                Ok((text("to")?.to_owned(), text("received_at")?.parse()?))
            })
            .collect()
    }

    /// When each of so many was accepted, once nothing but what is kept is on the lane. Counting a queue is less work for the
    /// machine than reading the ledger again and again.
    pub(super) async fn sent_from(&self, lane: Lane, count: usize) -> anyhow::Result<Vec<DateTime<Utc>>> {
        while self.queues.backlog(lane).await? > 1 {
            sleep(LOOK_EVERY).await;
        }
        self.sent(count).await
    }

    pub(super) async fn sent(&self, count: usize) -> anyhow::Result<Vec<DateTime<Utc>>> {
        while self.ledger().await?.len() < count {
            sleep(LOOK_EVERY).await;
        }
        let mut times: Vec<DateTime<Utc>> = self.ledger().await?.into_iter().map(|(_, at)| at).collect();
        times.sort_unstable();
        Ok(times)
    }
}

fn at_pace(pace: &str) -> [(&str, &str); 2] {
    [("FIELDFUZE_SMS_ACCOUNT_RATE", pace), ("FIELDFUZE_SMS_SENDER_RATE", pace)]
}

pub(super) fn silent() -> Value {
    json!({ "latency_ms": LATENCY_MS, "webhooks": { "drop": true } })
}
