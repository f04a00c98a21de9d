//! Each binary's rights are exactly what it calls.

use std::collections::BTreeSet;

use aws_sdk_dynamodb::types::AttributeValue;
use dev::access::{RECORD, granted};
use serde_json::json;

use crate::support::{
    ASK_EVERY, SOON, TestWorld, new_user,
    operator::{expect, operator},
    parts::Parts,
};

#[tokio::test]
async fn every_read_model_can_be_rebuilt_with_the_rights_of_an_operator() {
    let world = TestWorld::start().await;
    let created = world.api.post("/v1/users", &new_user(1)).await.expect(201);
    world.api.get_until(&format!("/v1/users/{}", created.text("id")), |answer| answer.status.is_success()).await;
    for model in ["users1", "role", "notifications"] {
        expect(&operator(&world, &["rebuild", model]).await, 0, "generation 2");
    }
    for model in ["users1", "role", "notifications"] {
        expect(&operator(&world, &["rebuild", model, "--delete-old"]).await, 0, "are deleted");
    }
    expect(&operator(&world, &["verify"]).await, 0, "all is well");
    world.world.stop().await;
}

#[tokio::test]
async fn what_is_not_granted_does_not_go_out() {
    let world = TestWorld::start().await;
    let settings = world.settings();
    let aws = platform::aws::Aws::connect(&settings, platform::access::Principal::QueryApi).await;
    let item = [("stream".to_owned(), AttributeValue::S("user#1".to_owned()))];
    let put = aws.dynamodb.put_item().table_name("events").set_item(Some(item.into())).send().await;
    let refused = format!("{:?}", put.unwrap_err());
    assert!(refused.contains("query-api dynamodb:PutItem events"), "{refused}");
    world
        .api
        .post("/v1/roles", &json!({ "name": "Still here", "level": 1, "permissions": ["users:read"] }))
        .await
        .expect(201);
    world.world.stop().await;
}

#[tokio::test]
async fn the_row_of_a_shard_that_is_gone_is_removed() {
    let parts = Parts::start().await;
    let described = parts.dynamodb.describe_table().table_name("events").send().await.unwrap();
    let stream = described.table.unwrap().latest_stream_arn.unwrap();
    let key = || AttributeValue::S(format!("{stream}/shardId-00000000000000000000-0000gone"));
    let row = parts.dynamodb.put_item().table_name("leases").item("lease", key());
    let row = row.item("checkpoint", AttributeValue::S("SHARD_END".to_owned()));
    let row = row.item("counter", AttributeValue::N("1".to_owned())).item("parents", AttributeValue::L(Vec::new()));
    row.send().await.unwrap();

    let dynamodb = parts.dynamodb_url();
    let _projector = parts.projector(&dynamodb, &dynamodb).await;
    let gone = async {
        loop {
            let get = parts.dynamodb.get_item().table_name("leases").key("lease", key()).consistent_read(true);
            if get.send().await.unwrap().item.is_none() {
                return;
            }
            tokio::time::sleep(ASK_EVERY).await;
        }
    };
    tokio::time::timeout(SOON, gone).await.expect("the row goes");
    parts.stop().await;
}

/// Run after all other tests, each of which has written down what it called.
#[test]
#[ignore = "needs the record that a whole run of the tests has written (.ci/run)"]
fn all_tests_together_have_called_whatever_is_granted() {
    let path = std::env::var(RECORD).expect("the record's file is named");
    let text = std::fs::read_to_string(path).unwrap();
    let called: BTreeSet<&str> = text.lines().collect();
    let granted = granted();
    let granted = granted.iter().map(String::as_str);
    let unused: Vec<&str> = granted.filter(|line| !called.contains(line)).collect();
    assert_eq!(unused, Vec::<&str>::new(), "granted, but never called");
}
