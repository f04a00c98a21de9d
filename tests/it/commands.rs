//! What commands promise beside their effect: dry runs, the last administrator, rank, and what an answer says of versions.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Client, PASSWORD, TestWorld, new_user, send};

/// Types of the events in an answer.
fn types(body: &Value) -> Vec<&str> {
    body["events"].as_array().unwrap().iter().map(|event| event["type"].as_str().unwrap()).collect()
}

async fn versions(api: &Client) -> Vec<Value> {
    let mut all = Vec::new();
    for list in ["/v1/users", "/v1/roles"] {
        let page =
            api.get_until(list, |answer| answer.body["items"].as_array().is_some_and(|items| !items.is_empty())).await;
        all.extend(page.body["items"].as_array().unwrap().iter().map(|item| json!([item["id"], item["version"]])));
    }
    all
}

#[tokio::test]
async fn a_dry_run_says_what_would_happen_and_writes_nothing() {
    let world = TestWorld::start().await;
    let api = &world.api;
    let created = api.post("/v1/users", &new_user(1)).await.expect(201);
    let role = json!({ "name": "Dispatcher", "level": 3, "permissions": ["users:read"] });
    let role = api.post("/v1/roles", &role).await.expect(201);
    let (user, role) = (format!("/v1/users/{}", created.text("id")), format!("/v1/roles/{}", role.text("id")));
    api.get_until(&user, |answer| answer.status.is_success()).await;
    api.get_until(&role, |answer| answer.status.is_success()).await;
    let before = versions(api).await;

    let reason = json!({ "reason": "only a test" });
    let other = json!({ "name": "Planner", "level": 1, "permissions": ["users:read"] });
    let tries = [
        (Method::POST, "/v1/users".to_owned(), new_user(2), vec!["UserRegistered"]),
        (Method::PATCH, user.clone(), json!({ "first_name": "Augusta" }), vec!["UserProfileChanged"]),
        (Method::PATCH, user.clone(), json!({ "first_name": "Ada" }), vec![]),
        (Method::POST, format!("{user}/suspend"), reason.clone(), vec!["UserSuspended"]),
        (Method::POST, format!("{user}/erase"), reason.clone(), vec!["UserErased"]),
        (Method::PUT, format!("{user}{}", &role[3..]), json!({}), vec!["UserRoleAssigned"]),
        (Method::DELETE, format!("{user}{}", &role[3..]), json!({}), vec![]),
        (Method::POST, "/v1/roles".to_owned(), other, vec!["RoleCreated"]),
        (Method::PATCH, role.clone(), json!({ "level": 4 }), vec!["RoleChanged"]),
        (Method::DELETE, role.clone(), reason.clone(), vec!["RoleRetired"]),
    ];
    for (method, path, body, expected) in tries {
        let request = api.request(method.clone(), &format!("{path}?validate_only=true")).header("if-match", "\"1\"");
        let request = if path == "/v1/users" || path == "/v1/roles" {
            api.request(method.clone(), &format!("{path}?validate_only=true"))
        } else {
            request
        };
        let answer = send(request.json(&body)).await.expect(200);
        assert_eq!(types(&answer.body), expected, "{method} {path}");
    }
    // It is refused by what it would be refused by, also by what others hold.
    let mut taken = new_user(3);
    taken["email"] = json!("PERSON1@example.com");
    assert_eq!(api.post("/v1/users?validate_only=true", &taken).await.expect(409).body["code"], "email-taken");
    let reactivate = format!("{user}/reactivate?validate_only=true");
    assert_eq!(api.post(&reactivate, &reason).await.expect(409).body["code"], "user-not-suspended");
    let stale = api.patch(&format!("{user}?validate_only=true"), "\"7\"", &json!({})).await.expect(412);
    assert_eq!((&stale.body["expected_version"], &stale.body["actual_version"]), (&json!(7), &json!(1)));

    assert_eq!(versions(api).await, before);
    // The address is still free, and the user still there.
    api.post("/v1/users", &new_user(2)).await.expect(201);
    api.patch(&user, "\"1\"", &json!({ "first_name": "Augusta" })).await.expect(200);
    world.world.stop().await;
}

#[tokio::test]
async fn somebody_always_administers() {
    let world = TestWorld::start().await;
    let api = &world.api;
    let administrator = format!("/v1/users/{}", events::ids::UserId::seeded_administrator());
    let role = format!("/v1/roles/{}", events::ids::RoleId::administrator());
    let reason = json!({ "reason": "a test" });
    let own_role = format!("{administrator}{}", &role[3..]);
    let last = |answer: crate::support::Answer| assert_eq!(answer.expect(409).body["code"], "last-administrator");

    last(api.post(&format!("{administrator}/suspend"), &reason).await);
    last(api.post(&format!("{administrator}/suspend?validate_only=true"), &reason).await);
    last(api.post(&format!("{administrator}/erase"), &reason).await);
    last(api.delete(&own_role, "*").await);
    let ending = send(api.request(Method::PUT, &own_role).json(&json!({ "expires_at": "2999-01-01T00:00:00Z" }))).await;
    last(ending);

    // One who is invited is no administrator yet, one with a password is.
    let invited = api.post("/v1/users", &new_user(1)).await.expect(201);
    api.put(&format!("/v1/users/{}{}", invited.text("id"), &role[3..])).await.expect(200);
    last(api.post(&format!("{administrator}/suspend"), &reason).await);
    let mut second = new_user(2);
    second["password"] = json!(PASSWORD);
    let second = api.post("/v1/users", &second).await.expect(201);
    api.put(&format!("/v1/users/{}{}", second.text("id"), &role[3..])).await.expect(200);

    // Of two administrators who send each other away at once, one stays.
    let other = Client::new(&world.world.addresses.public).sign_in("person2", PASSWORD).await;
    let (first_path, second_path) =
        (format!("{administrator}/suspend"), format!("/v1/users/{}/suspend", second.text("id")));
    let (first, second) = tokio::join!(other.post(&first_path, &reason), api.post(&second_path, &reason));
    let done = [&first, &second].iter().filter(|answer| answer.status.as_u16() == 200).count();
    assert_eq!(done, 1, "{} {}", first.body, second.body);
    world.world.stop().await;
}

#[tokio::test]
async fn nobody_changes_who_stands_above_them() {
    let world = TestWorld::start().await;
    let api = &world.api;
    let role = |name: &str, level: u8| json!({ "name": name, "level": level, "permissions": ["users:read", "users:write", "users:erase", "roles:assign"] });
    let low = api.post("/v1/roles", &role("Low", 3)).await.expect(201);
    let high = api.post("/v1/roles", &role("High", 5)).await.expect(201);
    let mut people = Vec::new();
    for (number, role) in [(1, &low), (2, &high)] {
        let mut user = new_user(number);
        user["password"] = json!(PASSWORD);
        let user = api.post("/v1/users", &user).await.expect(201);
        api.put(&format!("/v1/users/{}/roles/{}", user.text("id"), role.text("id"))).await.expect(200);
        people.push(format!("/v1/users/{}", user.text("id")));
    }
    let caller = Client::new(&world.world.addresses.public).sign_in("person1", PASSWORD).await;
    let above = |answer: crate::support::Answer| assert_eq!(answer.expect(403).body["code"], "level-too-high");
    let reason = json!({ "reason": "a test" });
    above(caller.patch(&people[1], "*", &json!({ "first_name": "Eve" })).await);
    above(caller.post(&format!("{}/suspend", people[1]), &reason).await);
    above(caller.post(&format!("{}/erase", people[1]), &reason).await);
    above(caller.put(&format!("{}/roles/{}", people[0], high.text("id"))).await);
    above(caller.delete(&format!("{}/roles/{}", people[1], high.text("id")), "*").await);
    // Themselves they may change, and who stands below.
    caller.patch(&people[0], "*", &json!({ "first_name": "Eve" })).await.expect(200);
    let below = api.post("/v1/users", &new_user(3)).await.expect(201);
    caller.patch(&format!("/v1/users/{}", below.text("id")), "*", &json!({ "first_name": "Eve" })).await.expect(200);
    world.world.stop().await;
}
