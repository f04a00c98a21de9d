//! Second factors: authenticators, text messages and recovery codes, and what only a recent sign-in may do.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use platform::tokens::{Claims, Signer};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use crate::support::{
    ASK_EVERY, Answer, Client, PASSWORD, SOON, TestWorld, engine, new_user, phone, send, store::context, totp::shown,
};

/// Seconds after which a sign-in is not recent any more.
const RECENT: i64 = 600;

/// A password that is long enough beside a second factor, and alone is not.
const SHORT: &str = "kV9#qLm2";

/// A person with a password, signed in.
struct Person {
    world: TestWorld,
    id: String,
    client: Client,
}

impl Person {
    async fn new() -> Self {
        let world = TestWorld::start().await;
        let mut user = new_user(1);
        user["password"] = PASSWORD.into();
        let id = world.api.post("/v1/users", &user).await.expect(201).text("id");
        let client = world.api.sign_in("person1", PASSWORD).await;
        Self { world, id, client }
    }

    async fn login(&self, code: Option<&str>) -> Answer {
        let request = json!({ "identifier": "person1", "password": PASSWORD, "code": code });
        self.world.api.post("/v1/auth/login", &request).await
    }

    async fn confirm(&self, factor: &str, code: &str) -> Answer {
        self.client.post(&format!("/v1/auth/mfa/{factor}/confirm"), &json!({ "code": code })).await
    }

    /// The code of the newest message that brings one, once there are `count`.
    async fn code(&self, count: usize) -> String {
        self.code_at(1, count).await
    }

    /// The same of those to another telephone.
    async fn code_at(&self, number: u32, count: usize) -> String {
        let looking = async {
            loop {
                let messages = self.world.messages_to(&phone(number)).await;
                let codes: Vec<String> = messages.iter().filter_map(code_of).collect();
                if codes.len() == count {
                    return codes.last().unwrap().clone();
                }
                sleep(ASK_EVERY).await;
            }
        };
        timeout(SOON, looking).await.expect("the code is sent")
    }

    /// The client as it is once its sign-in is no longer recent.
    async fn stale(&self, client: &Client) -> Client {
        let payload = client.token().split('.').nth(1).unwrap();
        let mut claims: Claims = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap();
        claims.auth_time -= RECENT + 1;
        let signer = Signer::new(context(&self.world.settings()).await.token_keys.clone());
        client.with_token(&signer.sign(&claims).unwrap())
    }

    async fn remove(&self, factor: &str) -> Answer {
        send(self.client.request(Method::DELETE, &format!("/v1/auth/mfa/{factor}"))).await
    }
}

fn code_of(message: &Value) -> Option<String> {
    let mut words = message["text"].as_str().unwrap().split(|letter: char| !letter.is_ascii_digit());
    words.find(|word| word.len() == 8).map(ToOwned::to_owned)
}

#[track_caller]
fn refused(answer: Answer, status: u16, code: &str) {
    assert_eq!(answer.expect(status).body["code"], code);
}

#[tokio::test]
async fn an_authenticator_s_code_is_good_once_and_recovery_codes_replace_it() {
    let person = Person::new().await;
    let seed = person.client.post("/v1/auth/mfa/totp", &json!({})).await.expect(200);
    assert!(seed.text("uri").starts_with("otpauth://totp/"));
    let seed = seed.text("secret");
    person.login(None).await.expect(200);
    refused(person.confirm("totp", "000000x").await, 422, "invalid-value");
    let first = person.confirm("totp", &shown(&seed, 0)).await.expect(200);
    let first: Vec<String> = serde_json::from_value(first.body["recovery_codes"].clone()).unwrap();
    refused(person.confirm("totp", &shown(&seed, 1)).await, 422, "invalid-value");

    let asked = person.login(None).await.expect(403);
    assert_eq!(asked.body["code"], "second-factor-required");
    assert!(asked.body["detail"].as_str().unwrap().contains("totp"));
    refused(person.login(Some("123")).await, 401, "invalid-code");
    let code = shown(&seed, 1);
    person.login(Some(&code)).await.expect(200);
    refused(person.login(Some(&code)).await, 401, "invalid-code");

    // A recovery code is good once, and only of the newest set.
    person.login(Some(&first[0])).await.expect(200);
    refused(person.login(Some(&first[0])).await, 401, "invalid-code");
    let second = person.client.post("/v1/auth/mfa/recovery-codes", &json!({})).await.expect(200);
    refused(person.login(Some(&first[1])).await, 401, "invalid-code");
    let spelled = second.body["recovery_codes"][0].as_str().unwrap().to_uppercase().replace('-', " ");
    person.login(Some(&spelled)).await.expect(200);

    let client = engine::client(&person.world.world.addresses.dynamodb);
    let credentials = client.scan().table_name("credentials").send().await.unwrap();
    let text = format!("{:?}", credentials.items());
    assert!(text.contains("#totp") && !text.contains(&seed) && !text.contains(&first[2].replace('-', "")));

    let me = person.client.get("/v1/me/factors").await.expect(200);
    assert_eq!(me.body, json!({ "factors": ["totp"], "password_change_required": false }));
    person.remove("totp").await.expect(204);
    person.login(None).await.expect(200);
    person.world.world.stop().await;
}

#[tokio::test]
async fn a_text_message_s_code_is_a_second_factor_and_another_telephone_is_not() {
    let person = Person::new().await;
    person.client.post("/v1/auth/mfa/sms", &json!({})).await.expect(202);
    person.confirm("sms", &person.code(1).await).await.expect(200);

    let ask = async |password: &str| {
        let request = json!({ "identifier": "person1", "password": password });
        person.world.api.post("/v1/auth/login/code", &request).await
    };
    refused(person.login(None).await, 403, "second-factor-required");
    refused(ask("the wrong password").await, 401, "invalid-credentials");
    ask(PASSWORD).await.expect(202);
    let code = person.code(2).await;
    let (one, other) = tokio::join!(person.login(Some(&code)), person.login(Some(&code)));
    let mut statuses = [one.status.as_u16(), other.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 401]);
    refused(person.login(Some(&code)).await, 401, "invalid-code");

    let changed = person.client.patch("/v1/me", "*", &json!({ "phone": phone(2) })).await.expect(200);
    assert_eq!(changed.body["phone"], phone(2));
    person.login(None).await.expect(200);
    refused(ask(PASSWORD).await, 409, "no-such-factor");
    person.world.world.stop().await;
}

#[tokio::test]
async fn a_code_that_was_sent_is_worth_nothing_when_the_telephone_is_another() {
    let person = Person::new().await;
    person.world.api.post("/v1/auth/password-reset", &json!({ "identifier": "person1" })).await.expect(202);
    let reset = person.code(1).await;
    person.client.post("/v1/auth/mfa/sms", &json!({})).await.expect(202);
    let before = person.code(2).await;
    person.client.patch("/v1/me", "*", &json!({ "phone": phone(2) })).await.expect(200);

    refused(person.confirm("sms", &before).await, 422, "invalid-value");
    let request = json!({ "identifier": "person1", "code": reset, "new_password": "wind 7 over the grey harbour" });
    refused(person.world.api.post("/v1/auth/password-reset/confirm", &request).await, 401, "invalid-code");
    person.login(None).await.expect(200);

    person.client.post("/v1/auth/mfa/sms", &json!({})).await.expect(202);
    let after = person.code_at(2, 1).await;
    // What changes nothing about the telephone leaves its codes alone.
    person.client.patch("/v1/me", "*", &json!({ "phone": phone(2), "first_name": "Augusta" })).await.expect(200);
    person.confirm("sms", &after).await.expect(200);
    person.world.world.stop().await;
}

#[tokio::test]
async fn a_password_is_shorter_beside_a_second_factor_and_alone_it_has_to_be_changed() {
    let person = Person::new().await;
    let login = async |password: &str, new: Option<&str>, code: Option<&str>| {
        let request = json!({ "identifier": "person1", "password": password, "new_password": new, "code": code });
        person.world.api.post("/v1/auth/login", &request).await
    };
    let too_short = |answer: Answer| {
        let answer = answer.expect(422);
        assert_eq!(answer.body["errors"][0]["code"], "password-too-short");
        assert_eq!(answer.body["errors"][0]["pointer"], "/new_password");
    };
    too_short(login(PASSWORD, Some(SHORT), None).await);
    let seed = person.client.post("/v1/auth/mfa/totp", &json!({})).await.expect(200).text("secret");
    let codes = person.confirm("totp", &shown(&seed, 0)).await.expect(200).body["recovery_codes"].clone();
    let code = |number: usize| codes[number].as_str().unwrap();
    too_short(login(PASSWORD, Some("kV9#qLm"), Some(code(0))).await);
    login(PASSWORD, Some(SHORT), Some(code(0))).await.expect(200);
    let signed_in = login(SHORT, None, Some(code(1))).await.expect(200);

    let client = person.client.with_token(&signed_in.text("access_token"));
    send(client.request(Method::DELETE, "/v1/auth/mfa/totp")).await.expect(204);
    refused(login(SHORT, None, None).await, 403, "password-change-required");
    too_short(login(SHORT, Some(SHORT), None).await);
    login(SHORT, Some("wind 7 over the grey harbour"), None).await.expect(200);
    login("wind 7 over the grey harbour", None, None).await.expect(200);
    person.world.world.stop().await;
}

#[tokio::test]
async fn only_a_recent_sign_in_changes_factors_and_addresses_and_an_administrator_removes_lost_ones() {
    let person = Person::new().await;
    let seed = person.client.post("/v1/auth/mfa/totp", &json!({})).await.expect(200).text("secret");
    person.confirm("totp", &shown(&seed, 0)).await.expect(200);

    let stale = person.stale(&person.client).await;
    for (method, path) in [
        (Method::POST, "/v1/auth/mfa/totp"),
        (Method::DELETE, "/v1/auth/mfa/totp"),
        (Method::POST, "/v1/auth/mfa/sms"),
        (Method::DELETE, "/v1/auth/mfa/sms"),
        (Method::POST, "/v1/auth/mfa/recovery-codes"),
    ] {
        let answer = send(stale.request(method, path)).await.expect(401);
        assert_eq!(answer.body["code"], "step-up-required");
        assert!(answer.header("www-authenticate").contains("max_age=600"));
    }
    for change in [json!({ "email": "new@example.com" }), json!({ "phone": phone(2) })] {
        refused(stale.patch("/v1/me", "*", &change).await, 401, "step-up-required");
    }
    stale.patch("/v1/me", "*", &json!({ "first_name": "Augusta" })).await.expect(200);
    refused(stale.patch("/v1/me", "*", &json!({ "username": "root" })).await, 422, "invalid-value");

    // Setting another password is no sign-in: whoever has token and password has not the second factor.
    let change = json!({ "current_password": PASSWORD, "new_password": "wind 7 over the grey harbour" });
    let changed = stale.post("/v1/auth/password", &change).await.expect(200);
    let client = stale.with_token(&changed.text("access_token"));
    refused(send(client.request(Method::DELETE, "/v1/auth/mfa/totp")).await, 401, "step-up-required");
    let back = json!({ "current_password": "wind 7 over the grey harbour", "new_password": PASSWORD });
    let client =
        person.client.with_token(&client.post("/v1/auth/password", &back).await.expect(200).text("access_token"));

    let path = format!("/v1/users/{}/factors", person.id);
    client.delete(&path, "*").await.expect(403);
    let stale = person.stale(&person.world.api).await;
    refused(stale.delete(&path, "*").await, 401, "step-up-required");
    let user = format!("/v1/users/{}", person.id);
    for change in [json!({ "email": "new@example.com" }), json!({ "phone": phone(2) })] {
        let answer = stale.patch(&user, "*", &change).await;
        assert!(answer.header("www-authenticate").contains("max_age=600"));
        refused(answer, 401, "step-up-required");
    }
    stale.patch(&user, "*", &json!({ "last_name": "King" })).await.expect(200);
    person.world.api.delete(&path, "*").await.expect(200);
    client.get_until("/v1/me", |answer| answer.status == 401).await;
    person.login(None).await.expect(200);
    person.world.world.stop().await;
}
