//! What is found in the tables themselves.

use std::{
    collections::{BTreeSet, HashMap},
    path::Path,
};

use aws_sdk_dynamodb::{
    Client,
    types::{AttributeValue, ReturnValue},
};
use serde_json::json;

use super::{COMMITS, expect, operator};
use crate::support::{ASK_EVERY, PASSWORD, SOON, TestWorld, engine};

type Item = HashMap<String, AttributeValue>;

async fn delete(client: &Client, stream: &str, version: u64) -> Item {
    let delete = client.delete_item().table_name("events").key("stream", AttributeValue::S(stream.to_owned()));
    let delete = delete.key("version", AttributeValue::N(version.to_string())).return_values(ReturnValue::AllOld);
    delete.send().await.unwrap().attributes.unwrap()
}

async fn put(client: &Client, table: &str, item: Item) {
    client.put_item().table_name(table).set_item(Some(item)).send().await.unwrap();
}

fn with(item: &Item, name: &str, value: &str) -> Item {
    let mut item = item.clone();
    item.insert(name.to_owned(), AttributeValue::S(value.to_owned()));
    item
}

async fn found(world: &TestWorld, text: &str) {
    expect(&operator(world, &["verify"]).await, 1, text);
}

/// Waits until an entity's row has a version.
async fn row_at(client: &Client, table: &str, id: &str, version: u64) {
    let waiting = async {
        let wanted = AttributeValue::N(version.to_string());
        loop {
            let get = client.get_item().table_name(table).key("id", AttributeValue::S(format!("1#{id}")));
            let row = get.consistent_read(true).send().await.unwrap().item;
            if row.is_some_and(|row| row["version"] == wanted) {
                return;
            }
            tokio::time::sleep(ASK_EVERY).await;
        }
    };
    tokio::time::timeout(SOON, waiting).await.expect("the row is projected");
}

pub(super) async fn are_checked(world: &TestWorld, streams: &[String], header: &Path) {
    let client = engine::client(&world.world.addresses.dynamodb);
    let whole = delete(&client, &streams[0], 20).await;
    found(world, "are missing before it").await;
    // What does not verify is not vouched for.
    expect(&operator(world, &["checkpoint"]).await, 1, "no checkpoint was taken");
    put(&client, "events", with(&whole, "actor", "telnyx")).await;
    found(world, "the hash does not fit").await;
    put(&client, "events", with(&whole, "actor", "nobody")).await;
    found(world, "attribute actor is malformed").await;
    put(&client, "events", with(&whole, "note", "x")).await;
    found(world, "attribute note is not as it was written").await;
    put(&client, "events", whole).await;

    let last = delete(&client, &streams[1], COMMITS).await;
    found(world, "ends below version 41, which the checkpoint signed").await;
    put(&client, "events", last).await;
    let mut gone = Vec::new();
    for version in 1..=COMMITS {
        gone.push(delete(&client, &streams[2], version).await);
    }
    found(world, "the checkpoint signed it, and it is gone").await;
    for item in gone {
        put(&client, "events", item).await;
    }
    expect(&operator(world, &["verify"]).await, 0, "all is well");
    checkpoints_are(world, &client).await;
    checkpoints_are_those_that_were_kept(world, &client, &streams[0], header).await;
    what_no_row_shows_is_in_the_feed(world, &client).await;
    what_is_younger_is_compared(world, &client, &streams[1]).await;
}

async fn checkpoints_are(world: &TestWorld, client: &Client) {
    let items = engine::items(client, "checkpoints").await;
    let is_header = |item: &&Item| item["log"].as_s().unwrap() == "headers";
    let header = items.iter().filter(is_header).max_by_key(|item| item["part"].as_s().unwrap().clone()).unwrap();
    let text = header["text"].as_s().unwrap();
    put(client, "checkpoints", with(header, "text", &text.replacen("\"number\":2", "\"number\":3", 1))).await;
    found(world, "the signature of checkpoint 3 does not hold").await;
    put(client, "checkpoints", with(header, "text", &text[1..])).await;
    found(world, "cannot be read").await;
    put(client, "checkpoints", header.clone()).await;

    let heads = items.iter().filter(|item| !is_header(item)).max_by_key(|item| item["log"].as_s().unwrap().clone());
    let (heads, lines) = (heads.unwrap(), heads.unwrap()["text"].as_s().unwrap());
    put(client, "checkpoints", with(heads, "text", lines.split_once('\n').unwrap().1)).await;
    found(world, "the heads are not those that checkpoint 2 signed").await;
    put(client, "checkpoints", heads.clone()).await;
}

/// Without its newest checkpoint a log that was cut back to the one before is vouched for; who kept it knows.
async fn checkpoints_are_those_that_were_kept(world: &TestWorld, client: &Client, stream: &str, header: &Path) {
    let kept = ["verify", "--checkpoint", header.to_str().unwrap()];
    expect(&operator(world, &kept).await, 0, "all is well");
    let items = engine::items(client, "checkpoints").await;
    let parsed: serde_json::Value = serde_json::from_slice(&std::fs::read(header).unwrap()).unwrap();
    let newest = |item: &&Item| {
        let (log, text) = (item["log"].as_s().unwrap(), item["text"].as_s().unwrap());
        *log == parsed["part"] || log == "headers" && text.contains(parsed["part"].as_str().unwrap())
    };
    let dropped: Vec<&Item> = items.iter().filter(newest).collect();
    assert!(dropped.len() >= 2, "the header and its heads");
    for item in &dropped {
        let delete = client.delete_item().table_name("checkpoints").key("log", item["log"].clone());
        delete.key("part", item["part"].clone()).send().await.unwrap();
    }
    let cut = delete(client, stream, COMMITS + 1).await;
    let said = operator(world, &kept).await;
    expect(&said, 1, "checkpoint 2, as it was kept, is not among them");
    assert!(!said.1.contains("which the checkpoint signed"), "{}", said.1);
    put(client, "events", cut).await;
    for item in dropped {
        put(client, "checkpoints", item.clone()).await;
    }
    expect(&operator(world, &kept).await, 0, "all is well");
}

/// A session has no row, and no checkpoint knows this one yet.
async fn what_no_row_shows_is_in_the_feed(world: &TestWorld, client: &Client) {
    let of_sessions = async || {
        let rows = engine::items(client, "audit").await.into_iter();
        let streams = rows.map(|row| row["stream"].as_s().unwrap().clone());
        streams.filter(|stream| stream.starts_with("session#")).collect::<BTreeSet<_>>()
    };
    let before = of_sessions().await;
    world.api.sign_in(dev::seed::ADMINISTRATOR, PASSWORD).await;
    let waiting = async {
        loop {
            if let Some(session) = of_sessions().await.difference(&before).next() {
                return session.clone();
            }
            tokio::time::sleep(ASK_EVERY).await;
        }
    };
    let session = tokio::time::timeout(SOON, waiting).await.expect("the session is in the feed");
    let cut = delete(client, &session, 1).await;
    found(world, &format!("{session}: the audit feed knows version 1, which the log does not have")).await;
    put(client, "events", cut).await;
    expect(&operator(world, &["verify"]).await, 0, "all is well");
}

/// No checkpoint knows these commits; what was made of them does.
async fn what_is_younger_is_compared(world: &TestWorld, client: &Client, user: &str) {
    let api = &world.api;
    let id = &user[5..];
    let (path, version) = (format!("/v1/users/{id}"), COMMITS + 1);
    api.patch(&path, "*", &json!({ "email": "younger@example.com" })).await.expect(200);
    let role = json!({ "name": "Younger", "level": 1, "permissions": ["users:read"] });
    let role = api.post("/v1/roles", &role).await.expect(201).text("id");
    row_at(client, "users1", id, version).await;
    row_at(client, "role", &role, 1).await;
    expect(&operator(world, &["verify"]).await, 0, "all is well");

    let cut = delete(client, user, version).await;
    let said = operator(world, &["verify"]).await;
    expect(&said, 1, &format!("{user}: its row knows version {version}, which the log does not have"));
    expect(&said, 1, &format!("{user}: holds a unique value since version {version}, which the log does not have"));
    put(client, "events", cut).await;
    let stream = format!("role#{role}");
    let cut = delete(client, &stream, 1).await;
    let said = operator(world, &["verify"]).await;
    expect(&said, 1, &format!("{stream}: its row knows version 1, which the log does not have"));
    put(client, "events", cut).await;

    let row = client.get_item().table_name("users1").key("id", AttributeValue::S(format!("1#{id}"))).send();
    let row = row.await.unwrap().item.unwrap();
    put(client, "users1", with(&row, "first_name", "Mallory")).await;
    expect(&operator(world, &["verify"]).await, 1, &format!("{user}: its row is not the fold of the log"));
    put(client, "users1", with(&row, "version", "none")).await;
    expect(&operator(world, &["verify"]).await, 1, "1 rows cannot be read");
    put(client, "users1", row).await;
    expect(&operator(world, &["verify"]).await, 0, "all is well");
}
