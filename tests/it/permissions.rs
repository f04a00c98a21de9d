//! Every route of the documents: who gets in without a token, with a token alone, and with too little.

use std::collections::{BTreeMap, BTreeSet};

use events::{ids::derive, permission::Permission};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Answer, Client, PASSWORD, TestWorld, new_user, send};

/// What an operation asks of its caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asks {
    /// It is for everybody.
    Nothing,
    /// It is for whoever has a token, about themselves.
    Token,
    /// It is for whoever has this permission.
    For(&'static str),
}

/// Every operation of both services, and what it asks. A new one is put down here, too, by whoever decides who may use it.
const OPERATIONS: [(&str, Asks); 57] = [
    ("login", Asks::Nothing),
    ("send_login_code", Asks::Nothing),
    ("refresh", Asks::Nothing),
    ("request_password_reset", Asks::Nothing),
    ("confirm_password_reset", Asks::Nothing),
    ("accept_invitation", Asks::Nothing),
    ("jwks", Asks::Nothing),
    ("issuer_metadata", Asks::Nothing),
    ("telnyx_receipt", Asks::Nothing),
    ("telnyx_profile", Asks::Nothing),
    ("me", Asks::Token),
    ("preferences", Asks::Token),
    ("set_preferences", Asks::Token),
    ("own_sessions", Asks::Token),
    ("logout", Asks::Token),
    ("end_own_session", Asks::Token),
    ("end_own_sessions", Asks::Token),
    ("change_password", Asks::Token),
    ("own_factors", Asks::Token),
    ("draw_totp", Asks::Token),
    ("confirm_totp", Asks::Token),
    ("remove_totp", Asks::Token),
    ("send_sms_factor", Asks::Token),
    ("confirm_sms_factor", Asks::Token),
    ("remove_sms_factor", Asks::Token),
    ("draw_recovery_codes", Asks::Token),
    ("change_me", Asks::Token),
    ("list_users", Asks::For(Permission::USERS_READ)),
    ("get_user", Asks::For(Permission::USERS_READ)),
    ("export_users", Asks::For(Permission::USERS_READ)),
    ("export_user", Asks::For(Permission::USERS_READ)),
    ("sessions", Asks::For(Permission::USERS_READ)),
    ("explain_permission", Asks::For(Permission::USERS_READ)),
    ("user_events", Asks::For(Permission::USERS_READ)),
    ("create_user", Asks::For(Permission::USERS_WRITE)),
    ("import_users", Asks::For(Permission::USERS_WRITE)),
    ("change_user", Asks::For(Permission::USERS_WRITE)),
    ("invite_user", Asks::For(Permission::USERS_WRITE)),
    ("require_password_change", Asks::For(Permission::USERS_WRITE)),
    ("suspend_user", Asks::For(Permission::USERS_WRITE)),
    ("reactivate_user", Asks::For(Permission::USERS_WRITE)),
    ("remove_factors", Asks::For(Permission::USERS_WRITE)),
    ("end_sessions", Asks::For(Permission::USERS_WRITE)),
    ("end_session", Asks::For(Permission::USERS_WRITE)),
    ("erase_user", Asks::For(Permission::USERS_ERASE)),
    ("list_roles", Asks::For(Permission::ROLES_READ)),
    ("get_role", Asks::For(Permission::ROLES_READ)),
    ("role_events", Asks::For(Permission::ROLES_READ)),
    ("create_role", Asks::For(Permission::ROLES_WRITE)),
    ("change_role", Asks::For(Permission::ROLES_WRITE)),
    ("retire_role", Asks::For(Permission::ROLES_WRITE)),
    ("assign_role", Asks::For(Permission::ROLES_ASSIGN)),
    ("revoke_role", Asks::For(Permission::ROLES_ASSIGN)),
    ("audit", Asks::For(Permission::AUDIT_READ)),
    ("audit_stream", Asks::For(Permission::AUDIT_READ)),
    ("list_notifications", Asks::For(Permission::NOTIFICATIONS_READ)),
    ("get_notification", Asks::For(Permission::NOTIFICATIONS_READ)),
];

fn asks(id: &str) -> Asks {
    let found = OPERATIONS.iter().find(|(known, _)| *known == id);
    found.unwrap_or_else(|| panic!("{id} is not in the table of this test")).1
}

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

fn person(number: u32) -> Value {
    let mut user = new_user(number);
    user["password"] = PASSWORD.into();
    user
}

#[tokio::test]
async fn no_route_is_open_that_should_not_be() {
    let world = TestWorld::start().await;
    let api = &world.api;
    api.post("/v1/users", &person(1)).await.expect(201);
    api.post("/v1/users", &person(2)).await.expect(201);
    let (nobody, powerless) = (Client::new(api.base()), api.sign_in("person1", PASSWORD).await);

    let document = api.get("/openapi.json").await.expect(200).body;
    for operation in &operations(&document) {
        let id = operation.id.as_str();
        assert_eq!(operation.guarded, asks(id) != Asks::Nothing, "{id}");
        if !operation.guarded {
            continue;
        }
        let answer = ask(&nobody, operation).await;
        assert_eq!((answer.status.as_u16(), &answer.body["code"]), (401, &json!("unauthenticated")), "{id}");
        if asks(id) == Asks::Token {
            // Some of them sign out: each is asked with a token of its own.
            let answer = ask(&api.sign_in("person2", PASSWORD).await, operation).await;
            let refused = ["unauthenticated", "permission-missing"].map(Value::from);
            assert!(!refused.contains(&answer.body["code"]), "{id}: {}", answer.body);
        } else {
            let answer = ask(&powerless, operation).await;
            assert_eq!((answer.status.as_u16(), &answer.body["code"]), (403, &json!("permission-missing")), "{id}");
        }
    }
    world.world.stop().await;
}

#[tokio::test]
async fn every_operation_asks_for_the_permission_of_the_table() {
    let world = TestWorld::start().await;
    let api = &world.api;
    api.post("/v1/users", &person(1)).await.expect(201);
    let powerless = api.sign_in("person1", PASSWORD).await;

    let whole = operations(&api.get("/openapi.json").await.expect(200).body);
    let ids: BTreeSet<&str> = whole.iter().map(|operation| operation.id.as_str()).collect();
    assert_eq!(ids, OPERATIONS.iter().map(|(id, _)| *id).collect(), "the table has what the document has");
    let commands = operations(&serde_json::from_str(include_str!("../../command-api/openapi.json")).unwrap());
    assert!(commands.iter().all(|operation| ids.contains(operation.id.as_str())), "the document has both services");
    for operation in &whole {
        if let Asks::For(permission) = asks(&operation.id) {
            let answer = ask(&powerless, operation).await.expect(403);
            assert_eq!(answer.body["detail"], format!("it takes the permission {permission}"), "{}", operation.id);
        }
    }
    world.world.stop().await;
}

/// Of the permissions that routes ask for, everything but this one.
async fn without(api: &Client, number: u32, missing: &str, all: &BTreeSet<&str>) -> Client {
    let others: Vec<&&str> = all.iter().filter(|permission| **permission != missing).collect();
    let role = json!({ "name": format!("Without {missing}"), "level": 10, "permissions": others });
    let role = api.post("/v1/roles", &role).await.expect(201).text("id");
    let id = api.post("/v1/users", &person(number)).await.expect(201).text("id");
    api.put(&format!("/v1/users/{id}/roles/{role}")).await.expect(200);
    api.sign_in(&format!("person{number}"), PASSWORD).await
}

#[tokio::test]
async fn every_right_but_the_one_that_a_route_asks_for_is_too_little() {
    let world = TestWorld::start().await;
    let api = &world.api;
    let document = api.get("/openapi.json").await.expect(200).body;
    let mut asked: BTreeMap<&str, Vec<Operation>> = BTreeMap::new();
    for operation in operations(&document) {
        if let Asks::For(permission) = asks(&operation.id) {
            asked.entry(permission).or_default().push(operation);
        }
    }
    let all: BTreeSet<&str> = asked.keys().copied().collect();
    for (number, (missing, operations)) in (1..).zip(&asked) {
        let caller = without(api, number, missing, &all).await;
        for operation in operations {
            let answer = ask(&caller, operation).await.expect(403);
            assert!(answer.text("detail").ends_with(missing), "{}: {}", operation.id, answer.body);
        }
    }
    world.world.stop().await;
}
