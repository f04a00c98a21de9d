use std::{sync::Arc, time::Duration};

use backon::{ExponentialBuilder, Retryable};
use events::{
    claim::Claim,
    decider::Decider,
    envelope::{Metadata, Recorded},
    stream::{ExpectedVersion, StreamId, Version},
};
use moka::future::Cache;

use super::{Append, AppendError, Companions, EventStore, Folded, Replay, StoreError};

/// Tries per command when others write the same stream; each try sees what the winner did.
const TRIES: usize = 12;

/// First pause after a conflict; doubled each time up to [`MAX_PAUSE`], with full jitter.
const MIN_PAUSE: Duration = Duration::from_millis(2);

/// Longest pause between two tries: all of them fit in a request's deadline.
const MAX_PAUSE: Duration = Duration::from_millis(250);

/// Most folded states kept per category: a few KB each.
const CACHED_STATES: u64 = 10_000;

/// How long an unused folded state is kept.
const CACHED_IDLE: Duration = Duration::from_mins(10);

/// The streams of one category with their rules, and a warm cache of their states.
///
/// The cache takes only what was loaded or acknowledged. A command that appends may start from it, because the
/// condition of the write validates it; an answer that appends nothing is given only from state loaded for it.
#[derive(Debug, Clone)]
pub struct Streams<D: Decider> {
    store: EventStore,
    warm: Cache<StreamId, Arc<Folded<D::State>>>,
}

/// Who wants it and under what conditions.
#[derive(Debug, Clone)]
pub struct Intent {
    /// What is recorded beside the events.
    pub metadata: Metadata,
    /// The version that the caller believes the stream to have.
    pub expected: Option<ExpectedVersion>,
    /// By what a repeat of the request is recognised.
    pub replay: Option<Replay>,
}

/// What a decision leads to.
#[derive(Debug)]
pub struct Plan<E> {
    /// Events to append; none when the effect is there already.
    pub events: Vec<E>,
    /// What is written along with them.
    pub companions: Companions,
}

impl<E> From<Vec<E>> for Plan<E> {
    fn from(events: Vec<E>) -> Self {
        Self { events, companions: Companions::new() }
    }
}

/// How a command ended well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// A commit was appended.
    Appended,
    /// Its effect was there already.
    Unchanged,
    /// The same request was answered before; this is the answer it got.
    Replayed,
}

/// The end of a command.
#[derive(Debug)]
pub struct Executed<D: Decider> {
    /// How it ended.
    pub outcome: Outcome,
    /// The state after it (for a replay: after the commit that first answered).
    pub folded: Folded<D::State>,
    /// The events that it appended.
    pub events: Vec<Recorded<D::Event>>,
}

/// Why a command was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum ExecuteError<R> {
    /// The rules forbid it.
    #[error("refused")]
    Refused(R),
    /// The caller's version is not the stream's.
    #[error("the stream is at {actual}")]
    VersionMismatch {
        /// The stream's version.
        actual: Version,
    },
    /// The idempotency key was used for another request.
    #[error("the idempotency key was used for another request")]
    KeyReused,
    /// Others kept winning.
    #[error("still a conflict after {TRIES} tries")]
    Conflict {
        /// The version that was last tried.
        tried: Version,
    },
    /// Somebody else holds a unique value.
    #[error("a unique value is taken")]
    ClaimTaken(Claim),
    /// A companion's condition does not hold.
    #[error("a companion's condition does not hold")]
    CompanionRefused(usize),
    /// The events are too large.
    #[error("the events have {0} bytes")]
    TooLarge(usize),
    /// The log could not be read or written; for a write the outcome is unknown.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl<D: Decider> Streams<D> {
    /// The streams of a log.
    pub fn new(store: EventStore) -> Self {
        let warm = Cache::builder().max_capacity(CACHED_STATES).time_to_idle(CACHED_IDLE).build();
        Self { store, warm }
    }

    /// The log.
    pub fn store(&self) -> &EventStore {
        &self.store
    }

    /// A stream's state, loaded now.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn load(&self, stream: StreamId) -> Result<Folded<D::State>, StoreError> {
        let folded = self.store.load::<D>(stream, None).await?;
        self.keep(stream, &folded).await;
        Ok(folded)
    }

    /// A stream's state as this process last knew it, loaded only if it does not: for what need not be the newest.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn warm(&self, stream: StreamId) -> Result<Arc<Folded<D::State>>, StoreError> {
        match self.warm.get(&stream).await {
            Some(folded) => Ok(folded),
            None => self.load(stream).await.map(Arc::new),
        }
    }

    /// Loads, decides and appends; on a conflict again, a bounded number of times.
    ///
    /// # Errors
    /// [`ExecuteError`].
    pub async fn execute<R, F>(
        &self,
        stream: StreamId,
        intent: &Intent,
        decide: F,
    ) -> Result<Executed<D>, ExecuteError<R>>
    where
        F: Fn(&Folded<D::State>) -> Result<Plan<D::Event>, R> + Sync,
        R: Send,
    {
        let pauses = ExponentialBuilder::default()
            .with_min_delay(MIN_PAUSE)
            .with_max_delay(MAX_PAUSE)
            .with_max_times(TRIES - 1)
            .with_jitter();
        (|| self.once(stream, intent, &decide))
            .retry(pauses)
            .when(|error| matches!(error, ExecuteError::Conflict { .. }))
            .await
    }

    async fn once<R, F>(&self, stream: StreamId, intent: &Intent, decide: &F) -> Result<Executed<D>, ExecuteError<R>>
    where
        F: Fn(&Folded<D::State>) -> Result<Plan<D::Event>, R> + Sync,
        R: Send,
    {
        if let Some(warm) = self.warm.get(&stream).await
            && let Ok(Verdict::Append(plan)) = judge::<D, R>(&warm, intent, decide)
        {
            return self.append(stream, intent, &warm, plan).await;
        }
        let folded = self.load(stream).await?;
        match judge::<D, R>(&folded, intent, decide)? {
            Verdict::Append(plan) => self.append(stream, intent, &folded, plan).await,
            Verdict::Unchanged => Ok(Executed { outcome: Outcome::Unchanged, folded, events: Vec::new() }),
            Verdict::Replay(version) => {
                let folded = self.store.load::<D>(stream, Some(version)).await?;
                Ok(Executed { outcome: Outcome::Replayed, folded, events: Vec::new() })
            }
        }
    }

    async fn append<R>(
        &self,
        stream: StreamId,
        intent: &Intent,
        folded: &Folded<D::State>,
        plan: Plan<D::Event>,
    ) -> Result<Executed<D>, ExecuteError<R>> {
        let append = Append {
            events: plan.events,
            metadata: intent.metadata.clone(),
            replay: intent.replay.clone(),
            companions: plan.companions,
        };
        match self.store.append::<D>(stream, folded, append).await {
            Ok((folded, events)) => {
                self.keep(stream, &folded).await;
                Ok(Executed { outcome: Outcome::Appended, folded, events })
            }
            Err(error) => {
                self.warm.invalidate(&stream).await;
                Err(match error {
                    AppendError::Conflict => ExecuteError::Conflict { tried: folded.version.next() },
                    AppendError::ClaimTaken(claim) => ExecuteError::ClaimTaken(claim),
                    AppendError::CompanionRefused(at) => ExecuteError::CompanionRefused(at),
                    AppendError::TooLarge { bytes } => ExecuteError::TooLarge(bytes),
                    AppendError::Store(error) => ExecuteError::Store(error),
                })
            }
        }
    }

    async fn keep(&self, stream: StreamId, folded: &Folded<D::State>) {
        if folded.version > Version::NONE {
            self.warm.insert(stream, Arc::new(folded.clone())).await;
        }
    }
}

enum Verdict<E> {
    Append(Plan<E>),
    Unchanged,
    Replay(Version),
}

/// Replay first, then `If-Match`, then the rules: a repeat whose `If-Match` is stale by its own success is a repeat.
fn judge<D: Decider, R>(
    folded: &Folded<D::State>,
    intent: &Intent,
    decide: &impl Fn(&Folded<D::State>) -> Result<Plan<D::Event>, R>,
) -> Result<Verdict<D::Event>, ExecuteError<R>> {
    if let Some(replay) = &intent.replay
        && let Some((version, known)) = folded.recent.iter().find(|(_, known)| known.key == replay.key)
    {
        let same = known.digest == replay.digest;
        return if same { Ok(Verdict::Replay(*version)) } else { Err(ExecuteError::KeyReused) };
    }
    if intent.expected.is_some_and(|expected| !expected.admits(folded.version)) && folded.version > Version::NONE {
        return Err(ExecuteError::VersionMismatch { actual: folded.version });
    }
    let plan = decide(folded).map_err(ExecuteError::Refused)?;
    Ok(if plan.events.is_empty() { Verdict::Unchanged } else { Verdict::Append(plan) })
}
