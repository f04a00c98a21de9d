use aws_sdk_dynamodb::types::{AttributeValue, TimeToLiveStatus};
use platform::tables::{ALL, EVENTS, SESSIONS};

use super::*;

fn listener() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").unwrap()
}

fn commit(stream: &str, version: u64) -> [(String, AttributeValue); 2] {
    [
        ("stream".to_owned(), AttributeValue::S(stream.to_owned())),
        ("version".to_owned(), AttributeValue::N(version.to_string())),
    ]
}

#[tokio::test]
async fn every_table_is_there_and_a_restart_keeps_what_was_written() {
    let data = tempfile::tempdir().unwrap();
    let names = Names::new("test-");
    for start in 1..=2 {
        let engine = Engine::start(listener(), data.path(), &names).await.unwrap();
        let client = tables::client(&engine.url());
        let tables = client.list_tables().send().await.unwrap();
        assert_eq!(tables.table_names().len(), ALL.len());

        let written = client
            .put_item()
            .table_name(names.table(&EVENTS))
            .set_item(Some(commit("user#1", start).into()))
            .condition_expression("attribute_not_exists(version)")
            .send()
            .await;
        written.unwrap();
        let found = client
            .query()
            .table_name(names.table(&EVENTS))
            .key_condition_expression("#stream = :stream")
            .expression_attribute_names("#stream", "stream")
            .expression_attribute_values(":stream", AttributeValue::S("user#1".to_owned()))
            .send()
            .await
            .unwrap();
        assert_eq!(u64::try_from(found.count()).unwrap(), start);
        engine.stop().await;
    }
}

#[tokio::test]
async fn the_log_is_streamed_and_sessions_end_by_themselves() {
    let data = tempfile::tempdir().unwrap();
    let names = Names::new("");
    let engine = Engine::start(listener(), data.path(), &names).await.unwrap();
    let client = tables::client(&engine.url());
    let events = client.describe_table().table_name(names.table(&EVENTS)).send();
    assert!(events.await.unwrap().table.unwrap().latest_stream_arn.is_some());
    let sessions = client.describe_time_to_live().table_name(names.table(&SESSIONS));
    let sessions = sessions.send().await.unwrap().time_to_live_description.unwrap();
    assert_eq!(sessions.time_to_live_status, Some(TimeToLiveStatus::Enabled));
    assert_eq!(sessions.attribute_name(), SESSIONS.time_to_live);
    engine.stop().await;
}

#[tokio::test]
async fn a_table_of_another_version_is_refused_with_advice() {
    let data = tempfile::tempdir().unwrap();
    let file = data.path().join(FILE);
    let database = dynoxide::Database::new(file.to_str().unwrap()).unwrap();
    let foreign = serde_json::json!({
        "TableName": EVENTS.name,
        "KeySchema": [{"AttributeName": "other", "KeyType": "HASH"}],
        "AttributeDefinitions": [{"AttributeName": "other", "AttributeType": "S"}],
        "BillingMode": "PAY_PER_REQUEST",
    });
    database.create_table(serde_json::from_value(foreign).unwrap()).unwrap();
    drop(database);
    let refusal = Engine::start(listener(), data.path(), &Names::new("")).await.unwrap_err();
    assert!(format!("{refusal:#}").contains("--reset"), "{refusal:#}");
}

#[tokio::test]
async fn a_client_that_sends_half_a_request_does_not_hold_up_the_stop() {
    use tokio::io::AsyncWriteExt;
    let data = tempfile::tempdir().unwrap();
    let engine = Engine::start(listener(), data.path(), &Names::new("")).await.unwrap();
    let mut client = tokio::net::TcpStream::connect(engine.address).await.unwrap();
    client.write_all(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n{").await.unwrap();
    tokio::time::timeout(DRAIN * 3, engine.stop()).await.expect("stopped");
}
