//! The audit feed: by actor, subject and type, as far as it is complete, and with tokens.

use aws_sdk_dynamodb::types::AttributeValue;
use chrono::{DateTime, Utc};
use events::ids::UserId;
use serde_json::{Value, json};

use crate::support::{Answer, Client, TestWorld, behind::Behind, engine, new_user};

/// Everything that pages of this list tell, each event once.
async fn all(api: &Client, list: &str) -> Vec<Value> {
    let mut found: Vec<Value> = Vec::new();
    let mut next = String::new();
    loop {
        let page = api.get(&format!("/v1/audit?{list}&page_size=4&page_token={next}")).await.expect(200);
        for event in page.body["items"].as_array().unwrap() {
            if !found.iter().any(|known| known["event_id"] == event["event_id"]) {
                found.push(event.clone());
            }
        }
        match page.body["next_page_token"].as_str() {
            Some(token) => token.clone_into(&mut next),
            None => return found,
        }
    }
}

fn kinds(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["type"].as_str().unwrap()).collect()
}

fn complete_until(answer: &Answer) -> Option<DateTime<Utc>> {
    answer.body["complete_until"].as_str().map(|at| at.parse().unwrap())
}

#[tokio::test]
async fn the_feed_is_narrowed_by_actor_subject_and_type() {
    let world = TestWorld::start().await;
    let api = &world.api;
    let role = json!({ "name": "Office", "level": 3, "permissions": ["users:read", "users:write"] });
    let role = api.post("/v1/roles", &role).await.expect(201).text("id");
    let mut clerk = new_user(1);
    clerk["password"] = json!("the password of a clerk");
    let clerk = api.post("/v1/users", &clerk).await.expect(201).text("id");
    api.put(&format!("/v1/users/{clerk}/roles/{role}")).await.expect(200);
    let as_clerk = api.sign_in("person1", "the password of a clerk").await;
    let created = as_clerk.post("/v1/users", &new_user(2)).await.expect(201);
    let path = format!("/v1/users/{}", created.text("id"));
    let mut token = String::new();
    for number in 0..6 {
        let change = json!({ "first_name": format!("Ada {number}") });
        let changed = as_clerk.patch(&path, "*", &change).await.expect(200);
        changed.header("consistency-token").clone_into(&mut token);
    }
    // Waits until the last one is there; what was before it in its stream is, too.
    let fresh = api.get_since("/v1/audit?page_size=200", &token).await.expect(200);
    assert!(fresh.body["items"].as_array().unwrap().iter().any(|event| event["data"]["first_name"] == "Ada 5"));

    let by_clerk = all(api, &format!("actor=user%23{clerk}")).await;
    assert!(by_clerk.iter().all(|event| event["actor"] == format!("user#{clerk}")));
    assert_eq!(kinds(&by_clerk).iter().filter(|kind| **kind == "UserProfileChanged").count(), 6);
    let registered = all(api, "type=UserRegistered").await;
    assert_eq!(kinds(&registered), ["UserRegistered"; 3]);
    let both = all(api, &format!("type=UserRegistered&actor=user%23{}", UserId::seeded_administrator())).await;
    assert_eq!(kinds(&both), ["UserRegistered"]);
    assert_eq!(all(api, "type=Unheard").await, Vec::<Value>::new());

    let subject = format!("subject=user%23{}", created.text("id"));
    let history = all(api, &subject).await;
    assert_eq!(kinds(&history)[..2], ["UserRegistered", "UserProfileChanged"]);
    assert_eq!(history.len(), 7);
    let own: Answer = api.get(&format!("{path}/events")).await.expect(200);
    assert_eq!(own.body["items"], Value::Array(history.clone()));
    let from = history[3]["recorded_at"].as_str().unwrap();
    let to = history[5]["recorded_at"].as_str().unwrap();
    assert_eq!(all(api, &format!("{subject}&from={from}&to={to}")).await, history[3..5]);
    assert_eq!(all(api, &format!("{subject}&type=UserRegistered")).await, history[..1]);
    let by_nobody = "actor=system";
    assert_eq!(all(api, &format!("{subject}&{by_nobody}")).await, Vec::<Value>::new());

    for bad in ["actor=x", "subject=x", "type=x&type=y", "what=x", "from=yesterday"] {
        assert_eq!(api.get(&format!("/v1/audit?{bad}")).await.expect(400).body["code"], "invalid-query", "{bad}");
    }
    let page = api.get(&format!("/v1/audit?{subject}&page_size=2")).await.expect(200);
    let cursor = page.text("next_page_token");
    let other = api.get(&format!("/v1/audit?{subject}&type=UserRegistered&page_token={cursor}")).await.expect(400);
    assert_eq!(other.body["code"], "invalid-page-token");
    world.world.stop().await;
}

#[tokio::test]
async fn the_feed_says_up_to_when_it_is_complete_and_a_parked_stream_holds_that_back() {
    let world = TestWorld::start().await;
    let api = &world.api;
    let known = api.get_until("/v1/audit", |answer| complete_until(answer).is_some()).await;
    let before = complete_until(&known).unwrap();
    api.get_until("/v1/audit", |answer| complete_until(answer) > Some(before)).await;

    // No cursor points behind it: from there on everything is told again.
    for number in 1..5 {
        api.post("/v1/users", &new_user(number)).await.expect(201);
    }
    let of_now = |answer: &Answer| answer.body["items"].as_array().unwrap().len() >= 8;
    let whole = api.get_until("/v1/audit?page_size=8", of_now).await;
    if let Some(token) = whole.body["next_page_token"].as_str() {
        let next = api.get(&format!("/v1/audit?page_token={token}")).await.expect(200);
        let first: DateTime<Utc> = next.body["items"][0]["recorded_at"].as_str().unwrap().parse().unwrap();
        let last: DateTime<Utc> = whole.body["items"][7]["recorded_at"].as_str().unwrap().parse().unwrap();
        assert!(first > last || Some(first) >= complete_until(&whole), "{first} {last}");
    }

    let park = "2026-01-02T03:04:05.000001Z";
    let dynamodb = engine::client(&world.world.addresses.dynamodb);
    let put = dynamodb.put_item().table_name("parked");
    put.item("stream", AttributeValue::S("role#x".to_owned()))
        .item("version", AttributeValue::S("1".to_owned()))
        .item("parked_at", AttributeValue::S(park.to_owned()))
        .send()
        .await
        .unwrap();
    let bound: DateTime<Utc> = park.parse().unwrap();
    api.get_until("/v1/audit", |answer| complete_until(answer).is_some_and(|until| until < bound)).await;
    world.world.stop().await;
}

/// Without a projector a token is waited for in vain; one that no stream has is refused at once.
#[tokio::test]
async fn the_feed_and_the_notifications_wait_for_a_token_and_then_say_when_to_come_again() {
    let behind = Behind::start().await;
    let created = behind.command_api.post("/v1/users", &new_user(1)).await.expect(201);
    let token = created.header("consistency-token");
    for list in ["/v1/audit", "/v1/notifications"] {
        let refused = behind.query_api.get_since(list, token).await.expect(503);
        assert_eq!(refused.body["code"], "unavailable");
        assert_ne!(refused.header("retry-after"), "");
        let beyond = behind.query_api.get_since(list, &token.replace("@1", "@2")).await.expect(400);
        assert_eq!(beyond.body["code"], "unknown-version");
    }
    behind.stop();

    let world = TestWorld::start().await;
    let created = world.api.post("/v1/users", &new_user(1)).await.expect(201);
    let list = format!("/v1/notifications?user_id={}", created.text("id"));
    let caused = world.api.get_since(&list, created.header("consistency-token")).await.expect(200);
    assert_eq!(caused.body["items"][0]["template"], "welcome");
    world.world.stop().await;
}
