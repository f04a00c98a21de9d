use std::{mem, sync::Arc, time::Duration};

use backon::{ExponentialBuilder, Retryable};
use events::{
    decider::Decider,
    stream::{ExpectedVersion, StreamId, Version},
};
use moka::future::Cache;

use super::{
    AppendError, Command, Companions, Draft, EventStore, ExecuteError, Executed, Folded, Intent, Outcome, StoreError,
};
use crate::telemetry::metrics::APPEND_RETRIES;

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
/// The cache takes only what was loaded or acknowledged. A command that appends may start from it, or from a copy of the log
/// that is behind, because the condition of the write validates it; an answer that appends nothing is given only from state
/// loaded for it, strongly consistent.
#[derive(Debug, Clone)]
pub struct Streams<D: Decider> {
    store: EventStore,
    warm: Cache<StreamId, Arc<Folded<D::State>>>,
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

    /// A stream's state as it was known last, or loaded now: a command that follows starts from it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn glance(&self, stream: StreamId) -> Result<Arc<Folded<D::State>>, StoreError> {
        match self.warm.get(&stream).await {
            Some(known) => Ok(known),
            None => self.load(stream).await.map(Arc::new),
        }
    }

    /// Loads, decides and appends; on a conflict again, a bounded number of times.
    ///
    /// # Errors
    /// [`ExecuteError`].
    pub async fn execute<C: Command<D>>(
        &self,
        stream: StreamId,
        intent: &Intent,
        command: C,
    ) -> Result<Executed<D>, ExecuteError<C::Refusal>> {
        self.tries(stream, intent, command, Guess::Copy).await
    }

    /// The same for a stream that a new id was made for, and that is there only when this is a repeat: the first try begins
    /// with an empty state, and its write tells.
    ///
    /// # Errors
    /// [`ExecuteError`].
    pub async fn begin<C: Command<D>>(
        &self,
        stream: StreamId,
        intent: &Intent,
        command: C,
    ) -> Result<Executed<D>, ExecuteError<C::Refusal>> {
        self.tries(stream, intent, command, Guess::Empty).await
    }

    async fn tries<C: Command<D>>(
        &self,
        stream: StreamId,
        intent: &Intent,
        command: C,
        first: Guess,
    ) -> Result<Executed<D>, ExecuteError<C::Refusal>> {
        let pauses = ExponentialBuilder::default()
            .with_min_delay(MIN_PAUSE)
            .with_max_delay(MAX_PAUSE)
            .with_max_times(TRIES - 1)
            .with_jitter();
        // Whoever has met a conflict guesses no more.
        let mut guess = first;
        let ended = (|| Box::pin(self.once(stream, intent, &command, mem::take(&mut guess))))
            .retry(pauses)
            .when(|error| matches!(error, ExecuteError::Conflict { .. }))
            .notify(|_, _| APPEND_RETRIES.add(1, [stream.category.as_str().into()]))
            .await;
        match ended {
            Err(ExecuteError::Conflict { expected, .. }) => {
                let actual = self.load(stream).await?.version;
                Err(ExecuteError::Conflict { expected, actual })
            }
            ended => ended,
        }
    }

    async fn once<C: Command<D>>(
        &self,
        stream: StreamId,
        intent: &Intent,
        command: &C,
        guess: Guess,
    ) -> Result<Executed<D>, ExecuteError<C::Refusal>> {
        // Only an answer that appends may come from a state that was not loaded for it: the write validates it.
        if !intent.validate_only
            && let Some(known) = self.guessed(stream, guess).await?
            && let Ok(Verdict::Append(events)) = judge(&known, intent, command).await
            && let Ok(ready) = self.prepare(stream, intent, &known, events, command)
        {
            return self.append(stream, ready).await;
        }
        let folded = self.load(stream).await?;
        match judge(&folded, intent, command).await? {
            Verdict::Append(events) => {
                let ready = self.prepare(stream, intent, &folded, events, command)?;
                if intent.validate_only { self.validate(ready).await } else { self.append(stream, ready).await }
            }
            Verdict::Unchanged | Verdict::Replay(_) if intent.validate_only => {
                Ok(Executed { outcome: Outcome::Validated, folded, events: Vec::new() })
            }
            Verdict::Unchanged => Ok(Executed { outcome: Outcome::Unchanged, folded, events: Vec::new() }),
            Verdict::Replay(version) => {
                let folded = self.store.load::<D>(stream, Some(version)).await?;
                Ok(Executed { outcome: Outcome::Replayed, folded, events: Vec::new() })
            }
        }
    }

    /// What the state is likely to be.
    async fn guessed(&self, stream: StreamId, guess: Guess) -> Result<Option<Arc<Folded<D::State>>>, StoreError> {
        if let Some(known) = self.warm.get(&stream).await {
            return Ok(Some(known));
        }
        match guess {
            Guess::Empty => Ok(Some(Arc::default())),
            Guess::Copy => match Box::pin(self.store.glimpse::<D>(stream)).await {
                Ok(folded) => Ok(Some(Arc::new(folded))),
                Err(error) if error.is_outage() => Err(error),
                // What a copy lacks in the middle is no hole in the log: if there is one, its loading says so.
                Err(_) => Ok(None),
            },
            Guess::Nothing => Ok(None),
        }
    }

    fn prepare<C: Command<D>>(
        &self,
        stream: StreamId,
        intent: &Intent,
        folded: &Folded<D::State>,
        events: Vec<D::Event>,
        command: &C,
    ) -> Result<(Draft<D>, Companions), ExecuteError<C::Refusal>> {
        let draft = Draft::new(&self.store.clock, stream, folded, events, &intent.metadata, intent.replay.clone());
        let companions = command.beside(&draft).map_err(ExecuteError::Refused)?;
        Ok((draft, companions))
    }

    /// Everything but the write: also what others hold.
    async fn validate<R>(&self, (draft, _): (Draft<D>, Companions)) -> Result<Executed<D>, ExecuteError<R>> {
        self.store.would_hold(&draft).await.map_err(|error| refusal(error, draft.before.version))?;
        let Draft { before, events, .. } = draft;
        Ok(Executed { outcome: Outcome::Validated, folded: before, events })
    }

    async fn append<R>(
        &self,
        stream: StreamId,
        (draft, companions): (Draft<D>, Companions),
    ) -> Result<Executed<D>, ExecuteError<R>> {
        let expected = draft.before.version;
        match self.store.append(draft, companions).await {
            Ok((folded, events)) => {
                self.keep(stream, &folded).await;
                Ok(Executed { outcome: Outcome::Appended, folded, events })
            }
            Err(error) => {
                self.warm.invalidate(&stream).await;
                Err(refusal(error, expected))
            }
        }
    }

    async fn keep(&self, stream: StreamId, folded: &Folded<D::State>) {
        if folded.version > Version::NONE {
            self.warm.insert(stream, Arc::new(folded.clone())).await;
        }
    }
}

fn refusal<R>(error: AppendError, expected: Version) -> ExecuteError<R> {
    match error {
        AppendError::Conflict => ExecuteError::Conflict { expected, actual: expected.next() },
        AppendError::ClaimTaken(claim) => ExecuteError::ClaimTaken(claim),
        AppendError::LastMember(set) => ExecuteError::LastMember(set),
        AppendError::CompanionRefused(at) => ExecuteError::CompanionRefused(at),
        AppendError::TooLarge { bytes } => ExecuteError::TooLarge(bytes),
        AppendError::Store(error) => ExecuteError::Store(error),
    }
}

/// From what a try may begin that finds no warm state.
#[derive(Debug, Clone, Copy, Default)]
enum Guess {
    /// The stream is new.
    Empty,
    /// A copy of the log that may be behind.
    Copy,
    /// Only what is loaded for it.
    #[default]
    Nothing,
}

enum Verdict<E> {
    Append(Vec<E>),
    Unchanged,
    Replay(Version),
}

/// Replay before `If-Match`: a repeat whose `If-Match` is stale by its own success is a repeat.
async fn judge<D: Decider, C: Command<D>>(
    folded: &Folded<D::State>,
    intent: &Intent,
    command: &C,
) -> Result<Verdict<D::Event>, ExecuteError<C::Refusal>> {
    command.authorise(folded).await.map_err(ExecuteError::Refused)?;
    if let Some(replay) = &intent.replay
        && let Some((version, known)) = folded.recent.iter().find(|(_, known)| known.key == replay.key)
    {
        let same = known.digest == replay.digest;
        return if same { Ok(Verdict::Replay(*version)) } else { Err(ExecuteError::KeyReused) };
    }
    if let Some(ExpectedVersion::Exact(expected)) = intent.expected
        && folded.version > Version::NONE
        && expected != folded.version
    {
        return Err(ExecuteError::VersionMismatch { expected, actual: folded.version });
    }
    let events = command.decide(folded).map_err(ExecuteError::Refused)?;
    Ok(if events.is_empty() { Verdict::Unchanged } else { Verdict::Append(events) })
}
