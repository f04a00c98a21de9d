//! Every route of the document: who gets in without a token, with a token alone, and with too little.

use std::collections::{BTreeMap, BTreeSet};

use events::ids::derive;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Answer, Client, PASSWORD, TestWorld, new_user, send};

/// For everybody.
const PUBLIC: [&str; 10] = [
    "login",
    "send_login_code",
    "refresh",
    "request_password_reset",
    "confirm_password_reset",
    "accept_invitation",
    "jwks",
    "issuer_metadata",
    "telnyx_receipt",
    "telnyx_profile",
];

/// For whoever has a token, about themselves.
const OWN: [&str; 17] = [
    "me",
    "preferences",
    "set_preferences",
    "own_sessions",
    "logout",
    "end_own_session",
    "end_own_sessions",
    "change_password",
    "own_factors",
    "draw_totp",
    "confirm_totp",
    "remove_totp",
    "send_sms_factor",
    "confirm_sms_factor",
    "remove_sms_factor",
    "draw_recovery_codes",
    "change_me",
];

/// An operation as the document has it.
struct Operation {
    id: String,
    method: Method,
    path: String,
    guarded: bool,
    media_type: Option<String>,
}

fn operations(document: &Value) -> Vec<Operation> {
    let mut all = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let content = operation["requestBody"]["content"].as_object();
            all.push(Operation {
                id: operation["operationId"].as_str().unwrap().to_owned(),
                method: method.to_uppercase().parse().unwrap(),
                path: path.clone(),
                guarded: operation.get("security").is_some(),
                media_type: content.map(|content| content.keys().next().unwrap().clone()),
            });
        }
    }
    all
}

/// Asks with everything but the right to.
async fn ask(client: &Client, operation: &Operation) -> Answer {
    let somebody = derive(&["nobody in particular"]).to_string();
    let mut path = operation.path.clone();
    while let (Some(from), Some(to)) = (path.find('{'), path.find('}')) {
        path.replace_range(from..=to, &somebody);
    }
    let request = client.request(operation.method.clone(), &path);
    let request = request.header("if-match", "*").header("idempotency-key", "a-key");
    let request = match &operation.media_type {
        Some(media_type) => request.header("content-type", media_type).body(json!({}).to_string()),
        None => request,
    };
    send(request).await
}

#[tokio::test]
async fn no_route_is_open_that_should_not_be() {
    let world = TestWorld::start().await;
    let api = &world.api;
    let mut user = new_user(1);
    user["password"] = PASSWORD.into();
    api.post("/v1/users", &user).await.expect(201);
    let (nobody, powerless) = (Client::new(api.base()), api.sign_in("person1", PASSWORD).await);

    let document = api.get("/openapi.json").await.expect(200).body;
    let all = operations(&document);
    let named = |ids: &[&str]| ids.iter().all(|id| all.iter().any(|operation| operation.id == *id));
    assert!(named(&PUBLIC) && named(&OWN), "the lists of this test name routes that there are");
    for operation in &all {
        let id = operation.id.as_str();
        assert_eq!(operation.guarded, !PUBLIC.contains(&id), "{id}");
        if !operation.guarded {
            continue;
        }
        let answer = ask(&nobody, operation).await;
        assert_eq!((answer.status.as_u16(), &answer.body["code"]), (401, &json!("unauthenticated")), "{id}");
        if !OWN.contains(&id) {
            let answer = ask(&powerless, operation).await;
            assert_eq!((answer.status.as_u16(), &answer.body["code"]), (403, &json!("permission-missing")), "{id}");
        }
    }
    world.world.stop().await;
}

/// Of the permissions that routes ask for, everything but this one.
async fn without(api: &Client, number: u32, missing: &str, all: &BTreeSet<String>) -> Client {
    let others: Vec<&String> = all.iter().filter(|permission| *permission != missing).collect();
    let role = json!({ "name": format!("Without {missing}"), "level": 10, "permissions": others });
    let role = api.post("/v1/roles", &role).await.expect(201).text("id");
    let mut user = new_user(number);
    user["password"] = PASSWORD.into();
    let id = api.post("/v1/users", &user).await.expect(201).text("id");
    api.put(&format!("/v1/users/{id}/roles/{role}")).await.expect(200);
    api.sign_in(&format!("person{number}"), PASSWORD).await
}

#[tokio::test]
async fn every_right_but_the_one_that_a_route_asks_for_is_too_little() {
    let world = TestWorld::start().await;
    let api = &world.api;
    let mut user = new_user(1);
    user["password"] = PASSWORD.into();
    api.post("/v1/users", &user).await.expect(201);
    let powerless = api.sign_in("person1", PASSWORD).await;
    let document = api.get("/openapi.json").await.expect(200).body;
    let guarded = operations(&document).into_iter().filter(|operation| operation.guarded);

    let mut asked: BTreeMap<String, Vec<Operation>> = BTreeMap::new();
    for operation in guarded.filter(|operation| !OWN.contains(&operation.id.as_str())) {
        let answer = ask(&powerless, &operation).await.expect(403);
        let permission = answer.text("detail").rsplit(' ').next().unwrap().to_owned();
        asked.entry(permission).or_default().push(operation);
    }
    let all: BTreeSet<String> = asked.keys().cloned().collect();
    assert_eq!(all.len(), 8, "{all:?}");
    for (number, (missing, operations)) in (2..).zip(&asked) {
        let caller = without(api, number, missing, &all).await;
        for operation in operations {
            let answer = ask(&caller, operation).await.expect(403);
            assert!(answer.text("detail").ends_with(missing), "{}: {}", operation.id, answer.body);
        }
    }
    world.world.stop().await;
}
