//! A record that cannot be read sets its own stream aside, and nothing else.

use std::collections::HashMap;

use aws_sdk_dynamodb::{Client, types::AttributeValue};
use events::ids::{RoleId, derive};
use serde_json::json;

use crate::support::{
    ASK_EVERY, SOON, TestWorld, engine,
    operator::{expect, operator},
};

type Item = HashMap<String, AttributeValue>;

fn text(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

#[tokio::test]
async fn a_poison_record_parks_its_stream_and_the_others_go_on() {
    let world = TestWorld::start().await;
    let dynamodb = engine::client(&world.world.addresses.dynamodb);
    let unreadable = format!("role#{}", derive(&["unreadable"]));
    let rootless = format!("role#{}", derive(&["rootless"]));
    let put = |stream: &str| {
        let put = dynamodb.put_item().table_name("events").item("stream", text(stream));
        put.item("version", AttributeValue::N("1".to_owned()))
    };
    put(&unreadable).item("events", text("not JSON")).send().await.unwrap();
    put(&rootless)
        .item(
            "events",
            text(
                &json!([{ "event_id": derive(&["event"]), "type": "RoleRetired", "schema": 1, "data": {} }])
                    .to_string(),
            ),
        )
        .item("recorded_at", text("2026-01-02T03:04:05.000000Z"))
        .item("actor", text("system"))
        .item("correlation_id", text(&derive(&["trip"]).to_string()))
        .item("hash", text(&"0".repeat(64)))
        .send()
        .await
        .unwrap();

    let role = json!({ "name": "Dispatcher", "level": 1, "permissions": ["users:read"] });
    let created = world.api.post("/v1/roles", &role).await.expect(201);
    world.api.get_until(&format!("/v1/roles/{}", created.text("id")), |answer| answer.status.is_success()).await;

    for stream in [&unreadable, &rootless] {
        let row = dynamodb.get_item().table_name("parked").key("stream", text(stream)).send().await.unwrap();
        let row = row.item.unwrap_or_else(|| panic!("{stream} is not parked"));
        assert_eq!(row["version"].as_s().unwrap(), "1");
        assert!(!row["error"].as_s().unwrap().is_empty());
    }
    let id = RoleId(derive(&["rootless"]));
    assert_eq!(world.api.get(&format!("/v1/roles/{id}")).await.status.as_u16(), 404);
    world.world.stop().await;
}

async fn commit(client: &Client, stream: &str, version: u64) -> Item {
    let get = client.get_item().table_name("events").consistent_read(true).key("stream", text(stream));
    let get = get.key("version", AttributeValue::N(version.to_string()));
    get.send().await.unwrap().item.unwrap()
}

async fn put(client: &Client, table: &str, item: Item) {
    client.put_item().table_name(table).set_item(Some(item)).send().await.unwrap();
}

async fn parked(client: &Client, stream: &str) -> Option<Item> {
    let get = client.get_item().table_name("parked").consistent_read(true).key("stream", text(stream));
    get.send().await.unwrap().item
}

/// Waits until the note of a stream is as it must become.
async fn parked_until(client: &Client, stream: &str, wanted: impl Fn(Option<&Item>) -> bool) {
    let waiting = async {
        while !wanted(parked(client, stream).await.as_ref()) {
            tokio::time::sleep(ASK_EVERY).await;
        }
    };
    tokio::time::timeout(SOON, waiting).await.unwrap_or_else(|_| panic!("the note of {stream} never became so"));
}

/// The commit of one role as one of another: nothing of a role is sealed, and whoever applies it looks at no hash.
fn of_stream(item: &Item, stream: &str) -> Item {
    let mut item = item.clone();
    let events = item["events"].as_s().unwrap();
    let mut events: serde_json::Value = serde_json::from_str(events).unwrap();
    events[0]["event_id"] = json!(derive(&[stream, item["version"].as_n().unwrap()]));
    item.insert("events".to_owned(), text(&events.to_string()));
    item.insert("stream".to_owned(), text(stream));
    item
}

#[tokio::test]
async fn a_parked_stream_stands_still_until_it_is_mended_and_tried_again() {
    let world = TestWorld::start().await;
    let api = &world.api;
    let client = engine::client(&world.world.addresses.dynamodb);
    expect(&operator(&world, &["parked", "list"]).await, 0, "0 streams are parked");

    let role = |name: &str| json!({ "name": name, "level": 1, "permissions": ["users:read"] });
    let sound = api.post("/v1/roles", &role("Sound")).await.expect(201).text("id");
    let broken = api.post("/v1/roles", &role("Broken")).await.expect(201).text("id");
    for level in 2..4 {
        api.patch(&format!("/v1/roles/{sound}"), "*", &json!({ "level": level })).await.expect(200);
    }
    let (path, stream) = (format!("/v1/roles/{broken}"), format!("role#{broken}"));
    api.get_until(&path, |answer| answer.status.is_success()).await;
    let second = of_stream(&commit(&client, &format!("role#{sound}"), 2).await, &stream);
    let third = of_stream(&commit(&client, &format!("role#{sound}"), 3).await, &stream);

    // The second commit cannot be read; the third one can, and is not applied without it.
    let mut poison = second.clone();
    poison.insert("events".to_owned(), text("not JSON"));
    put(&client, "events", poison).await;
    parked_until(&client, &stream, |note| note.is_some()).await;
    put(&client, "events", third).await;
    let failures = |note: &Item| note["failures"].as_n().unwrap().parse::<u64>().unwrap();
    parked_until(&client, &stream, |note| note.is_some_and(|note| failures(note) == 2)).await;
    let note = parked(&client, &stream).await.unwrap();
    assert_eq!(note["version"], text("2"));
    assert_eq!(note["build"], text(env!("CARGO_PKG_VERSION")));
    assert_eq!(api.get(&path).await.expect(200).body["version"], 1);

    let said = operator(&world, &["parked", "list"]).await;
    expect(&said, 1, &format!("{stream} at 2, since "));
    expect(&said, 1, "1 streams are parked");
    let said = operator(&world, &["parked", "show", &stream]).await;
    expect(&said, 1, "not JSON");
    expect(&said, 1, "\"last_version_in_the_log\": \"3\"");
    let said = operator(&world, &["parked", "retry", &stream]).await;
    expect(&said, 1, &format!("{stream} at 2 fails still: "));
    assert_eq!(api.get(&path).await.expect(200).body["version"], 1);
    expect(&operator(&world, &["parked", "retry", "role#nobody"]).await, 2, "is not parked");

    put(&client, "events", second.clone()).await;
    expect(&operator(&world, &["parked", "retry", "--all"]).await, 0, "1 of 1 streams are applied");
    let row = api.get(&path).await.expect(200);
    assert_eq!((&row.body["version"], &row.body["level"]), (&json!(3), &json!(3)));
    expect(&operator(&world, &["parked", "list"]).await, 0, "0 streams are parked");
    let audit = engine::items(&client, "audit").await;
    let of_it = audit.iter().filter(|row| row["stream"] == text(&stream)).count();
    assert_eq!(of_it, 3, "the audit feed has each of its events once");

    // What an older build could not read, this one tries by itself; what it cannot read either stays with its name.
    let older = |mut note: Item| {
        note.insert("build".to_owned(), text("0.0.1"));
        note
    };
    let unreadable = format!("role#{}", derive(&["unreadable"]));
    let mut poison = of_stream(&second, &unreadable);
    poison.insert("version".to_owned(), AttributeValue::N("1".to_owned()));
    poison.insert("events".to_owned(), text("not JSON"));
    put(&client, "events", poison).await;
    parked_until(&client, &unreadable, |note| note.is_some()).await;
    let second_note = parked(&client, &unreadable).await.unwrap();
    put(&client, "parked", older(note)).await;
    put(&client, "parked", older(second_note)).await;
    parked_until(&client, &stream, |note| note.is_none()).await;
    let build = text(env!("CARGO_PKG_VERSION"));
    parked_until(&client, &unreadable, |note| note.is_some_and(|note| note["build"] == build)).await;
    assert_eq!(parked(&client, &unreadable).await.unwrap()["version"], text("1"));
    world.world.stop().await;
}
