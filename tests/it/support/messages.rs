//! What a test of messages does again and again.

use reqwest::Method;
use serde_json::Value;

use super::{Client, new_user};

/// Tells a stand-in what to do wrong from now on.
pub async fn faults(telnyx: &str, faults: Value) {
    let request = Client::new(telnyx).request(Method::PUT, "/_standin/faults");
    let set = request.json(&faults).send().await.unwrap();
    assert!(set.status().is_success(), "{}", set.text().await.unwrap());
}

/// Registers somebody, which makes a message; gives the user's id.
pub async fn registered(api: &Client, number: u32) -> String {
    api.post("/v1/users", &new_user(number)).await.expect(201).text("id")
}

/// The one notification of a user, once it stands there.
pub async fn notified(api: &Client, user: &str, status: &str) -> Value {
    let path = format!("/v1/notifications?user_id={user}");
    let answer = api.get_until(&path, |answer| answer.body["items"][0]["status"] == status).await;
    assert_eq!(answer.body["items"].as_array().unwrap().len(), 1);
    answer.body["items"][0].clone()
}
