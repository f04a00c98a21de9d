//! A command-api whose every read that is content with a copy is answered by one that lacks the newest item.

use dev::wiretap::Call;
use serde_json::{Value, json};

use crate::support::{Answer, Client, behind::Behind, faults::Fault, new_user, send};

/// A world in which a user was registered and renamed, a command-api that knows nothing of it yet, and the user's path.
async fn world() -> (Behind, Client, String) {
    let mut behind = Behind::start().await;
    let created = behind.command_api.post("/v1/users", &new_user(1)).await.expect(201);
    let path = format!("/v1/users/{}", created.text("id"));
    rename(&behind.command_api, &path, "\"1\"", "Augusta", "first").await.expect(200);
    let api = start_anew(&mut behind).await;
    (behind, api, path)
}

/// A command-api without memory, whose reads that are content with a copy come from one that is behind.
async fn start_anew(behind: &mut Behind) -> Client {
    behind.crash().await;
    let address = behind.listener.local_addr().unwrap();
    let api = Client::new(&format!("http://{address}")).with_token(behind.command_api.token());
    api.get_until("/readyz", |answer| answer.status.is_success()).await;
    behind.commands.choose(|call: &Call| call.eventual.then_some(Fault::Behind));
    api
}

async fn rename(api: &Client, path: &str, if_match: &str, name: &str, key: &str) -> Answer {
    let request = api.request(reqwest::Method::PATCH, path).header("if-match", if_match);
    send(request.header("idempotency-key", key).json(&json!({ "first_name": name }))).await
}

#[tokio::test]
async fn what_is_appended_follows_the_newest_commit() {
    let (behind, api, path) = world().await;
    let renamed = rename(&api, &path, "*", "Byron", "second").await.expect(200);
    assert_eq!((&renamed.body["version"], &renamed.body["first_name"]), (&json!(3), &json!("Byron")));
    assert!(behind.commands.heal() > 0, "no copy was asked");
    let history = behind.query_api.get(&format!("{path}/events")).await.expect(200);
    let names: Vec<&Value> = history.body["items"].as_array().unwrap().iter().map(|event| &event["data"]).collect();
    assert_eq!((&names[1]["first_name"], &names[2]["first_name"]), (&json!("Augusta"), &json!("Byron")));
    behind.stop();
}

#[tokio::test]
async fn a_repeat_is_known_although_the_copy_lacks_what_it_repeats() {
    let (behind, api, path) = world().await;
    let again = rename(&api, &path, "\"1\"", "Augusta", "first").await.expect(200);
    assert_eq!((again.header("idempotent-replayed"), &again.body["version"]), ("true", &json!(2)));
    assert!(behind.commands.heal() > 0, "no copy was asked");
    behind.stop();
}

#[tokio::test]
async fn nobody_is_refused_or_told_that_nothing_is_to_do_because_a_copy_is_behind() {
    let (mut behind, api, path) = world().await;
    let late = rename(&api, &path, "\"1\"", "Byron", "second").await.expect(412);
    assert_eq!((&late.body["expected_version"], &late.body["actual_version"]), (&json!(1), &json!(2)));
    assert!(behind.commands.heal() > 0, "no copy was asked");
    let api = start_anew(&mut behind).await;
    // The copy still has the name with which the user was registered.
    let first = new_user(1)["first_name"].as_str().unwrap().to_owned();
    let renamed = rename(&api, &path, "\"2\"", &first, "third").await.expect(200);
    assert_eq!((&renamed.body["version"], &renamed.body["first_name"]), (&json!(3), &json!(first)));
    assert!(behind.commands.heal() > 0, "no copy was asked");
    behind.stop();
}

#[tokio::test]
async fn who_was_registered_a_moment_ago_is_there_although_no_copy_has_them() {
    let mut behind = Behind::start().await;
    let created = behind.command_api.post("/v1/users", &new_user(1)).await.expect(201);
    let path = format!("/v1/users/{}", created.text("id"));
    let api = start_anew(&mut behind).await;
    let renamed = rename(&api, &path, "\"1\"", "Augusta", "first").await.expect(200);
    assert_eq!(renamed.body["version"], 2);
    assert!(behind.commands.heal() > 1, "the log's copy and the keys' were asked");
    behind.stop();
}
