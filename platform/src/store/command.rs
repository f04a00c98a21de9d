use events::{
    claim::{Claim, GuardedSet},
    decider::Decider,
    envelope::{Metadata, Recorded},
    stream::{ExpectedVersion, Version},
};

use super::{Companions, Draft, Folded, Replay, StoreError};

/// One command: who may give it, what events it leads to, and what is written along with them.
///
/// The order is: authorise, replay, `If-Match`, decide, beside. A closure that decides is a command that nobody has to
/// be authorised for.
pub trait Command<D: Decider>: Sync {
    /// Why it is refused.
    type Refusal: Send;

    /// Refuses who may not give it: asked first, so that nobody hears of an answer that they may not have any more.
    ///
    /// # Errors
    /// Why not.
    fn authorise(&self, _: &Folded<D::State>) -> impl Future<Output = Result<(), Self::Refusal>> + Send {
        std::future::ready(Ok(()))
    }

    /// The events; none when its effect is there already.
    ///
    /// # Errors
    /// The rule that forbids it.
    fn decide(&self, folded: &Folded<D::State>) -> Result<Vec<D::Event>, Self::Refusal>;

    /// What is written in the commit's transaction, once the state after it is known.
    ///
    /// # Errors
    /// Why the state after it may not be.
    fn beside(&self, _: &Draft<D>) -> Result<Companions, Self::Refusal> {
        Ok(Companions::new())
    }
}

impl<D: Decider, R: Send, F> Command<D> for F
where
    F: Fn(&Folded<D::State>) -> Result<Vec<D::Event>, R> + Sync,
{
    type Refusal = R;

    fn decide(&self, folded: &Folded<D::State>) -> Result<Vec<D::Event>, R> {
        self(folded)
    }
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
    /// Whether to stop before the write.
    pub validate_only: bool,
}

impl Intent {
    /// An intent without conditions.
    pub fn of(metadata: Metadata) -> Self {
        Self { metadata, expected: None, replay: None, validate_only: false }
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
    /// It would be carried out; nothing was written.
    Validated,
}

/// The end of a command.
#[derive(Debug)]
pub struct Executed<D: Decider> {
    /// How it ended.
    pub outcome: Outcome,
    /// The state after it (for a replay: after the commit that first answered).
    pub folded: Folded<D::State>,
    /// The events that it appended, or would append.
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
        /// The caller's.
        expected: Version,
        /// The stream's version.
        actual: Version,
    },
    /// The idempotency key was used for another request.
    #[error("the idempotency key was used for another request")]
    KeyReused,
    /// Others kept winning.
    #[error("still a conflict after the last try")]
    Conflict {
        /// The version from which the last try decided.
        expected: Version,
        /// The version that the stream has now.
        actual: Version,
    },
    /// Somebody else holds a unique value.
    #[error("a unique value is taken")]
    ClaimTaken(Claim),
    /// The stream is the last member of a set that must not become empty.
    #[error("the last member of a guarded set cannot leave it")]
    LastMember(GuardedSet),
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
