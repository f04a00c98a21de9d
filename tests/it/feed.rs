//! The feed when a table takes its time, takes nothing, or never will; and what the audit makes of what was lost.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use aws_sdk_dynamodb::types::AttributeValue;
use chrono::TimeDelta;
use events::{
    ids::{RoleId, UserId, derive},
    role::Role,
    session::{Session, SessionEvent, SessionStarted},
    stream::{Category, StreamId, Version},
    user::{MAX_ASSIGNMENTS, RoleAssigned, RoleRevoked, User, UserEvent},
    views::AuditRow,
};
use platform::tables::{AUDIT, SESSIONS, USERS};
use projector::{
    feed::{Feed, ParkedStream, Parking, Retried},
    ops::audit::Audit,
    stream::{Handler, Record},
};

use crate::support::{
    engine,
    faults::Fault,
    feed::{Fed, changed, created, registered, role, user},
    operator::expect,
};

async fn records(fed: &Fed, streams: &[StreamId]) -> Vec<Record> {
    let mut records = Vec::new();
    for stream in streams {
        records.extend(fed.records(*stream).await);
    }
    records
}

/// How many events of a stream the audit feed has.
async fn audited(fed: &Fed, stream: StreamId) -> usize {
    let stream = AttributeValue::S(stream.to_string());
    engine::items(&fed.dynamodb, AUDIT.name).await.iter().filter(|row| row["stream"] == stream).count()
}

/// How many notifications were requested.
async fn requested(fed: &Fed) -> usize {
    fed.log().await.keys().filter(|(stream, _)| stream.category == Category::Notification).count()
}

async fn note(fed: &Fed, stream: StreamId) -> ParkedStream {
    let parking = Parking::new(fed.dynamodb.clone(), &fed.context.names, fed.context.clock.clone());
    parking.get(&stream.to_string()).await.unwrap().unwrap_or_else(|| panic!("{stream} is not parked"))
}

/// Two roles of two commits each, of which one is refused something for ever: it is parked at `at` with its row at the
/// version before; the other is applied. Then it is tried again.
async fn one_is_parked(fed: &Fed, feed: &Feed, [refused, other]: [StreamId; 2], at: u64) {
    feed.apply(records(fed, &[refused, other]).await).await.unwrap();
    assert!(fed.faults.heal() > 0);
    assert!(fed.row_is_the_fold(other, 1).await && !fed.row_is_the_fold(refused, 1).await);
    assert!(fed.parked(other).await.is_none());
    assert_eq!((audited(fed, other).await, note(fed, refused).await.version), (2, at.to_string()));
    assert_eq!(feed.retry(&note(fed, refused).await).await.unwrap(), Retried::Applied);
    assert!(fed.row_is_the_fold(refused, 1).await);
    assert_eq!(audited(fed, refused).await, 2);
}

async fn two_roles(fed: &Fed) -> [StreamId; 2] {
    let streams = [role("refused"), role("other")];
    for (stream, name) in streams.into_iter().zip(["Refused", "Other"]) {
        fed.append::<Role>(stream, vec![created(name)]).await;
        fed.append::<Role>(stream, vec![changed(2)]).await;
    }
    streams
}

#[tokio::test]
async fn a_row_that_can_never_be_written_parks_its_stream_and_the_others_go_on() {
    let fed = Fed::start().await;
    let (feed, streams) = (fed.feed().await, two_roles(&fed).await);
    let id = streams[0].id.to_string();
    fed.faults.choose(move |call| {
        let happens = call.operation == "PutItem" && call.table == "role" && call.item.contains(&id);
        happens.then_some(Fault::Refuse("ValidationException"))
    });
    one_is_parked(&fed, &feed, streams, 1).await;
    fed.stop().await;
}

#[tokio::test]
async fn an_audit_row_that_can_never_be_added_parks_its_stream_and_the_others_go_on() {
    let fed = Fed::start().await;
    let (feed, streams) = (fed.feed().await, two_roles(&fed).await);
    let second = &fed.commits(streams[0]).await[1];
    let event = AuditRow::of(second).unwrap()[0].event.event_id.to_string();
    fed.faults.choose(move |call| {
        let happens = call.operation == "BatchWriteItem" && call.item.contains(&event);
        happens.then_some(Fault::Refuse("ValidationException"))
    });
    one_is_parked(&fed, &feed, streams, 2).await;
    fed.stop().await;
}

#[tokio::test]
async fn a_table_that_is_away_parks_nothing() {
    let fed = Fed::start().await;
    let (feed, streams) = (fed.feed().await, two_roles(&fed).await);
    for operation in ["BatchWriteItem", "PutItem"] {
        fed.faults.on(operation, Fault::Refuse("ResourceNotFoundException"), 1);
        feed.apply(records(&fed, &streams).await).await.unwrap_err();
        assert_eq!(fed.faults.heal(), 1);
    }
    feed.apply(records(&fed, &streams).await).await.unwrap();
    for stream in streams {
        assert!(fed.row_is_the_fold(stream, 1).await && fed.parked(stream).await.is_none());
    }
    fed.stop().await;
}

#[tokio::test]
async fn a_run_that_changes_more_than_a_transaction_takes_is_applied_in_parts() {
    let fed = Fed::start().await;
    let feed = fed.feed().await;
    // Nobody hears of the seeded administrator's roles.
    let stream: StreamId = UserId::seeded_administrator().into();
    let role_of = |time: &str, number: usize| RoleId(derive(&[time, &number.to_string()]));
    let assigned = |time, number| {
        UserEvent::UserRoleAssigned(RoleAssigned { role_id: role_of(time, number), scope: None, expires_at: None })
    };
    let revoked = |number| UserEvent::UserRoleRevoked(RoleRevoked { role_id: role_of("before", number) });
    let mut first = vec![registered("ada")];
    first.extend((0..MAX_ASSIGNMENTS).map(|number| assigned("before", number)));
    fed.append::<User>(stream, first).await;
    feed.apply(fed.records(stream).await).await.unwrap();
    // All are replaced, by four commits that are applied in one run.
    for part in (0..MAX_ASSIGNMENTS).collect::<Vec<_>>().chunks(MAX_ASSIGNMENTS.div_ceil(4)) {
        let events = part.iter().flat_map(|number| [revoked(*number), assigned("after", *number)]);
        fed.append::<User>(stream, events.collect()).await;
    }
    feed.apply(fed.records(stream).await).await.unwrap();
    assert!(fed.parked(stream).await.is_none());
    assert!(fed.row_is_the_fold(stream, 1).await);
    let rows = engine::items(&fed.dynamodb, USERS.name).await;
    assert_eq!(rows.len(), 1 + 1 + MAX_ASSIGNMENTS, "the row, and its places in the lists by status and by role");
    fed.stop().await;
}

#[tokio::test]
async fn what_a_table_leaves_undone_of_a_batch_is_sent_again() {
    let fed = Fed::start().await;
    let (feed, streams) = (fed.feed().await, two_roles(&fed).await);
    fed.faults.on("BatchWriteItem", Fault::Undone, 2);
    feed.apply(records(&fed, &streams).await).await.unwrap();
    assert_eq!(fed.faults.heal(), 2);
    assert_eq!((audited(&fed, streams[0]).await, audited(&fed, streams[1]).await), (2, 2));
    // Not for ever: who applies commits has pauses of its own.
    fed.faults.on("BatchWriteItem", Fault::Undone, usize::MAX);
    feed.apply(records(&fed, &streams).await).await.unwrap_err();
    assert!(fed.parked(streams[0]).await.is_none());
    fed.stop().await;
}

#[tokio::test]
async fn a_page_of_the_log_that_fails_comes_again_and_not_the_whole_log() {
    /// More than a page has.
    const COMMITS: u64 = 510;
    let fed = Fed::start().await;
    let feed = fed.feed().await;
    let stream = role("long");
    fed.append::<Role>(stream, vec![created("Long")]).await;
    for number in 1..COMMITS {
        fed.append::<Role>(stream, vec![changed(u8::try_from(number % 2).unwrap() + 1)]).await;
    }
    let scans = Arc::new(AtomicUsize::new(0));
    let (counted, mut failed) = (Arc::clone(&scans), false);
    fed.faults.choose(move |call| {
        let scans = match (call.operation.as_str(), call.table.as_str()) {
            ("Scan", "events") => counted.fetch_add(1, Ordering::SeqCst) + 1,
            _ => counted.load(Ordering::SeqCst),
        };
        let happens = scans == 2 && call.operation == "BatchWriteItem" && !failed;
        failed |= happens;
        happens.then_some(Fault::Refuse("ResourceNotFoundException"))
    });
    feed.catch_up().await.unwrap();
    assert_eq!(fed.faults.heal(), 1);
    assert_eq!(scans.load(Ordering::SeqCst), 3, "the first page, and the second one twice");
    assert!(fed.row_is_the_fold(stream, 1).await);
    assert_eq!(audited(&fed, stream).await as u64, COMMITS);
    fed.stop().await;
}

/// Goes round the log once, as if everything in it were applied, and gives how much was not as it must be and how much of it
/// is now.
async fn round(fed: &Fed, audit: &mut Audit) -> (u64, u64) {
    let later = fed.context.clock.now() + TimeDelta::hours(1);
    while !audit.look(later).await.unwrap() {}
    let counted = audit.counted();
    (counted.drift.load(Ordering::SeqCst), counted.healed.load(Ordering::SeqCst))
}

#[tokio::test]
async fn what_never_reached_the_projector_gets_by_the_audit_what_its_record_would_have_led_to() {
    let fed = Fed::start().await;
    let feed = fed.feed().await;
    // Of one nothing arrived, of the other not the last commit.
    let [missing, behind] = [user("missing"), user("behind")];
    fed.append::<User>(missing, vec![registered("missing")]).await;
    fed.append::<User>(behind, vec![registered("behind")]).await;
    feed.apply(fed.records(behind).await).await.unwrap();
    fed.append::<User>(behind, vec![UserEvent::UserSuspended {}]).await;
    assert_eq!(requested(&fed).await, 1);

    let mut audit = Audit::new(fed.another().await, feed);
    // Notifications are streams of their own, the new ones maybe behind the place where the audit is.
    let found = round(&fed, &mut audit).await;
    assert_eq!(found.0, found.1, "all is healed");
    round(&fed, &mut audit).await;
    for (stream, events) in [(missing, 1), (behind, 2)] {
        assert!(fed.row_is_the_fold(stream, 1).await);
        assert_eq!(audited(&fed, stream).await, events);
    }
    let log = fed.log().await;
    let notifications: Vec<_> = log.keys().filter(|(stream, _)| stream.category == Category::Notification).collect();
    assert_eq!(notifications.len(), 3, "two are welcome, one is suspended");
    for (stream, _) in notifications {
        assert!(fed.row_is_the_fold(*stream, 1).await);
        assert_eq!(audited(&fed, *stream).await, 1);
    }
    let found = round(&fed, &mut audit).await;
    assert_eq!(round(&fed, &mut audit).await, found, "nothing is found twice");
    fed.stop().await;
}

#[tokio::test]
async fn a_row_that_can_never_be_put_right_does_not_keep_the_audit_from_the_others() {
    let fed = Fed::start().await;
    let (feed, streams) = (fed.feed().await, two_roles(&fed).await);
    let id = streams[0].id.to_string();
    fed.faults.choose(move |call| {
        let happens = call.operation == "PutItem" && call.table == "role" && call.item.contains(&id);
        happens.then_some(Fault::Refuse("ValidationException"))
    });
    let mut audit = Audit::new(fed.another().await, feed);
    assert_eq!(round(&fed, &mut audit).await, (1, 1));
    assert!(fed.row_is_the_fold(streams[1], 1).await);
    assert_eq!(note(&fed, streams[0]).await.version, Version(1).to_string(), "what cannot be applied is parked");
    fed.stop().await;
}

#[tokio::test]
async fn the_audit_sweeps_what_is_left_of_an_erased_user() {
    let fed = Fed::start().await;
    let feed = fed.feed().await;
    let stream = user("erased");
    fed.append::<User>(stream, vec![registered("erased")]).await;
    fed.append::<User>(stream, vec![UserEvent::UserErased {}]).await;
    feed.apply(fed.records(stream).await).await.unwrap();
    // A sign-in that raced the erasure writes its session after the sweep.
    for (session, user) in [("raced", stream.id), ("another's", derive(&["somebody else"]))] {
        let put = fed.dynamodb.put_item().table_name(SESSIONS.name);
        let put = put.item("session", AttributeValue::S(session.to_owned()));
        put.item("user", AttributeValue::S(user.to_string())).send().await.unwrap();
    }
    let mut audit = Audit::new(fed.another().await, feed);
    round(&fed, &mut audit).await;
    let left = engine::items(&fed.dynamodb, SESSIONS.name).await;
    assert_eq!(left.len(), 1);
    assert_eq!(left[0]["session"].as_s().unwrap(), "another's");
    fed.stop().await;
}

#[tokio::test]
async fn the_reactions_of_sessions_can_be_run_again() {
    let fed = Fed::start().await;
    let somebody = user("somebody");
    fed.append::<User>(somebody, vec![registered("somebody")]).await;
    let stream = StreamId { category: Category::Session, id: derive(&["session"]) };
    let expires_at = fed.context.clock.now() + TimeDelta::hours(1);
    let started = SessionStarted { user_id: UserId(somebody.id), expires_at, new_device: true };
    fed.append::<Session>(stream, vec![SessionEvent::SessionStarted(started)]).await;
    let name = stream.to_string();
    let one = ["replay", "--stream", &name];
    let emit = ["--emit", "--reason", "its record was lost"];
    expect(&fed.operator(&[&one[..], &emit].concat()).await, 0, "1 notifications are requested newly");
    assert_eq!(requested(&fed).await, 1);
    let all = ["replay", "--from", "2020-01-01T00:00:00Z", "--to", "2100-01-01T00:00:00Z"];
    let said = fed.operator(&[&all[..], &emit].concat()).await;
    expect(&said, 0, "1 streams");
    expect(&said, 0, "0 notifications are requested newly");
    // Without a read model there is nothing else to do, and a session feeds none.
    expect(&fed.operator(&one).await, 2, "--model");
    let of_users = ["replay", "--model", "users1", "--stream", &name];
    expect(&fed.operator(&[&of_users[..], &emit].concat()).await, 2, "does not feed this read model");
    let user_without_model = ["replay", "--stream", &somebody.to_string()];
    expect(&fed.operator(&[&user_without_model[..], &emit].concat()).await, 2, "has to be a session");
    assert_eq!(requested(&fed).await, 1);
    fed.stop().await;
}
