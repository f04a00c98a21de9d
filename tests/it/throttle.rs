//! Who makes too many attempts is slowed down, by all instances together, and nobody else is.

use std::{collections::HashSet, time::Duration};

use dev::wiretap::Call;
use futures::future::join_all;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::support::{
    Answer, PASSWORD, engine,
    gate::Side,
    guarded::{Guarded, HOME, Instance},
    new_user,
};

const WRONG: &str = "wind 7 over the grey harbour";

/// Sign-ins of one name at one address that need not wait.
const FREE_HERE: u8 = 5;

/// The same from everywhere.
const FREE_ACCOUNT: u8 = 20;

/// Sign-ins of one address in a minute.
const FREE_ADDRESS: usize = 50;

/// Sign-ins at once that the engine keeps up with: each writes four counters.
const AT_ONCE: usize = 10;

/// Makes a user with these fields beside the usual ones, and gives their path.
async fn user(world: &Guarded, number: u32, fields: Value) -> String {
    let mut user = new_user(number);
    user.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    let created = world.administrator.post("/v1/users", &user).await.expect(201);
    format!("/v1/users/{}", created.text("id"))
}

async fn with_password(world: &Guarded, number: u32) -> String {
    user(world, number, json!({ "password": PASSWORD })).await
}

/// An address of many.
fn address(number: impl Into<u32>) -> String {
    let [_, _, third, last] = number.into().to_be_bytes();
    format!("198.18.{third}.{last}")
}

/// What is told, besides which request it was and when the last counter's window ends, which is another moment for each.
fn told(answer: &Answer) -> (StatusCode, Value, [String; 3]) {
    let mut body = answer.body.clone();
    body.as_object_mut().unwrap().remove("trace_id").unwrap();
    let header = |name| answer.header(name).to_owned();
    let standing = header("ratelimit").rsplit_once(";t=").map(|(standing, _)| standing.to_owned());
    (answer.status, body, [header("retry-after"), standing.unwrap(), header("ratelimit-policy")])
}

fn count(answers: &[Answer], status: u16) -> usize {
    answers.iter().filter(|answer| answer.status == status).count()
}

#[tokio::test]
async fn who_guesses_waits_longer_each_time_and_nobody_else_does() {
    let world = Guarded::start().await;
    with_password(&world, 1).await;
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
    with_password(&world, 1).await;
    with_password(&world, 2).await;
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
    with_password(&world, 1).await;
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

/// What a refused sign-in makes an instance do.
struct Work {
    answer: Answer,
    /// Operation and table of each.
    calls: Vec<(String, String)>,
    /// How many of them may be answered by a copy of the table that is behind.
    behind: usize,
    /// How often the hasher is asked.
    hashed: u64,
}

async fn work(instance: &Instance, address: &str, name: &str, password: &str) -> Work {
    instance.tap.take();
    let before = instance.state.passwords.taken();
    let answer = instance.sign_in(address, name, password).await;
    let calls = instance.tap.take();
    let behind = calls.iter().filter(|call| call.eventual).count();
    let mut calls: Vec<_> = Call::of(&calls).into_iter().map(|(call, on)| (call.to_owned(), on.to_owned())).collect();
    // Some are made at the same time.
    calls.sort();
    Work { answer, calls, behind, hashed: instance.state.passwords.taken() - before }
}

#[tokio::test]
async fn no_answer_and_no_work_tells_whether_an_account_exists() {
    let world = Guarded::start().await;
    with_password(&world, 1).await;
    let suspended = with_password(&world, 2).await;
    world.administrator.post(&format!("{suspended}/suspend"), &json!({ "reason": "left" })).await.expect(200);
    user(&world, 3, json!({})).await;
    let foreign = "$2b$04$d48aSUVyoKKrqAhF2kMkZuZDJiHKOpOtdL7doz7RkqYprp.PZ2vJq";
    user(&world, 4, json!({ "password_hash": foreign })).await;
    let erased = with_password(&world, 5).await;
    world.administrator.post(&format!("{erased}/erase"), &json!({ "reason": "asked to be" })).await.expect(200);
    let accounts = [
        ("person1@example.com", WRONG),
        ("person2", PASSWORD),
        ("person3", WRONG),
        ("person4", WRONG),
        ("person5", PASSWORD),
        ("nobody", WRONG),
        ("nobody@example.com", WRONG),
    ];

    // The first of each at an instance that has seen none of them, and then at one whose memory is warm.
    for instance in [&world.second, &world.second, &world.first] {
        let mut seen = HashSet::new();
        for (n, (name, password)) in (1_u8..).zip(accounts) {
            let Work { answer, calls, behind, hashed } = work(instance, &address(n), name, password).await;
            assert_eq!(answer.status, 401, "{name}");
            assert_eq!(hashed, 1, "{name}");
            assert_eq!(behind, 0, "{name}: a read may come from a copy that is behind");
            let reads: Vec<_> = calls.iter().filter(|(call, _)| call != "UpdateItem").collect();
            // The batch is of the password and the devices.
            let expected =
                [("BatchGetItem", "credentials"), ("GetItem", "claims"), ("GetItem", "keys"), ("Query", "events")];
            assert!(reads.iter().map(|(call, on)| (call.as_str(), on.as_str())).eq(expected), "{name}: {calls:?}");
            seen.insert((calls, format!("{:?}", told(&answer))));
        }
        assert_eq!(seen.len(), 1, "{seen:?}");
    }
    // Three were made; then two more are, and then there is to be waited.
    for _ in 0..4 {
        let answers = accounts.iter().zip(1_u8..);
        let answers = answers.map(async |((name, _), n)| world.first.sign_in(&address(n), name, WRONG).await);
        let told: HashSet<_> = join_all(answers).await.iter().map(|answer| format!("{:?}", told(answer))).collect();
        assert_eq!(told.len(), 1, "{told:?}");
    }
    let Work { answer, hashed, .. } = work(&world.first, &address(1_u8), "person1@example.com", PASSWORD).await;
    assert_eq!((answer.status.as_u16(), hashed), (429, 0));

    let rows = engine::items(&world.dynamodb, "throttles").await;
    assert!(!rows.is_empty() && rows.iter().all(|row| row.contains_key("expires_at")), "{rows:?}");
    for personal in ["person", "nobody", "198.18", "sign-in"] {
        assert!(!format!("{rows:?}").contains(personal), "{rows:?}");
    }
    world.stop().await;
}

#[tokio::test]
async fn whoever_finds_no_place_to_be_hashed_costs_nothing_and_counts_nowhere() {
    let world = Guarded::start().await;
    let api = &world.first;
    let places: Vec<_> = std::iter::from_fn(|| api.state.passwords.place().ok()).collect();
    api.tap.take();
    for _ in 0..2 * FREE_HERE {
        let refused = api.sign_in(&address(1_u8), "nobody", WRONG).await.expect(503);
        assert!(!refused.header("retry-after").is_empty(), "{refused:?}");
    }
    assert_eq!(api.tap.take(), []);
    drop(places);
    let answer = api.sign_in(&address(1_u8), "nobody", WRONG).await.expect(401);
    assert!(answer.header("ratelimit").starts_with(&format!("\"sign-in\";r={};", FREE_HERE - 1)), "{answer:?}");
    world.stop().await;
}

#[tokio::test]
async fn a_sign_in_with_the_password_of_before_that_races_its_change_is_refused() {
    let world = Guarded::start().await;
    let path = with_password(&world, 1).await;
    let user = path.rsplit_once('/').unwrap().1.to_owned();
    let session = world.first.sign_in(HOME, "person1", PASSWORD).await.expect(200);
    // Everything stops where the sign-in is about to read the user's log.
    world.gate.shut_at(Side::Before, move |seen| {
        let reads_log = seen.headers.get("x-amz-target").is_some_and(|target| target.as_bytes().ends_with(b".Query"));
        reads_log && String::from_utf8_lossy(&seen.body).contains(&user)
    });
    let changed = async {
        world.gate.reached().await;
        let request = json!({ "current_password": PASSWORD, "new_password": WRONG });
        let owner = world.first.client.with_token(&session.text("access_token"));
        world.first.post_as(&owner, HOME, "/v1/auth/password", &request).await.expect(200);
        world.gate.open();
    };
    let there = address(1_u8);
    let (raced, ()) = tokio::join!(world.second.sign_in(&there, "person1", PASSWORD), changed);
    assert_eq!(raced.expect(401).body["code"], "invalid-credentials");
    world.second.sign_in(&there, "person1", WRONG).await.expect(200);
    world.stop().await;
}

#[tokio::test]
async fn refreshing_is_bounded_by_address_and_showing_the_old_password_by_session() {
    let world = Guarded::start().await;
    with_password(&world, 1).await;
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
