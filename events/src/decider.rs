//! The rules of one category: what state follows from events, and what events follow from a command.

use std::collections::BTreeSet;

use serde::{Serialize, de::DeserializeOwned};

use crate::{
    claim::{Claim, GuardedSet},
    envelope::Recorded,
    event::EventData,
    stream::Category,
};

/// A pure decider. Whatever a decision needs from outside is looked up first and stands in the command.
pub trait Decider {
    /// Whose rules these are.
    const CATEGORY: Category;
    /// Number of the state's shape. A carried state of another number is ignored, never trusted: raise it with every change.
    const STATE_SCHEMA: u32;
    /// What is folded from the events.
    type State: Clone + Default + Send + Sync + Serialize + DeserializeOwned + 'static;
    /// What happened.
    type Event: EventData;
    /// What somebody wants.
    type Command: Clone;
    /// Why it is refused.
    type Refusal: Refusal;

    /// The state after one more event. Total: it accepts every event in every state.
    fn evolve(state: &mut Self::State, event: &Recorded<Self::Event>);

    /// The events that the command leads to. A command whose effect is there already leads to none.
    ///
    /// # Errors
    /// The rule that forbids it.
    fn decide(state: &Self::State, command: Self::Command) -> Result<Vec<Self::Event>, Self::Refusal>;

    /// The unique values that a stream in this state holds.
    fn claims(state: &Self::State) -> BTreeSet<Claim>;

    /// The guarded sets of which a stream in this state is a member.
    fn memberships(_: &Self::State) -> BTreeSet<GuardedSet> {
        BTreeSet::new()
    }

    /// Whether the stream's subject is erased: the commit that leads here destroys the key of everything before it.
    fn is_erased(_: &Self::State) -> bool {
        false
    }
}

/// Why a command was refused, in the words of the HTTP contract.
pub trait Refusal: std::error::Error + Send + Sync + 'static {
    /// Stable code of the problem.
    fn code(&self) -> &'static str;
    /// What kind of answer it is.
    fn kind(&self) -> RefusalKind;
}

/// What kind of answer a refusal is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusalKind {
    /// There is no such entity: 404.
    NotFound,
    /// The entity's present state forbids it: 409.
    Conflict,
    /// Nobody may do this: 403.
    Forbidden,
    /// The entity was erased: 410.
    Gone,
    /// A value cannot be, now: 422.
    Invalid {
        /// JSON pointer of the value in the request's body.
        pointer: &'static str,
    },
}
