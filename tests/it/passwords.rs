//! Passwords: what may be set, how one is changed, and hashes of other systems.

use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use crate::support::{ASK_EVERY, Answer, Client, PASSWORD, SOON, TestWorld, engine, new_user, phone};

const ANOTHER: &str = "wind 7 over the grey harbour";

/// `correct horse battery`, by bcrypt and by PBKDF2 of other implementations.
const FOREIGN: [&str; 2] = [
    "$2b$04$d48aSUVyoKKrqAhF2kMkZuZDJiHKOpOtdL7doz7RkqYprp.PZ2vJq",
    "$pbkdf2-sha256$i=10000,l=32$c2FsdHNhbHRzYWx0c2FsdA$kE3o2dEnF1WuUhq4bKPamw64U1LeCPCYqZtAUmNXxj8",
];

fn user(number: u32, field: &str, value: &str) -> Value {
    let mut user = new_user(number);
    user[field] = value.into();
    user
}

async fn login(api: &Client, number: u32, password: &str) -> Answer {
    let request = json!({ "identifier": format!("person{number}"), "password": password });
    api.post("/v1/auth/login", &request).await
}

#[track_caller]
fn refused(answer: &Answer, pointer: &str, code: &str) {
    assert_eq!(answer.status, 422, "{}", answer.body);
    assert_eq!(answer.body["errors"][0]["pointer"], pointer, "{}", answer.body);
    assert_eq!(answer.body["errors"][0]["code"], code, "{}", answer.body);
}

#[tokio::test]
async fn what_is_easily_guessed_is_refused_also_in_a_dry_run() {
    let world = TestWorld::start().await;
    for guessed in ["passwordpassword", "person1person1person1", "person1@example.com"] {
        for path in ["/v1/users", "/v1/users?validate_only=true"] {
            let answer = world.api.post(path, &user(1, "password", guessed)).await;
            refused(&answer, "/password", "password-too-guessable");
            assert!(!answer.body.to_string().contains(guessed));
        }
    }
    world.world.stop().await;
}

#[tokio::test]
async fn a_changed_password_ends_every_session_but_the_new_one() {
    let world = TestWorld::start().await;
    let api = &world.api;
    api.post("/v1/users", &user(1, "password", PASSWORD)).await.expect(201);
    let (first, second) = (login(api, 1, PASSWORD).await.expect(200), login(api, 1, PASSWORD).await.expect(200));
    let (first, second) = (first.text("refresh_token"), api.with_token(&second.text("access_token")));

    let change = async |current: &str, new: &str| {
        let request = json!({ "current_password": current, "new_password": new });
        second.post("/v1/auth/password", &request).await
    };
    refused(&change("correct horse battery stable", ANOTHER).await, "/current_password", "wrong-password");
    refused(&change(PASSWORD, "too short").await, "/new_password", "password-too-short");
    refused(&change(PASSWORD, "person1person1person1").await, "/new_password", "password-too-guessable");
    refused(&change(PASSWORD, PASSWORD).await, "/new_password", "password-unchanged");
    let changed = change(PASSWORD, ANOTHER).await.expect(200);

    api.post("/v1/auth/refresh", &json!({ "refresh_token": first })).await.expect(401);
    second.get_until("/v1/me", |answer| answer.status == 401).await;
    login(api, 1, PASSWORD).await.expect(401);
    login(api, 1, ANOTHER).await.expect(200);
    let third = api.with_token(&changed.text("access_token"));
    third.get("/v1/me").await.expect(200);
    api.post("/v1/auth/refresh", &json!({ "refresh_token": changed.text("refresh_token") })).await.expect(200);
    world.world.stop().await;
}

/// The code of the message that brings one to a new user's telephone.
async fn code(world: &TestWorld, number: u32) -> String {
    let looking = async {
        loop {
            for message in world.messages_to(&phone(number)).await {
                let text = message["text"].as_str().unwrap();
                let mut words = text.split(|letter: char| !letter.is_ascii_digit());
                if let Some(code) = words.find(|word| word.len() == 8) {
                    return code.to_owned();
                }
            }
            sleep(ASK_EVERY).await;
        }
    };
    timeout(SOON, looking).await.expect("the code is sent")
}

#[tokio::test]
async fn whoever_has_to_change_their_password_does_not_keep_it() {
    let world = TestWorld::start().await;
    let api = &world.api;
    let id = api.post("/v1/users", &user(1, "password", PASSWORD)).await.expect(201).text("id");
    api.post(&format!("/v1/users/{id}/require-password-change"), &json!({})).await.expect(200);
    assert_eq!(login(api, 1, PASSWORD).await.expect(403).body["code"], "password-change-required");
    let sign_in = async |new: &str| {
        let request = json!({ "identifier": "person1", "password": PASSWORD, "new_password": new });
        api.post("/v1/auth/login", &request).await
    };
    refused(&sign_in(PASSWORD).await, "/new_password", "password-unchanged");

    // A code is no way around it, and still good after that.
    api.post("/v1/auth/password-reset", &json!({ "identifier": "person1" })).await.expect(202);
    let code = code(&world, 1).await;
    let confirm = async |new: &str| {
        let request = json!({ "identifier": "person1", "code": code, "new_password": new });
        api.post("/v1/auth/password-reset/confirm", &request).await
    };
    refused(&confirm(PASSWORD).await, "/new_password", "password-unchanged");
    confirm(ANOTHER).await.expect(204);
    login(api, 1, ANOTHER).await.expect(200);
    world.world.stop().await;
}

#[tokio::test]
async fn the_hash_of_another_system_is_taken_over_and_replaced_at_the_first_sign_in() {
    let world = TestWorld::start().await;
    let dynamodb = engine::client(&world.world.addresses.dynamodb);
    for (number, hash) in (1..).zip(FOREIGN) {
        let created = world.api.post("/v1/users", &user(number, "password_hash", hash)).await.expect(201);
        assert_eq!(created.body["status"], "active");
        assert!(!created.body.to_string().contains(hash));
        login(&world.api, number, "correct horse batterz").await.expect(401);
        let stored = async || {
            let rows = engine::items(&dynamodb, "credentials").await;
            let row = rows.into_iter().find(|row| row["user"].as_s().unwrap() == created.body["id"].as_str().unwrap());
            row.unwrap()["password_hash"].as_s().unwrap().clone()
        };
        assert_eq!(stored().await, hash);
        login(&world.api, number, "correct horse battery").await.expect(200);
        assert!(stored().await.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        login(&world.api, number, "correct horse battery").await.expect(200);
    }
    let heavy = "$2b$31$d48aSUVyoKKrqAhF2kMkZuZDJiHKOpOtdL7doz7RkqYprp.PZ2vJq";
    refused(
        &world.api.post("/v1/users", &user(8, "password_hash", heavy)).await,
        "/password_hash",
        "invalid-password-hash",
    );
    let mut both = user(9, "password", PASSWORD);
    both["password_hash"] = FOREIGN[0].into();
    refused(&world.api.post("/v1/users", &both).await, "/password_hash", "not-both");
    world.world.stop().await;
}
