//! What happens with each commit: audit rows and reactions are added, the row of its entity is brought up to it.
//!
//! Live tail, duplicates, stolen leases and trimmed streams all come through here.

mod add;
mod catch_up;
mod forget;
mod generations;
mod mend;
mod parking;
mod project;
mod react;
mod retry;
mod run;
mod together;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use aws_sdk_dynamodb::Client;
use events::{
    commit::StoredCommit,
    ids::UserId,
    notification::NotificationState,
    role::RoleState,
    session::SessionEvent,
    stream::{Category, StreamId, Version},
    user::{UserEvent, UserState},
    values::{Personal, Reason},
};
use futures::{StreamExt, TryStreamExt, stream};
use platform::{
    context::Context,
    rows::{AuditRows, Plans, Rows},
    store::{EventStore, StoreError, decode_image},
    tables::{EVENTS, NOTIFICATIONS, ROLES, Table, USERS},
    telemetry::{
        metrics::PROJECTION_TIME,
        trip::{Hop, SpanKind, Start},
    },
};
use tokio::time::Instant;
use tracing::Instrument;

pub(crate) use self::{
    forget::Forgetting,
    mend::{Compared, Standing, compare, compare_quickly},
    parking::chain,
    project::Generation,
};
use self::{generations::Feeding, project::Projection, react::Reactions, run::Run};
pub use self::{
    parking::{BUILD, ParkedStream, Parking},
    retry::Retried,
};
use crate::{
    notify::Queues,
    stream::{Handler, HandlerError, Record},
};

/// Streams that are worked on at once within a shard: enough to hide the latency of their writes.
const CONCURRENT_STREAMS: usize = 32;

/// A stream whose rows take longer to be brought up to date is worth a warning: its writes take milliseconds.
const SLOW: Duration = Duration::from_secs(1);

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
    feeding: Feeding,
    reactions: Reactions,
    forgetting: Forgetting,
    parking: Parking,
}

/// Why a commit could not be applied.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ApplyError {
    /// Trying again later can help.
    #[error(transparent)]
    Transient(StoreError),
    /// Only another build or an operator can help.
    #[error("the commit cannot be applied")]
    Poison {
        /// Which commit, if the error is of a certain one.
        at: Option<Version>,
        #[source]
        source: StoreError,
    },
}

impl From<StoreError> for ApplyError {
    fn from(source: StoreError) -> Self {
        if source.is_outage() {
            return Self::Transient(source);
        }
        let at = match &source {
            StoreError::Undecodable { version, .. } => version.parse().ok().map(Version),
            StoreError::Unreadable { version, .. }
            | StoreError::Unopenable { version, .. }
            | StoreError::Hole { version, .. } => Some(*version),
            StoreError::Rootless { .. } => Some(Version(1)),
            _ => None,
        };
        Self::Poison { at, source }
    }
}

impl ApplyError {
    /// The error as one of this commit, unless it is known to be another's.
    fn at(self, version: Version) -> Self {
        match self {
            Self::Poison { at: None, source } => Self::Poison { at: Some(version), source },
            known => known,
        }
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
            users: Projection::new(Rows::new(client(), names, &USERS, &context.generations)),
            roles: Projection::new(Rows::new(client(), names, &ROLES, &context.generations)),
            notifications: Projection::new(Rows::new(client(), names, &NOTIFICATIONS, &context.generations)),
            feeding: Feeding::new(Plans::new(client(), names)),
            reactions: Reactions::new(store.clone(), queues),
            forgetting: Forgetting::new(client(), names),
            parking: Parking::new(client(), names, context.clock.clone()),
        }))
    }

    /// Applies commits of many streams: the rows of the audit feed together, then each stream in order, the streams beside
    /// each other.
    async fn apply_all(&self, streams: BTreeMap<StreamId, Vec<StoredCommit>>) -> Result<(), StoreError> {
        let mut runs: Vec<Run> = streams.into_iter().map(|(stream, commits)| Run::of(stream, commits)).collect();
        self.add_rows(&mut runs).await?;
        stream::iter(runs)
            .map(|run| self.apply_stream(run))
            .buffer_unordered(CONCURRENT_STREAMS)
            .try_collect::<Vec<()>>()
            .await
            .map(drop)
    }

    /// A commit that cannot be applied parks its stream; the others go on.
    async fn apply_stream(&self, run: Run) -> Result<(), StoreError> {
        let (stream, first, hop) = (run.stream, run.first(), hop_of(&run));
        let applied = watched(stream, hop, Box::pin(self.apply_run(run))).await;
        self.or_park(stream, applied.map_err(|error| error.at(first))).await.map(drop)
    }

    /// Whether something was applied; if that can never be, its stream is parked.
    async fn or_park(&self, stream: StreamId, applied: Result<(), ApplyError>) -> Result<bool, StoreError> {
        match applied {
            Ok(()) => Ok(true),
            Err(ApplyError::Transient(error)) => Err(error),
            Err(ApplyError::Poison { at, source }) => {
                let at = at.unwrap_or(Version::NONE).to_string();
                self.0.parking.park(&stream.to_string(), &at, &source).await.map(|()| false)
            }
        }
    }

    /// Applies what follows a version of a stream, as if its records were delivered, and says whether that could be done:
    /// a stream that cannot be applied to its end is parked.
    pub(crate) async fn deliver_again(&self, stream: StreamId, after: Version) -> Result<bool, StoreError> {
        let applied = self.apply_from(stream, after).await;
        self.or_park(stream, applied.map_err(|error| error.at(after.next()))).await
    }

    /// Deletes what is kept of an erased user outside the log, again.
    pub(crate) async fn forget(&self, user: UserId) -> Result<(), StoreError> {
        self.0.forgetting.forget(user).await
    }

    /// Applies commits of one stream, whose rows are in the audit feed: the entity's row is written once for all of them.
    /// What comes before one that cannot be applied is applied.
    async fn apply_run(&self, mut run: Run) -> Result<(), ApplyError> {
        for index in 0..run.commits.len() {
            match self.react(&run.commits[index]).await {
                Ok(()) => (),
                Err(ApplyError::Transient(error)) => return Err(ApplyError::Transient(error)),
                Err(poison) => {
                    run.end_before(index, poison);
                    break;
                }
            }
        }
        let Run { stream, commits, unreadable, .. } = run;
        let plan = self.0.feeding.plan();
        let model = |table: &Table| plan.of(table.name);
        match stream.category {
            Category::User => self.0.users.bring_to(self, &model(&USERS), &commits).await?,
            Category::Role => self.0.roles.bring_to(self, &model(&ROLES), &commits).await?,
            Category::Notification => self.0.notifications.bring_to(self, &model(&NOTIFICATIONS), &commits).await?,
            Category::Session | Category::Number => (),
        }
        unreadable.map_or(Ok(()), Err)
    }

    /// Runs the reactions to a commit again, and says how many notifications that requests which were not yet.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn react_again(&self, commit: &StoredCommit, reason: &Personal<Reason>) -> Result<u64, StoreError> {
        match commit.stream.category {
            Category::User => {
                let events = self.0.store.opener(commit.stream).await?.events::<UserEvent>(commit)?;
                self.0.reactions.react(&events, Some(reason)).await
            }
            Category::Session => {
                let events = self.0.store.opener(commit.stream).await?.events::<SessionEvent>(commit)?;
                self.0.reactions.react(&events, Some(reason)).await
            }
            Category::Role | Category::Notification | Category::Number => Ok(0),
        }
    }
}

/// The trip of the run's last commit goes on; the others' have to do with it.
fn hop_of(run: &Run) -> Hop {
    let Some((last, others)) = run.commits.split_last() else { return Hop::default() };
    if last.traceparent.is_none() {
        return Hop::default();
    }
    let start = Start::new(SpanKind::Consumer, format!("project {}", run.stream.category.as_str()))
        .after(last.traceparent.as_deref())
        .with("fieldfuze.stream", run.stream.to_string())
        .with("fieldfuze.version", i64::try_from(last.version.0).unwrap_or(i64::MAX));
    others.iter().fold(start, |start, commit| start.linked(commit.traceparent.as_deref())).begin()
}

/// Does the work as the hop's, and measures it.
async fn watched(
    stream: StreamId,
    hop: Hop,
    work: impl Future<Output = Result<(), ApplyError>>,
) -> Result<(), ApplyError> {
    let began = Instant::now();
    let span = tracing::info_span!("projection", %stream, trace_id = hop.trip());
    let applied = hop.clone().carry(work).instrument(span.clone()).await;
    let took = began.elapsed();
    PROJECTION_TIME.record(took, [stream.category.as_str().into()]);
    if took >= SLOW {
        let milliseconds = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        span.in_scope(|| tracing::warn!(milliseconds, "a projection was slow"));
    }
    if applied.is_err() {
        hop.failed("it could not be applied");
    }
    applied
}

impl Handler for Feed {
    async fn plan(&self) -> Result<u64, HandlerError> {
        self.0.feeding.adopt().await.map(|plan| plan.number).map_err(HandlerError::new)
    }

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
