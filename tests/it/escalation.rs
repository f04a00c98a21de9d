//! Whoever may change users and roles tries to become more than they are, by every write there is.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Answer, Client, PASSWORD, TestWorld, new_user, phone, send};

/// When a right ends that has an end.
const END: &str = "2096-01-01T00:00:00Z";

/// Everything that a write of a user or role asks for.
const EVERY_WRITE: [&str; 5] = ["users:read", "users:write", "users:erase", "roles:assign", "roles:write"];

/// Every write of one user or one role, with a body that is right. A new one is put down here, too.
fn writes() -> Vec<(&'static str, Value)> {
    let reason = json!({ "reason": "a test" });
    vec![
        ("change_user", json!({ "first_name": "Eve" })),
        ("invite_user", json!({})),
        ("require_password_change", json!({})),
        ("suspend_user", reason.clone()),
        ("reactivate_user", reason.clone()),
        ("erase_user", reason),
        ("remove_factors", json!({})),
        ("end_sessions", json!({})),
        ("end_session", json!({})),
        ("assign_role", json!({})),
        ("revoke_role", json!({})),
        ("change_role", json!({ "description": "mine" })),
        ("retire_role", json!({})),
    ]
}

/// What hands an account over.
fn hand_overs() -> Vec<(Method, &'static str, Value)> {
    vec![
        (Method::PATCH, "", json!({ "email": "eve@example.com" })),
        (Method::PATCH, "", json!({ "username": "eve" })),
        (Method::PATCH, "", json!({ "phone": phone(999) })),
        (Method::DELETE, "/factors", json!({})),
        (Method::POST, "/invite", json!({})),
    ]
}

/// People and their roles, as the administrator makes them.
struct People {
    world: TestWorld,
}

impl People {
    async fn start() -> Self {
        Self { world: TestWorld::start().await }
    }

    async fn role(&self, name: &str, level: u8, permissions: &[&str]) -> String {
        let role = json!({ "name": name, "level": level, "permissions": permissions });
        self.world.api.post("/v1/roles", &role).await.expect(201).text("id")
    }

    /// A user with these roles on these terms, and their path.
    async fn person(&self, number: u32, roles: &[(&str, Value)]) -> String {
        let mut user = new_user(number);
        user["password"] = PASSWORD.into();
        self.with_roles(&user, roles).await
    }

    async fn with_roles(&self, user: &Value, roles: &[(&str, Value)]) -> String {
        let path = format!("/v1/users/{}", self.world.api.post("/v1/users", user).await.expect(201).text("id"));
        for (role, terms) in roles {
            give(&self.world.api, &path, role, terms).await.expect(200);
        }
        path
    }

    async fn signed_in(&self, number: u32) -> Client {
        self.world.api.sign_in(&format!("person{number}"), PASSWORD).await
    }
}

async fn ask(client: &Client, method: Method, path: &str, body: &Value) -> Answer {
    send(client.request(method, path).header("if-match", "*").json(body)).await
}

async fn give(client: &Client, user: &str, role: &str, terms: &Value) -> Answer {
    ask(client, Method::PUT, &format!("{user}/roles/{role}"), terms).await
}

#[track_caller]
fn refused(answer: &Answer, code: &str, what: &str) {
    assert_eq!((answer.status.as_u16(), &answer.body["code"]), (403, &json!(code)), "{what}: {}", answer.body);
}

fn everywhere() -> Value {
    json!({})
}

fn somewhere() -> Value {
    json!({ "scope": "branch:austin" })
}

#[tokio::test]
async fn no_write_reaches_whoever_or_whatever_stands_above() {
    let people = People::start().await;
    let api = &people.world.api;
    let low = people.role("Low", 3, &EVERY_WRITE).await;
    let high = people.role("High", 5, &["users:read"]).await;
    people.person(1, &[(&low, everywhere())]).await;
    let above = [people.person(2, &[(&high, everywhere())]).await, people.person(3, &[(&high, somewhere())]).await];
    let caller = people.signed_in(1).await;

    let document = api.get("/openapi.json").await.expect(200).body;
    let mut asked = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        let named = path.starts_with("/v1/users/{id}") || path.starts_with("/v1/roles/{id}");
        for (method, operation) in methods.as_object().unwrap().iter().filter(|(method, _)| named && *method != "get") {
            let id = operation["operationId"].as_str().unwrap();
            let body = writes().into_iter().find(|(known, _)| *known == id);
            let (_, body) = body.unwrap_or_else(|| panic!("{id} is not among the writes of this test"));
            // What is given is the caller's own role, so that only the target stands above them.
            let role = if id == "assign_role" { &low } else { &high };
            let users = path.starts_with("/v1/users/");
            for user in above.iter().take(if users { above.len() } else { 1 }) {
                let one = if users { user.clone() } else { format!("/v1/roles/{high}") };
                let one = format!("{one}{}", &path["/v1/users/{id}".len()..]);
                let one = one.replace("{role_id}", role).replace("{session_id}", &low);
                let answer = ask(&caller, method.to_uppercase().parse().unwrap(), &one, &body).await;
                refused(&answer, "level-too-high", &format!("{id} {one}"));
            }
            asked.push(id.to_owned());
        }
    }
    assert_eq!(asked.len(), writes().len(), "{asked:?}");
    for user in &above {
        let history = api.get(&format!("{user}/events")).await.expect(200);
        assert_eq!(history.body["items"].as_array().unwrap().len(), 2, "created and given a role: {}", history.body);
    }
    people.world.world.stop().await;
}

#[tokio::test]
async fn nobody_takes_over_an_account_that_may_do_more_than_they() {
    let people = People::start().await;
    let low = people.role("Low", 3, &EVERY_WRITE).await;
    let auditor = people.role("Auditor", 2, &["users:read", "audit:read"]).await;
    let ending = json!({ "expires_at": END });
    people.person(1, &[(&low, everywhere())]).await;
    people.person(2, &[(&low, everywhere()), (&auditor, somewhere())]).await;
    people.person(3, &[(&low, everywhere()), (&auditor, ending.clone())]).await;
    people.person(4, &[(&low, everywhere()), (&auditor, everywhere())]).await;
    let [without, in_one_place, for_a_time, with] =
        [people.signed_in(1).await, people.signed_in(2).await, people.signed_in(3).await, people.signed_in(4).await];

    let wider = people.person(5, &[(&auditor, everywhere())]).await;
    let wider_in_one_place = people.person(6, &[(&auditor, somewhere())]).await;
    let wider_for_a_time = people.person(7, &[(&auditor, ending)]).await;
    let invited = people.with_roles(&new_user(8), &[(&auditor, everywhere())]).await;
    for (caller, targets) in [
        (&without, vec![&wider, &wider_in_one_place, &wider_for_a_time, &invited]),
        (&in_one_place, vec![&wider, &wider_in_one_place, &wider_for_a_time, &invited]),
        (&for_a_time, vec![&wider, &wider_in_one_place, &invited]),
    ] {
        for target in targets {
            for (method, path, body) in hand_overs() {
                let answer = ask(caller, method, &format!("{target}{path}"), &body).await;
                refused(&answer, "permission-not-held", &format!("{target}{path} {body}"));
            }
        }
    }

    // Who stands no higher is theirs for all else, and for whoever has what they have for everything.
    without.patch(&wider, "*", &json!({ "first_name": "Augusta" })).await.expect(200);
    ask(&without, Method::POST, &format!("{wider}/require-password-change"), &json!({})).await.expect(200);
    for_a_time.patch(&wider_for_a_time, "*", &json!({ "phone": phone(998) })).await.expect(200);
    for (method, path, body) in hand_overs() {
        let target = if path == "/invite" { &invited } else { &wider };
        ask(&with, method, &format!("{target}{path}"), &body).await.expect(200);
    }
    let equal = people.person(9, &[(&low, everywhere())]).await;
    without.patch(&equal, "*", &json!({ "phone": phone(997) })).await.expect(200);
    people.world.world.stop().await;
}

#[tokio::test]
async fn nobody_makes_a_right_with_an_end_endless() {
    let people = People::start().await;
    let low = people.role("Low", 3, &EVERY_WRITE).await;
    let auditor = people.role("Auditor", 3, &["audit:read"]).await;
    let until = |end: &str| json!({ "expires_at": end });
    let own = people.person(1, &[(&low, everywhere()), (&auditor, until(END))]).await;
    let temporary = people.person(2, &[(&low, until(END))]).await;
    let other = people.person(3, &[]).await;
    let (caller, guest) = (people.signed_in(1).await, people.signed_in(2).await);

    for terms in [everywhere(), somewhere(), until("2096-01-01T00:00:01Z")] {
        for user in [&own, &other] {
            let answer = give(&caller, user, &auditor, &terms).await;
            refused(&answer, "permission-not-held", &format!("{user} {terms}"));
        }
        // Of the guest's own level nothing is left then.
        refused(&give(&guest, &temporary, &low, &terms).await, "level-too-high", &format!("{terms}"));
    }
    let into_an_endless_role = json!({ "permissions": ["audit:read", "roles:write"] });
    refused(
        &caller.patch(&format!("/v1/roles/{low}"), "*", &into_an_endless_role).await,
        "permission-not-held",
        "a role",
    );

    give(&caller, &other, &auditor, &until(END)).await.expect(200);
    give(&guest, &other, &low, &until("2095-01-01T00:00:00Z")).await.expect(200);
    give(&caller, &other, &low, &everywhere()).await.expect(200);
    caller.patch(&format!("/v1/roles/{low}"), "*", &json!({ "description": "as before" })).await.expect(200);
    people.world.world.stop().await;
}

#[tokio::test]
async fn nobody_raises_a_role_beyond_themselves() {
    let people = People::start().await;
    let own = people.role("Own", 3, &EVERY_WRITE).await;
    let lower = people.role("Lower", 1, &["users:read"]).await;
    let wider = people.role("Wider", 1, &["audit:read"]).await;
    people.person(1, &[(&own, everywhere()), (&wider, somewhere())]).await;
    let caller = people.signed_in(1).await;
    let change = async |role: &str, change: Value| caller.patch(&format!("/v1/roles/{role}"), "*", &change).await;

    for role in [&own, &lower] {
        refused(&change(role, json!({ "level": 4 })).await, "level-too-high", role);
        for permission in ["audit:read", "jobs:plan", "*"] {
            let raised = change(role, json!({ "permissions": ["users:read", permission] })).await;
            refused(&raised, "permission-not-held", permission);
        }
    }
    // Nor do they make one their own that grants more, by taking from it what they lack.
    refused(&change(&wider, json!({ "permissions": ["users:read"] })).await, "permission-not-held", "wider");
    refused(&caller.delete(&format!("/v1/roles/{wider}"), "*").await, "permission-not-held", "wider");
    let higher = json!({ "name": "Higher", "level": 4, "permissions": ["users:read"] });
    refused(&caller.post("/v1/roles", &higher).await, "level-too-high", "a new role");
    for permission in ["audit:read", "*"] {
        let role = json!({ "name": "Wide", "level": 1, "permissions": [permission] });
        refused(&caller.post("/v1/roles", &role).await, "permission-not-held", "a new role");
    }
    let mut with_roles = new_user(2);
    with_roles["roles"] = json!([{ "role_id": wider }]);
    caller.post("/v1/users", &with_roles).await.expect(422);

    change(&lower, json!({ "level": 3, "permissions": ["users:read", "users:write"] })).await.expect(200);
    people.world.world.stop().await;
}
