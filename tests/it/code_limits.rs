//! Codes in text messages cost money and reach people: how many go out, and whom the limits keep from theirs. And how often one may
//! change where one is reached.

use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use events::{ids::NotificationId, user::CodePurpose};
use reqwest::Method;
use serde_json::json;
use tokio::time::{sleep, timeout};

use crate::support::{
    ASK_EVERY, Answer, Client, PASSWORD, SOON, engine,
    guarded::{Guarded, HOME},
    new_user, phone, send,
};

/// Codes that one user gets within a window.
const FREE_USER: usize = 5;

/// Codes that the numbers of one block get within a window: those of the tests are one.
const FREE_BLOCK: usize = 30;

/// Codes that those who have shown their password get at one address within a window.
const FREE_ADDRESS: u32 = 50;

/// Addresses that one may try as one's own within a window.
const FREE_ADDRESSES: usize = 5;

/// The window of codes by user and by address.
const HOUR: Duration = Duration::from_hours(1);

/// A telephone in a block of its own for each number below a thousand.
fn far_apart(number: u32) -> String {
    phone(number * 10_000)
}

/// Somebody with a password, signed in at the first instance.
struct Person<'a> {
    world: &'a Guarded,
    id: String,
    number: u32,
    client: Client,
}

impl<'a> Person<'a> {
    async fn new(world: &'a Guarded, number: u32, phone: String) -> Self {
        let mut user = new_user(number);
        user["password"] = PASSWORD.into();
        user["phone"] = phone.into();
        let id = world.administrator.post("/v1/users", &user).await.expect(201).text("id");
        let signed_in = world.first.sign_in(HOME, &format!("person{number}"), PASSWORD).await.expect(200);
        Self { world, id, number, client: world.first.client.with_token(&signed_in.text("access_token")) }
    }

    /// Asks for a code that shows that one has the telephone.
    async fn ask(&self, address: &str) -> Answer {
        self.world.first.post_as(&self.client, address, "/v1/auth/mfa/sms", &json!({})).await
    }

    async fn move_to(&self, phone: &str) {
        self.client.patch("/v1/me", "*", &json!({ "phone": phone })).await.expect(200);
    }

    /// Takes text messages as a second factor, by the code that the message would bring.
    async fn take_text_messages(&self) {
        self.ask(HOME).await.expect(202);
        let (purpose, key) = (CodePurpose::SmsFactor, format!("{}#sms_factor", self.id));
        let rows = engine::items(&self.world.dynamodb, "credentials").await;
        let row = rows.iter().find(|row| row["user"] == AttributeValue::S(key.clone())).unwrap();
        let notification = NotificationId(row["notification"].as_s().unwrap().parse().unwrap());
        let code = self.world.first.state.context.codes.code(notification, purpose);
        self.client.post("/v1/auth/mfa/sms/confirm", &json!({ "code": code })).await.expect(200);
    }

    /// Asks for the code of a sign-in.
    async fn ask_to_sign_in(&self) -> Answer {
        let request = json!({ "identifier": format!("person{}", self.number), "password": PASSWORD });
        self.world.first.post(HOME, "/v1/auth/login/code", &request).await
    }

    async fn commits(&self) -> usize {
        let stream = AttributeValue::S(format!("user#{}", self.id));
        engine::items(&self.world.dynamodb, "events").await.iter().filter(|item| item["stream"] == stream).count()
    }

    /// Waits until the user's stream has so many commits.
    async fn has_commits(&self, count: usize) {
        let looking = async {
            while self.commits().await < count {
                sleep(ASK_EVERY).await;
            }
        };
        timeout(SOON, looking).await.expect("the codes are asked for");
    }
}

#[tokio::test]
async fn nobody_uses_up_what_others_share_by_changing_their_telephone() {
    let world = Guarded::start().await;
    let (looper, other) = (Person::new(&world, 1, phone(1)).await, Person::new(&world, 2, phone(2)).await);
    let mut sent = 0;
    for number in 0..=u32::try_from(FREE_BLOCK).unwrap() {
        looper.move_to(&phone(100 + number)).await;
        let answer = looper.ask(&format!("198.18.0.{number}")).await;
        if answer.status != 202 {
            assert_eq!(answer.expect(429).body["code"], "rate-limited");
            break;
        }
        sent += 1;
    }
    assert_eq!(sent, FREE_USER);
    let refused = looper.ask("198.18.1.1").await.expect(429);
    assert!(refused.header("ratelimit").starts_with("\"codes-of-user\";r=0;t="), "{:?}", refused.headers);
    let standing = refused.header("ratelimit");
    assert!(!standing.contains(','), "nothing that others share was counted: {standing}");

    let answer = other.ask("198.18.1.1").await.expect(202);
    let standing = format!("\"codes-of-user\";r={};", FREE_USER - 1);
    assert!(answer.header("ratelimit").starts_with(&standing), "{:?}", answer.headers);
    let (all, instance) = ("/v1/auth/mfa/sms", &world.second);
    instance.post_as(&instance.client.with_token(looper.client.token()), HOME, all, &json!({})).await.expect(429);
    world.clock.advance(HOUR);
    let again = world.first.sign_in(HOME, "person1", PASSWORD).await.expect(200);
    let again = world.first.client.with_token(&again.text("access_token"));
    send(again.request(Method::POST, all).json(&json!({}))).await.expect(202);
    world.stop().await;
}

#[tokio::test]
async fn an_address_gets_no_more_than_so_many_codes_and_a_refused_one_is_counted_for_nobody() {
    let world = Guarded::start().await;
    for number in 0..FREE_ADDRESS / u32::try_from(FREE_USER).unwrap() {
        let person = Person::new(&world, number, far_apart(number)).await;
        for _ in 0..FREE_USER {
            person.ask("198.18.0.1").await.expect(202);
        }
    }
    let last = Person::new(&world, FREE_ADDRESS, far_apart(FREE_ADDRESS)).await;
    let refused = last.ask("198.18.0.1").await.expect(429);
    assert!(refused.header("ratelimit").contains("\"codes-from-address\";r=0;t="), "{:?}", refused.headers);

    let elsewhere = last.ask("198.18.0.2").await.expect(202);
    let standing = format!("\"codes-of-user\";r={};", FREE_USER - 1);
    assert!(elsewhere.header("ratelimit").starts_with(&standing), "{:?}", elsewhere.headers);
    world.stop().await;
}

#[tokio::test]
async fn whoever_asks_without_a_password_keeps_nobody_from_signing_in_by_text_message() {
    let world = Guarded::start().await;
    let owner = Person::new(&world, 1, phone(1)).await;
    owner.take_text_messages().await;
    let before = owner.commits().await;
    for number in 0..FREE_USER {
        let ask = json!({ "identifier": "person1" });
        world.first.post(&format!("198.18.0.{number}"), "/v1/auth/password-reset", &ask).await.expect(202);
    }
    owner.has_commits(before + FREE_USER).await;
    // By another of their names, too: that is one user.
    for number in 0..FREE_USER {
        let ask = json!({ "identifier": "person1@example.com" });
        world.first.post(&format!("198.18.1.{number}"), "/v1/auth/password-reset", &ask).await.expect(202);
    }
    owner.ask_to_sign_in().await.expect(202);
    owner.has_commits(before + FREE_USER + 1).await;

    world.first.state.later.finished().await;
    assert_eq!(owner.commits().await, before + FREE_USER + 1);
    world.stop().await;
}

#[tokio::test]
async fn trying_whether_addresses_are_taken_ends_soon_and_what_else_one_changes_goes_on() {
    let world = Guarded::start().await;
    let (curious, other) = (Person::new(&world, 1, phone(1)).await, Person::new(&world, 2, phone(2)).await);
    let path = "/v1/me?validate_only=true";
    let try_out =
        async |person: &Person<'_>, email: &str| person.client.patch(path, "*", &json!({ "email": email })).await;
    for left in (0..FREE_ADDRESSES).rev() {
        let answer = try_out(&curious, "person2@example.com").await.expect(409);
        assert_eq!(answer.body["code"], "email-taken");
        assert!(answer.header("ratelimit").starts_with(&format!("\"own-email\";r={left};")), "{:?}", answer.headers);
    }
    assert_eq!(try_out(&curious, "nobody@example.com").await.expect(429).body["code"], "rate-limited");
    curious.client.patch("/v1/me", "*", &json!({ "email": "nobody@example.com" })).await.expect(429);
    curious.client.patch("/v1/me", "*", &json!({ "first_name": "Augusta" })).await.expect(200);
    try_out(&other, "nobody@example.com").await.expect(200);
    world.stop().await;
}
