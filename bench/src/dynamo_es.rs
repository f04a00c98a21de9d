//! The crates `cqrs-es` and `dynamo-es` on the same engine, with an aggregate that is changed as a user's name is.

use std::{
    collections::HashMap,
    sync::atomic::{AtomicU64, Ordering},
    time::Instant,
};

use anyhow::ensure;
use aws_sdk_dynamodb::Client;
use cqrs_es::{
    Aggregate, AggregateError, CqrsFramework, DomainEvent,
    event_sink::EventSink,
    persist::{PersistedEventRepository, PersistedEventStore},
};
use dynamo_es::DynamoEventRepository;
use serde::{Deserialize, Serialize};

use crate::{closed_loop::Round, tables};

/// Its log.
pub(crate) const EVENTS: &str = "peer-events";

/// Events that a page of a replay has: as many as ours.
const PAGE: usize = 500;

/// Events of one aggregate after which the next one is begun, where its length is not what is measured: it reads all of
/// them for each command.
const EVENTS_OF_AN_AGGREGATE: u64 = 10;

/// Most events of one command: what it puts into one transaction.
const MOST_OF_A_COMMAND: usize = 25;

/// Tries of a command: more than there ever are clients with one aggregate between them.
const TRIES: usize = 20;

#[derive(Debug, Default, Serialize, Deserialize)]
struct Person {
    name: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Renamed {
    first_name: String,
}

impl DomainEvent for Renamed {
    fn event_type(&self) -> String {
        "UserProfileChanged".to_owned()
    }

    fn event_version(&self) -> String {
        "1".to_owned()
    }
}

/// So many changes of the name.
struct Rename(usize);

impl Aggregate for Person {
    const TYPE: &'static str = "person";
    type Command = Rename;
    type Event = Renamed;
    type Error = std::convert::Infallible;
    type Services = ();

    async fn handle(&mut self, command: Rename, (): &(), sink: &EventSink<Self>) -> Result<(), Self::Error> {
        for number in 0..command.0 {
            sink.write(Renamed { first_name: format!("Ada {number}") }, self).await;
        }
        Ok(())
    }

    fn apply(&mut self, event: Renamed) {
        self.name = event.first_name;
    }
}

/// Its tables and what works on them.
pub(crate) struct DynamoEs {
    framework: CqrsFramework<Person, PersistedEventStore<DynamoEventRepository, Person>>,
    log: DynamoEventRepository,
    commands: Vec<AtomicU64>,
}

impl DynamoEs {
    pub(crate) async fn start(client: &Client, clients: usize) -> anyhow::Result<Self> {
        tables::create(client, EVENTS, ("AggregateTypeAndId", Some("AggregateIdSequence")), None).await?;
        tables::create(client, "peer-snapshots", ("AggregateTypeAndId", None), None).await?;
        let repository = || DynamoEventRepository::new(client.clone()).with_tables(EVENTS, "peer-snapshots");
        let framework = dynamo_es_framework(repository());
        let log = repository().with_streaming_channel_size(PAGE);
        Ok(Self { framework, log, commands: (0..clients).map(|_| AtomicU64::new(0)).collect() })
    }

    /// A command on a short aggregate of a client's.
    pub(crate) async fn append(&self, client: usize) -> anyhow::Result<()> {
        let number = self.commands[client].fetch_add(1, Ordering::Relaxed) / EVENTS_OF_AN_AGGREGATE;
        ensure!(self.rename(&format!("{client}-{number}"), 1).await?, "it never was first");
        Ok(())
    }

    /// Changes one aggregate so often, and gives how often it could. It reads one page of an aggregate's events, and no
    /// further: of a history that is longer it never sees the end, and every command is in conflict with what it did not see.
    pub(crate) async fn grow(&self, aggregate: &str, events: usize) -> anyhow::Result<usize> {
        let mut grown = 0;
        while grown < events {
            let part = (events - grown).min(MOST_OF_A_COMMAND);
            if !self.rename(aggregate, part).await? {
                break;
            }
            grown += part;
        }
        Ok(grown)
    }

    /// Makes the state of every aggregate of its log, which has so many events, as its `QueryReplay` goes through them.
    #[expect(clippy::cast_precision_loss, reason = "a count of events")]
    pub(crate) async fn replay(&self, events: usize) -> anyhow::Result<Round> {
        let (mut people, mut count, began) = (HashMap::<String, Person>::new(), 0, Instant::now());
        let mut stream = self.log.stream_all_events::<Person>().await?;
        while let Some(event) = stream.next::<Person>(&[]).await {
            let event = event?;
            people.entry(event.aggregate_id).or_default().apply(event.payload);
            count += 1;
        }
        ensure!(count == events, "{count} of {events} events were replayed");
        Ok(Round::of_rate(count as f64 / began.elapsed().as_secs_f64()))
    }

    /// Whether the command came through: not if others were first each time.
    async fn rename(&self, aggregate: &str, times: usize) -> anyhow::Result<bool> {
        for _ in 0..TRIES {
            match self.framework.execute(aggregate, Rename(times)).await {
                // Another client was first: once more.
                Err(AggregateError::AggregateConflict) => (),
                ended => return Ok(ended.map(|()| true)?),
            }
        }
        Ok(false)
    }
}

fn dynamo_es_framework(
    repository: DynamoEventRepository,
) -> CqrsFramework<Person, PersistedEventStore<DynamoEventRepository, Person>> {
    CqrsFramework::new(PersistedEventStore::new_event_store(repository), Vec::new(), ())
}
