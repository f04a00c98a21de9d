//! The crate `event-store-adapter-rs` on the same engine.

use std::sync::atomic::{AtomicU64, Ordering};

use aws_sdk_dynamodb::Client;
use event_store_adapter_rs::{
    AggregateId, DynamoDbOptions, DynamoDbTables, EventEnvelope, EventStoreError, EventStoreForDynamoDB,
    SnapshotEnvelope,
};
use platform::clock::Clock;
use serde_json::{Value, json};

use crate::tables;

/// Events of one aggregate after which the next one is begun, where its length is not what is measured.
const EVENTS_OF_AN_AGGREGATE: u64 = 10;

/// Events after which a state is kept: as many as ours.
const SNAPSHOT_EVERY: u64 = 32;

#[derive(Debug, Clone)]
struct PersonId(String);

impl AggregateId for PersonId {
    fn type_name(&self) -> String {
        "person".to_owned()
    }

    fn value(&self) -> String {
        self.0.clone()
    }
}

/// Its tables and what works on them.
pub(crate) struct Adapter {
    store: EventStoreForDynamoDB<PersonId, Value, Value>,
    commands: Vec<AtomicU64>,
    clock: Clock,
}

impl Adapter {
    pub(crate) async fn start(client: &Client, clients: usize) -> anyhow::Result<Self> {
        let history = ("history", ("aid", Some("active_history_seq_nr")));
        tables::create(client, "peer-journal", ("aid", Some("seq_nr")), None).await?;
        tables::create(client, "peer-states", ("aid", Some("skey")), Some(history)).await?;
        tables::create(client, "peer-heads", ("aid", None), None).await?;
        let tables = DynamoDbTables {
            journal_table_name: "peer-journal".to_owned(),
            snapshot_table_name: "peer-states".to_owned(),
            head_table_name: "peer-heads".to_owned(),
            snapshot_history_index_name: "history".to_owned(),
        };
        let store = EventStoreForDynamoDB::open(client.clone(), tables, DynamoDbOptions::default()).await?;
        Ok(Self { store, clock: Clock::system(), commands: (0..clients).map(|_| AtomicU64::new(0)).collect() })
    }

    /// A command on a short aggregate of a client's.
    pub(crate) async fn append(&self, client: usize) -> anyhow::Result<()> {
        let number = self.commands[client].fetch_add(1, Ordering::Relaxed) / EVENTS_OF_AN_AGGREGATE;
        self.rename(&format!("{client}_{number}")).await
    }

    /// A command, once more when another client was first.
    pub(crate) async fn rename(&self, aggregate: &str) -> anyhow::Result<()> {
        loop {
            match self.rename_once(aggregate).await {
                Err(EventStoreError::OptimisticLock { .. }) => (),
                ended => return Ok(ended?),
            }
        }
    }

    /// The state, what happened after it, the next event.
    async fn rename_once(&self, aggregate: &str) -> Result<(), EventStoreError> {
        let id = PersonId(aggregate.to_owned());
        let latest = self.store.get_latest_snapshot_by_id(&id).await?;
        let head = latest.as_ref().map_or(0, event_store_adapter_rs::SnapshotRead::head_seq_nr);
        let after = latest.and_then(|latest| latest.snapshot().map(SnapshotEnvelope::seq_nr)).unwrap_or_default();
        if head > after {
            self.store.get_events_by_id_since_seq_nr(&id, after + 1).await?;
        }
        let next = head + 1;
        let event = EventEnvelope::new(id, next, self.clock.now(), json!({ "first_name": format!("Ada {next}") }));
        if next.is_multiple_of(SNAPSHOT_EVERY) {
            let state = SnapshotEnvelope::new(json!({ "first_name": format!("Ada {next}") }), next);
            self.store.persist_event_and_snapshot(event, state).await?;
        } else {
            self.store.persist_event(event).await?;
        }
        Ok(())
    }
}
