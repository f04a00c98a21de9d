//! What is taken away stops working at both APIs within its bound, and what a right's end and scope mean on our own routes.

use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::TimeDelta;
use platform::{clock::Clock, tokens::Claims};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep, timeout};

use crate::support::{
    ASK_EVERY, Answer, Client, MEASURING, PASSWORD, SOON, TestWorld, engine,
    guarded::{Guarded, HOME},
    new_user, send,
};

/// Within which what was taken away stops working, from the answer to whoever took it.
const BOUND: Duration = Duration::from_secs(5);

/// Within which a right's own end is seen, with what a busy machine adds: less than the leeway that a token's end has, so that
/// it is not that which is measured.
const AT_THE_END: Duration = Duration::from_secs(3);

/// How long an assignment holds that ends in a test: enough to sign in and use it on a busy machine.
const HOLDS: TimeDelta = TimeDelta::seconds(10);

/// A second less than a void is read, which is twice a token's life.
const NEARLY_EXPIRED: Duration = Duration::from_secs(2 * 600 - 1);

/// An API, as somebody who is signed in asks it.
struct Api {
    client: Client,
    /// What it is asked for.
    method: Method,
}

impl Api {
    /// Both, with a new token.
    async fn both(world: &TestWorld, name: &str) -> [Self; 2] {
        let addresses = &world.world.addresses;
        let commands = Client::new(&addresses.command_api).sign_in(name, PASSWORD).await;
        let queries = Client::new(&addresses.query_api).with_token(commands.token());
        [Self { client: commands, method: Method::POST }, Self { client: queries, method: Method::GET }]
    }

    /// Asks for what takes a right.
    async fn use_right(&self) -> Answer {
        if self.method == Method::GET {
            self.client.get("/v1/users?page_size=1").await
        } else {
            self.client.post("/v1/users?validate_only=true", &new_user(9_999)).await
        }
    }

    async fn lets_them(&self) {
        until(async || self.use_right().await.status == 200).await;
    }

    /// How long it takes from now until it refuses, and what with. It must not change its mind.
    async fn stops(&self) -> (Duration, u16) {
        let began = Instant::now();
        let status = loop {
            let answer = self.use_right().await;
            if answer.status != 200 {
                break answer.status.as_u16();
            }
            assert!(began.elapsed() < SOON, "it does not stop");
            sleep(ASK_EVERY).await;
        };
        (began.elapsed(), status)
    }
}

/// Somebody who reads and writes users, by one role.
struct Person {
    id: String,
    role: String,
    name: String,
    apis: [Api; 2],
}

impl Person {
    /// A new one with a new role, held on these terms, and signed in.
    async fn new(world: &TestWorld, number: u32, terms: impl FnOnce() -> Value) -> Self {
        let mut user = new_user(number);
        user["password"] = PASSWORD.into();
        let id = world.api.post("/v1/users", &user).await.expect(201).text("id");
        let permissions = ["users:read", "users:write"];
        let role = json!({ "name": format!("Keepers {number}"), "level": 1, "permissions": permissions });
        let role = world.api.post("/v1/roles", &role).await.expect(201).text("id");
        let path = format!("/v1/users/{id}/roles/{role}");
        send(world.api.request(Method::PUT, &path).json(&terms())).await.expect(200);
        let name = format!("person{number}");
        let apis = Api::both(world, &name).await;
        Self { id, role, name, apis }
    }

    fn claims(&self) -> Claims {
        let payload = self.apis[0].client.token().split('.').nth(1).unwrap();
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
    }
}

async fn until(mut wanted: impl AsyncFnMut() -> bool) {
    let looking = async {
        while !wanted().await {
            sleep(ASK_EVERY).await;
        }
    };
    timeout(SOON, looking).await.expect("it becomes so");
}

/// When both refuse.
async fn stop([commands, queries]: &[Api; 2]) -> [(Duration, u16); 2] {
    <[_; 2]>::from(tokio::join!(commands.stops(), queries.stops()))
}

/// What is taken from a person, and how the APIs refuse then.
async fn take(world: &TestWorld, person: &Person, what: &str) -> u16 {
    let (api, user, role) = (&world.api, format!("/v1/users/{}", person.id), format!("/v1/roles/{}", person.role));
    let reason = json!({ "reason": "a test" });
    match what {
        "suspended" => api.post(&format!("{user}/suspend"), &reason).await.expect(200),
        "role edited" => {
            api.patch(&role, "*", &json!({ "permissions": ["roles:read"] })).await.expect(200);
            return 403;
        }
        "role retired" => {
            api.delete(&role, "*").await.expect(204);
            return 403;
        }
        "role taken" => api.delete(&format!("{user}/roles/{}", person.role), "*").await.expect(200),
        "password changed" => {
            let change = json!({ "current_password": PASSWORD, "new_password": "wind 7 over the grey harbour" });
            person.apis[0].client.post("/v1/auth/password", &change).await.expect(200)
        }
        "signed out" => send(person.apis[0].client.request(Method::POST, "/v1/auth/logout")).await.expect(204),
        "all sessions ended" => {
            send(api.request(Method::DELETE, &format!("{user}/sessions")).json(&reason)).await.expect(200)
        }
        other => panic!("{other} is nothing that is taken"),
    };
    401
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_is_taken_away_stops_at_both_apis_within_five_seconds() {
    let _measuring = MEASURING.lock().await;
    let world = TestWorld::start().await;
    let takings = [
        "suspended",
        "role edited",
        "role retired",
        "role taken",
        "password changed",
        "signed out",
        "all sessions ended",
    ];
    for (number, what) in (1..).zip(takings) {
        let person = Person::new(&world, number, || json!({})).await;
        for api in &person.apis {
            api.lets_them().await;
        }
        let status = take(&world, &person, what).await;
        let stopped = stop(&person.apis).await;
        println!("{what}: {stopped:?} at command-api and query-api");
        for (took, refused) in stopped {
            assert_eq!(refused, status, "{what}");
            assert!(took < BOUND, "{what}: {took:?}");
        }
        for api in &person.apis {
            api.use_right().await.expect(status);
        }
    }
    world.world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_assignment_s_end_ends_the_token_and_the_next_one_has_the_right_no_more() {
    let _measuring = MEASURING.lock().await;
    let world = TestWorld::start().await;
    let mut end = Clock::system().now();
    let ending = || {
        end = Clock::system().now() + HOLDS;
        json!({ "expires_at": end })
    };
    let person = Person::new(&world, 1, ending).await;
    assert_eq!(person.claims().exp, end.timestamp());
    for api in &person.apis {
        api.use_right().await.expect(200);
    }
    let left = (end - Clock::system().now()).to_std().unwrap_or_default();
    for (took, refused) in stop(&person.apis).await {
        assert!(took < left + AT_THE_END, "{took:?} with {left:?} left");
        assert!([401, 403].contains(&refused), "{refused}");
    }

    let later = Api::both(&world, &person.name).await;
    for api in &later {
        api.use_right().await.expect(403);
    }
    later[1].client.get("/v1/me").await.expect(200);
    world.world.stop().await;
}

#[tokio::test]
async fn a_right_with_a_scope_is_none_on_our_own_routes() {
    let world = TestWorld::start().await;
    let person = Person::new(&world, 1, || json!({ "scope": "branch:austin" })).await;
    let claims = serde_json::to_value(person.claims()).unwrap();
    assert_eq!(claims["roles"].as_array().unwrap().len(), 1, "{claims}");
    assert!(claims["roles"].to_string().contains("branch:austin"), "others see it: {claims}");
    for api in &person.apis {
        api.use_right().await.expect(403);
    }
    person.apis[1].client.get("/v1/me").await.expect(200);
    // The same role everywhere is a right, so it was the scope.
    let path = format!("/v1/users/{}/roles/{}", person.id, person.role);
    send(world.api.request(Method::PUT, &path).json(&json!({}))).await.expect(200);
    for api in Api::both(&world, &person.name).await {
        api.lets_them().await;
    }
    world.world.stop().await;
}

#[tokio::test]
async fn a_void_is_read_as_long_as_tokens_live_and_then_not_however_long_it_lies_there() {
    let world = Guarded::start().await;
    let mut user = new_user(1);
    user["password"] = PASSWORD.into();
    let id = world.administrator.post("/v1/users", &user).await.expect(201).text("id");
    let end_all = async || {
        let path = format!("/v1/users/{id}/sessions");
        send(world.administrator.request(Method::DELETE, &path).json(&json!({ "reason": "a test" }))).await.expect(200)
    };
    let sign_in = async || world.first.sign_in(HOME, "person1", PASSWORD).await.expect(200).text("access_token");
    let alive = async |token: &str| {
        let answer = world.second.client.with_token(token).post("/v1/auth/logout?validate_only=true", &json!({})).await;
        answer.status == 200
    };
    // Voids of one user, the next before the one before has expired.
    let first = sign_in().await;
    end_all().await;
    world.clock.advance(Duration::from_secs(1));
    let second = sign_in().await;
    end_all().await;
    let third = sign_in().await;
    for token in [&first, &second] {
        until(async || !alive(token).await).await;
    }
    assert!(alive(&third).await);
    world.first.post_as(&world.first.client.with_token(&third), HOME, "/v1/auth/logout", &json!({})).await.expect(204);
    until(async || !alive(&third).await).await;

    // Two of the user, one of a session, and each instance reads them with one role.
    let most_read = async || {
        let polls = world.second.tap.take_polls("rights");
        polls.iter().map(|poll| poll.items).max()
    };
    until(async || most_read().await == Some(2)).await;
    world.clock.advance(NEARLY_EXPIRED);
    most_read().await;
    until(async || most_read().await == Some(2)).await;
    world.clock.advance(Duration::from_secs(2));
    until(async || most_read().await == Some(1)).await;
    until(async || most_read().await == Some(1)).await;
    let rows = engine::items(&world.dynamodb, "rights").await;
    let voids = rows.iter().filter(|row| row["kind"] != AttributeValue::S("role".to_owned())).count();
    assert_eq!(voids, 3, "they still lie there");
    world.stop().await;
}
