//! The main job: from a REST write to a delivered text message.

use events::ids::{EventId, NotificationId, UserId};
use serde_json::{Value, json};

use crate::support::{Client, TestWorld, messages_to, new_user, phone};

#[tokio::test]
async fn from_a_rest_write_to_a_delivered_text_message() {
    let world = TestWorld::start().await;
    trip(&world.api, &world.world.addresses.telnyx, UserId::seeded_administrator()).await;
    world.world.stop().await;
}

/// The trip, by whoever is signed in, over whatever stands for Telnyx.
pub async fn trip(api: &Client, telnyx: &str, administrator: UserId) {
    let role = json!({ "name": "Dispatcher", "level": 3, "permissions": ["users:read", "jobs:plan"] });
    let role = api.post("/v1/roles", &role).await.expect(201);
    let role_id = role.text("id");
    assert_eq!(role.header("location"), format!("/v1/roles/{role_id}"));

    let created = api.post("/v1/users", &new_user(1)).await.expect(201);
    let id = created.text("id");
    assert_eq!(created.header("etag"), "\"1\"");
    assert_eq!(created.header("consistency-token"), format!("user#{id}@1"));
    assert_eq!(created.body["status"], "invited");

    let path = format!("/v1/users/{id}");
    let assigned = api.put(&format!("{path}/roles/{role_id}")).await.expect(200);
    assert_eq!(assigned.body["roles"][0]["name"], "Dispatcher");

    // At once, with the token that the write returned; then without it, shortly after.
    let token = assigned.header("consistency-token");
    let fresh = api.get_since(&path, token).await.expect(200);
    assert_eq!(fresh.body, assigned.body);
    let in_the_list = api.get_since("/v1/users", token).await.expect(200);
    assert!(in_the_list.body["items"].as_array().unwrap().contains(&assigned.body), "{}", in_the_list.body);
    let shown = api.get_until(&path, |answer| answer.body == assigned.body).await;
    assert!(shown.header("etag").starts_with("\"2."), "{}", shown.header("etag"));

    // The welcome message goes out once, and its signed receipt comes back.
    let history = api.get(&format!("{path}/events")).await.expect(200);
    let history = history.body["items"].as_array().unwrap().clone();
    let event = EventId(history[0]["event_id"].as_str().unwrap().parse().unwrap());
    let user = UserId(id.parse().unwrap());
    let notification = format!("/v1/notifications/{}", NotificationId::caused_by(event, user, "welcome"));
    let delivered = api.get_until(&notification, |answer| answer.body["status"] == "delivered").await;
    assert_eq!(delivered.body["attempt"], 1);
    assert_eq!(delivered.body["user_id"], id);
    let messages = messages_to(telnyx, &phone(1)).await;
    assert_eq!(messages.len(), 1, "{messages:?}");
    assert!(messages[0]["text"].as_str().unwrap().contains("Ada"));

    // The whole history, oldest first, says who and on which trip.
    let kinds: Vec<&str> = history.iter().map(|event| event["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["UserRegistered", "UserRoleAssigned"]);
    let administrator = format!("user#{administrator}");
    assert!(history.iter().all(|event| event["actor"] == administrator));
    assert_eq!(history[0]["correlation_id"], created.header("x-correlation-id"));

    // The audit feed has all of it, the notification's own history on the same trip.
    let of_the_trip = |feed: &Value| -> Vec<String> {
        let items = feed["items"].as_array().unwrap().iter();
        let mine = items.filter(|event| event["correlation_id"] == created.header("x-correlation-id"));
        mine.map(|event| event["type"].as_str().unwrap().to_owned()).collect()
    };
    let feed = api
        .get_until("/v1/audit?page_size=200", |answer| {
            of_the_trip(&answer.body).contains(&"NotificationAccepted".to_owned())
        })
        .await;
    let trip = of_the_trip(&feed.body);
    assert_eq!(trip[..3], ["UserRegistered", "NotificationRequested", "NotificationSending"]);
}

#[tokio::test]
async fn the_other_commands_change_what_the_read_side_shows() {
    let world = TestWorld::start().await;
    let api = &world.api;
    let created = api.post("/v1/users", &new_user(1)).await.expect(201);
    let path = format!("/v1/users/{}", created.text("id"));

    let changed = api.patch(&path, created.header("etag"), &json!({ "first_name": "Augusta" })).await.expect(200);
    assert_eq!(changed.body["first_name"], "Augusta");
    let reason = json!({ "reason": "left the company" });
    let suspended = api.post(&format!("{path}/suspend"), &reason).await.expect(200);
    assert_eq!(suspended.body["status"], "suspended");
    let again = api.post(&format!("{path}/suspend"), &reason).await.expect(200);
    assert_eq!(again.header("etag"), suspended.header("etag"));
    let reactivated = api.post(&format!("{path}/reactivate"), &json!({ "reason": "came back" })).await.expect(200);
    assert_eq!(reactivated.body["status"], "invited");

    let role = json!({ "name": "Dispatcher", "level": 3, "permissions": ["users:read"] });
    let role = api.post("/v1/roles", &role).await.expect(201);
    let role_path = format!("/v1/roles/{}", role.text("id"));
    let assigned = api.put(&format!("{path}{role_path}", role_path = &role_path[3..])).await.expect(200);
    assert_eq!(assigned.body["roles"].as_array().unwrap().len(), 1);
    let revoked = api.delete(&format!("{path}{}", &role_path[3..]), "*").await.expect(200);
    assert_eq!(revoked.body["roles"], json!([]));

    let renamed = api.patch(&role_path, role.header("etag"), &json!({ "name": "Planner" })).await.expect(200);
    assert_eq!(renamed.body["name"], "Planner");
    api.delete(&role_path, role.header("etag")).await.expect(412);
    let retired = api.delete(&role_path, renamed.header("etag")).await.expect(204);
    // Its name is free at once.
    let namesake = json!({ "name": "PLANNER", "level": 1, "permissions": ["users:read"] });
    api.post("/v1/roles", &namesake).await.expect(201);

    let tokens = format!("{},{}", revoked.header("consistency-token"), retired.header("consistency-token"));
    assert_eq!(api.get_since(&path, &tokens).await.expect(200).body, revoked.body);
    assert_eq!(api.get_since(&role_path, &tokens).await.expect(200).body["status"], "retired");
    let history = api.get(&format!("{path}/events")).await.expect(200);
    assert_eq!(history.body["items"][2]["reason"], "left the company");
    world.world.stop().await;
}

#[tokio::test]
async fn a_retry_under_its_key_gets_the_first_answer() {
    let world = TestWorld::start().await;
    let api = &world.api;
    let create = |user: Value| {
        let request = api.request(reqwest::Method::POST, "/v1/users").header("idempotency-key", "one").json(&user);
        crate::support::send(request)
    };
    let first = create(new_user(1)).await.expect(201);
    let again = create(new_user(1)).await.expect(201);
    assert_eq!(again.body, first.body);
    assert_eq!(again.header("idempotent-replayed"), "true");
    assert_eq!(first.header("idempotent-replayed"), "");
    assert_eq!(create(new_user(2)).await.expect(422).body["code"], "idempotency-key-reused");
    world.world.stop().await;
}

#[tokio::test]
async fn lists_go_on_where_their_cursor_points() {
    let world = TestWorld::start().await;
    let api = &world.api;
    let mut tokens = Vec::new();
    for number in 0..7 {
        let created = api.post("/v1/users", &new_user(number)).await.expect(201);
        tokens.push((created.text("id"), created.header("consistency-token").to_owned()));
    }
    // Seven rows and the administrator's, each page asked for with the last token.
    let last = &tokens.last().unwrap().1;
    api.get_until("/v1/users", |answer| answer.body["items"].as_array().unwrap().len() == 8).await;
    let (mut seen, mut next) = (Vec::new(), String::new());
    loop {
        let page = api.get_since(&format!("/v1/users?page_size=3&page_token={next}"), last).await.expect(200);
        let items = page.body["items"].as_array().unwrap();
        assert!(items.len() <= 3);
        seen.extend(items.iter().map(|item| item["id"].as_str().unwrap().to_owned()));
        match page.body["next_page_token"].as_str() {
            Some(token) => next = token.to_owned(),
            None => break,
        }
    }
    let created: Vec<String> = tokens.into_iter().map(|(id, _)| id).collect();
    assert_eq!(seen[1..], created[..]);
    // A cursor of another list is none of this one.
    assert!(!next.is_empty());
    assert_eq!(api.get(&format!("/v1/roles?page_token={next}")).await.expect(400).body["code"], "invalid-page-token");
    world.world.stop().await;
}

#[tokio::test]
async fn what_was_written_is_there_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let config = crate::support::config(directory.path());
    let world = dev::world::World::start(&config).await.unwrap();
    let client = crate::support::Client::new(&world.addresses.public);
    let api = client.sign_in(dev::seed::ADMINISTRATOR, crate::support::PASSWORD).await;
    let created = api.post("/v1/users", &new_user(1)).await.expect(201);
    world.stop().await;

    let world = dev::world::World::start(&config).await.unwrap();
    assert!(world.generated_password.is_none());
    let client = crate::support::Client::new(&world.addresses.public);
    let api = client.sign_in("ADMIN@fieldfuze.local", crate::support::PASSWORD).await;
    let path = format!("/v1/users/{}", created.text("id"));
    let read = api.get_since(&path, created.header("consistency-token")).await.expect(200);
    assert_eq!(read.body, created.body);
    api.post("/v1/users", &new_user(1)).await.expect(409);
    world.stop().await;
}
