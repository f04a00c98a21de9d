//! Why somebody has a right, or has it not.

use serde_json::{Value, json};

use crate::support::{Answer, PASSWORD, TestWorld, new_user};

/// Each role's outcome and the types of the events that are named.
fn told(answer: &Answer) -> Vec<[&str; 3]> {
    let told = |one: &'_ Value| {
        let text = |pointer: &str| one.pointer(pointer).and_then(Value::as_str).unwrap().to_owned();
        [text("/outcome"), text("/assigned_by/type"), text("/decided_by/type")].map(|text| &*text.leak())
    };
    answer.body["assignments"].as_array().unwrap().iter().map(told).collect()
}

#[tokio::test]
async fn it_names_the_assignment_and_the_event_that_grants_or_denies() {
    let world = TestWorld::start().await;
    let api = &world.api;
    let mut user = new_user(1);
    user["password"] = PASSWORD.into();
    let user = format!("/v1/users/{}", api.post("/v1/users", &user).await.expect(201).text("id"));
    let role = json!({ "name": "Clerk", "level": 1, "permissions": ["users:read"] });
    let role = api.post("/v1/roles", &role).await.expect(201).text("id");
    let (held, role) = (format!("{user}/roles/{role}"), format!("/v1/roles/{role}"));
    let explain = async |permission: &str| {
        api.get(&format!("{user}/permissions:explain?permission={permission}")).await.expect(200)
    };

    let nothing = explain("users:write").await;
    assert_eq!((&nothing.body["granted"], told(&nothing).len()), (&json!(false), 0));
    assert_eq!(nothing.body["status_by"]["type"], "UserRegistered");

    api.put(&held).await.expect(200);
    assert_eq!(told(&explain("users:write").await), [["role_lacks_it", "UserRoleAssigned", "RoleCreated"]]);
    api.patch(&role, "*", &json!({ "permissions": ["users:*", "users:write"] })).await.expect(422);
    api.patch(&role, "*", &json!({ "permissions": ["users:read", "users:write"] })).await.expect(200);
    let granted = explain("users:write").await;
    assert_eq!(told(&granted), [["grants", "UserRoleAssigned", "RoleChanged"]]);
    assert_eq!(granted.body["granted"], true);
    assert_eq!(told(&explain("users:read").await), [["grants", "UserRoleAssigned", "RoleCreated"]]);

    api.post(&format!("{user}/suspend"), &json!({ "reason": "on leave" })).await.expect(200);
    let suspended = explain("users:write").await;
    assert_eq!(
        (&suspended.body["granted"], &suspended.body["status_by"]["type"]),
        (&json!(false), &json!("UserSuspended"))
    );
    api.post(&format!("{user}/reactivate"), &json!({ "reason": "is back" })).await.expect(200);
    assert_eq!(explain("users:write").await.body["granted"], true);

    let scoped = api.request(reqwest::Method::PUT, &held).json(&json!({ "scope": "branch:austin" }));
    crate::support::send(scoped).await.expect(200);
    assert_eq!(told(&explain("users:write").await)[0][0], "scoped");
    api.delete(&held, "*").await.expect(200);
    assert_eq!(told(&explain("users:write").await), [["revoked", "UserRoleAssigned", "UserRoleRevoked"]]);
    api.get(&format!("{user}/permissions:explain?permission=everything")).await.expect(400);
    api.get(&format!("{user}/permissions:explain")).await.expect(400);
    world.world.stop().await;
}
