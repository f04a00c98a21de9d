//! From a notification to the request that Telnyx gets: how many a second, how evenly, and how soon a one-time code.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use chrono::{DateTime, TimeDelta, Utc};
use events::{
    decider::Decider,
    envelope::{Actor, Metadata},
    ids::{EventId, NotificationId, UserId},
    notification::{
        Lane, Notification, NotificationCommand, NotificationRefusal, NotificationRequested, NotificationState, TextOf,
        template::PASSWORD_CHANGED,
    },
    user::{CodePurpose, User, UserCommand, UserRefusal, UserState},
};
use futures::{StreamExt, TryStreamExt, stream};
use platform::{
    access::Principal,
    clock::Clock,
    context::Context,
    crypto::Secrets,
    store::{Folded, Intent},
    telnyx::{
        address::WebhookAddress,
        signature::{SIGNATURE_HEADER, TIMESTAMP_HEADER},
    },
};
use projector::notify::Queues;
use serde_json::{Value, json};
use tokio::time::{sleep, sleep_until};

use crate::{
    Arguments,
    closed_loop::{self, Round},
    proc::cpu_seconds,
    projector::Projector,
    report::{Aim, Report},
    stage::{PASSWORD, Stage},
};

/// Users who are sent to.
const USERS: usize = 50;

/// Messages of a run without a pace.
const UNPACED: usize = 4_000;

/// How long the stand-in takes to answer, in milliseconds.
const LATENCY_MS: u64 = 50;

/// More segments a second than any run comes to.
const NO_PACE: u32 = 100_000;

/// The pace of a paced run, in segments a second, and its messages: 15 seconds.
const PACE: u32 = 40;
const PACED: usize = 600;

/// Bulk messages that wait while codes are asked for, and the pace at which they leave. More are put there, for those that
/// leave meanwhile.
const WAITING: usize = 50_000;
const WAITING_PACE: u32 = 20;
const LEAVING: usize = 6_000;

/// Codes that are asked for, four a second.
const CODES: usize = 200;
const CODE_EVERY: Duration = Duration::from_millis(250);

/// Receipts for each of which there is a notification, and clients that bring them.
const RECEIPTS: usize = 2_000;
const BRINGERS: usize = 4;

/// How often the stand-in is asked for all that it accepted: that is work for the machine, too.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Seeding under way at once.
const SEEDING: usize = 64;

/// What all parts work with.
struct Sending {
    stage: Stage,
    context: Context,
    queues: Queues,
    users: Vec<UserId>,
}

impl Sending {
    async fn start(users: usize) -> anyhow::Result<Self> {
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

    /// Requests notifications below the reactions, numbered from `first`, and puts them on their lane.
    async fn request(&self, lane: Lane, first: usize, count: usize) -> anyhow::Result<()> {
        let requests = (first..first + count).map(|number| async move {
            let id = self.requested(lane, number).await?;
            self.queues.send(lane, id, None).await?;
            anyhow::Ok(())
        });
        stream::iter(requests).buffer_unordered(SEEDING).try_collect::<Vec<()>>().await.map(drop)
    }

    async fn requested(&self, lane: Lane, number: usize) -> anyhow::Result<NotificationId> {
        let (user, event) = (self.users[number % self.users.len()], EventId(self.context.clock.new_id()));
        let id = NotificationId::caused_by(event, user, PASSWORD_CHANGED.name);
        let expires_at = self.context.clock.now() + TimeDelta::hours(24);
        let template = PASSWORD_CHANGED.name.to_owned();
        let request = NotificationRequested { user_id: user, event_id: event, template, lane, expires_at };
        self.execute(id, NotificationCommand::Request(request)).await?;
        Ok(id)
    }

    async fn execute(&self, id: NotificationId, command: NotificationCommand) -> anyhow::Result<()> {
        let decide = |folded: &Folded<Option<NotificationState>>| -> Result<_, NotificationRefusal> {
            Notification::decide(&folded.state, command.clone())
        };
        self.context.notifications.execute(id.into(), &Intent::of(self.metadata()), decide).await?;
        Ok(())
    }

    fn metadata(&self) -> Metadata {
        let correlation_id = self.context.clock.new_id();
        Metadata { actor: Actor::System, reason: None, correlation_id, causation_id: None, traceparent: None }
    }

    /// A projector that sends at a pace, once what was asked of the stand-in holds.
    async fn projector(&self, pace: u32, faults: &Value) -> anyhow::Result<Projector> {
        let address = format!("{}/_standin/faults", self.stage.engines.telnyx_url());
        self.stage.http.put(address).json(faults).send().await?.error_for_status()?;
        let pace = pace.to_string();
        Projector::start_around(&self.stage, &at_pace(&pace)).await
    }

    /// A second one.
    fn beside(&self, pace: u32) -> anyhow::Result<Projector> {
        let pace = pace.to_string();
        Projector::beside(&self.stage, &at_pace(&pace))
    }

    /// What the stand-in accepted: to which number, and when.
    async fn ledger(&self) -> anyhow::Result<Vec<(String, DateTime<Utc>)>> {
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

    async fn sent(&self, count: usize) -> anyhow::Result<Vec<DateTime<Utc>>> {
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

fn silent() -> Value {
    json!({ "latency_ms": LATENCY_MS, "webhooks": { "drop": true } })
}

/// As many as the machine can.
#[expect(clippy::cast_precision_loss, reason = "counts of messages")]
pub(crate) async fn sends(arguments: &Arguments, report: &mut Report) -> anyhow::Result<()> {
    let unpaced = UNPACED / arguments.shorter;
    let sending = Sending::start(USERS).await?;
    sending.request(Lane::Transactional, 0, unpaced).await?;
    let projector = sending.projector(NO_PACE, &silent()).await?;
    let times = sending.sent(unpaced).await?;
    let seconds = (times[unpaced - 1] - times[0]).as_seconds_f64();
    let (_, most) = projector.memory()?;
    let used = cpu_seconds(projector.id()?)?;
    report
        .figure(format!("sends a second without a pace, {LATENCY_MS} ms latency"), &[(unpaced - 1) as f64 / seconds])
        .aim = Some(Aim::AtLeast(1_000.0));
    report.figure("the same, for each second of CPU of the projector's process", &[unpaced as f64 / used]);
    report.figure("the same, highest memory of the process, MB", &[most]);
    projector.stop(&sending.stage).await?;
    sending.stage.stop().await;
    Ok(())
}

/// As many as are allowed, by two processes.
#[expect(clippy::cast_precision_loss, reason = "counts of messages")]
pub(crate) async fn pace(arguments: &Arguments, report: &mut Report) -> anyhow::Result<()> {
    let paced = PACED / arguments.shorter;
    let sending = Sending::start(USERS).await?;
    let (one, other) = (sending.projector(PACE, &silent()).await?, sending.beside(PACE)?);
    sending.request(Lane::Transactional, 0, paced).await?;
    let times = sending.sent(paced).await?;
    let within = |at: usize| times[at..].iter().take_while(|time| **time - times[at] < TimeDelta::seconds(1)).count();
    let most = (0..times.len()).map(within).max().unwrap_or_default();
    let ideal = (paced - 1) as f64 / f64::from(PACE);
    let took = (times[paced - 1] - times[0]).as_seconds_f64();
    report.figure(format!("most sends in any second at {PACE} a second, two processes"), &[most as f64]);
    report.figure("the same, time taken against the shortest that is allowed", &[took / ideal]);
    drop(other);
    one.stop(&sending.stage).await?;
    sending.stage.stop().await;
    Ok(())
}

/// How soon a receipt is acknowledged.
pub(crate) async fn receipts(arguments: &Arguments, report: &mut Report) -> anyhow::Result<()> {
    let receipts = RECEIPTS / arguments.shorter;
    let sending = Sending::start(1).await?;
    let addresses = stream::iter(0..receipts).map(|number| {
        let sending = &sending;
        async move {
            let notification = sending.requested(Lane::Transactional, number).await?;
            let (now, text) = (sending.context.clock.now(), TextOf { template_version: 1, segments: 1 });
            let take = NotificationCommand::Take { now, until: now + TimeDelta::hours(1), text };
            sending.execute(notification, take).await?;
            anyhow::Ok(WebhookAddress { notification, attempt: 1 })
        }
    });
    let addresses: Vec<WebhookAddress> = addresses.buffer_unordered(SEEDING).try_collect().await?;
    let began = Instant::now();
    let each = receipts / BRINGERS;
    let round = closed_loop::run_each(BRINGERS, each, async |client, number| {
        let address = addresses[client * each + number];
        let body = json!({ "data": {
            "record_type": "event", "event_type": "message.finalized", "id": sending.context.clock.new_id(),
            "occurred_at": sending.context.clock.now(),
            "payload": { "id": sending.context.clock.new_id(), "webhook_url": address.url(&sending.stage.base),
                "to": [{ "phone_number": "+15122000000", "status": "delivered" }] }
        } })
        .to_string();
        let (signature, timestamp) = sending.stage.telnyx.sign(body.as_bytes(), sending.context.clock.now());
        let told = sending.stage.http.post(address.url(&sending.stage.base)).header(SIGNATURE_HEADER, signature);
        told.header(TIMESTAMP_HEADER, timestamp).body(body).send().await?.error_for_status()?;
        Ok(())
    });
    let round = round.await?;
    println!("{receipts} receipts took {:?}", began.elapsed());
    report.figure(format!("receipt → acknowledged, {BRINGERS} at once, p50 ms"), &[round.milliseconds(0.5)]);
    report.figure(format!("receipt → acknowledged, {BRINGERS} at once, p99 ms"), &[round.milliseconds(0.99)]);
    sending.stage.stop().await;
    Ok(())
}

/// How soon a one-time code is on its way while much else waits.
pub(crate) async fn codes(arguments: &Arguments, report: &mut Report) -> anyhow::Result<()> {
    let codes = CODES / arguments.shorter;
    let mut sending = Sending::start(codes + 2).await?;
    let asking = sending.users.clone();
    // Bulk goes to one user, codes to the others.
    sending.users.truncate(1);
    sending.request(Lane::Bulk, 0, (WAITING + LEAVING) / arguments.shorter).await?;
    let projector = sending.projector(WAITING_PACE, &silent()).await?;
    // The projector has come as far as now when a first code comes through.
    let first = ask(&sending, asking[1]).await?;
    while !sending.ledger().await?.iter().any(|(to, at)| *to == number_of(1) && *at > first) {
        sleep(LOOK_EVERY).await;
    }
    let began = tokio::time::Instant::now();
    let asked = (2..codes + 2).map(|number| {
        let (sending, user) = (&sending, asking[number]);
        async move {
            sleep_until(began + CODE_EVERY * u32::try_from(number)?).await;
            anyhow::Ok((number_of(number), ask(sending, user).await?))
        }
    });
    let asked: Vec<(String, DateTime<Utc>)> = stream::iter(asked).buffer_unordered(codes).try_collect().await?;
    let waiting = sending.queues.backlog(Lane::Bulk).await?;
    let sent = |ledger: &[(String, DateTime<Utc>)], to: &str, asked: DateTime<Utc>| {
        ledger.iter().find(|(number, at)| number == to && *at > asked).map(|(_, at)| *at - asked)
    };
    let latencies: Vec<Duration> = loop {
        let ledger = sending.ledger().await?;
        let all: Option<Vec<TimeDelta>> = asked.iter().map(|(to, at)| sent(&ledger, to, *at)).collect();
        match all {
            Some(all) => break all.iter().map(TimeDelta::to_std).collect::<Result<_, _>>()?,
            None => sleep(LOOK_EVERY).await,
        }
    };
    let round = Round::of_latencies(latencies);
    report.figure(
        format!("a code is asked for → at Telnyx, {waiting} bulk messages waiting, p50 ms"),
        &[round.milliseconds(0.5)],
    );
    report.figure(
        format!("a code is asked for → at Telnyx, {waiting} bulk messages waiting, p99 ms"),
        &[round.milliseconds(0.99)],
    );
    projector.stop(&sending.stage).await?;
    sending.stage.stop().await;
    Ok(())
}

fn number_of(user: usize) -> String {
    format!("+1512{:07}", 2_000_000 + user)
}

/// Asks for a code to set another password, and says when that was recorded.
async fn ask(sending: &Sending, user: UserId) -> anyhow::Result<DateTime<Utc>> {
    let decide = |folded: &Folded<Option<UserState>>| -> Result<_, UserRefusal> {
        User::decide(&folded.state, UserCommand::RequestCode(CodePurpose::PasswordReset))
    };
    let done = sending.context.users.execute(user.into(), &Intent::of(sending.metadata()), decide).await?;
    Ok(done.events.first().context("nothing was recorded")?.recorded_at)
}
