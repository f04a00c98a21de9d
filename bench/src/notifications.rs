//! From a notification to the request that Telnyx gets: how many a second, how evenly, and how soon a one-time code.

mod sending;

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use chrono::{DateTime, TimeDelta, Utc};
use events::{
    decider::Decider,
    ids::{NotificationId, UserId},
    notification::{Lane, NotificationCommand, TextOf, template::PASSWORD_RESET},
    user::{CodePurpose, User, UserCommand, UserRefusal, UserState},
};
use futures::{StreamExt, TryStreamExt, stream};
use platform::{
    store::{Folded, Intent},
    telnyx::{
        address::WebhookAddress,
        signature::{SIGNATURE_HEADER, TIMESTAMP_HEADER},
    },
};
use serde_json::json;
use tokio::time::{sleep, sleep_until};

use self::sending::{LATENCY_MS, LOOK_EVERY, SEEDING, Sending, silent};
use crate::{
    Arguments,
    closed_loop::{self, Round},
    proc::cpu_seconds,
    projector::{caught_up, settled},
    report::{Aim, Report},
};

/// Users who are sent to.
const USERS: usize = 50;

/// Messages of a run without a pace.
const UNPACED: usize = 4_000;

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

/// As many as the machine can. The log of their requests is projected before: that is not what is measured.
#[expect(clippy::cast_precision_loss, reason = "counts of messages")]
pub(crate) async fn sends(arguments: &Arguments, report: &mut Report) -> anyhow::Result<()> {
    let unpaced = UNPACED / arguments.shorter;
    let sending = Sending::start(USERS).await?;
    let ids = sending.request_all(Lane::Transactional, unpaced).await?;
    sending.keep_busy(Lane::Transactional).await?;
    let projector = sending.projector(NO_PACE, &silent()).await?;
    settled(&sending.stage).await?;
    // What was sent on the way here is of the users' registration.
    let before = sending.ledger().await?.len();
    let used_before = cpu_seconds(projector.id()?)?;
    sending.put(Lane::Transactional, &ids).await?;
    let times = sending.sent_from(Lane::Transactional, before + unpaced).await?.split_off(before);
    let seconds = (times[unpaced - 1] - times[0]).as_seconds_f64();
    let (_, most) = projector.memory()?;
    let used = cpu_seconds(projector.id()?)? - used_before;
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
    // What is measured is the way of a code, and not how long a projector takes for what was recorded before it began.
    caught_up(&sending.stage).await?;
    let first = ask(&sending, asking[1]).await?;
    while !sending.ledger().await?.iter().any(|(to, at)| *to == number_of(1) && *at > first.at) {
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
    let asked: Vec<(String, Asked)> = stream::iter(asked).buffer_unordered(codes).try_collect().await?;
    let waiting = sending.queues.backlog(Lane::Bulk).await?;
    let ledger = loop {
        let ledger: HashMap<String, DateTime<Utc>> = sending.ledger().await?.into_iter().collect();
        // What was sent before is of the users' registration; the ledger is in the order of its coming.
        if asked.iter().all(|(to, asked)| ledger.get(to).is_some_and(|at| *at > asked.at)) {
            break ledger;
        }
        sleep(LOOK_EVERY).await;
    };
    let mut ways = [const { Vec::new() }; WAYS.len()];
    for (to, asked) in &asked {
        let [requested, taken] = sending.moments(asked.notification).await?;
        let sent = ledger[to];
        for (way, (from, until)) in
            ways.iter_mut().zip([(asked.at, sent), (asked.at, requested), (requested, taken), (taken, sent)])
        {
            way.push((until - from).to_std()?);
        }
    }
    for ((what, aim), way) in WAYS.into_iter().zip(ways) {
        let round = Round::of_latencies(way);
        let what = format!("{what}, {waiting} bulk messages waiting");
        report.figure(format!("{what}, p50 ms"), &[round.milliseconds(0.5)]);
        report.figure(format!("{what}, p99 ms"), &[round.milliseconds(0.99)]).aim = aim;
    }
    projector.stop(&sending.stage).await?;
    sending.stage.stop().await;
    Ok(())
}

fn number_of(user: usize) -> String {
    format!("+1512{:07}", 2_000_000 + user)
}

/// The way of a code, whole and in its parts, and what is aimed at with its p99.
const WAYS: [(&str, Option<Aim>); 4] = [
    ("a code is asked for → at Telnyx", Some(Aim::AtMost(500.0))),
    ("a code is asked for → its notification is requested", None),
    ("a code's notification is requested → taken for sending", None),
    ("a code is taken for sending → at Telnyx", None),
];

/// A code that was asked for.
struct Asked {
    /// When that was recorded.
    at: DateTime<Utc>,
    /// What brings it.
    notification: NotificationId,
}

/// Asks for a code to set another password.
async fn ask(sending: &Sending, user: UserId) -> anyhow::Result<Asked> {
    let decide = |folded: &Folded<Option<UserState>>| -> Result<_, UserRefusal> {
        User::decide(&folded.state, UserCommand::RequestCode(CodePurpose::PasswordReset))
    };
    let done = sending.context.users.execute(user.into(), &Intent::of(sending.metadata()), decide).await?;
    let event = done.events.first().context("nothing was recorded")?;
    let notification = NotificationId::caused_by(event.event_id, user, PASSWORD_RESET.name);
    Ok(Asked { at: event.recorded_at, notification })
}
