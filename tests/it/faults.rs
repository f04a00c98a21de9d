//! An engine that is away, slow, throttled, or fails in the middle of a request.

use std::time::Duration;

use futures::future::join_all;
use platform::{access::Principal, aws::Aws, http::layers::REQUEST_DEADLINE, settings::Settings};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::support::{
    Answer, PASSWORD, TestWorld,
    behind::Behind,
    engine,
    faults::{Fault, Faults},
    new_user, send,
};

/// What a command may write.
const WRITTEN: [&str; 5] = ["events", "claims", "keys", "credentials", "rights"];

/// More tries than any client of ours makes.
const ALWAYS: usize = usize::MAX;

fn is_unavailable(answer: &Answer) {
    assert_eq!(answer.status.as_u16(), 503, "{}", answer.body);
    assert_eq!(answer.header("content-type"), "application/problem+json");
    assert_eq!(answer.body["code"], "unavailable");
    assert!(answer.header("retry-after").parse::<u32>().is_ok_and(|seconds| seconds > 0));
}

/// A write by `PutItem`, one by a transaction, a read by id and a list.
async fn requests(behind: &Behind, path: &str, number: u32) -> Vec<Answer> {
    let mut user = new_user(number);
    user["password"] = json!(PASSWORD);
    let change = json!({ "first_name": format!("Ada the {number}") });
    let (put, transaction, read, list) = tokio::join!(
        behind.command_api.patch(path, "*", &change),
        behind.command_api.post("/v1/users", &user),
        behind.query_api.get(path),
        behind.query_api.get("/v1/users"),
    );
    vec![put, transaction, read, list]
}

async fn until_ready(behind: &Behind) {
    for api in [&behind.command_api, &behind.query_api] {
        api.get_until("/readyz", |answer| answer.status.is_success()).await;
    }
}

#[tokio::test]
async fn an_engine_that_is_away_or_hangs_or_breaks_is_503_in_time_and_nothing_is_half_written() {
    let mut behind = Behind::start().await;
    let created = behind.command_api.post("/v1/users", &new_user(0)).await.expect(201);
    let path = format!("/v1/users/{}", created.text("id"));
    let before = behind.items(&WRITTEN).await;

    let faults = [
        None,
        Some(Fault::Hang),
        Some(Fault::CutBefore),
        Some(Fault::Broken),
        Some(Fault::Refuse("ProvisionedThroughputExceededException")),
    ];
    for (number, fault) in (1..).zip(faults) {
        match fault {
            None => {
                behind.commands.down().await;
                behind.queries.down().await;
            }
            Some(fault) => {
                // With the rights at hand the request comes as far as the log.
                for proxy in [&behind.commands, &behind.queries] {
                    proxy.choose(move |call| (call.table != "rights").then_some(fault));
                }
            }
        }
        let asked = Instant::now();
        for answer in requests(&behind, &path, number).await {
            is_unavailable(&answer);
        }
        assert!(asked.elapsed() < REQUEST_DEADLINE, "{fault:?} took {:?}", asked.elapsed());
        match fault {
            None => {
                behind.commands.up();
                behind.queries.up();
            }
            Some(_) => assert!(behind.commands.heal() > 0 && behind.queries.heal() > 0),
        }
        assert_eq!(behind.items(&WRITTEN).await, before, "{fault:?} left something");
        until_ready(&behind).await;
    }

    // All that hangs and not only the log: the rights cannot be told any more, and nobody is let in on old ones.
    behind.commands.choose(|_| Some(Fault::Hang));
    let change = json!({ "first_name": "Augusta" });
    let stale = async {
        while behind.command_api.get("/readyz").await.status.is_success() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(REQUEST_DEADLINE, stale).await.expect("the rights become stale");
    let asked = Instant::now();
    is_unavailable(&behind.command_api.patch(&path, "*", &change).await);
    assert!(asked.elapsed() < Duration::from_secs(2), "{:?}", asked.elapsed());
    behind.commands.heal();
    until_ready(&behind).await;

    let expected = [200, 201, 404, 200];
    for (answer, expected) in requests(&behind, &path, 100).await.into_iter().zip(expected) {
        answer.expect(expected);
    }
    behind.stop();
}

async fn repeated(behind: &Behind, method: Method, path: &str, body: &Value) -> Answer {
    let request = behind.command_api.request(method, path).header("if-match", "*").json(body);
    send(request.header("idempotency-key", "a-repeat")).await
}

async fn created(behind: &Behind, number: u32, key: &str) -> Answer {
    let request = behind.command_api.request(Method::POST, "/v1/users").json(&new_user(number));
    send(request.header("idempotency-key", key)).await
}

/// Commits, claims and keys of a user.
async fn kept(behind: &Behind, id: &str) -> [usize; 3] {
    let own = |items: Vec<_>, field: &str| {
        let is_own = |item: &&std::collections::BTreeMap<String, aws_sdk_dynamodb::types::AttributeValue>| {
            item.get(field).and_then(|value| value.as_s().ok()).is_some_and(|value| value.ends_with(id))
        };
        items.iter().filter(is_own).count()
    };
    [
        own(behind.items(&["events"]).await, "stream"),
        own(behind.items(&["claims"]).await, "owner"),
        own(behind.items(&["keys"]).await, "subject"),
    ]
}

#[tokio::test]
async fn an_unknown_outcome_is_settled_by_the_repeat() {
    let behind = Behind::start().await;
    // Every answer is lost, or every call before it is carried out.
    for (number, fault, replayed) in [(1, Fault::CutAfter, "true"), (2, Fault::CutBefore, "")] {
        let key = format!("create-{number}");
        behind.commands.on("TransactWriteItems", fault, ALWAYS);
        is_unavailable(&created(&behind, number, &key).await);
        behind.commands.heal();
        until_ready(&behind).await;
        let user = created(&behind, number, &key).await.expect(201);
        assert_eq!(user.header("idempotent-replayed"), replayed, "{fault:?}");
        assert_eq!(user.body["email"], new_user(number)["email"]);
        assert_eq!(kept(&behind, &user.text("id")).await, [1, 2, 1], "{fault:?}");

        let path = format!("/v1/users/{}", user.text("id"));
        let body = json!({ "first_name": "Augusta" });
        behind.commands.on("PutItem", fault, ALWAYS);
        is_unavailable(&repeated(&behind, Method::PATCH, &path, &body).await);
        behind.commands.heal();
        until_ready(&behind).await;
        let changed = repeated(&behind, Method::PATCH, &path, &body).await.expect(200);
        assert_eq!(changed.header("idempotent-replayed"), replayed, "{fault:?}");
        assert_eq!((&changed.body["first_name"], &changed.body["version"]), (&json!("Augusta"), &json!(2)));
        assert_eq!(kept(&behind, &user.text("id")).await, [2, 2, 1], "{fault:?}");
    }
    until_ready(&behind).await;
    // One answer that is lost is not even seen: the next try finds its own commit.
    behind.commands.on("TransactWriteItems", Fault::CutAfter, 1);
    let user = created(&behind, 3, "create-3").await.expect(201);
    assert_eq!((user.header("idempotent-replayed"), behind.commands.heal()), ("", 1));
    let path = format!("/v1/users/{}", user.text("id"));
    behind.commands.on("PutItem", Fault::CutAfter, 1);
    let body = json!({ "first_name": "Augusta" });
    let changed = repeated(&behind, Method::PATCH, &path, &body).await.expect(200);
    assert_eq!((changed.header("idempotent-replayed"), behind.commands.heal()), ("", 1));
    assert_eq!(kept(&behind, &user.text("id")).await, [2, 2, 1]);
    behind.stop();
}

#[tokio::test]
async fn a_service_whose_calls_all_fail_leaves_the_others_their_retries() {
    let behind = Behind::start().await;
    let through = |proxy: &Faults| Settings { dynamodb_url: Some(proxy.url.clone()), ..behind.settings() };
    let failing = Aws::connect(&through(&behind.commands), Principal::Elsewhere).await;
    let other = Aws::connect(&through(&behind.queries), Principal::Elsewhere).await;
    behind.commands.on("DescribeTable", Fault::CutBefore, ALWAYS);
    // Each retry takes 5 of the 500 tokens that the SDK begins with.
    for _ in 0..50 {
        failing.dynamodb.describe_table().table_name("events").send().await.unwrap_err();
    }
    behind.queries.on("DescribeTable", Fault::Refuse("ThrottlingException"), 2);
    other.dynamodb.describe_table().table_name("events").send().await.unwrap();
    assert_eq!(behind.queries.heal(), 2);
    behind.stop();
}

#[tokio::test]
async fn what_is_throttled_or_in_conflict_twice_is_carried_out() {
    let behind = Behind::start().await;
    let user = created(&behind, 0, "create-0").await.expect(201);
    let path = format!("/v1/users/{}", user.text("id"));
    let twice = |proxy: &Faults, operation, fault| proxy.on(operation, fault, 2);
    let refusals = ["ProvisionedThroughputExceededException", "ThrottlingException", "TransactionConflictException"];
    for (number, refusal) in (1..).zip(refusals) {
        until_ready(&behind).await;
        twice(&behind.commands, "PutItem", Fault::Refuse(refusal));
        let changed = json!({ "first_name": format!("Ada the {number}") });
        let changed = behind.command_api.patch(&path, "*", &changed).await.expect(200);
        assert_eq!((&changed.body["version"], behind.commands.heal()), (&json!(number + 1), 2), "{refusal}");
    }
    let faults = [
        Fault::Refuse("ThrottlingException"),
        Fault::Cancel("TransactionConflict"),
        Fault::Cancel("ThrottlingError"),
        Fault::Cancel("ProvisionedThroughputExceeded"),
    ];
    for (number, fault) in (1..).zip(faults) {
        until_ready(&behind).await;
        twice(&behind.commands, "TransactWriteItems", fault);
        behind.command_api.post("/v1/users", &new_user(number)).await.expect(201);
        assert_eq!(behind.commands.heal(), 2, "{fault:?}");
    }
    until_ready(&behind).await;
    twice(&behind.queries, "GetItem", Fault::Refuse("ThrottlingException"));
    behind.query_api.get_since(&path, user.header("consistency-token")).await.expect(200);
    assert_eq!(behind.queries.heal(), 2);
    behind.stop();
}

#[tokio::test]
async fn many_requests_through_an_engine_that_hangs_all_end_in_time() {
    let behind = Behind::start().await;
    behind.queries.on("GetItem", Fault::Hang, ALWAYS);
    let path = format!("/v1/users/{}", events::ids::UserId::seeded_administrator());
    let asked = Instant::now();
    for answer in join_all((0..50).map(|_| behind.query_api.get(&path))).await {
        is_unavailable(&answer);
    }
    assert!(asked.elapsed() < REQUEST_DEADLINE, "{:?}", asked.elapsed());
    behind.stop();
}

#[tokio::test]
async fn a_malformed_row_parks_its_stream_and_is_not_quoted() {
    let world = TestWorld::start().await;
    let created = world.api.post("/v1/users", &new_user(1)).await.expect(201);
    let (id, path) = (created.text("id"), format!("/v1/users/{}", created.text("id")));
    world.api.get_until(&path, |answer| answer.status.is_success()).await;
    let dynamodb = engine::client(&world.world.addresses.dynamodb);
    let text = |text: &str| aws_sdk_dynamodb::types::AttributeValue::S(text.to_owned());
    dynamodb
        .update_item()
        .table_name("users1")
        .key("id", text(&format!("1#{id}")))
        // Another version than the projector remembers, so that it has to read the row.
        .update_expression("SET #status = :canary, version = :other")
        .expression_attribute_names("#status", "status")
        .expression_attribute_values(":canary", text("canary@example.com"))
        .expression_attribute_values(":other", aws_sdk_dynamodb::types::AttributeValue::N("99".to_owned()))
        .send()
        .await
        .unwrap();
    // It is no outage: nobody is told to come again.
    let answer = world.api.get(&path).await.expect(500);
    assert_eq!(answer.body["code"], "internal");
    world.api.patch(&path, "*", &json!({ "first_name": "Augusta" })).await.expect(200);
    let parking = async {
        loop {
            let row = dynamodb.get_item().table_name("parked").key("stream", text(&format!("user#{id}"))).send().await;
            if let Some(row) = row.unwrap().item {
                return row["error"].as_s().unwrap().clone();
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let error = tokio::time::timeout(crate::support::SOON, parking).await.expect("the stream is parked");
    assert!(error.contains("a row of table users1 is malformed") && !error.contains("canary"), "{error}");
    // The others go on.
    let other = world.api.post("/v1/users", &new_user(2)).await.expect(201);
    let other = format!("/v1/users/{}", other.text("id"));
    world.api.get_until(&other, |answer| answer.status.is_success()).await;
    world.world.stop().await;
}
