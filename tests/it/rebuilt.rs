//! What a rebuild makes of a log with everything in it, while no service runs: rows that somebody has written before it, a
//! stream longer than a page, an erased user, and one whose commit cannot be read.

use std::collections::BTreeSet;

use aws_sdk_dynamodb::types::AttributeValue;
use events::{
    ids::{RoleId, derive},
    role::Role,
    stream::StreamId,
    user::{ProfileChanged, RoleAssigned, User, UserEvent, UserState},
    values::{PersonName, Personal},
};
use futures::{StreamExt, stream};
use platform::{
    rows::Item,
    store::Folded,
    tables::{EVENTS, USERS},
};

use crate::support::{
    engine,
    feed::{Fed, created, registered, role, user},
    operator::expect,
};

/// Users with two commits: rows of more than one transaction.
const MANY: usize = 130;

/// Commits of the long stream: more than a page of the scan has.
const LONG: usize = 520;

/// Appends under way at once.
const AT_ONCE: usize = 8;

fn renamed(name: &str) -> UserEvent {
    let first_name = Some(Personal::Known(PersonName::parse(name).unwrap()));
    UserEvent::UserProfileChanged(ProfileChanged { first_name, ..ProfileChanged::default() })
}

async fn grow(fed: &Fed, name: &str, commits: usize) -> StreamId {
    let stream = user(name);
    fed.append::<User>(stream, vec![registered(name)]).await;
    for number in 1..commits {
        fed.append::<User>(stream, vec![renamed(&format!("Ada {number}"))]).await;
    }
    stream
}

async fn state(fed: &Fed, stream: StreamId, until: Option<u64>) -> UserState {
    let until = until.map(events::stream::Version);
    let folded: Folded<Option<UserState>> = fed.context.store().load::<User>(stream, until).await.unwrap();
    folded.state.unwrap()
}

/// A generation's items are those of the folds, and no others.
async fn holds_exactly(fed: &Fed, generation: u32, states: &[UserState]) {
    let mut expected: Vec<Item> = Vec::new();
    for state in states {
        expected.extend(fed.rows(&USERS).at(generation).items_of(state).await.unwrap());
    }
    let key = |item: &Item| item["id"].as_s().unwrap().clone();
    let mut found = engine::items(&fed.dynamodb, USERS.name).await;
    found.retain(|item| key(item).starts_with(&format!("{generation}#")));
    found.sort_by_key(key);
    expected.sort_by_key(key);
    let keys = |items: &[Item]| items.iter().map(key).collect::<BTreeSet<_>>();
    assert_eq!(keys(&found), keys(&expected));
    for (found, expected) in found.iter().zip(&expected) {
        assert_eq!(found, expected);
    }
}

#[tokio::test]
async fn every_row_is_the_fold_of_its_stream_and_what_cannot_be_read_is_told() {
    let fed = Fed::start().await;
    let growing = (0..MANY).map(|number| {
        let fed = &fed;
        async move { grow(fed, &format!("user{number}"), 2).await }
    });
    let mut streams: Vec<StreamId> = stream::iter(growing).buffered(AT_ONCE).collect().await;
    streams.push(grow(&fed, "long", LONG).await);
    let erased = grow(&fed, "erased", 2).await;
    fed.append::<User>(erased, vec![UserEvent::UserErased {}]).await;
    streams.push(erased);
    fed.append::<Role>(role("other"), vec![created("Other")]).await;
    let poisoned = grow(&fed, "poisoned", 2).await;
    let mut states = vec![state(&fed, poisoned, Some(1)).await];
    let newest = state(&fed, poisoned, None).await;
    for stream in &streams {
        states.push(state(&fed, *stream, None).await);
    }
    let broken = fed.dynamodb.update_item().table_name(EVENTS.name);
    let broken = broken.key("stream", AttributeValue::S(poisoned.to_string()));
    let broken = broken.key("version", AttributeValue::N("2".to_owned())).update_expression("SET events = :broken");
    broken.expression_attribute_values(":broken", AttributeValue::S("not JSON".to_owned())).send().await.unwrap();

    // Three are there before the scan comes by, as if a projector had fed both generations: two are whole, one is behind.
    let new = fed.rows(&USERS).at(2);
    for (stream, until) in [(streams[0], None), (streams[40], Some(1)), (streams[90], None)] {
        assert!(new.put(&state(&fed, stream, until).await, None).await.unwrap());
    }
    let said = fed.operator(&["rebuild", "users1"]).await;
    expect(&said, 0, &format!("{poisoned} cannot be applied to its end"));
    expect(&said, 0, &format!("generation 2 of users1 is read now: {} rows, 0 of them", states.len()));
    holds_exactly(&fed, 2, &states).await;

    // Whoever wrote the row that is read could read the commit: nothing becomes older.
    let read = fed.rows(&USERS).at(2);
    let before = read.stored(poisoned.id).await.unwrap();
    assert!(read.put(&newest, before.as_ref()).await.unwrap());
    let said = fed.operator(&["rebuild", "users1"]).await;
    expect(&said, 1, "1 rows would become older: generation 3 of users1 is not read");
    fed.stop().await;
}

/// Of rows that two write at once, each is written by one of them, or by none and then seen as it is.
#[tokio::test]
async fn rows_that_are_there_are_not_written_again_and_keep_nobody_back() {
    let fed = Fed::start().await;
    let mut states = Vec::new();
    for number in 0..MANY {
        states.push(state(&fed, grow(&fed, &format!("user{number}"), 1).await, None).await);
    }
    let rows = fed.rows::<UserState>(&USERS);
    let there = [0, 1, 77];
    for place in there {
        assert!(rows.put(&states[place], None).await.unwrap());
    }
    let written = rows.put_new(&states).await.unwrap();
    let refused: Vec<usize> = (0..MANY).filter(|place| !written[*place]).collect();
    assert_eq!(refused, there);
    assert_eq!(rows.put_new(&states).await.unwrap(), vec![false; MANY]);
    holds_exactly(&fed, 1, &states).await;

    // So many entries that no transaction takes them.
    let crowded = grow(&fed, "crowded", 1).await;
    let role = |number: usize| RoleAssigned {
        role_id: RoleId(derive(&["a role", &number.to_string()])),
        scope: None,
        expires_at: None,
    };
    fed.append::<User>(crowded, (0..MANY).map(|number| UserEvent::UserRoleAssigned(role(number))).collect()).await;
    let two = [state(&fed, crowded, None).await, state(&fed, grow(&fed, "last", 1).await, None).await];
    assert_eq!(rows.put_new(&two).await.unwrap(), [false, true]);

    let other = rows.at(2);
    let (one, two) = tokio::join!(other.put_new(&states), other.put_new(&states));
    assert!(one.unwrap().into_iter().zip(two.unwrap()).all(|(one, two)| !(one && two)));
    fed.stop().await;
}
