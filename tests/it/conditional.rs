//! `ETag` and `If-None-Match`: what a client has it is not sent again, and what it has not it is.

use reqwest::Method;
use serde_json::json;

use crate::support::{Answer, Client, TestWorld, new_user, send};

async fn unless(api: &Client, path: &str, tag: &str, tokens: &str) -> Answer {
    let request = api.request(Method::GET, path).header("if-none-match", tag);
    send(if tokens.is_empty() { request } else { request.header("consistency-token", tokens) }).await
}

#[tokio::test]
async fn an_answer_that_a_client_has_is_not_sent_again() {
    let world = TestWorld::start().await;
    let api = &world.api;
    let role = json!({ "name": "Clerk", "level": 1, "permissions": ["users:read"] });
    let role = api.post("/v1/roles", &role).await.expect(201);
    let role_path = format!("/v1/roles/{}", role.text("id"));
    let user = api.post("/v1/users", &new_user(1)).await.expect(201);
    let path = format!("/v1/users/{}", user.text("id"));
    let assigned = api.put(&format!("{path}/roles/{}", role.text("id"))).await.expect(200);
    let token = assigned.header("consistency-token");

    let shown = api.get_since(&path, token).await.expect(200);
    let tag = shown.header("etag");
    assert!(tag.starts_with("\"2."), "{tag}");
    let same = unless(api, &path, &format!("\"1\", W/{tag}"), token).await.expect(304);
    assert_eq!((same.header("etag"), same.header("consistency-token")), (tag, token));
    assert!(same.body.is_null() && same.header("content-length").is_empty());
    unless(api, &path, "\"1\"", token).await.expect(200);

    // The role's new name is shown, though the user's version is the same; to a write it is still that version.
    let renamed = api.patch(&role_path, "*", &json!({ "name": "Planner" })).await.expect(200);
    let tokens = format!("{token},{}", renamed.header("consistency-token"));
    let shown = unless(api, &path, tag, &tokens).await.expect(200);
    assert_eq!(shown.body["roles"][0]["name"], "Planner");
    assert_ne!(shown.header("etag"), tag);
    let changed = api.patch(&path, tag, &json!({ "first_name": "Augusta" })).await.expect(200);
    api.patch(&path, tag, &json!({ "first_name": "Grace" })).await.expect(412);
    unless(api, &path, shown.header("etag"), changed.header("consistency-token")).await.expect(200);

    let tokens = format!("{},{}", changed.header("consistency-token"), renamed.header("consistency-token"));
    for path in ["/v1/users?page_size=1", "/v1/roles?page_size=1", "/v1/me", &role_path] {
        let tag = api.get_since(path, &tokens).await.expect(200).header("etag").to_owned();
        unless(api, path, &tag, &tokens).await.expect(304);
        unless(api, path, &format!("{}x\"", tag.trim_end_matches('"')), &tokens).await.expect(200);
    }
    let list = api.get_since("/v1/users", &tokens).await.expect(200);
    let changed = api.patch(&path, "*", &json!({ "first_name": "Ada" })).await.expect(200);
    unless(api, "/v1/users", list.header("etag"), changed.header("consistency-token")).await.expect(200);

    // Whoever may not read learns nothing from a tag.
    unless(&Client::new(api.base()), &path, "*", "").await.expect(401);
    unless(api, "/v1/users/0190b1a2-7c1e-7d3a-9a57-2b6f0e1d77a4", "*", "").await.expect(404);
    world.world.stop().await;
}
