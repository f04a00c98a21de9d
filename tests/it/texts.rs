//! Who is told what, in which language, and what they want to hear of.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use platform::clock::Clock;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use crate::support::{ASK_EVERY, Answer, Client, PASSWORD, SOON, TestWorld, new_user, phone, send};

const PREFERENCES: &str = "/v1/me/preferences";

/// A user with a password, who speaks Spanish and may be written to at any time.
async fn spaniard(world: &TestWorld, number: u32) -> (String, Client) {
    let mut user = new_user(number);
    user["password"] = PASSWORD.into();
    user["locale"] = "es-MX".into();
    user["time_zone"] = "UTC".into();
    let id = world.api.post("/v1/users", &user).await.expect(201).text("id");
    let client = signed_in(world, number, "a telephone").await;
    let always = json!({ "muted": [], "quiet_hours": null });
    put(&client, &always).await.expect(200);
    (id, client)
}

async fn signed_in(world: &TestWorld, number: u32, device: &str) -> Client {
    let request = json!({ "identifier": format!("person{number}"), "password": PASSWORD });
    let login = world.api.request(Method::POST, "/v1/auth/login").header("user-agent", device).json(&request);
    world.api.with_token(&send(login).await.expect(200).text("access_token"))
}

async fn put(client: &Client, preferences: &Value) -> Answer {
    send(client.request(Method::PUT, PREFERENCES).header("if-match", "*").json(preferences)).await
}

/// The texts to a user's telephone, once there are as many as are waited for.
async fn texts(world: &TestWorld, number: u32, wanted: &[&str]) {
    let wanted: BTreeSet<&str> = wanted.iter().copied().collect();
    let looking = async {
        loop {
            let messages = world.messages_to(&phone(number)).await;
            let texts: BTreeSet<&str> = messages.iter().map(|message| message["text"].as_str().unwrap()).collect();
            if texts.len() == messages.len() && texts == wanted {
                return;
            }
            sleep(ASK_EVERY).await;
        }
    };
    let found = timeout(SOON, looking).await.is_ok();
    assert!(found, "wanted {wanted:#?}, got {:#?}", world.messages_to(&phone(number)).await);
}

#[tokio::test]
async fn a_user_is_told_in_their_language_what_happens_to_their_account() {
    let world = TestWorld::start().await;
    let (id, _) = spaniard(&world, 1).await;
    let role = json!({ "name": "Planner", "description": "Plans", "level": 1, "permissions": ["users:read"] });
    let role = world.api.post("/v1/roles", &role).await.expect(201).text("id");
    let (user, held) = (format!("/v1/users/{id}"), format!("/v1/users/{id}/roles/{role}"));
    let give = world.api.request(Method::PUT, &held).header("if-match", "*").json(&json!({}));
    send(give).await.expect(200);
    texts(
        &world,
        1,
        &[
            "Hola, Ada: FieldFuze te da la bienvenida. Ya puedes entrar en tu cuenta.",
            "FieldFuze: ahora tienes un rol nuevo. Entra para ver lo que puedes hacer.",
        ],
    )
    .await;
    world.api.delete(&held, "*").await.expect(200);
    let of_user = format!("/v1/notifications?user_id={id}");
    let listed = world.api.get_until(&of_user, |answer| {
        answer.body["items"].as_array().is_some_and(|items| items.len() == 3 && all(items, "delivered"))
    });
    listed.await;
    world.api.post(&format!("{user}/suspend"), &json!({ "reason": "on leave" })).await.expect(200);
    texts(
        &world,
        1,
        &[
            "Hola, Ada: FieldFuze te da la bienvenida. Ya puedes entrar en tu cuenta.",
            "FieldFuze: ahora tienes un rol nuevo. Entra para ver lo que puedes hacer.",
            "FieldFuze: ya no tienes uno de tus roles. Si tienes dudas, habla con tu administrador.",
            "FieldFuze: tu cuenta queda suspendida y se han cerrado tus sesiones. Si tienes dudas, habla con tu administrador.",
        ],
    )
    .await;
}

fn all(items: &[Value], status: &str) -> bool {
    items.iter().all(|item| item["status"] == status)
}

#[tokio::test]
async fn a_device_that_was_never_used_is_told_of_and_a_known_one_is_not() {
    let world = TestWorld::start().await;
    let (_, _) = spaniard(&world, 1).await;
    signed_in(&world, 1, "a telephone").await;
    signed_in(&world, 1, "a laptop 1.0").await;
    signed_in(&world, 1, "a laptop 1.1").await;
    texts(
        &world,
        1,
        &[
            "Hola, Ada: FieldFuze te da la bienvenida. Ya puedes entrar en tu cuenta.",
            "FieldFuze: alguien ha entrado en tu cuenta con un aparato nuevo. Si no lo hiciste, cambia ya tu contraseña.",
        ],
    )
    .await;
    let started = |answer: &Answer| -> Vec<bool> {
        let items = answer.body["items"].as_array().into_iter().flatten();
        let sessions = items.filter(|event| event["type"] == "SessionStarted");
        sessions.map(|event| event["data"]["new_device"] == true).collect()
    };
    let audit = world.api.get_until("/v1/audit?page_size=200", |answer| started(answer).len() == 5).await;
    assert_eq!(started(&audit).into_iter().filter(|new| *new).count(), 1, "{}", audit.body);
}

#[tokio::test]
async fn what_is_muted_is_withheld_and_what_can_wait_waits_for_the_morning() {
    let world = TestWorld::start().await;
    let (muted, client) = spaniard(&world, 1).await;
    put(&client, &json!({ "muted": ["access"], "quiet_hours": null })).await.expect(200);
    let (asleep, client) = spaniard(&world, 2).await;
    let around = |by: TimeDelta| (Clock::system().now() + by).format("%H:%M").to_string();
    let hours = json!({ "from": around(TimeDelta::minutes(-5)), "to": around(TimeDelta::hours(3)) });
    put(&client, &json!({ "muted": [], "quiet_hours": hours })).await.expect(200);

    let role = json!({ "name": "Planner", "description": "Plans", "level": 1, "permissions": ["users:read"] });
    let role = world.api.post("/v1/roles", &role).await.expect(201).text("id");
    for id in [&muted, &asleep] {
        let give = world.api.request(Method::PUT, &format!("/v1/users/{id}/roles/{role}"));
        send(give.header("if-match", "*").json(&json!({}))).await.expect(200);
    }
    let of_roles = |id: &str| format!("/v1/notifications?user_id={id}");
    let has = |answer: &Answer, status: &str, code: &str| {
        let items = answer.body["items"].as_array().into_iter().flatten();
        items
            .into_iter()
            .any(|it| it["template"] == "role-granted" && it["status"] == status && it["error_code"] == code)
    };
    world.api.get_until(&of_roles(&muted), |answer| has(answer, "suppressed", "muted")).await;
    let waiting = world.api.get_until(&of_roles(&asleep), |answer| has(answer, "pending", "quiet-hours")).await;
    let welcomed = waiting.body["items"].as_array().unwrap().iter().find(|it| it["template"] == "welcome").unwrap();
    assert_eq!(welcomed["error_code"], Value::Null, "{welcomed}");
    // A code does not wait.
    world.api.post("/v1/auth/password-reset", &json!({ "identifier": "person2" })).await.expect(202);
    let reset = |answer: &Answer| {
        let items = answer.body["items"].as_array().into_iter().flatten();
        items.into_iter().any(|it| it["template"] == "password-reset" && it["status"] == "delivered")
    };
    world.api.get_until(&of_roles(&asleep), reset).await;
}

#[tokio::test]
async fn preferences_are_ones_own_and_checked() {
    let world = TestWorld::start().await;
    let mut user = new_user(1);
    user["password"] = PASSWORD.into();
    world.api.post("/v1/users", &user).await.expect(201);
    let client = signed_in(&world, 1, "a telephone").await;
    let first = client.get(PREFERENCES).await.expect(200);
    assert_eq!(first.body, json!({ "muted": [], "quiet_hours": { "from": "21:00", "to": "08:00" } }));

    let wish = json!({ "muted": ["access"], "quiet_hours": { "from": "23:30", "to": "06:15" } });
    let request = |tag: &str| client.request(Method::PUT, PREFERENCES).header("if-match", tag).json(&wish);
    let planned = send(
        client.request(Method::PUT, &format!("{PREFERENCES}?validate_only=true")).header("if-match", "*").json(&wish),
    );
    assert_eq!(planned.await.expect(200).body["events"][0]["type"], "UserPreferencesChanged");
    let set = send(request(first.header("etag"))).await.expect(200);
    assert_eq!(set.body, wish);
    send(request(first.header("etag"))).await.expect(412);
    let read = client.get_since(PREFERENCES, set.header("consistency-token")).await.expect(200);
    assert_eq!((read.header("etag"), &read.body), (set.header("etag"), &wish));
    let again = send(request(set.header("etag"))).await.expect(200);
    assert_eq!(again.header("etag"), set.header("etag"), "nothing changed");

    let cases = [
        (json!({ "quiet_hours": null }), "/muted", "required"),
        (json!({ "muted": ["security"] }), "/muted", "not-mutable"),
        (json!({ "muted": ["weather"] }), "/muted/0", "wrong-type"),
        (json!({ "muted": [], "quiet_hours": {} }), "/quiet_hours/from", "required"),
        (json!({ "muted": [], "quiet_hours": { "from": "9:00", "to": "10:00" } }), "/quiet_hours/from", "invalid-time"),
        (json!({ "muted": [], "quiet_hours": { "from": "10:00", "to": "10:00" } }), "/quiet_hours", "no-time-left"),
        (json!({ "muted": [], "mood": "good" }), "/mood", "unknown-field"),
    ];
    for (body, pointer, code) in cases {
        let refused = put(&client, &body).await.expect(422);
        let errors = refused.body["errors"].as_array().unwrap();
        assert!(errors.iter().any(|error| error["pointer"] == pointer && error["code"] == code), "{body}: {errors:?}");
    }
    send(client.request(Method::PUT, PREFERENCES).json(&wish)).await.expect(428);
}
