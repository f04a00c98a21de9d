//! Claims that drifted from the log, and what puts them right.

use std::collections::HashMap;

use aws_sdk_dynamodb::{Client, types::AttributeValue};

use super::{expect, operator};
use crate::support::{TestWorld, engine};

type Item = HashMap<String, AttributeValue>;

fn text(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

async fn put(client: &Client, item: Item) {
    client.put_item().table_name("claims").set_item(Some(item)).send().await.unwrap();
}

/// All claims without the versions at which they were taken.
async fn held(client: &Client) -> Vec<(String, Item)> {
    let mut all: Vec<(String, Item)> = engine::items(client, "claims")
        .await
        .into_iter()
        .map(|mut item| {
            item.remove("version");
            (item["claim"].as_s().unwrap().clone(), item)
        })
        .collect();
    all.sort_by(|one, other| one.0.cmp(&other.0));
    all
}

pub(super) async fn are_compared_and_healed(world: &TestWorld, streams: &[String]) {
    let client = engine::client(&world.world.addresses.dynamodb);
    expect(&operator(world, &["claims"]).await, 0, "0 claims wrong");
    let before = held(&client).await;
    let of = |stream: &str| {
        let is_its = |item: &&(String, Item)| item.1.get("owner") == Some(&text(stream));
        before.iter().find(is_its).unwrap().1.clone()
    };
    let set = before.iter().find(|(id, _)| id.starts_with("set#")).unwrap().1.clone();

    // One gone, two that nobody has, and a member who is none.
    let lost = of(&streams[0]);
    client.delete_item().table_name("claims").key("claim", lost["claim"].clone()).send().await.unwrap();
    let orphan = |id: &str, owner: &str| HashMap::from([("claim".into(), text(id)), ("owner".into(), text(owner))]);
    put(&client, orphan("signin#1#nobody", &streams[0])).await;
    put(&client, orphan("signin#1#never", "user#6f1d3c1e-8f0b-4c52-9a57-2b6f0e1d77a4")).await;
    let mut swollen = set.clone();
    let members = [set["members"].as_ss().unwrap().clone(), vec![streams[0].clone()]].concat();
    swollen.insert("members".to_owned(), AttributeValue::Ss(members));
    put(&client, swollen).await;
    let said = operator(world, &["claims"]).await;
    expect(&said, 1, "4 claims wrong, 0 of them healed");
    expect(&said, 1, &format!("{}: a unique value of it is not held\n", streams[0]));
    expect(&said, 1, &format!("{}: a unique value is held for it that it does not have\n", streams[0]));
    expect(&operator(world, &["claims", "--heal"]).await, 0, "4 claims wrong, 4 of them healed");
    expect(&operator(world, &["claims"]).await, 0, "0 claims wrong");
    assert_eq!(held(&client).await, before);

    // A set that lost its member.
    let mut empty = set.clone();
    empty.remove("members");
    put(&client, empty).await;
    expect(&operator(world, &["claims", "--heal"]).await, 0, "1 claims wrong, 1 of them healed");
    assert_eq!(held(&client).await, before);

    // What another stream holds is not taken from it, unless it does not have it: then the next run takes it.
    let mut foreign = of(&streams[1]);
    foreign.insert("owner".to_owned(), text(&streams[2]));
    put(&client, foreign).await;
    let said = operator(world, &["claims", "--heal"]).await;
    expect(&said, 1, &format!("{}: a unique value of it is held by another stream\n", streams[1]));
    expect(&said, 1, "2 claims wrong, 1 of them healed");
    expect(&operator(world, &["claims", "--heal"]).await, 0, "1 claims wrong, 1 of them healed");
    assert_eq!(held(&client).await, before);

    put(&client, HashMap::from([("claim".into(), text("signin#1#broken"))])).await;
    expect(&operator(world, &["claims", "--heal"]).await, 1, "signin#1#broken: an item of the claims cannot be read");
    client.delete_item().table_name("claims").key("claim", text("signin#1#broken")).send().await.unwrap();

    // Of whom nothing can be told, that is told.
    let user = HashMap::from([("subject".to_owned(), text(&streams[2]))]);
    let get = client.get_item().table_name("keys").set_key(Some(user.clone())).send();
    let key = get.await.unwrap().item.unwrap();
    client.delete_item().table_name("keys").set_key(Some(user)).send().await.unwrap();
    expect(&operator(world, &["claims"]).await, 1, &format!("{}: what it must hold cannot be told", streams[2]));
    client.put_item().table_name("keys").set_item(Some(key)).send().await.unwrap();
    expect(&operator(world, &["claims"]).await, 0, "0 claims wrong");
}
