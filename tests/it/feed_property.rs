//! The feed's promise: whatever order records come in, however often, by whichever of two feeds, and whatever is lost of
//! them: once the rest is healed, every row is the fold of its stream, the audit feed has each event once, and each event
//! that somebody is to hear of has led to one notification.

use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeDelta;
use events::{
    ids::{RoleId, derive},
    reaction::Notifying,
    role::Role,
    stream::{Category, StreamId},
    user::{RoleAssigned, RoleRevoked, User, UserEvent},
    views::AuditRow,
};
use fastrand::Rng;
use platform::{
    rows::Plans,
    tables::{AUDIT, NOTIFICATIONS, ROLES, Table, USERS},
};
use projector::{
    feed::Feed,
    ops::audit::Audit,
    stream::{Handler, Record},
};

use crate::support::{
    engine,
    feed::{Fed, changed, created, registered, role, user},
};

/// Seeds with one generation fed, and as many with two.
const SEEDS: u64 = 5;

/// Streams of a case, every third of which is a role's.
const STREAMS: usize = 6;

/// Most commits of a stream after its first.
const CHANGES: usize = 5;

/// One record in so many is lost, and one in so many comes again.
const ONE_IN: usize = 4;

/// Most records of a batch.
const BATCH: usize = 7;

/// A case's streams with their commits in the log, none of which was delivered yet.
async fn streams(fed: &Fed, seed: u64, rng: &mut Rng) -> Vec<StreamId> {
    let mut streams = Vec::new();
    for number in 0..STREAMS {
        let name = format!("seed{seed}stream{number}");
        let of_role = number % 3 == 2;
        let stream = if of_role { role(&name) } else { user(&name) };
        if of_role {
            fed.append::<Role>(stream, vec![created(&name)]).await;
        } else {
            fed.append::<User>(stream, vec![registered(&name)]).await;
        }
        for _ in 0..rng.usize(0..=CHANGES) {
            if of_role {
                fed.append::<Role>(stream, vec![changed(rng.u8(1..=9))]).await;
            } else {
                let events = (0..rng.usize(1..=2)).map(|_| change(rng)).collect();
                fed.append::<User>(stream, events).await;
            }
        }
        if !of_role && rng.usize(0..ONE_IN) == 0 {
            fed.append::<User>(stream, vec![UserEvent::UserErased {}]).await;
        }
        streams.push(stream);
    }
    streams
}

fn change(rng: &mut Rng) -> UserEvent {
    let role_id = RoleId(derive(&["a role", &rng.u8(0..3).to_string()]));
    match rng.u8(0..4) {
        0 => UserEvent::UserSuspended {},
        1 => UserEvent::UserReactivated {},
        2 => UserEvent::UserRoleAssigned(RoleAssigned { role_id, scope: None, expires_at: None }),
        _ => UserEvent::UserRoleRevoked(RoleRevoked { role_id }),
    }
}

/// What reaches the feeds: some of it, some of that twice, in any order.
async fn delivered(fed: &Fed, streams: &[StreamId], rng: &mut Rng) -> Vec<Record> {
    let mut records = Vec::new();
    for stream in streams {
        for record in fed.records(*stream).await {
            if rng.usize(0..ONE_IN) == 0 {
                continue;
            }
            if rng.usize(0..ONE_IN) == 0 {
                records.push(record.clone());
            }
            records.push(record);
        }
    }
    rng.shuffle(&mut records);
    records
}

async fn deliver(feed: &Feed, records: Vec<Record>, mut rng: Rng) {
    let mut left = &records[..];
    while !left.is_empty() {
        let (batch, rest) = left.split_at(rng.usize(1..=BATCH).min(left.len()));
        feed.apply(batch.to_vec()).await.unwrap();
        left = rest;
    }
}

/// Brings up what was lost: by catching up from the log, or by the audit. The notifications that this requests are streams,
/// too, and nobody delivers their records: they are brought up by the second time.
async fn heal(fed: &Fed, feed: &Feed, by_audit: bool) {
    for _ in 0..2 {
        if by_audit {
            let later = fed.context.clock.now() + TimeDelta::hours(1);
            let mut audit = Audit::new(fed.another().await, feed.clone());
            while !audit.look(later).await.unwrap() {}
        } else {
            feed.catch_up().await.unwrap();
        }
    }
}

/// What earlier cases left.
#[derive(Default)]
struct Left {
    /// Their streams, to which nothing happens any more.
    streams: BTreeSet<StreamId>,
    /// The notifications that their events lead to.
    notifications: BTreeSet<StreamId>,
}

/// Compares rows, audit rows and notifications with the log.
async fn is_as_the_log_says(fed: &Fed, left: &mut Left, generations: &[u32], case: &str) {
    let log = fed.log().await;
    let streams: BTreeSet<StreamId> = log.keys().map(|(stream, _)| *stream).collect();
    let requested: BTreeSet<StreamId> =
        streams.iter().copied().filter(|stream| stream.category == Category::Notification).collect();
    for stream in streams.difference(&left.streams) {
        for generation in generations {
            assert!(fed.row_is_the_fold(*stream, *generation).await, "{case}: {stream} in generation {generation}");
        }
        assert!(fed.parked(*stream).await.is_none(), "{case}: {stream} is parked");
    }
    let mut events = BTreeMap::new();
    for commit in log.values() {
        for row in AuditRow::of(commit).unwrap() {
            events.insert(row.event.event_id.to_string(), row.stream);
        }
        if commit.stream.category == Category::User && !left.streams.contains(&commit.stream) {
            let events = fed.context.store().opener(commit.stream).await.unwrap().events::<UserEvent>(commit).unwrap();
            let reactions = events.iter().filter_map(UserEvent::reaction);
            left.notifications.extend(reactions.map(|reaction| StreamId::from(reaction.id)));
        }
    }
    let mut audited = BTreeMap::new();
    for row in engine::items(&fed.dynamodb, AUDIT.name).await {
        let stream: StreamId = row["stream"].as_s().unwrap().parse().unwrap();
        let event = row["event_id"].as_s().unwrap().clone();
        assert_eq!(audited.insert(event, stream), None, "{case}: {stream} has an event twice in the audit feed");
    }
    assert_eq!(audited, events, "{case}: the audit feed");
    assert_eq!(requested, left.notifications, "{case}: the notifications");
    left.streams = streams;
}

/// From now on the next generation of every read model is fed, too.
async fn feed_another_generation(fed: &Fed) {
    let plans = Plans::new(fed.dynamodb.clone(), &fed.context.names);
    for table in [&USERS, &ROLES, &NOTIFICATIONS] as [&Table; 3] {
        let before = plans.read().await.unwrap();
        let model = before.of(table.name).with_another();
        assert!(plans.write(&before, &before.with(table.name, model)).await.unwrap());
    }
}

async fn play(fed: &Fed, feeds: &[Feed; 2], left: &mut Left, seed: u64, generations: &[u32]) {
    let case = format!("seed {seed} with {} generations", generations.len());
    let mut rng = Rng::with_seed(seed);
    let streams = streams(fed, seed, &mut rng).await;
    let mut records = delivered(fed, &streams, &mut rng).await;
    let others = records.split_off(records.len() / 2);
    let (first, second) = (rng.fork(), rng.fork());
    tokio::join!(deliver(&feeds[0], records, first), deliver(&feeds[1], others, second));
    Box::pin(heal(fed, &feeds[rng.usize(0..2)], seed.is_multiple_of(2))).await;
    is_as_the_log_says(fed, left, generations, &case).await;
}

#[tokio::test]
async fn whatever_is_delivered_rows_audit_rows_and_notifications_become_what_the_log_says() {
    let fed = Fed::start().await;
    let feeds = [fed.feed().await, fed.feed().await];
    let mut left = Left::default();
    for seed in 0..SEEDS {
        Box::pin(play(&fed, &feeds, &mut left, seed, &[1])).await;
    }
    feed_another_generation(&fed).await;
    for feed in &feeds {
        feed.plan().await.unwrap();
    }
    // What was there before is built by a rebuild, by which every stream is brought to its end; here by catching up.
    feeds[0].catch_up().await.unwrap();
    for seed in SEEDS..2 * SEEDS {
        Box::pin(play(&fed, &feeds, &mut left, seed, &[1, 2])).await;
    }
    fed.stop().await;
}
