//! A read model is built anew while it is read and written, and nobody notices.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use aws_sdk_dynamodb::types::AttributeValue;
use chrono::{DateTime, TimeDelta, Utc};
use events::{
    ids::UserId,
    user::{User, UserState},
};
use platform::{context::Context, rows::Rows, tables::USERS};
use projector::{feed::Feed, notify::Queues, ops::audit::Audit};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{
    ASK_EVERY, Answer, Client, SOON, TestWorld, engine, new_user,
    operator::{command, expect, finished, operator},
    send,
    store::context,
};

type Item = HashMap<String, AttributeValue>;

/// Users that are there before the rebuild.
const USERS_BEFORE: u32 = 150;

/// Changes of each of them: enough pages for a scan to be interrupted between two.
const CHANGES: u32 = 5;

async fn get(client: &aws_sdk_dynamodb::Client, table: &str, key: &str, value: &str) -> Option<Item> {
    let get = client.get_item().table_name(table).consistent_read(true);
    get.key(key, AttributeValue::S(value.to_owned())).send().await.unwrap().item
}

async fn lease(client: &aws_sdk_dynamodb::Client, name: &str) -> Option<Item> {
    get(client, "leases", "lease", name).await
}

async fn until<F: Future<Output = bool>>(what: &str, holds: impl Fn() -> F) {
    let waiting = async {
        while !holds().await {
            tokio::time::sleep(ASK_EVERY).await;
        }
    };
    tokio::time::timeout(SOON, waiting).await.unwrap_or_else(|_| panic!("never: {what}"));
}

async fn change(api: &Client, id: &str, name: &str) -> u64 {
    let request = api.request(Method::PATCH, &format!("/v1/users/{id}")).header("if-match", "*");
    let answer = send(request.json(&json!({ "first_name": name }))).await.expect(200);
    answer.body["version"].as_u64().unwrap()
}

/// Writes without a pause until it is told to stop: changes, and now and then somebody new. Gives everybody's last
/// acknowledged version.
async fn write(api: Client, mut ids: Vec<String>, stop: Arc<AtomicBool>) -> BTreeMap<String, u64> {
    let mut acknowledged = BTreeMap::new();
    for number in 0_u32.. {
        if stop.load(Ordering::SeqCst) {
            break;
        }
        if number.is_multiple_of(8) {
            let created = api.post("/v1/users", &new_user(100_000 + number)).await.expect(201);
            ids.push(created.text("id"));
        }
        let id = &ids[usize::try_from(number).unwrap() * 7 % ids.len()];
        acknowledged.insert(id.clone(), change(&api, id, &format!("Ada {number}")).await);
    }
    acknowledged
}

/// Reads until it is told to stop: never an error, never an older version than the one seen before.
async fn read(api: Client, ids: Vec<String>, stop: Arc<AtomicBool>) -> u64 {
    let mut seen: BTreeMap<&str, u64> = BTreeMap::new();
    let mut reads = 0;
    while !stop.load(Ordering::SeqCst) {
        for id in ids.iter().step_by(9) {
            let version = api.get(&format!("/v1/users/{id}")).await.expect(200).body["version"].as_u64().unwrap();
            let before = seen.insert(id, version).unwrap_or_default();
            assert!(version >= before, "{id} was at {before} and is at {version}");
            reads += 1;
        }
        let page = api.get("/v1/users?page_size=200").await.expect(200);
        assert!(page.body["items"].as_array().unwrap().len() > ids.len().min(199), "the list has everybody");
    }
    reads
}

/// Every row that is read is the fold of its stream, and has what was acknowledged.
async fn rows_are_folds(context: &Context, acknowledged: &BTreeMap<String, u64>) {
    let rows: Rows<UserState> = Rows::new(context.aws.dynamodb.clone(), &context.names, &USERS, &context.generations);
    for (id, version) in acknowledged {
        let id = UserId(id.parse().unwrap());
        let fold = context.store().load::<User>(id.into(), None).await.unwrap();
        assert!(fold.version.0 >= *version);
        until("the row is the fold", || async { rows.get(id.0, true).await.unwrap() == fold.state }).await;
    }
}

#[tokio::test]
async fn a_read_model_is_built_anew_under_load_and_nobody_notices() {
    let world = TestWorld::start().await;
    let (api, client) = (&world.api, engine::client(&world.world.addresses.dynamodb));
    let mut ids = Vec::new();
    for number in 0..USERS_BEFORE {
        let id = api.post("/v1/users", &new_user(number)).await.expect(201).text("id");
        for change_number in 0..CHANGES {
            change(api, &id, &format!("Ada {change_number}")).await;
        }
        ids.push(id);
    }
    let shown = ids.last().unwrap();
    api.get_until(&format!("/v1/users/{shown}"), |answer| answer.body["version"] == u64::from(CHANGES) + 1).await;

    let stop = Arc::new(AtomicBool::new(false));
    let writing = tokio::spawn(write(api.clone(), ids.clone(), Arc::clone(&stop)));
    let reading = tokio::spawn(read(api.clone(), ids.clone(), Arc::clone(&stop)));

    let mut first = command(&world, &["rebuild", "users1"]).spawn().unwrap();
    until("the scan has come to the end of a page", || async {
        let item = lease(&client, "rebuild/users1").await;
        item.is_some_and(|item| !item["places"].as_m().unwrap().is_empty())
    })
    .await;
    first.kill().await.unwrap();
    let plan = lease(&client, "generations").await.unwrap();
    let users = plan["models"].as_m().unwrap()["users1"].as_m().unwrap();
    assert_eq!(users["current"].as_n().unwrap(), "1", "it was killed too late to show anything");

    let said = finished(command(&world, &["rebuild", "users1"]).output().await.unwrap());
    expect(&said, 0, "going on where it was interrupted");
    expect(&said, 0, "generation 2 of users1 is read now");
    assert!(lease(&client, "rebuild/users1").await.is_none());
    assert!(!writing.is_finished() && !reading.is_finished());
    // Readers notice within seconds; the rows of the old generation go once nobody can read them any more.
    let said = operator(&world, &["rebuild", "users1", "--delete-old"]).await;
    expect(&said, 0, "rows of old generations of users1 are deleted");
    stop.store(true, Ordering::SeqCst);
    let reads = reading.await.unwrap();
    let mut acknowledged = writing.await.unwrap();
    assert!(reads > 0);
    for id in ids {
        acknowledged.entry(id).or_insert(1);
    }

    rows_are_folds(&context(&world.settings()).await, &acknowledged).await;
    let rows = engine::items(&client, "users1").await;
    assert!(rows.iter().all(|row| row["id"].as_s().unwrap().starts_with("2#")), "only the new generation is left");
    expect(&operator(&world, &["verify"]).await, 0, "all is well");
    nobody_is_written_to_twice(&world, acknowledged.len()).await;
    world.world.stop().await;
}

async fn nobody_is_written_to_twice(world: &TestWorld, users: usize) {
    let url = format!("{}/_standin/messages", world.world.addresses.telnyx);
    let recipients = || async {
        let answer: Value = reqwest::get(&url).await.unwrap().json().await.unwrap();
        let mut recipients: BTreeMap<String, u32> = BTreeMap::new();
        for message in answer["items"].as_array().unwrap() {
            *recipients.entry(message["to"].as_str().unwrap().to_owned()).or_default() += 1;
        }
        recipients
    };
    until("everybody has a message", || async { recipients().await.len() >= users }).await;
    assert!(recipients().await.values().all(|count| *count == 1), "nobody is written to twice");
}

#[tokio::test]
async fn a_row_that_is_not_the_fold_of_the_log_is_told_of_and_put_right() {
    let world = TestWorld::start().await;
    let (api, client) = (&world.api, engine::client(&world.world.addresses.dynamodb));
    let id = api.post("/v1/users", &new_user(1)).await.expect(201).text("id");
    let version = change(api, &id, "Augusta").await;
    let path = format!("/v1/users/{id}");
    api.get_until(&path, |answer| answer.body["version"] == version).await;
    let stream = format!("user#{id}");
    let replay = ["replay", "--model", "users1", "--stream", &stream];
    let dry = [&replay[..], &["--dry-run"]].concat();
    expect(&operator(&world, &dry).await, 0, "1 streams, 0 rows were not the fold of the log");

    let row = get(&client, "users1", "id", &format!("1#{id}")).await.unwrap();
    let put = |name: &str, value: AttributeValue| {
        let mut drifted = row.clone();
        drifted.insert(name.to_owned(), value);
        client.put_item().table_name("users1").set_item(Some(drifted)).send()
    };
    let mallory = || AttributeValue::S("Mallory".to_owned());
    put("first_name", mallory()).await.unwrap();
    let said = operator(&world, &dry).await;
    expect(&said, 1, &format!("{stream}: its row is not the fold of the log: first_name differ"));
    assert!(!said.1.contains("Mallory") && !said.1.contains("Augusta"), "names are not told: {}", said.1);
    assert_eq!(api.get(&path).await.body["first_name"], "Mallory", "a dry run writes nothing");
    expect(&operator(&world, &replay).await, 0, "; it is now");
    assert_eq!(api.get(&path).await.body["first_name"], "Augusta");
    // What is mended stays so, whoever had the wrong row in memory.
    change(api, &id, "Ada").await;
    let version = version + 1;
    api.get_until(&path, |answer| answer.body["version"] == version && answer.body["first_name"] == "Ada").await;
    expect(&operator(&world, &dry).await, 0, "0 rows were not the fold");

    put("version", AttributeValue::S("none".to_owned())).await.unwrap();
    let range = ["replay", "--model", "users1", "--from", "2020-01-01T00:00:00Z", "--to", "2100-01-01T00:00:00Z"];
    expect(&operator(&world, &[&range[..], &["--dry-run"]].concat()).await, 1, "its row cannot be read");
    expect(&operator(&world, &range).await, 0, "2 streams, 1 rows were not the fold of the log, 0 of them are left");
    assert_eq!(api.get(&path).await.expect(200).body["first_name"], "Ada");

    // Reactions are keyed by their event: run again, they find what was requested.
    until("the welcome is sent", || async { world.messages_to(&crate::support::phone(1)).await.len() == 1 }).await;
    let emit = [&replay[..], &["--emit", "--reason", "a test"]].concat();
    expect(&operator(&world, &emit).await, 0, "0 notifications are requested newly");
    assert_eq!(world.messages_to(&crate::support::phone(1)).await.len(), 1);
    expect(&operator(&world, &[&replay[..], &["--emit"]].concat()).await, 2, "--reason");
    let wrong = ["replay", "--model", "role", "--stream", &stream];
    expect(&operator(&world, &wrong).await, 2, "does not feed this read model");
    world.world.stop().await;
}

/// Goes round the log once, as if everything before `applied_until` were applied, and gives drift and healed so far.
async fn round(audit: &mut Audit, applied_until: DateTime<Utc>) -> (u64, u64) {
    while !audit.look(applied_until).await.unwrap() {}
    let counted = audit.counted();
    (counted.drift.load(Ordering::SeqCst), counted.healed.load(Ordering::SeqCst))
}

#[tokio::test]
async fn the_audit_finds_what_drifted_and_heals_it_and_nothing_else() {
    let world = TestWorld::start().await;
    let (api, client) = (&world.api, engine::client(&world.world.addresses.dynamodb));
    let mut ids = Vec::new();
    for number in 0..4 {
        ids.push(api.post("/v1/users", &new_user(number)).await.expect(201).text("id"));
    }
    let delivered = |answer: &Answer| {
        let items = answer.body["items"].as_array().unwrap();
        items.len() == 4 && items.iter().all(|item| item["status"] == "delivered")
    };
    api.get_until("/v1/notifications", delivered).await;
    let context = context(&world.settings()).await;
    let queues = Queues::find(context.aws.sqs.clone(), &context.names).await.unwrap();
    let mut audit = Audit::new(context.clone(), Feed::new(&context, queues));
    let later = context.clock.now() + TimeDelta::hours(1);
    assert_eq!(round(&mut audit, later).await, (0, 0));

    // One row gone, one changed, one older than it was; a unique value that is not held.
    let key = |id: &str| AttributeValue::S(format!("1#{id}"));
    client.delete_item().table_name("users1").key("id", key(&ids[0])).send().await.unwrap();
    let mut row = get(&client, "users1", "id", &format!("1#{}", ids[1])).await.unwrap();
    row.insert("first_name".to_owned(), AttributeValue::S("Mallory".to_owned()));
    client.put_item().table_name("users1").set_item(Some(row)).send().await.unwrap();
    let old = get(&client, "users1", "id", &format!("1#{}", ids[2])).await.unwrap();
    change(api, &ids[2], "Augusta").await;
    api.get_until(&format!("/v1/users/{}", ids[2]), |answer| answer.body["version"] == 2).await;
    client.put_item().table_name("users1").set_item(Some(old)).send().await.unwrap();
    let owner = AttributeValue::S(format!("user#{}", ids[3]));
    let claims = engine::items(&client, "claims").await;
    let claim = claims.into_iter().find(|claim| claim.get("owner") == Some(&owner)).unwrap();
    client.delete_item().table_name("claims").key("claim", claim["claim"].clone()).send().await.unwrap();

    // What may still be on its way to its row is left to the feed.
    assert_eq!(round(&mut audit, DateTime::UNIX_EPOCH).await, (2, 2));
    assert_eq!(round(&mut audit, later).await, (4, 4));
    assert_eq!(round(&mut audit, later).await, (4, 4));
    for (id, version, name) in [(&ids[0], 1, "Ada"), (&ids[1], 1, "Ada"), (&ids[2], 2, "Augusta")] {
        let path = format!("/v1/users/{id}");
        let user = api.get(&path).await.expect(200).body;
        assert_eq!((&user["version"], &user["first_name"]), (&json!(version), &json!(name)));
        change(api, id, "Grace").await;
        api.get_until(&path, |answer| answer.body["version"] == version + 1).await;
    }
    expect(&operator(&world, &["claims"]).await, 0, "0 claims wrong");
    world.world.stop().await;
}
