//! The log under many hands: concurrency, claims, repeats, and streams longer than a page.

use futures::future::join_all;
use platform::store::IDEMPOTENCY_WINDOW;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Answer, Client, TestWorld, new_user, send};

/// Clients that change one user at once.
const WRITERS: usize = 64;

async fn rename(api: &Client, path: &str, name: &str, key: Option<&str>, if_match: &str) -> Answer {
    let request = api.request(Method::PATCH, path).header("if-match", if_match).json(&json!({ "first_name": name }));
    match key {
        Some(key) => send(request.header("idempotency-key", key)).await,
        None => send(request).await,
    }
}

/// As [`rename`], repeated under its key as long as the answer is that something does not answer in time.
async fn rename_at_last(api: &Client, path: &str, name: &str, if_match: &str) -> Answer {
    let trying = async {
        loop {
            let answer = rename(api, path, name, Some(&name.replace(' ', "-")), if_match).await;
            if answer.status.as_u16() != 503 {
                return answer;
            }
        }
    };
    tokio::time::timeout(crate::support::SOON, trying).await.expect("an answer")
}

async fn history(api: &Client, path: &str) -> Vec<Value> {
    let (mut events, mut next) = (Vec::new(), String::new());
    loop {
        let page = api.get(&format!("{path}/events?page_size=200&page_token={next}")).await.expect(200);
        events.extend(page.body["items"].as_array().unwrap().iter().cloned());
        match page.body["next_page_token"].as_str() {
            Some(token) => token.clone_into(&mut next),
            None => return events,
        }
    }
}

#[tokio::test]
async fn of_many_writers_on_one_stream_each_winner_wins_once() {
    let world = TestWorld::start().await;
    let api = &world.api;
    let created = api.post("/v1/users", &new_user(1)).await.expect(201);
    let path = format!("/v1/users/{}", created.text("id"));

    let names: Vec<String> = (0..WRITERS).map(|number| format!("Ada the {number}")).collect();
    let answers = join_all(names.iter().map(|name| rename_at_last(api, &path, name, "*"))).await;
    let mut won = Vec::new();
    for (name, answer) in names.iter().zip(&answers) {
        match answer.status.as_u16() {
            200 => {
                assert_eq!(answer.body["first_name"], name.as_str());
                won.push((answer.body["version"].as_u64().unwrap(), name.as_str()));
            }
            409 => {
                assert_eq!(answer.body["code"], "conflict");
                assert!(answer.body["actual_version"].as_u64() > answer.body["expected_version"].as_u64());
            }
            status => panic!("{status}: {}", answer.body),
        }
    }
    assert!(!won.is_empty());
    won.sort_unstable();
    let events = history(api, &path).await;
    let recorded: Vec<(u64, &str)> = events[1..]
        .iter()
        .map(|event| (event["version"].as_u64().unwrap(), event["data"]["first_name"].as_str().unwrap()))
        .collect();
    assert_eq!(recorded, won);
    let versions: Vec<u64> = recorded.iter().map(|(version, _)| *version).collect();
    assert_eq!(versions, (2..).take(won.len()).collect::<Vec<u64>>());

    // Of many who mean one version, one is right.
    let etag = format!("\"{}\"", versions.last().unwrap());
    let answers = join_all(names.iter().map(|name| rename(api, &path, name, None, &etag))).await;
    let changed = answers.iter().filter(|answer| answer.status.as_u16() == 200);
    // Whoever asks for the name that is there changes nothing, and is right as well while nobody else has won.
    assert_eq!(changed.filter(|answer| answer.header("etag") != etag).count(), 1);
    assert!(answers.iter().all(|answer| [200, 412].contains(&answer.status.as_u16())));
    world.world.stop().await;
}

#[tokio::test]
async fn claims_follow_their_owner() {
    let world = TestWorld::start().await;
    let api = &world.api;
    let created = api.post("/v1/users", &new_user(1)).await.expect(201);
    let path = format!("/v1/users/{}", created.text("id"));

    // Only the letter case; a user name equal to one's own address; and back.
    let changes = [
        json!({ "email": "Person1@Example.com" }),
        json!({ "username": "person1@example.com" }),
        json!({ "username": "person1@elsewhere.example" }),
        // Both at once, each taking what the other had.
        json!({ "email": "person1@elsewhere.example", "username": "person1@example.com" }),
    ];
    for body in changes {
        let changed = api.patch(&path, "*", &body).await.expect(200);
        for (field, value) in body.as_object().unwrap() {
            assert_eq!(changed.body[field], *value);
        }
    }
    // What was given up is free, what is held is not.
    let mut second = new_user(2);
    second["username"] = json!("person1");
    api.post("/v1/users", &second).await.expect(201);
    let mut third = new_user(3);
    third["email"] = json!("PERSON1@elsewhere.example");
    assert_eq!(api.post("/v1/users", &third).await.expect(409).body["code"], "email-taken");
    world.world.stop().await;
}

#[tokio::test]
async fn a_repeat_is_known_for_the_whole_window_and_on_a_stream_longer_than_a_page() {
    let world = TestWorld::start().await;
    let api = &world.api;
    let created = api.post("/v1/users", &new_user(1)).await.expect(201);
    let path = format!("/v1/users/{}", created.text("id"));

    let first = rename(api, &path, "Augusta", Some("key"), "\"1\"").await.expect(200);
    for number in 1..IDEMPOTENCY_WINDOW {
        rename(api, &path, &format!("Ada {number}"), Some(&number.to_string()), "*").await.expect(200);
    }
    // Its own success has made the If-Match stale, and it is a repeat all the same.
    let again = rename(api, &path, "Augusta", Some("key"), "\"1\"").await.expect(200);
    assert_eq!((&again.body, again.header("idempotent-replayed")), (&first.body, "true"));
    let reused = rename(api, &path, "Byron", Some("key"), "\"1\"").await.expect(422);
    assert_eq!(reused.body["code"], "idempotency-key-reused");
    // One commit further it is out of the window, and If-Match protects what is there.
    rename(api, &path, "Ada the last", Some("last"), "*").await.expect(200);
    rename(api, &path, "Augusta", Some("key"), "\"1\"").await.expect(412);

    // The state that commits carry gives what the whole history gives.
    let events = history(api, &path).await;
    assert_eq!(events.len(), IDEMPOTENCY_WINDOW + 2);
    let token = format!("user#{}@{}", created.text("id"), events.len());
    let read = api.get_since(&path, &token).await.expect(200);
    assert_eq!(read.body["first_name"], "Ada the last");
    let beyond = format!("user#{}@{}", created.text("id"), events.len() + 1);
    assert_eq!(api.get_since(&path, &beyond).await.expect(400).body["code"], "unknown-version");
    world.world.stop().await;
}
