use std::{
    collections::HashMap,
    sync::atomic::{AtomicU64, Ordering},
};

use aws_sdk_dynamodb::{
    Client,
    config::{BehaviorVersion, Credentials, Region},
    types::{AttributeValue, Put, TransactWriteItem},
};
use aws_smithy_async::rt::sleep::TokioSleep;

/// Bytes of the events that the bare SDK writes: what a sealed change of one name takes.
const EVENTS_BYTES: usize = 260;

/// Bytes of a wrapped key.
const KEY_BYTES: usize = 80;

/// Commits that are read to know a stream's state: as many as ours reads.
const NEWEST: i32 = 32;

/// What the bare SDK does for one command: read the newest commits, put the next one under a condition.
pub(crate) struct Raw {
    client: Client,
    versions: Vec<AtomicU64>,
}

type Item = HashMap<String, AttributeValue>;

fn text(text: impl Into<String>) -> AttributeValue {
    AttributeValue::S(text.into())
}

/// A commit of this stream, as large as a sealed change of one name.
fn commit(stream: String, version: u64) -> Item {
    Item::from([
        ("stream".to_owned(), text(stream)),
        ("version".to_owned(), AttributeValue::N(version.to_string())),
        ("events".to_owned(), text("x".repeat(EVENTS_BYTES))),
        ("recorded_at".to_owned(), text("2026-01-02T03:04:05.000000Z")),
        ("actor".to_owned(), text("user#01890a5d-ac96-774b-bcce-b302099a8057")),
        ("correlation_id".to_owned(), text("01890a5d-ac96-774b-bcce-b302099a8057")),
        ("hash".to_owned(), text("0".repeat(64))),
    ])
}

impl Raw {
    pub(crate) fn new(url: &str, clients: usize) -> Self {
        let versions = (0..clients).map(|_| AtomicU64::new(0)).collect();
        Self { client: client(url), versions }
    }

    /// A command on a client's stream.
    pub(crate) async fn append(&self, client: usize) -> anyhow::Result<()> {
        self.read(client, Some(NEWEST)).await?;
        self.put(client).await
    }

    /// A command that reads all of the client's stream.
    pub(crate) async fn append_after_all(&self, client: usize) -> anyhow::Result<()> {
        self.read(client, None).await?;
        self.put(client).await
    }

    /// Reads a client's stream, newest first.
    async fn read(&self, client: usize, limit: Option<i32>) -> anyhow::Result<()> {
        let query = self
            .client
            .query()
            .table_name("events")
            .consistent_read(true)
            .scan_index_forward(false)
            .set_limit(limit)
            .key_condition_expression("#stream = :stream")
            .expression_attribute_names("#stream", "stream")
            .expression_attribute_values(":stream", text(format!("raw#{client}")));
        let mut start = None;
        loop {
            let page = query.clone().set_exclusive_start_key(start).send().await?;
            start = page.last_evaluated_key;
            if limit.is_some() || start.is_none() {
                return Ok(());
            }
        }
    }

    /// Puts the next commit of a client's stream.
    pub(crate) async fn put(&self, client: usize) -> anyhow::Result<()> {
        let version = self.versions[client].fetch_add(1, Ordering::Relaxed) + 1;
        let put = self.client.put_item().table_name("events").set_item(Some(commit(format!("raw#{client}"), version)));
        put.condition_expression("attribute_not_exists(#stream)")
            .expression_attribute_names("#stream", "stream")
            .send()
            .await?;
        Ok(())
    }

    /// What is written when a user with two unique values comes into being: the commit, the key of their personal data, the
    /// two claims, and the code of the invitation.
    pub(crate) async fn register(&self, number: u64) -> anyhow::Result<()> {
        let id = format!("user#raw{number}");
        let claim = |kind: &str| {
            Item::from([
                ("claim".to_owned(), text(format!("{kind}#{number:0>43}"))),
                ("owner".to_owned(), text(&id)),
                ("version".to_owned(), AttributeValue::N("1".to_owned())),
            ])
        };
        let key = Item::from([("subject".to_owned(), text(&id)), ("key".to_owned(), text("x".repeat(KEY_BYTES)))]);
        let code = Item::from([
            ("user".to_owned(), text(&id)),
            ("notification".to_owned(), text("01890a5d-ac96-774b-bcce-b302099a8057")),
            ("tries".to_owned(), AttributeValue::N("0".to_owned())),
        ]);
        let puts = [
            ("events", "stream", commit(id.clone(), 1)),
            ("keys", "subject", key),
            ("claims", "claim", claim("email")),
            ("claims", "claim", claim("username")),
            ("credentials", "user", code),
        ];
        let actions = puts.into_iter().map(|(table, key, item)| {
            let put = Put::builder().table_name(table).set_item(Some(item));
            let put = put.condition_expression("attribute_not_exists(#key)").expression_attribute_names("#key", key);
            Ok(TransactWriteItem::builder().put(put.build()?).build())
        });
        let actions = actions.collect::<anyhow::Result<_>>()?;
        self.client.transact_write_items().set_transact_items(Some(actions)).send().await?;
        Ok(())
    }
}

/// A client of the engine's tables.
pub(crate) fn client(url: &str) -> Client {
    let config = aws_sdk_dynamodb::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .endpoint_url(url)
        .region(Region::new("us-east-1"))
        .credentials_provider(credentials())
        // The adapter refuses a client that does not say how it sleeps.
        .sleep_impl(TokioSleep::new());
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
