//! Bad input: each answers a precise problem with a stable code and a pointer, and writes nothing.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Answer, Client, TestWorld, new_user, send};

/// Status, code, and for each error pointer and code.
fn problem(answer: &Answer) -> (u16, String, Vec<(String, String)>) {
    assert_eq!(answer.header("content-type"), "application/problem+json", "{answer:?}");
    assert_eq!(answer.body["type"], format!("urn:fieldfuze:problem:{}", answer.text("code")));
    assert_eq!(answer.body["status"], answer.status.as_u16());
    assert!(answer.body["trace_id"].is_string(), "{}", answer.body);
    let text = |error: &Value, field: &str| error[field].as_str().unwrap().to_owned();
    let errors = answer.body["errors"].as_array().map(Vec::as_slice).unwrap_or_default();
    let errors = errors.iter().map(|error| (text(error, "pointer"), text(error, "code"))).collect();
    (answer.status.as_u16(), answer.text("code"), errors)
}

#[track_caller]
fn assert_problem(answer: &Answer, status: u16, code: &str, errors: &[(&str, &str)]) {
    let errors = errors.iter().map(|(pointer, code)| ((*pointer).to_owned(), (*code).to_owned())).collect();
    assert_eq!(problem(answer), (status, code.to_owned(), errors));
}

fn with(field: &str, value: Value) -> Value {
    let mut user = new_user(1);
    user[field] = value;
    user
}

fn without(field: &str) -> Value {
    let mut user = new_user(1);
    user.as_object_mut().unwrap().remove(field);
    user
}

fn role(level: i64, permissions: &[&str]) -> Value {
    json!({ "name": "Dispatcher", "level": level, "permissions": permissions })
}

#[tokio::test]
async fn every_kind_of_bad_input_has_its_own_answer_and_writes_nothing() {
    let world = TestWorld::start().await;
    let api = &world.api;
    let before = users(api).await;
    let raw = |content_type: &str, body: String| {
        send(api.request(Method::POST, "/v1/users").header("content-type", content_type).body(body))
    };

    assert_problem(&raw("application/json", "{\"email\":".to_owned()).await, 400, "malformed-json", &[]);
    assert_problem(&raw("text/plain", new_user(1).to_string()).await, 415, "unsupported-media-type", &[]);
    assert_problem(&raw("application/json", " ".repeat(33 * 1024)).await, 413, "body-too-large", &[]);
    assert_problem(&raw("application/json", "[]".to_owned()).await, 422, "invalid-value", &[("", "wrong-type")]);

    let refused = [
        (with("nickname", json!("x")), vec![("/nickname", "unknown-field")]),
        (with("email", json!(7)), vec![("/email", "wrong-type")]),
        (with("email", json!("ada")), vec![("/email", "invalid-email")]),
        (with("phone", json!("5125550123")), vec![("/phone", "invalid-phone")]),
        (with("first_name", json!("")), vec![("/first_name", "too-short")]),
        (with("password", json!("short")), vec![("/password", "password-too-short")]),
        (without("last_name"), vec![("/last_name", "required")]),
        (
            json!({}),
            vec!["/email", "/username", "/first_name", "/last_name", "/phone"]
                .into_iter()
                .map(|p| (p, "required"))
                .collect(),
        ),
    ];
    for (body, errors) in refused {
        assert_problem(&api.post("/v1/users", &body).await, 422, "invalid-value", &errors);
    }
    let refused = [
        (role(0, &["users:read"]), ("/level", "out-of-range")),
        (role(11, &["users:read"]), ("/level", "out-of-range")),
        (role(1, &[]), ("/permissions", "no-permissions")),
        (role(1, &["everything"]), ("/permissions", "invalid-permission")),
    ];
    for (body, error) in refused {
        assert_problem(&api.post("/v1/roles", &body).await, 422, "invalid-value", &[error]);
    }

    let unknown = format!("/v1/users/{}", events::ids::derive(&["nobody"]));
    assert_problem(&api.get(&unknown).await, 404, "not-found", &[]);
    assert_problem(&api.get("/v1/users/x").await, 404, "not-found", &[]);
    assert_problem(&api.patch(&unknown, "*", &json!({})).await, 404, "not-found", &[]);
    assert_problem(&send(api.request(Method::PATCH, &unknown).json(&json!({}))).await, 428, "if-match-required", &[]);
    assert_problem(&send(api.request(Method::PUT, "/v1/users")).await, 405, "method-not-allowed", &[]);
    assert_problem(&api.get("/v1/users?page_size=0").await, 400, "invalid-page-size", &[]);
    assert_problem(&api.get("/v1/users?page=2").await, 400, "invalid-query", &[]);
    assert_problem(&api.get_since("/v1/users", "nonsense").await, 400, "invalid-consistency-token", &[]);

    for key in ["a b", "", "a\tb"] {
        let request = api.request(Method::POST, "/v1/users").header("idempotency-key", key);
        assert_problem(&send(request.json(&new_user(1))).await, 400, "invalid-idempotency-key", &[]);
    }
    for tags in [vec!["\"+1\""], vec!["\"1\"", "\"2\""]] {
        let request = api.request(Method::PATCH, &unknown).json(&json!({}));
        let request = tags.into_iter().fold(request, |request, tag| request.header("if-match", tag));
        assert_problem(&send(request).await, 400, "invalid-if-match", &[]);
    }

    for query in ["validate=true", "validate_only=perhaps", "validate_only=true&x=1"] {
        let path = format!("/v1/users?{query}");
        assert_problem(&api.post(&path, &new_user(1)).await, 400, "invalid-query", &[]);
    }
    let earlier = "/v1/me?at=2026-01-02T03:04:05Z";
    assert_problem(&api.get(earlier).await, 400, "invalid-query", &[]);
    let backwards = "/v1/audit?from=2026-01-02T00:30:00Z&to=2026-01-02T00:15:00Z";
    let nothing = api.get(backwards).await.expect(200).body;
    assert_eq!((&nothing["items"], &nothing["next_page_token"]), (&json!([]), &json!(null)));

    assert_eq!(users(api).await, before);
    world.world.stop().await;
}

#[tokio::test]
async fn json_that_is_none_is_refused_and_what_is_doubled_or_deep_breaks_nothing() {
    let world = TestWorld::start().await;
    let api = &world.api;
    let raw = |body: String| {
        send(
            api.request(Method::POST, "/v1/roles?validate_only=true")
                .header("content-type", "application/json")
                .body(body),
        )
    };
    let name = |name: &str| format!(r#"{{"name":{name},"level":1,"permissions":["users:read"]}}"#);
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    for body in [name(r#""\ud800""#), name(&deep), "nul".to_owned(), "{} {}".to_owned()] {
        assert_problem(&raw(body).await, 400, "malformed-json", &[]);
    }
    assert_problem(&raw("null".to_owned()).await, 422, "invalid-value", &[("", "wrong-type")]);
    let control = [("/name", "control-character")];
    assert_problem(&raw(name(r#""a\u0000b""#)).await, 422, "invalid-value", &control);
    for level in ["1e400", "99999999999999999999", "1.5", "-1"] {
        let answer = raw(format!(r#"{{"name":"Huge","level":{level},"permissions":["users:read"]}}"#)).await;
        assert!([400, 422].contains(&answer.status.as_u16()), "{level}: {answer:?}");
        problem(&answer);
    }
    world.world.stop().await;
}

#[tokio::test]
async fn a_path_names_the_methods_of_both_services() {
    let world = TestWorld::start().await;
    let api = &world.api;
    let suspend = "/v1/users/0190b1a2-7c1e-7d3a-9a57-2b6f0e1d77a4/suspend";
    for (method, path, methods) in [
        (Method::GET, suspend, "POST"),
        (Method::HEAD, suspend, "POST"),
        (Method::OPTIONS, suspend, "POST"),
        (Method::PUT, "/v1/users", "GET,HEAD,POST"),
        (Method::OPTIONS, "/v1/audit", "GET,HEAD"),
        (Method::POST, "/v1/audit", "GET,HEAD"),
    ] {
        let answer = send(api.request(method.clone(), path)).await;
        let mut allowed: Vec<&str> = answer.header("allow").split(',').collect();
        allowed.sort_unstable();
        assert_eq!((answer.status.as_u16(), allowed.join(",")), (405, methods.to_owned()), "{method} {path}");
    }
    let posted = api.request(Method::POST, "/v1/audit?x=1").send().await.unwrap();
    assert_eq!(posted.status().as_u16(), 405);
    assert_eq!(api.request(Method::HEAD, "/v1/users").send().await.unwrap().status().as_u16(), 200);
    assert_problem(&api.get("/v1/nothing").await, 404, "not-found", &[]);
    world.world.stop().await;
}

async fn users(api: &Client) -> Value {
    api.get_until("/v1/users", |answer| answer.body["items"].as_array().is_some_and(|items| !items.is_empty()))
        .await
        .body
}

#[tokio::test]
async fn what_is_taken_is_refused_in_every_spelling() {
    let world = TestWorld::start().await;
    let api = &world.api;
    api.post("/v1/users", &new_user(1)).await.expect(201);
    let second = |field: &str, value: &str| {
        let mut user = new_user(2);
        user[field] = json!(value);
        user
    };
    let email_taken = ("/email", "email-taken");
    for email in ["person1@example.com", "Person1@EXAMPLE.com"] {
        assert_problem(&api.post("/v1/users", &second("email", email)).await, 409, "email-taken", &[email_taken]);
    }
    for username in ["PERSON1", "person1@example.com"] {
        let answer = api.post("/v1/users", &second("username", username)).await;
        assert_problem(&answer, 409, "username-taken", &[("/username", "username-taken")]);
    }
    api.post("/v1/roles", &role(1, &["users:read"])).await.expect(201);
    let mut again = role(1, &["users:read"]);
    again["name"] = json!("dispatcher");
    let taken = [("/name", "role-name-taken")];
    assert_problem(&api.post("/v1/roles", &again).await, 409, "role-name-taken", &taken);
    api.post("/v1/users", &new_user(2)).await.expect(201);
    world.world.stop().await;
}

#[tokio::test]
async fn without_a_good_token_or_the_right_nothing_is_done() {
    let world = TestWorld::start().await;
    let api = &world.api;
    let nobody = Client::new(&world.world.addresses.public);
    let refused = nobody.post("/v1/users", &new_user(1)).await;
    assert_problem(&refused, 401, "unauthenticated", &[]);
    assert!(refused.header("www-authenticate").starts_with("Bearer"));
    for forged in ["x", "a.b.c", "eyJhbGciOiJub25lIn0.e30."] {
        assert_problem(&nobody.with_token(forged).get("/v1/users").await, 401, "unauthenticated", &[]);
    }
    let wrong = json!({ "identifier": dev::seed::ADMINISTRATOR, "password": "not the password" });
    let unknown = json!({ "identifier": "nobody@example.com", "password": "not the password" });
    let (wrong, unknown) = (nobody.post("/v1/auth/login", &wrong).await, nobody.post("/v1/auth/login", &unknown).await);
    assert_problem(&wrong, 401, "invalid-credentials", &[]);
    assert_problem(&unknown, 401, "invalid-credentials", &[]);

    // A user whose role may read users and nothing else.
    let reader = api.post("/v1/roles", &role(2, &["users:read"])).await.expect(201);
    let mut user = new_user(1);
    user["password"] = json!(crate::support::PASSWORD);
    let user = api.post("/v1/users", &user).await.expect(201);
    let assign = format!("/v1/users/{}/roles/{}", user.text("id"), reader.text("id"));
    let assigned = api.put(&assign).await.expect(200);
    let someone = nobody.sign_in("person1", crate::support::PASSWORD).await;
    someone.get_since("/v1/users", assigned.header("consistency-token")).await.expect(200);
    assert_problem(&someone.post("/v1/users", &new_user(2)).await, 403, "permission-missing", &[]);
    assert_problem(&someone.get("/v1/audit").await, 403, "permission-missing", &[]);

    // Suspended: within seconds the token is worth nothing, at both APIs.
    let suspend = format!("/v1/users/{}/suspend", user.text("id"));
    api.post(&suspend, &json!({ "reason": "a test" })).await.expect(200);
    someone.get_until("/v1/users", |answer| answer.status.as_u16() == 401).await;
    world.world.stop().await;
}

#[tokio::test]
async fn nobody_gives_away_more_than_they_have() {
    let world = TestWorld::start().await;
    let api = &world.api;
    let manager = api
        .post("/v1/roles", &role(5, &["users:read", "users:write", "roles:assign", "roles:write"]))
        .await
        .expect(201);
    let mut user = new_user(1);
    user["password"] = json!(crate::support::PASSWORD);
    let user = api.post("/v1/users", &user).await.expect(201);
    api.put(&format!("/v1/users/{}/roles/{}", user.text("id"), manager.text("id"))).await.expect(200);
    let someone = Client::new(&world.world.addresses.public).sign_in("person1", crate::support::PASSWORD).await;

    let higher = json!({ "name": "Higher", "level": 6, "permissions": ["users:read"] });
    assert_problem(&someone.post("/v1/roles", &higher).await, 403, "level-too-high", &[]);
    let wider = json!({ "name": "Wider", "level": 1, "permissions": ["audit:read"] });
    assert_problem(&someone.post("/v1/roles", &wider).await, 403, "permission-not-held", &[]);
    let administrator = events::ids::RoleId::administrator();
    let own = format!("/v1/users/{}/roles/{administrator}", user.text("id"));
    assert_problem(&someone.put(&own).await, 403, "level-too-high", &[]);
    let above = format!("/v1/users/{}/suspend", events::ids::UserId::seeded_administrator());
    assert_problem(&someone.post(&above, &json!({ "reason": "a coup" })).await, 403, "level-too-high", &[]);
    let fixed = api.delete(&format!("/v1/roles/{administrator}"), "*").await;
    assert_problem(&fixed, 403, "administrator-role-fixed", &[]);
    world.world.stop().await;
}
