//! The auditor's commands, as processes of their own: a sound log is sound, and whatever is done to it is found.

use std::{
    path::Path,
    process::{Output, Stdio},
};

use aws_sdk_dynamodb::{Client, types::AttributeValue};
use serde_json::{Value, json};

use crate::support::{TestWorld, engine, new_user, process};

/// Runs an operator's command against a world.
async fn operator(world: &TestWorld, arguments: &[&str]) -> (i32, String) {
    let settings = world.settings();
    let mut command = process::part("projector");
    command.args(arguments).env("FIELDFUZE_DATA_DIR", &settings.data_dir).env("AWS_REGION", &settings.aws_region);
    command.env("AWS_ACCESS_KEY_ID", "local").env("AWS_SECRET_ACCESS_KEY", "local");
    command.env("AWS_ENDPOINT_URL_DYNAMODB", settings.dynamodb_url.unwrap());
    finished(command.output().await.unwrap())
}

/// Checks a file on a machine that has nothing else.
async fn offline(file: &Path, arguments: &[&str]) -> (i32, String) {
    let mut command = process::part("projector");
    command.args(["verify", "--file"]).arg(file).args(arguments).env_clear().stderr(Stdio::null());
    finished(command.output().await.unwrap())
}

fn finished(output: Output) -> (i32, String) {
    let text = String::from_utf8(output.stdout).unwrap() + &String::from_utf8_lossy(&output.stderr);
    (output.status.code().unwrap(), text)
}

fn key(stream: &str, version: u64) -> [(&'static str, AttributeValue); 2] {
    [("stream", AttributeValue::S(stream.to_owned())), ("version", AttributeValue::N(version.to_string()))]
}

async fn delete(client: &Client, stream: &str, version: u64) -> std::collections::HashMap<String, AttributeValue> {
    let [stream, version] = key(stream, version);
    let delete = client.delete_item().table_name("events").key(stream.0, stream.1).key(version.0, version.1);
    let delete = delete.return_values(aws_sdk_dynamodb::types::ReturnValue::AllOld);
    delete.send().await.unwrap().attributes.unwrap()
}

async fn put(client: &Client, item: std::collections::HashMap<String, AttributeValue>) {
    client.put_item().table_name("events").set_item(Some(item)).send().await.unwrap();
}

#[tokio::test]
async fn a_sound_log_is_sound_and_whatever_is_done_to_it_is_found() {
    let world = TestWorld::start().await;
    let api = &world.api;
    let mut streams = Vec::new();
    for number in 0..3 {
        let created = api.post("/v1/users", &new_user(number)).await.expect(201);
        let path = format!("/v1/users/{}", created.text("id"));
        for change in 0..40 {
            api.patch(&path, "*", &json!({ "first_name": format!("Ada {change}") })).await.expect(200);
        }
        streams.push(format!("user#{}", created.text("id")));
    }
    let erased = api.post("/v1/users", &new_user(9)).await.expect(201);
    api.post(&format!("/v1/users/{}/erase", erased.text("id")), &json!({ "reason": "a test" })).await.expect(200);

    let (code, text) = operator(&world, &["verify"]).await;
    assert_eq!((code, text.contains("all is well")), (0, true), "{text}");
    assert!(text.contains("4 carried states were folded again"), "{text}");
    assert_eq!(operator(&world, &["claims"]).await.0, 0);
    let (code, text) = operator(&world, &["checkpoint"]).await;
    assert_eq!(code, 0, "{text}");
    api.patch(&format!("/v1/users/{}", &streams[0][5..]), "*", &json!({ "last_name": "Byron" })).await.expect(200);
    let (code, text) = operator(&world, &["verify", "--json"]).await;
    let report: Value = serde_json::from_str(&text[..=text.rfind('}').unwrap()]).unwrap();
    assert_eq!((code, &report["found"], &report["checkpoints"]), (0, &json!(0), &json!(1)), "{text}");
    assert!(report["younger_commits"].as_u64().unwrap() >= 1);
    assert_eq!(operator(&world, &["checkpoint"]).await.0, 0);

    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("log.ndjson");
    let (code, text) = operator(&world, &["export", "--out", file.to_str().unwrap()]).await;
    assert_eq!(code, 0, "{text}");
    files_are_checked_anywhere(&file).await;
    tables_are_checked(&world, &streams).await;
    world.world.stop().await;
}

/// What an auditor finds in a file that somebody has had in their hands.
async fn files_are_checked_anywhere(file: &Path) {
    let exported = std::fs::read_to_string(file).unwrap();
    assert!(!exported.contains("person1@example.com"));
    let lines: Vec<&str> = exported.lines().collect();
    let stated =
        serde_json::from_str::<Value>(lines[0]).unwrap()["made"]["checkpoint_key"].as_str().unwrap().to_owned();
    let (code, text) = offline(file, &["--checkpoint-key", &stated]).await;
    assert_eq!((code, text.contains("2 checkpoints; 0 commits are younger")), (0, true), "{text}");
    assert_eq!(offline(file, &[]).await.0, 0);
    let other = "MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbL";
    assert_eq!(offline(file, &["--checkpoint-key", other]).await.0, 1);
    assert_eq!(offline(Path::new("/nowhere"), &[]).await.0, 2);

    let commit = |stream: &str, version: u64| {
        let is_it = |line: &&str| line.contains(stream) && line.contains(&format!("\"version\":\"{version}\""));
        lines.iter().position(|line| line.starts_with("{\"commit\"") && is_it(line)).unwrap()
    };
    let some =
        lines.iter().find(|line| line.starts_with("{\"commit\"") && line.contains("\"version\":\"20\"")).unwrap();
    let stream = serde_json::from_str::<Value>(some).unwrap()["commit"]["stream"].as_str().unwrap().to_owned();
    let at = commit(&stream, 20);
    let changed = lines[at].replacen("UserProfileChanged", "UserProfileChanget", 1);
    let mut tampered: Vec<(&str, Vec<&str>)> = Vec::new();
    let with = |change: &dyn Fn(&mut Vec<&str>)| {
        let mut lines = lines.clone();
        change(&mut lines);
        lines
    };
    let mut flipped = lines.clone();
    flipped[at] = &changed;
    tampered.push(("a flipped byte", flipped));
    tampered.push(("a dropped commit", with(&|lines| _ = lines.remove(at))));
    tampered.push(("two exchanged commits", with(&|lines| lines.swap(at, commit(&stream, 21)))));
    tampered.push(("a doubled commit", with(&|lines| lines.insert(at, lines[at]))));
    tampered.push((
        "a cut stream",
        with(&|lines| lines.retain(|line| !line.contains(&stream) || line.starts_with("{\"head\""))),
    ));
    tampered.push(("a cut file", with(&|lines| lines.truncate(lines.len() - 5))));
    tampered.push(("a dropped checkpoint", with(&|lines| _ = lines.remove(1))));
    for (what, lines) in tampered {
        let forged = file.with_extension("forged");
        std::fs::write(&forged, lines.join("\n") + "\n").unwrap();
        let (code, text) = offline(&forged, &[]).await;
        assert_eq!(code, 1, "{what}: {text}");
    }
}

/// What is found in the tables themselves.
async fn tables_are_checked(world: &TestWorld, streams: &[String]) {
    let client = engine::client(&world.world.addresses.dynamodb);
    let found = |text: &'static str| async move {
        let (code, said) = operator(world, &["verify"]).await;
        assert_eq!((code, said.contains(text)), (1, true), "{text}: {said}");
        // What does not verify is not vouched for.
        assert_eq!(operator(world, &["checkpoint"]).await.0, 1);
    };
    let whole = delete(&client, &streams[0], 20).await;
    found("are missing before it").await;
    let mut changed = whole.clone();
    changed.insert("actor".to_owned(), AttributeValue::S("telnyx".to_owned()));
    put(&client, changed).await;
    found("the hash does not fit").await;
    let mut added = whole.clone();
    added.insert("note".to_owned(), AttributeValue::S("x".to_owned()));
    put(&client, added).await;
    found("attribute note is not as it was written").await;
    put(&client, whole).await;

    let last = delete(&client, &streams[1], 41).await;
    found("ends below version 41").await;
    put(&client, last).await;
    let mut gone = Vec::new();
    for version in 1..=41 {
        gone.push(delete(&client, &streams[2], version).await);
    }
    found("the checkpoint signed it, and it is gone").await;
    for item in gone {
        put(&client, item).await;
    }
    assert_eq!(operator(world, &["verify"]).await.0, 0);

    // Claims that drifted: one gone, one that nobody has.
    let claims = engine::items(&client, "claims").await;
    let ours = |item: &&std::collections::HashMap<String, AttributeValue>| {
        item.get("owner").is_some_and(|owner| owner.as_s().unwrap() == &streams[0])
    };
    let lost = claims.iter().find(ours).unwrap().clone();
    client.delete_item().table_name("claims").key("claim", lost["claim"].clone()).send().await.unwrap();
    let mut orphan = lost.clone();
    orphan.insert("claim".to_owned(), AttributeValue::S("signin#1#nobody".to_owned()));
    client.put_item().table_name("claims").set_item(Some(orphan)).send().await.unwrap();
    let (code, text) = operator(world, &["claims"]).await;
    assert_eq!((code, text.contains("2 claims wrong, 0 of them healed")), (1, true), "{text}");
    let (code, text) = operator(world, &["claims", "--heal"]).await;
    assert_eq!((code, text.contains("2 claims wrong, 2 of them healed")), (0, true), "{text}");
    assert_eq!(operator(world, &["claims"]).await.0, 0);
    let mut after = engine::items(&client, "claims").await;
    after.retain(|item| item["claim"] == lost["claim"] || item["claim"].as_s().unwrap().ends_with("nobody"));
    assert_eq!(after.len(), 1);
}
