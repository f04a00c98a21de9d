//! What a sign-in reads, in which order, and what it tells of an account by that.

use std::collections::HashSet;

use dev::wiretap::Call;
use futures::future::join_all;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::support::{
    Answer, PASSWORD, engine,
    gate::Side,
    guarded::{FREE_HERE, Guarded, HOME, Instance, WRONG, address},
};

/// What is told, besides which request it was and when the last counter's window ends, which is another moment for each.
fn told(answer: &Answer) -> (StatusCode, Value, [String; 3]) {
    let mut body = answer.body.clone();
    body.as_object_mut().unwrap().remove("trace_id").unwrap();
    let header = |name| answer.header(name).to_owned();
    let standing = header("ratelimit").rsplit_once(";t=").map(|(standing, _)| standing.to_owned());
    (answer.status, body, [header("retry-after"), standing.unwrap(), header("ratelimit-policy")])
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
    world.with_password(1).await;
    let suspended = world.with_password(2).await;
    world.administrator.post(&format!("{suspended}/suspend"), &json!({ "reason": "left" })).await.expect(200);
    world.user(3, json!({})).await;
    let foreign = "$2b$04$d48aSUVyoKKrqAhF2kMkZuZDJiHKOpOtdL7doz7RkqYprp.PZ2vJq";
    world.user(4, json!({ "password_hash": foreign })).await;
    let erased = world.with_password(5).await;
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
    let path = world.with_password(1).await;
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
