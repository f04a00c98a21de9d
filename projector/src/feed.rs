//! What happens with each commit: audit rows and reactions are added, the row of its entity is brought up to it.
//!
//! Live tail, duplicates, stolen leases and trimmed streams all come through here.

mod catch_up;
mod forget;
mod parking;
mod project;
mod react;

use std::{collections::BTreeMap, sync::Arc};

use aws_sdk_dynamodb::Client;
use events::{
    commit::StoredCommit,
    ids::UserId,
    notification::NotificationState,
    role::RoleState,
    stream::{Category, StreamId},
    user::{UserEvent, UserState},
    views::AuditRow,
};
use futures::{StreamExt, TryStreamExt, stream};
use platform::{
    context::Context,
    rows::{AuditRows, Rows},
    store::{EventStore, StoreError, Undecodable, decode_image},
    tables::{EVENTS, NOTIFICATIONS, ROLES, USERS},
};

use self::{forget::Forgetting, parking::Parking, project::Projection, react::Reactions};
use crate::{
    notify::queue::Queues,
    stream::{Handler, HandlerError, Record},
};

/// Streams that are worked on at once within a shard: enough to hide the latency of their writes.
const CONCURRENT_STREAMS: usize = 32;

/// Applies commits. Clones share everything.
#[derive(Debug, Clone)]
pub struct Feed(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    client: Client,
    events: String,
    store: EventStore,
    audit: AuditRows,
    users: Projection<UserState>,
    roles: Projection<RoleState>,
    notifications: Projection<NotificationState>,
    reactions: Reactions,
    forgetting: Forgetting,
    parking: Parking,
}

/// Why a commit could not be applied.
#[derive(Debug, thiserror::Error)]
enum ApplyError {
    /// Trying again later can help.
    #[error(transparent)]
    Transient(StoreError),
    /// Only another build or an operator can help.
    #[error("the commit cannot be read")]
    Poison(#[source] StoreError),
}

impl From<StoreError> for ApplyError {
    fn from(error: StoreError) -> Self {
        if error.is_outage() { Self::Transient(error) } else { Self::Poison(error) }
    }
}

impl Feed {
    /// The feed of one stage.
    pub fn new(context: &Context, queues: Queues) -> Self {
        let client = || context.aws.dynamodb.clone();
        let (names, store) = (&context.names, context.store());
        Self(Arc::new(Inner {
            client: client(),
            events: names.table(&EVENTS),
            store: store.clone(),
            audit: AuditRows::new(client(), names),
            users: Projection::new(Rows::new(client(), names, &USERS)),
            roles: Projection::new(Rows::new(client(), names, &ROLES)),
            notifications: Projection::new(Rows::new(client(), names, &NOTIFICATIONS)),
            reactions: Reactions::new(store.clone(), queues),
            forgetting: Forgetting::new(client(), names),
            parking: Parking::new(client(), names, context.clock.clone()),
        }))
    }

    /// Applies commits of many streams: each stream in order, the streams beside each other.
    async fn apply_all(&self, streams: BTreeMap<StreamId, Vec<StoredCommit>>) -> Result<(), StoreError> {
        stream::iter(streams)
            .map(|(stream, commits)| self.apply_stream(stream, commits))
            .buffer_unordered(CONCURRENT_STREAMS)
            .try_collect::<Vec<()>>()
            .await
            .map(drop)
    }

    /// A commit that cannot be read parks its stream; the others go on.
    async fn apply_stream(&self, stream: StreamId, commits: Vec<StoredCommit>) -> Result<(), StoreError> {
        for commit in &commits {
            match self.apply_commit(commit).await {
                Ok(()) => (),
                Err(ApplyError::Transient(error)) => return Err(error),
                Err(ApplyError::Poison(error)) => {
                    return self.0.parking.park(&stream.to_string(), &commit.version.to_string(), &error).await;
                }
            }
        }
        Ok(())
    }

    async fn apply_commit(&self, commit: &StoredCommit) -> Result<(), ApplyError> {
        match commit.stream.category {
            Category::User => self.0.users.bring_to(self, commit).await,
            Category::Role => self.0.roles.bring_to(self, commit).await,
            Category::Notification => self.0.notifications.bring_to(self, commit).await,
            Category::Session => self.add(commit).await,
        }
    }

    /// What a commit adds, keyed by its events: done for every one that is delivered or healed, also for one whose row
    /// is newer already.
    async fn add(&self, commit: &StoredCommit) -> Result<(), ApplyError> {
        let rows = AuditRow::of(commit).map_err(|_| {
            ApplyError::Poison(StoreError::Undecodable {
                stream: commit.stream.to_string(),
                version: commit.version.to_string(),
                source: Undecodable::Malformed("events"),
            })
        })?;
        for row in &rows {
            self.0.audit.add(row).await?;
        }
        if commit.stream.category == Category::User {
            let opened = self.0.store.open::<UserEvent>(commit).await?;
            for event in &opened.events {
                self.0.reactions.react(event).await?;
                if matches!(event.event, UserEvent::UserErased {}) {
                    self.0.forgetting.forget(UserId(event.stream.id)).await?;
                }
            }
        }
        Ok(())
    }
}

impl Handler for Feed {
    async fn apply(&self, records: Vec<Record>) -> Result<(), HandlerError> {
        let mut streams: BTreeMap<StreamId, Vec<StoredCommit>> = BTreeMap::new();
        for record in records {
            match decode_image(&record.image) {
                Ok(commit) => streams.entry(commit.stream).or_default().push(commit),
                Err(error) => self.0.parking.park_image(&record.image, &error).await.map_err(HandlerError::new)?,
            }
        }
        self.apply_all(streams).await.map_err(HandlerError::new)
    }

    async fn catch_up(&self) -> Result<(), HandlerError> {
        self.catch_up_from_the_log().await.map_err(HandlerError::new)
    }
}
