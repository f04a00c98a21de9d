//! Sessions: refreshing, reuse, signing out, and who sees and ends whose.

use std::collections::BTreeSet;

use futures::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use crate::support::{ASK_EVERY, Answer, Client, PASSWORD, SOON, TestWorld, new_user, send};

/// Refreshes of one token at once.
const AT_ONCE: usize = 50;

/// Suspensions that sign-ins race.
const RACES: usize = 5;

/// Sign-ins at once in a race.
const SIGN_INS: usize = 4;

/// A person who is signed in.
struct Person {
    id: String,
    number: u32,
    world: TestWorld,
}

impl Person {
    async fn new(number: u32) -> Self {
        let world = TestWorld::start().await;
        let mut user = new_user(number);
        user["password"] = PASSWORD.into();
        let created = world.api.post("/v1/users", &user).await.expect(201);
        let id = created.text("id");
        world.api.get_until(&format!("/v1/users/{id}"), |answer| answer.status.is_success()).await;
        Self { id, number, world }
    }

    /// Signs in once more, with a device of this name.
    async fn sign_in(&self, device: &str) -> Device {
        let request = json!({ "identifier": format!("person{}", self.number), "password": PASSWORD });
        let login = self.world.api.request(Method::POST, "/v1/auth/login").header("user-agent", device);
        Device::of(&self.world.api, &send(login.json(&request)).await.expect(200))
    }
}

/// One of a person's sessions.
struct Device {
    client: Client,
    refresh_token: String,
}

impl Device {
    fn of(api: &Client, answer: &Answer) -> Self {
        assert_eq!(answer.header("cache-control"), "no-store");
        Self { client: api.with_token(&answer.text("access_token")), refresh_token: answer.text("refresh_token") }
    }

    async fn refreshed(&self) -> Self {
        Self::of(&self.client, &refresh(&self.client, &self.refresh_token).await.expect(200))
    }

    async fn sessions(&self) -> Vec<Value> {
        let list = self.client.get("/v1/me/sessions").await.expect(200);
        list.body["items"].as_array().unwrap().clone()
    }

    /// Waits until the access token is worth nothing at either API.
    async fn is_signed_out(&self) {
        self.client.get_until("/v1/me", |answer| answer.status == 401).await;
        let voided_for_writes = async {
            while self.client.post("/v1/auth/logout?validate_only=true", &json!({})).await.status != 401 {
                sleep(ASK_EVERY).await;
            }
        };
        timeout(SOON, voided_for_writes).await.expect("the token ends at command-api");
        refused(&refresh(&self.client, &self.refresh_token).await);
    }
}

async fn refresh(client: &Client, token: &str) -> Answer {
    client.post("/v1/auth/refresh", &json!({ "refresh_token": token })).await
}

/// The one answer for everything that is no valid refresh token.
#[track_caller]
fn refused(answer: &Answer) {
    assert_eq!(answer.status, 401, "{}", answer.body);
    let mut body = answer.body.clone();
    body.as_object_mut().unwrap().remove("trace_id");
    let problem = json!({
        "type": "urn:fieldfuze:problem:invalid-refresh-token", "title": "The refresh token is not valid",
        "status": 401, "code": "invalid-refresh-token"
    });
    assert_eq!(body, problem);
}

/// Types of the events of sessions in the audit feed, newest last.
async fn audited(api: &Client, wanted: &[&str]) {
    let types = |answer: &Answer| -> Vec<String> {
        let items = answer.body["items"].as_array().into_iter().flatten();
        let of_sessions = items.filter(|event| event["stream"].as_str().unwrap().starts_with("session#"));
        let mut types: Vec<String> = of_sessions.map(|event| event["type"].as_str().unwrap().to_owned()).collect();
        types.sort();
        types
    };
    let mut wanted: Vec<String> = wanted.iter().map(|name| (*name).to_owned()).collect();
    wanted.sort();
    api.get_until("/v1/audit?page_size=200", |answer| types(answer) == wanted).await;
}

#[tokio::test]
async fn a_refresh_token_works_once_its_repeat_gets_the_same_and_an_older_one_ends_the_session() {
    let ada = Person::new(1).await;
    let first = ada.sign_in("a telephone").await;
    let other = ada.sign_in("a laptop").await;
    let second = first.refreshed().await;
    assert_ne!(first.refresh_token, second.refresh_token);
    second.client.get("/v1/me").await.expect(200);

    let again = refresh(&first.client, &first.refresh_token).await.expect(200);
    assert_eq!(again.text("refresh_token"), second.refresh_token, "the answer may have been lost");
    first.client.with_token(&again.text("access_token")).get("/v1/me").await.expect(200);

    let third = second.refreshed().await;
    refused(&refresh(&first.client, &first.refresh_token).await);
    refused(&refresh(&first.client, &third.refresh_token).await);
    third.is_signed_out().await;
    other.refreshed().await.client.get("/v1/me").await.expect(200);
    // The administrator's, and two of Ada's, of which one was copied.
    let started = "SessionStarted";
    audited(&ada.world.api, &[started, started, started, "RefreshTokenReused", "SessionEnded"]).await;
    ada.world.world.stop().await;
}

#[tokio::test]
async fn fifty_refreshes_at_once_have_one_successor_and_raise_no_alarm() {
    let ada = Person::new(1).await;
    let first = ada.sign_in("a telephone").await;
    let answers = join_all((0..AT_ONCE).map(|_| refresh(&first.client, &first.refresh_token))).await;
    let successors: BTreeSet<String> =
        answers.into_iter().map(|answer| answer.expect(200).text("refresh_token")).collect();
    assert_eq!(successors.len(), 1, "{successors:?}");
    let second = Device { client: first.client.clone(), refresh_token: successors.into_iter().next().unwrap() };
    second.refreshed().await.client.get("/v1/me").await.expect(200);
    ada.world.world.stop().await;
}

#[tokio::test]
async fn what_is_no_refresh_token_is_refused_with_one_answer() {
    let ada = Person::new(1).await;
    let device = ada.sign_in("a telephone").await;
    let token = &device.refresh_token;
    let (session, rest) = token.split_once('.').unwrap();
    let forgeries = [
        token.replacen(".1.", ".2.", 1),
        format!("{}.{rest}", session.replace(&session[..4], "ffff")),
        token[..token.len() - 2].to_owned(),
        device.client.token().to_owned(),
        "none".to_owned(),
    ];
    for forged in forgeries {
        refused(&refresh(&device.client, &forged).await);
    }
    device.client.with_token(token).get("/v1/me").await.expect(401);
    device.refreshed().await.client.get("/v1/me").await.expect(200);
    ada.world.world.stop().await;
}

#[tokio::test]
async fn signing_out_ends_one_session_or_all() {
    let ada = Person::new(1).await;
    let (telephone, laptop) = (ada.sign_in("a telephone").await, ada.sign_in("a laptop").await);
    let path = "/v1/auth/logout";
    telephone.client.post(&format!("{path}?validate_only=true"), &json!({})).await.expect(200);
    send(telephone.client.request(Method::POST, path)).await.expect(204);
    refused(&refresh(&telephone.client, &telephone.refresh_token).await);
    telephone.is_signed_out().await;
    laptop.client.get("/v1/me").await.expect(200);

    let tablet = ada.sign_in("a tablet").await;
    let all = send(laptop.client.request(Method::DELETE, "/v1/me/sessions")).await.expect(200);
    assert_eq!(all.body["id"], ada.id);
    for device in [&laptop, &tablet] {
        refused(&refresh(&device.client, &device.refresh_token).await);
        device.is_signed_out().await;
    }
    ada.sign_in("a telephone").await.refreshed().await.client.get("/v1/me").await.expect(200);
    ada.world.world.stop().await;
}

#[tokio::test]
async fn one_sees_and_ends_one_s_own_sessions_and_an_administrator_those_of_others() {
    let ada = Person::new(1).await;
    let api = &ada.world.api;
    let (telephone, laptop) = (ada.sign_in("a telephone").await, ada.sign_in("a laptop").await);
    let sessions = laptop.sessions().await;
    let shown: Vec<_> = sessions.iter().map(|item| (&item["device"], &item["current"], &item["address"])).collect();
    let (yes, no, here) = (&json!(true), &json!(false), &json!("127.0.0.1"));
    assert_eq!(shown, [(&json!("a laptop"), yes, here), (&json!("a telephone"), no, here)]);
    let export = api.get(&format!("/v1/users/{}/export", ada.id)).await.expect(200);
    assert_eq!(export.body["sessions"].as_array().unwrap().len(), 2, "they are part of what is kept of a person");

    let first = sessions[1]["id"].as_str().unwrap();
    let mine = api.get("/v1/me/sessions").await.expect(200).body["items"][0]["id"].as_str().unwrap().to_owned();
    laptop.client.delete(&format!("/v1/me/sessions/{mine}"), "*").await.expect(404);
    laptop.client.delete(&format!("/v1/users/{}/sessions/{first}", ada.id), "*").await.expect(403);
    laptop.client.get(&format!("/v1/users/{}/sessions", ada.id)).await.expect(403);
    let ended = send(laptop.client.request(Method::DELETE, &format!("/v1/me/sessions/{first}"))).await.expect(204);
    let token = ended.header("consistency-token");
    let left = laptop.client.get_since("/v1/me/sessions", token).await.expect(200);
    assert_eq!(left.body["items"].as_array().unwrap().len(), 1, "{}", left.body);
    telephone.is_signed_out().await;

    let tablet = ada.sign_in("a tablet").await;
    let path = format!("/v1/users/{}/sessions", ada.id);
    let of_ada = api.get_until(&path, |answer| answer.body["items"][0]["device"] == "a tablet").await;
    let session = of_ada.body["items"][0]["id"].as_str().unwrap().to_owned();
    send(api.request(Method::DELETE, &format!("{path}/{session}"))).await.expect(204);
    tablet.is_signed_out().await;
    let all = send(api.request(Method::DELETE, &path).json(&json!({ "reason": "lost a bag" }))).await.expect(200);
    let none = api.get_since(&path, all.header("consistency-token")).await.expect(200);
    assert_eq!(none.body["items"], json!([]));
    laptop.is_signed_out().await;
    ada.world.world.stop().await;
}

#[tokio::test]
async fn a_suspension_ends_all_sessions_for_good() {
    let ada = Person::new(1).await;
    let device = ada.sign_in("a telephone").await;
    let path = format!("/v1/users/{}", ada.id);
    let reason = json!({ "reason": "is on leave" });
    ada.world.api.post(&format!("{path}/suspend"), &reason).await.expect(200);
    refused(&refresh(&device.client, &device.refresh_token).await);
    device.is_signed_out().await;
    ada.world.api.post(&format!("{path}/reactivate"), &reason).await.expect(200);
    refused(&refresh(&device.client, &device.refresh_token).await);
    ada.sign_in("a telephone").await.refreshed().await.client.get("/v1/me").await.expect(200);
    ada.world.world.stop().await;
}

#[tokio::test]
async fn a_sign_in_that_races_a_suspension_yields_no_token_that_works() {
    let ada = Person::new(1).await;
    let api = &ada.world.api;
    let path = format!("/v1/users/{}", ada.id);
    let reason = json!({ "reason": "is on leave" });
    let login = json!({ "identifier": "person1", "password": PASSWORD });
    let (suspend, mut signed_in) = (format!("{path}/suspend"), 0);
    for _ in 0..RACES {
        let attempts = join_all((0..SIGN_INS).map(|_| api.post("/v1/auth/login", &login)));
        // The suspension comes when one has signed in, and others are about to.
        let suspended = async {
            let first = api.post("/v1/auth/login", &login).await;
            api.post(&suspend, &reason).await.expect(200);
            first
        };
        let (answers, first) = tokio::join!(attempts, suspended);
        for answer in answers.iter().chain([&first]).filter(|answer| answer.status == 200) {
            signed_in += 1;
            let device = Device::of(api, answer);
            device.is_signed_out().await;
            refused(&refresh(&device.client, &device.refresh_token).await);
        }
        api.post(&format!("{path}/reactivate"), &reason).await.expect(200);
    }
    assert!(signed_in > 0, "no sign-in came before its suspension");
    ada.world.world.stop().await;
}
