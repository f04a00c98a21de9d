//! A record that cannot be read sets its own stream aside, and nothing else.

use aws_sdk_dynamodb::types::AttributeValue;
use events::ids::{RoleId, derive};
use serde_json::json;

use crate::support::{TestWorld, engine};

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
