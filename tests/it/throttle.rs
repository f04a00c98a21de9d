//! Who makes too many attempts is slowed down, by all instances together, and nobody else is.

use std::time::Duration;

use futures::future::join_all;
use reqwest::StatusCode;
use serde_json::json;

use crate::support::{
    Answer, PASSWORD,
    guarded::{FREE_HERE, Guarded, HOME, WRONG, address},
};

/// Sign-ins of one name from everywhere that need not wait.
const FREE_ACCOUNT: u8 = 20;

/// Sign-ins of one address in a minute.
const FREE_ADDRESS: usize = 50;

/// Sign-ins at once that the engine keeps up with: each writes four counters.
const AT_ONCE: usize = 10;

fn count(answers: &[Answer], status: u16) -> usize {
    answers.iter().filter(|answer| answer.status == status).count()
}

#[tokio::test]
async fn who_guesses_waits_longer_each_time_and_nobody_else_does() {
    let world = Guarded::start().await;
    world.with_password(1).await;
    let (here, api) = (address(1_u8), &world.first);
    let guess = async || api.sign_in(&here, "person1", WRONG).await;
    for left in (0..FREE_HERE).rev() {
        let answer = guess().await.expect(401);
        let account = format!("\"sign-in\";r={left};t={}", if left > 0 { 3_600 } else { 1 });
        assert!(answer.header("ratelimit").starts_with(&account), "{:?}", answer.headers);
        assert!(answer.header("ratelimit").contains("\"sign-in-address\";r="), "{:?}", answer.headers);
        assert_eq!(answer.header("ratelimit-policy"), "\"sign-in\";q=5;w=3600, \"sign-in-address\";q=100;w=60");
    }

    // Nobody looks at the password while there is to be waited, not even at the right one, and not by another spelling.
    let (taken, _) = (api.state.passwords.taken(), api.tap.take());
    for (name, password) in [("person1", WRONG), ("person1", PASSWORD), (" PERSON1 ", PASSWORD)] {
        let refused = api.sign_in(&here, name, password).await.expect(429);
        assert_eq!(refused.body["code"], "rate-limited");
        assert_eq!(refused.header("retry-after"), "1");
        assert!(refused.header("ratelimit").starts_with("\"sign-in\";r=0;t=1"), "{:?}", refused.headers);
    }
    assert_eq!(api.state.passwords.taken(), taken);
    let calls = api.tap.take();
    assert!(calls.iter().all(|call| call.table == "throttles"), "{calls:?}");
    let _ = api.sign_in(&here, "person1", PASSWORD).await.expect(429);
    assert_eq!(api.tap.take(), [], "a process that has refused somebody does not ask again");

    for wait in [1_u64, 2, 4] {
        world.clock.advance(Duration::from_millis(wait * 1_000 - 1));
        guess().await.expect(429);
        world.clock.advance(Duration::from_millis(1));
        guess().await.expect(401);
        assert_eq!(guess().await.expect(429).header("retry-after"), (2 * wait).to_string());
    }
    // Elsewhere, and who has another name here, does not wait.
    api.sign_in(&address(2_u8), "person1", WRONG).await.expect(401);
    api.sign_in(&here, "person2", WRONG).await.expect(401);

    // A success forgets it all.
    world.clock.advance(Duration::from_secs(8));
    api.sign_in(&here, "person1", PASSWORD).await.expect(200);
    for _ in 0..FREE_HERE {
        guess().await.expect(401);
    }
    guess().await.expect(429);
    // And so does an hour.
    world.clock.advance(Duration::from_hours(1));
    guess().await.expect(401);
    guess().await.expect(401);
    world.stop().await;
}

#[tokio::test]
async fn whoever_hammers_from_elsewhere_does_not_lock_the_owner_out() {
    let world = Guarded::start().await;
    world.with_password(1).await;
    world.with_password(2).await;
    let api = &world.first;
    api.sign_in(HOME, "person1", PASSWORD).await.expect(200);

    let elsewhere = |number: u8| address(100 + u32::from(number));
    let guess = async |n| api.sign_in(&elsewhere(n), "person1", WRONG).await;
    for first in (0..FREE_ACCOUNT).step_by(FREE_HERE.into()) {
        let guesses = join_all((first..first + FREE_HERE).map(guess)).await;
        assert_eq!(count(&guesses, 401), guesses.len(), "{guesses:?}");
    }
    let refused = api.sign_in(&address(200_u8), "person1", WRONG).await.expect(429);
    assert_eq!(refused.header("retry-after"), "1");
    // An attempt that is not made is counted nowhere: the minute's are all there still.
    for _ in 0..2 * FREE_ADDRESS {
        api.sign_in(&address(200_u8), "person1", WRONG).await.expect(429);
    }
    let left = format!("\"sign-in\";r=4;t=3600, \"sign-in-address\";r={};", FREE_ADDRESS - 1);
    let other = api.sign_in(&address(200_u8), "person2", WRONG).await.expect(401);
    assert!(other.header("ratelimit").starts_with(&left), "{:?}", other.headers);

    // Where the owner was before, and at the other instance too, they get in, as often as they like.
    for instance in [&world.first, &world.second, &world.first] {
        instance.sign_in(HOME, "person1", PASSWORD).await.expect(200);
    }
    // At a new address they have to wait for a moment.
    api.sign_in(&address(201_u8), "person1", PASSWORD).await.expect(429);
    world.clock.advance(Duration::from_secs(1));
    api.sign_in(&address(201_u8), "person1", PASSWORD).await.expect(200);
    world.stop().await;
}

#[tokio::test]
async fn all_instances_count_together_and_many_attempts_at_once_are_no_way_around() {
    let world = Guarded::start().await;
    let instance = |n: u8| if n.is_multiple_of(2) { &world.first } else { &world.second };
    let guesses = (0..12).map(async |n| instance(n).sign_in(&address(1_u8), "nobody", WRONG).await);
    let answers = join_all(guesses).await;
    assert_eq!(count(&answers, 401), usize::from(FREE_HERE));
    assert_eq!(count(&answers, 429), answers.len() - usize::from(FREE_HERE));

    // When the wait is over, one gets through, wherever it comes in.
    world.clock.advance(Duration::from_secs(1));
    let guesses = (0..8).map(async |n| instance(n).sign_in(&address(1_u8), "nobody", WRONG).await);
    assert_eq!(count(&join_all(guesses).await, 401), 1);
    world.stop().await;
}

#[tokio::test]
async fn an_address_tries_no_more_than_so_many_names_and_who_is_known_there_gets_in() {
    let world = Guarded::start().await;
    world.with_password(1).await;
    let network = |last: usize| format!("2001:db8:0:1::{last:x}");
    world.first.sign_in("2001:db8:0:1:2:3:4:5", "person1", PASSWORD).await.expect(200);
    let guess = async |n: usize| world.first.sign_in(&network(n), &format!("nobody{n}"), WRONG).await;
    let mut answers = Vec::new();
    for first in (0..FREE_ADDRESS + 10).step_by(AT_ONCE) {
        answers.append(&mut join_all((first..first + AT_ONCE).map(guess)).await);
    }
    assert_eq!(count(&answers, 401), FREE_ADDRESS - 1, "one was the sign-in");
    assert_eq!(count(&answers, 429), answers.len() - (FREE_ADDRESS - 1));
    let refused = answers.iter().find(|answer| answer.status == 429).unwrap();
    assert_eq!(refused.header("ratelimit-policy"), "\"sign-in\";q=5;w=3600, \"sign-in-address\";q=100;w=60");
    let wait: u64 = refused.header("retry-after").parse().unwrap();
    assert!((1..=60).contains(&wait), "{wait}");
    assert!(refused.header("ratelimit").ends_with(&format!("\"sign-in-address\";r=0;t={wait}")), "{refused:?}");

    world.first.sign_in(&network(1), "person1", PASSWORD).await.expect(200);
    world.first.sign_in("2001:db8:0:2::1", "nobody", WRONG).await.expect(401);
    world.clock.advance(Duration::from_secs(wait));
    guess(1_000).await.expect(401);
    world.stop().await;
}

#[tokio::test]
async fn refreshing_is_bounded_by_address_and_showing_the_old_password_by_session() {
    let world = Guarded::start().await;
    world.with_password(1).await;
    let api = &world.first;
    let first = api.sign_in(HOME, "person1", PASSWORD).await.expect(200);
    let second = api.sign_in(HOME, "person1", PASSWORD).await.expect(200);

    let change = async |session: &Answer, current: &str, new: &str| {
        let request = json!({ "current_password": current, "new_password": new });
        api.post_as(&api.client.with_token(&session.text("access_token")), HOME, "/v1/auth/password", &request).await
    };
    for left in (0..FREE_HERE).rev() {
        let answer = change(&first, WRONG, WRONG).await.expect(422);
        assert!(answer.header("ratelimit").starts_with(&format!("\"password\";r={left};")), "{:?}", answer.headers);
    }
    assert_eq!(change(&first, PASSWORD, WRONG).await.expect(429).header("retry-after"), "1");
    change(&second, PASSWORD, WRONG).await.expect(200);

    let refresh = json!({ "refresh_token": second.text("refresh_token") });
    let (mut left, mut admitted) = (600, 0);
    let refused = loop {
        let answer = api.post(&address(1_u8), "/v1/auth/refresh", &refresh).await;
        if answer.status != StatusCode::UNAUTHORIZED {
            break answer.expect(429);
        }
        let standing = answer.header("ratelimit").strip_prefix("\"refresh-address\";r=");
        let now: u32 = standing.and_then(|standing| standing.split_once(';')).unwrap().0.parse().unwrap();
        // The client of AWS may count one again whose answer came too late.
        assert!(now < left && left - now <= 3, "{left}: {answer:?}");
        (left, admitted) = (now, admitted + 1);
    };
    assert!(left == 0 && admitted > 500, "{left} {admitted}");
    assert_eq!(refused.header("ratelimit-policy"), "\"refresh-address\";q=1200;w=60");
    api.post(&address(2_u8), "/v1/auth/refresh", &refresh).await.expect(401);
    world.stop().await;
}

#[tokio::test]
async fn what_cannot_be_looked_at_counts_for_nobody_and_what_cannot_be_counted_is_not_let_through() {
    let world = Guarded::start().await;
    world.dynamodb.delete_table().table_name("credentials").send().await.unwrap();
    for _ in 0..2 * FREE_HERE {
        world.first.sign_in(&address(1_u8), "nobody", WRONG).await.expect(503);
    }
    world.dynamodb.delete_table().table_name("throttles").send().await.unwrap();
    let taken = world.first.state.passwords.taken();
    let refused = world.first.sign_in(HOME, dev::seed::ADMINISTRATOR, PASSWORD).await.expect(503);
    assert_eq!(refused.body["code"], "unavailable");
    assert_eq!(world.first.state.passwords.taken(), taken);
    world.stop().await;
}
