//! The lease rows. Every write is conditional on owner and counter, so that a zombie's write does nothing.

use std::collections::HashMap;

use aws_sdk_dynamodb::{
    Client,
    types::{AttributeValue, ReturnValue},
};
use chrono::{DateTime, Utc};
use events::commit::timestamp;
use platform::{
    store::StoreError,
    tables::{LEASES, Names},
};

use super::shards::{Checkpoint, Shard};

/// Suffix of the row by which one worker alone asks for the shards.
const LEADER: &str = "leader";

/// One row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// The shard's id, or the leader's mark.
    pub name: String,
    /// Who holds it.
    pub owner: Option<String>,
    /// Moves with every write: a holder whose counter stands still is dead.
    pub counter: u64,
    /// How far the shard was read; none for the leader's row.
    pub checkpoint: Option<Checkpoint>,
    /// The shard that it goes on from.
    pub parent: Option<String>,
    /// Everything recorded in the shard up to this moment has been applied.
    pub position_at: Option<DateTime<Utc>>,
}

impl Lease {
    /// Whether it is the leader's row.
    pub fn is_leader(&self) -> bool {
        self.name == LEADER
    }

    /// The shard that it is for.
    pub fn shard(&self) -> Option<Shard> {
        Some(Shard { id: self.name.clone(), parent: self.parent.clone(), checkpoint: self.checkpoint.clone()? })
    }
}

/// The leases of one stream: a table that is restored has a new stream, and so new leases.
#[derive(Debug, Clone)]
pub struct Leases {
    client: Client,
    table: String,
    arn: String,
}

/// A lease could not be written.
#[derive(Debug, thiserror::Error)]
pub enum LeaseError {
    /// Somebody else has it now.
    #[error("the lease was lost")]
    Lost,
    /// The table does not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Leases {
    /// The leases of the stream `arn`.
    pub fn new(client: Client, names: &Names, arn: String) -> Self {
        Self { client, table: names.table(&LEASES), arn }
    }

    /// All of them: a row per shard and the leader's.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn list(&self) -> Result<Vec<Lease>, StoreError> {
        let prefix = format!("{}/", self.arn);
        let mut pages =
            self.client.scan().table_name(&self.table).consistent_read(true).into_paginator().items().send();
        let mut leases = Vec::new();
        while let Some(item) = pages.next().await {
            let item = item.map_err(unavailable)?;
            let name = text(&item, "lease").and_then(|name| name.strip_prefix(&prefix));
            if let Some(name) = name {
                leases.push(read(name, &item));
            }
        }
        Ok(leases)
    }

    /// Makes a shard's row unless it is there.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn create_shard(&self, id: &str, parent: Option<&str>) -> Result<(), StoreError> {
        let start = AttributeValue::S(Checkpoint::Start.as_str().to_owned());
        let parent = parent.map(|parent| ("parent".to_owned(), AttributeValue::S(parent.to_owned())));
        self.create(id, [("checkpoint".to_owned(), start)].into_iter().chain(parent)).await
    }

    /// Makes the leader's row unless it is there.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn create_leader(&self) -> Result<(), StoreError> {
        self.create(LEADER, []).await
    }

    async fn create(
        &self,
        name: &str,
        attributes: impl IntoIterator<Item = (String, AttributeValue)>,
    ) -> Result<(), StoreError> {
        let mut item = self.key(name);
        item.insert("counter".to_owned(), AttributeValue::N("0".to_owned()));
        item.extend(attributes);
        let put = self.client.put_item().table_name(&self.table).set_item(Some(item));
        match put.condition_expression("attribute_not_exists(lease)").send().await {
            Ok(_) => Ok(()),
            Err(error) if error.as_service_error().is_some_and(|e| e.is_conditional_check_failed_exception()) => Ok(()),
            Err(error) => Err(unavailable(error)),
        }
    }

    /// Takes a lease as it was seen.
    ///
    /// # Errors
    /// [`LeaseError::Lost`] when it has moved since.
    pub async fn take(&self, seen: &Lease, me: &str) -> Result<Lease, LeaseError> {
        self.write(seen, Some(me), None).await
    }

    /// Says that the holder lives; and, if given, how far it is.
    ///
    /// # Errors
    /// [`LeaseError::Lost`] when somebody else has it.
    pub async fn renew(&self, held: &Lease, progress: Option<&Progress>) -> Result<Lease, LeaseError> {
        self.write(held, held.owner.as_deref(), progress).await
    }

    /// Gives a lease up, for whoever looks next.
    ///
    /// # Errors
    /// [`LeaseError::Lost`] when somebody else has it.
    pub async fn release(&self, held: &Lease) -> Result<Lease, LeaseError> {
        self.write(held, None, None).await
    }

    async fn write(&self, seen: &Lease, to: Option<&str>, progress: Option<&Progress>) -> Result<Lease, LeaseError> {
        let mut set = vec!["#counter = :next".to_owned()];
        let mut update = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(self.key(&seen.name)))
            .return_values(ReturnValue::AllNew)
            .expression_attribute_names("#counter", "counter")
            .expression_attribute_names("#owner", "owner")
            .expression_attribute_values(":seen", AttributeValue::N(seen.counter.to_string()))
            .expression_attribute_values(":next", AttributeValue::N((seen.counter + 1).to_string()));
        let remove = match to {
            Some(to) => {
                set.push("#owner = :to".to_owned());
                update = update.expression_attribute_values(":to", AttributeValue::S(to.to_owned()));
                ""
            }
            None => " REMOVE #owner",
        };
        if let Some(Progress { checkpoint, position_at }) = progress {
            set.push("checkpoint = :checkpoint".to_owned());
            let checkpoint = AttributeValue::S(checkpoint.as_str().to_owned());
            update = update.expression_attribute_values(":checkpoint", checkpoint);
            if let Some(at) = position_at {
                set.push("position_at = :position_at".to_owned());
                update = update.expression_attribute_values(":position_at", AttributeValue::S(timestamp(*at)));
            }
        }
        let owned = match &seen.owner {
            Some(owner) => {
                update = update.expression_attribute_values(":from", AttributeValue::S(owner.clone()));
                "#owner = :from"
            }
            None => "attribute_not_exists(#owner)",
        };
        let update = update
            .update_expression(format!("SET {}{remove}", set.join(", ")))
            .condition_expression(format!("#counter = :seen AND {owned}"));
        match update.send().await {
            Ok(answer) => Ok(read(&seen.name, &answer.attributes.unwrap_or_default())),
            Err(error) if error.as_service_error().is_some_and(|e| e.is_conditional_check_failed_exception()) => {
                Err(LeaseError::Lost)
            }
            Err(error) => Err(unavailable(error).into()),
        }
    }

    fn key(&self, name: &str) -> HashMap<String, AttributeValue> {
        HashMap::from([("lease".to_owned(), AttributeValue::S(format!("{}/{name}", self.arn)))])
    }
}

/// How far a shard was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// The last record whose effects are durable.
    pub checkpoint: Checkpoint,
    /// Everything recorded up to this moment has been applied.
    pub position_at: Option<DateTime<Utc>>,
}

fn text<'a>(item: &'a HashMap<String, AttributeValue>, name: &str) -> Option<&'a str> {
    match item.get(name) {
        Some(AttributeValue::S(text) | AttributeValue::N(text)) => Some(text),
        _ => None,
    }
}

fn read(name: &str, item: &HashMap<String, AttributeValue>) -> Lease {
    Lease {
        name: name.to_owned(),
        owner: text(item, "owner").map(ToOwned::to_owned),
        counter: text(item, "counter").and_then(|counter| counter.parse().ok()).unwrap_or_default(),
        checkpoint: text(item, "checkpoint").map(Checkpoint::from),
        parent: text(item, "parent").map(ToOwned::to_owned),
        position_at: text(item, "position_at").and_then(|at| at.parse().ok()),
    }
}

fn unavailable<E: Into<aws_sdk_dynamodb::Error>>(error: E) -> StoreError {
    StoreError::Unavailable(Box::new(error.into()))
}
