//! What a power cut leaves: everything that was acknowledged, nothing twice, nothing stuck.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use futures::{StreamExt, stream};
use serde_json::Value;
use tokio::{process::Command, sync::Notify};

use crate::support::{Client, PASSWORD, new_user, phone, process, process::Process};

/// Writes that are begun.
const WRITES: u32 = 200;

/// Acknowledged writes after which the power goes.
const BEFORE_THE_CUT: usize = 90;

/// Sends that a projector has in flight at once: what the power cut can leave unknown.
const SENDS_IN_FLIGHT: usize = 32;

/// How a notification may end after a power cut.
const ENDED: [&str; 2] = ["delivered", "unknown"];

/// Writes in flight at once.
const CLIENTS: usize = 8;

#[tokio::test]
async fn after_a_power_cut_nothing_acknowledged_is_lost_nothing_is_doubled_and_nothing_is_stuck() {
    let directory = tempfile::tempdir().unwrap();
    let first = Process::start(world(directory.path())).await;
    let api = Client::new(&first.public).sign_in(dev::seed::ADMINISTRATOR, PASSWORD).await;

    refuse(&first.public, &api).await;
    let enough = Arc::new(Notify::new());
    let writing = tokio::spawn(write(api, Arc::clone(&enough)));
    tokio::time::timeout(crate::support::SOON, enough.notified()).await.expect("the writes go on");
    let log = first.kill().await;
    let acknowledged = writing.await.unwrap();
    assert!(acknowledged.len() >= BEFORE_THE_CUT, "{}", acknowledged.len());
    assert!(acknowledged.len() < WRITES as usize, "the power was cut too late to show anything");

    let second = Process::start(world(directory.path())).await;
    let api = Client::new(&second.public).sign_in(dev::seed::ADMINISTRATOR, PASSWORD).await;
    for (id, token) in acknowledged.values() {
        let read = api.get_since(&format!("/v1/users/{id}"), token).await.expect(200);
        assert_eq!(read.body["version"], 1);
    }

    // Every user that is there has one notification, which came to its end; what is there was written once.
    // One that was written and not acknowledged may be shown later than the others.
    let (users, notifications) = settled(&api, |users, notifications| {
        users.len() > acknowledged.len()
            && notifications.len() == users.len() - 1 // the administrator gets none
            && notifications.iter().all(|item| ENDED.iter().any(|ended| item["status"] == *ended))
    })
    .await;
    let mut by_email: BTreeMap<&str, usize> = BTreeMap::new();
    for user in &users {
        *by_email.entry(user["email"].as_str().unwrap()).or_default() += 1;
    }
    assert!(by_email.values().all(|count| *count == 1), "{by_email:?}");
    let unknown = notifications.iter().filter(|item| item["status"] == "unknown").count();
    assert!(unknown <= SENDS_IN_FLIGHT, "{unknown} of {} are unknown", notifications.len());

    for number in 0..WRITES {
        let messages = crate::support::messages_to(&second.telnyx, &phone(number)).await;
        assert!(messages.len() <= 1, "{messages:?}");
    }
    let log = log + &second.kill().await;
    assert!(log.contains("\"message\":"), "there is a log");
    for secret in ["person1", "canary", "@example.com", "+1512", "Lovelace", PASSWORD] {
        assert!(!log.contains(secret), "{secret} is in the log");
    }
}

/// What is refused is not logged either.
async fn refuse(public: &str, api: &Client) {
    let mut user = new_user(0);
    user["email"] = "canary@@example.com".into();
    user["canary"] = "canary".into();
    api.post("/v1/users", &user).await.expect(422);
    api.get("/v1/users?canary=canary").await.expect(400);
    let wrong = serde_json::json!({ "identifier": "canary@example.com", "password": "a canary's password" });
    Client::new(public).post("/v1/auth/login", &wrong).await.expect(401);
    Client::new(public).with_token("canary").get("/v1/me").await.expect(401);
}

/// A world whose load balancer keeps its port over the restart, for receipts come back to it; a port that the system
/// gives to nobody else.
fn world(data: &Path) -> Command {
    let mut world = process::world(data);
    world.arg(format!("--alb-port={}", 20_000 + std::process::id() % 10_000));
    world
}

/// Writes until the power goes, and gives what was acknowledged: number → id and token.
async fn write(api: Client, enough: Arc<Notify>) -> BTreeMap<u32, (String, String)> {
    let mut acknowledged = BTreeMap::new();
    let mut writes = stream::iter(0..WRITES)
        .map(|number| {
            let request = api.request(reqwest::Method::POST, "/v1/users").json(&new_user(number));
            async move { (number, request.send().await) }
        })
        .buffer_unordered(CLIENTS);
    while let Some((number, answer)) = writes.next().await {
        let Ok(answer) = answer else { continue };
        if answer.status() != 201 {
            continue;
        }
        let token = answer.headers()["consistency-token"].to_str().unwrap().to_owned();
        let id = token.trim_start_matches("user#").trim_end_matches("@1").to_owned();
        acknowledged.insert(number, (id, token));
        if acknowledged.len() == BEFORE_THE_CUT {
            enough.notify_one();
        }
    }
    acknowledged
}

/// All users and notifications, once they are what they must become.
async fn settled(api: &Client, wanted: impl Fn(&[Value], &[Value]) -> bool) -> (Vec<Value>, Vec<Value>) {
    let deadline = tokio::time::Instant::now() + crate::support::SOON;
    loop {
        let (users, notifications) = (all(api, "/v1/users").await, all(api, "/v1/notifications").await);
        if wanted(&users, &notifications) {
            return (users, notifications);
        }
        let statuses = notifications.iter().map(|item| item["status"].as_str().unwrap_or_default());
        assert!(
            tokio::time::Instant::now() < deadline,
            "never settled: {} users, {} notifications, {:?}",
            users.len(),
            notifications.len(),
            statuses.filter(|status| !ENDED.contains(status)).collect::<Vec<_>>()
        );
        tokio::time::sleep(crate::support::ASK_EVERY).await;
    }
}

async fn all(api: &Client, path: &str) -> Vec<Value> {
    let (mut items, mut next) = (Vec::new(), String::new());
    loop {
        let page = api.get(&format!("{path}?page_size=200&page_token={next}")).await.expect(200);
        items.extend(page.body["items"].as_array().unwrap().iter().cloned());
        match page.body["next_page_token"].as_str() {
            Some(token) => token.clone_into(&mut next),
            None => return items,
        }
    }
}

#[tokio::test]
async fn a_second_world_on_the_same_data_says_so_in_one_line_and_ends() {
    let directory = tempfile::tempdir().unwrap();
    let first = Process::start(process::world(directory.path())).await;
    let second = process::world(directory.path()).output().await.unwrap();
    assert!(!second.status.success());
    let said = String::from_utf8(second.stderr).unwrap();
    assert_eq!(said.trim().lines().count(), 1, "{said}");
    assert!(said.contains("in use by another fieldfuze"), "{said}");
    first.kill().await;

    let elsewhere = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let third = process::world(elsewhere.path()).arg(format!("--alb-port={port}")).output().await.unwrap();
    assert!(!third.status.success());
    let said = String::from_utf8(third.stderr).unwrap();
    assert_eq!(said.trim().lines().count(), 1, "{said}");
    assert!(said.contains("is taken"), "{said}");
}
