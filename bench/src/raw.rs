use std::sync::atomic::{AtomicU64, Ordering};

use aws_sdk_dynamodb::{
    Client,
    config::{BehaviorVersion, Credentials, Region},
    types::AttributeValue,
};

/// Bytes of the events that the bare SDK writes: what a sealed change of one name takes.
const EVENTS_BYTES: usize = 260;

/// What the bare SDK does for one command: read the newest commits, put the next one under a condition.
pub(crate) struct Raw {
    client: Client,
    versions: Vec<AtomicU64>,
    round: u64,
}

impl Raw {
    pub(crate) fn new(url: &str, clients: usize, round: u64) -> Self {
        let versions = (0..clients).map(|_| AtomicU64::new(0)).collect();
        Self { client: client(url), versions, round }
    }

    pub(crate) async fn append(&self, client: usize) -> anyhow::Result<()> {
        let stream = AttributeValue::S(format!("raw{}#{client}", self.round));
        self.client
            .query()
            .table_name("events")
            .consistent_read(true)
            .scan_index_forward(false)
            .limit(32)
            .key_condition_expression("#stream = :stream")
            .expression_attribute_names("#stream", "stream")
            .expression_attribute_values(":stream", stream.clone())
            .send()
            .await?;
        let version = self.versions[client].fetch_add(1, Ordering::Relaxed) + 1;
        self.client
            .put_item()
            .table_name("events")
            .item("stream", stream)
            .item("version", AttributeValue::N(version.to_string()))
            .item("events", AttributeValue::S("x".repeat(EVENTS_BYTES)))
            .item("recorded_at", AttributeValue::S("2026-01-02T03:04:05.000000Z".to_owned()))
            .item("actor", AttributeValue::S("user#01890a5d-ac96-774b-bcce-b302099a8057".to_owned()))
            .item("correlation_id", AttributeValue::S("01890a5d-ac96-774b-bcce-b302099a8057".to_owned()))
            .item("hash", AttributeValue::S("0".repeat(64)))
            .condition_expression("attribute_not_exists(#stream)")
            .expression_attribute_names("#stream", "stream")
            .send()
            .await?;
        Ok(())
    }
}

/// A client of the engine's tables.
pub(crate) fn client(url: &str) -> Client {
    let config = aws_sdk_dynamodb::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .endpoint_url(url)
        .region(Region::new("us-east-1"))
        .credentials_provider(credentials());
    Client::from_conf(config.build())
}

/// A client of the engine's streams.
pub(crate) fn streams(url: &str) -> aws_sdk_dynamodbstreams::Client {
    let config = aws_sdk_dynamodbstreams::Config::builder()
        .behavior_version(aws_sdk_dynamodbstreams::config::BehaviorVersion::latest())
        .endpoint_url(url)
        .region(Region::new("us-east-1"))
        .credentials_provider(credentials());
    aws_sdk_dynamodbstreams::Client::from_conf(config.build())
}

fn credentials() -> Credentials {
    Credentials::new("local", "local", None, None, "bench")
}
