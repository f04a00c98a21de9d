//! One-time codes: invitations, forgotten passwords, and passwords that have to be changed.

use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use crate::support::{ASK_EVERY, Answer, Client, PASSWORD, SOON, TestWorld, new_user, phone};

const ANOTHER: &str = "wind 7 over the grey harbour";

/// Wrong guesses after which a code is worth nothing.
const GUESSES: usize = 10;

/// The codes of the messages to a user's telephone, once there are so many.
async fn codes_to(world: &TestWorld, number: u32, count: usize) -> Vec<String> {
    let looking = async {
        loop {
            let messages = world.messages_to(&phone(number)).await;
            let codes: Vec<String> = messages.iter().filter_map(code_of).collect();
            if codes.len() >= count {
                return codes;
            }
            sleep(ASK_EVERY).await;
        }
    };
    timeout(SOON, looking).await.expect("the codes are sent")
}

fn code_of(message: &Value) -> Option<String> {
    let text = message["text"].as_str().unwrap();
    let words = text.split(|letter: char| !letter.is_ascii_digit());
    words.filter(|word| word.len() == 8).map(ToOwned::to_owned).next()
}

fn wrong(code: &str) -> String {
    format!("{:08}", (code.parse::<u64>().unwrap() + 1) % 100_000_000)
}

async fn login(api: &Client, number: u32, password: &str) -> Answer {
    let request = json!({ "identifier": format!("person{number}"), "password": password });
    api.post("/v1/auth/login", &request).await
}

async fn accept(api: &Client, number: u32, code: &str) -> Answer {
    let request = json!({ "identifier": format!("person{number}"), "code": code, "password": ANOTHER });
    api.post("/v1/auth/invitation/accept", &request).await
}

async fn confirm(api: &Client, number: u32, code: &str) -> Answer {
    let request = json!({ "identifier": format!("person{number}"), "code": code, "new_password": ANOTHER });
    api.post("/v1/auth/password-reset/confirm", &request).await
}

#[track_caller]
fn refused(answer: Answer) {
    assert_eq!(answer.expect(401).body["code"], "invalid-code");
}

#[tokio::test]
async fn an_invitation_is_accepted_once_with_its_newest_code() {
    let world = TestWorld::start().await;
    let api = &world.api;
    let user = api.post("/v1/users", &new_user(1)).await.expect(201);
    let path = format!("/v1/users/{}", user.text("id"));
    let first = codes_to(&world, 1, 1).await.remove(0);

    api.post(&format!("{path}/invite"), &json!({})).await.expect(200);
    let second = codes_to(&world, 1, 2).await.into_iter().find(|code| *code != first).unwrap();
    refused(accept(api, 1, &first).await);
    refused(accept(api, 1, &wrong(&second)).await);
    refused(accept(api, 2, &second).await);
    refused(confirm(api, 1, &second).await);
    login(api, 1, ANOTHER).await.expect(401);

    let weak = json!({ "identifier": "person1", "code": second, "password": "person1person1person1" });
    api.post("/v1/auth/invitation/accept", &weak).await.expect(422);
    let spelled = format!("{} {}", &second[..4], &second[4..]);
    let accepted = accept(api, 1, &spelled).await.expect(200);
    let me = api.with_token(&accepted.text("access_token")).get("/v1/me").await.expect(200);
    assert_eq!(me.body["id"], user.body["id"]);
    refused(accept(api, 1, &second).await);
    login(api, 1, ANOTHER).await.expect(200);
    api.get_until(&path, |answer| answer.body["status"] == "active").await;
    let again = api.post(&format!("{path}/invite"), &json!({})).await.expect(409);
    assert_eq!(again.body["code"], "user-not-invited");
    world.world.stop().await;
}

#[tokio::test]
async fn when_a_mistyped_number_is_corrected_its_code_is_worth_nothing_and_another_invitation_goes_out() {
    let world = TestWorld::start().await;
    let api = &world.api;
    let user = api.post("/v1/users", &new_user(1)).await.expect(201);
    let mistyped = codes_to(&world, 1, 1).await.remove(0);
    let path = format!("/v1/users/{}", user.text("id"));
    api.patch(&path, "*", &json!({ "phone": phone(2), "reason": "was mistyped" })).await.expect(200);

    refused(accept(api, 1, &mistyped).await);
    let corrected = codes_to(&world, 2, 1).await.remove(0);
    accept(api, 1, &corrected).await.expect(200);
    login(api, 1, ANOTHER).await.expect(200);
    world.world.stop().await;
}

#[tokio::test]
async fn a_forgotten_password_is_set_anew_with_a_code_and_nothing_tells_who_is_known() {
    let world = TestWorld::start().await;
    let api = &world.api;
    let mut user = new_user(1);
    user["password"] = PASSWORD.into();
    api.post("/v1/users", &user).await.expect(201);
    let before = login(api, 1, PASSWORD).await.expect(200);
    let signed_in = api.with_token(&before.text("access_token"));

    let ask = async |name: &str| api.post("/v1/auth/password-reset", &json!({ "identifier": name })).await.expect(202);
    let (known, unknown) = (ask("person1").await, ask("nobody").await);
    assert!(known.body.is_null() && unknown.body.is_null());
    let code = codes_to(&world, 1, 1).await.remove(0);
    let mut unlike = Vec::new();
    for (number, code) in [(1, wrong(&code)), (2, code.clone())] {
        let mut answer = confirm(api, number, &code).await;
        answer.body["trace_id"].take();
        unlike.push(answer.body);
    }
    assert_eq!(unlike[0], unlike[1]);

    // A code that was guessed at too often is worth nothing; the next one is good.
    for _ in 1..GUESSES {
        refused(confirm(api, 1, &wrong(&code)).await);
    }
    refused(confirm(api, 1, &code).await);
    ask("person1@example.com").await;
    let second = codes_to(&world, 1, 2).await.into_iter().find(|other| *other != code).unwrap();

    // Of two at once with the same code one wins.
    let (one, other) = tokio::join!(confirm(api, 1, &second), confirm(api, 1, &second));
    let mut statuses = [one.status.as_u16(), other.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [204, 401]);
    refused(confirm(api, 1, &second).await);
    login(api, 1, PASSWORD).await.expect(401);
    login(api, 1, ANOTHER).await.expect(200);
    signed_in.get_until("/v1/me", |answer| answer.status == 401).await;
    world.world.stop().await;
}

#[tokio::test]
async fn whoever_has_to_change_their_password_does_so_at_the_next_sign_in() {
    let world = TestWorld::start().await;
    let api = &world.api;
    let mut user = new_user(1);
    user["password"] = PASSWORD.into();
    let user = api.post("/v1/users", &user).await.expect(201);
    let before = login(api, 1, PASSWORD).await.expect(200);
    let path = format!("/v1/users/{}/require-password-change", user.text("id"));
    api.post(&path, &json!({ "reason": "seen on a note" })).await.expect(200);

    let signed_in = api.with_token(&before.text("access_token"));
    signed_in.get_until("/v1/me", |answer| answer.status == 401).await;
    login(api, 1, ANOTHER).await.expect(401);
    assert_eq!(login(api, 1, PASSWORD).await.expect(403).body["code"], "password-change-required");
    let change = |old: &str| json!({ "identifier": "person1", "password": old, "new_password": ANOTHER });
    api.post("/v1/auth/login", &change(ANOTHER)).await.expect(401);
    api.post("/v1/auth/login", &change(PASSWORD)).await.expect(200);
    login(api, 1, ANOTHER).await.expect(200);
    login(api, 1, PASSWORD).await.expect(401);
    world.world.stop().await;
}
