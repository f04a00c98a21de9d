//! Telephone numbers: whether whoever holds one wants our messages.
//!
//! A number is not a user: the wish outlives an account, and holds for every account with that number.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    claim::Claim,
    decider::{Decider, Refusal, RefusalKind},
    envelope::Recorded,
    event::{EventData, EventType},
    stream::Category,
};

/// The rules of numbers.
#[derive(Debug, Clone, Copy)]
pub struct Number;

/// Who told us of a wish.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// A message from the number.
    Inbound,
    /// The provider, which refused a message to it.
    Provider,
}

/// Data of both events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wish {
    /// Who told us.
    pub source: Source,
    /// When it was said. The newest wish counts, in whatever order they come to us.
    pub said_at: DateTime<Utc>,
}

/// What happened to a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data")]
pub enum NumberEvent {
    /// Whoever holds it wants no messages.
    NumberOptedOut(Wish),
    /// They want them again.
    NumberOptedIn(Wish),
}

const OPTED_OUT: EventType = EventType { name: "NumberOptedOut", schema: 1, personal: &[] };
const OPTED_IN: EventType = EventType { name: "NumberOptedIn", schema: 1, personal: &[] };

impl EventData for NumberEvent {
    const CATALOGUE: &'static [EventType] = &[OPTED_OUT, OPTED_IN];

    fn event_type(&self) -> &'static EventType {
        match self {
            Self::NumberOptedOut(_) => &OPTED_OUT,
            Self::NumberOptedIn(_) => &OPTED_IN,
        }
    }
}

/// A number as folded from its history.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NumberState {
    /// Whether it gets no messages.
    pub opted_out: bool,
    /// When the newest wish was said, if there ever was one.
    pub said_at: Option<DateTime<Utc>>,
}

/// What somebody wants of a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NumberCommand {
    /// Send nothing to it any more.
    OptOut(Wish),
    /// Send to it again.
    OptIn(Wish),
}

/// Why a number's command is refused: never. A wish can be said as often as one likes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NumberRefusal {}

impl Refusal for NumberRefusal {
    fn code(&self) -> &'static str {
        match *self {}
    }

    fn kind(&self) -> RefusalKind {
        match *self {}
    }
}

impl Decider for Number {
    const CATEGORY: Category = Category::Number;
    const STATE_SCHEMA: u32 = 1;
    type State = NumberState;
    type Event = NumberEvent;
    type Command = NumberCommand;
    type Refusal = NumberRefusal;

    fn evolve(state: &mut NumberState, recorded: &Recorded<NumberEvent>) {
        let (opted_out, wish) = match &recorded.event {
            NumberEvent::NumberOptedOut(wish) => (true, wish),
            NumberEvent::NumberOptedIn(wish) => (false, wish),
        };
        *state = NumberState { opted_out, said_at: Some(wish.said_at) };
    }

    fn decide(state: &NumberState, command: NumberCommand) -> Result<Vec<NumberEvent>, NumberRefusal> {
        let (NumberCommand::OptOut(wish) | NumberCommand::OptIn(wish)) = command;
        // One that changes nothing is recorded, too, or an older one that comes later would count. The provider says the same
        // with every message that it refuses.
        let heard = state.said_at.is_some_and(|last| last >= wish.said_at);
        let known = wish.source == Source::Provider && state.opted_out;
        Ok(match command {
            _ if heard || known => vec![],
            NumberCommand::OptOut(wish) => vec![NumberEvent::NumberOptedOut(wish)],
            NumberCommand::OptIn(wish) => vec![NumberEvent::NumberOptedIn(wish)],
        })
    }

    fn claims(_: &NumberState) -> BTreeSet<Claim> {
        BTreeSet::new()
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use proptest::prelude::*;

    use super::*;
    use crate::harness::{fold, given};

    fn said(seconds: i64) -> Wish {
        Wish { source: Source::Inbound, said_at: DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds) }
    }

    fn refused(seconds: i64) -> Wish {
        Wish { source: Source::Provider, ..said(seconds) }
    }

    #[test]
    fn a_wish_that_is_older_than_one_that_was_heard_does_not_count() {
        let out = NumberEvent::NumberOptedOut(said(2));
        given::<Number>([]).when(NumberCommand::OptOut(said(2))).then([out]);
        for old in [NumberCommand::OptOut(said(2)), NumberCommand::OptIn(said(2)), NumberCommand::OptIn(said(1))] {
            given::<Number>([out]).when(old).then_nothing();
        }
        given::<Number>([out]).when(NumberCommand::OptIn(said(3))).then([NumberEvent::NumberOptedIn(said(3))]);
    }

    #[test]
    fn what_the_provider_repeats_is_recorded_once() {
        let out = NumberEvent::NumberOptedOut(refused(1));
        given::<Number>([]).when(NumberCommand::OptOut(refused(1))).then([out]);
        given::<Number>([out]).when(NumberCommand::OptOut(refused(2))).then_nothing();
        let back = NumberEvent::NumberOptedIn(said(2));
        let again = NumberEvent::NumberOptedOut(refused(3));
        given::<Number>([out, back]).when(NumberCommand::OptOut(refused(3))).then([again]);
    }

    proptest! {
        #[test]
        fn in_whatever_order_wishes_come_the_newest_counts(
            wishes in prop::collection::btree_map(0_i64..1_000, any::<bool>(), 1..20)
                .prop_map(|wishes| wishes.into_iter().collect::<Vec<_>>())
                .prop_shuffle(),
        ) {
            let newest = wishes.iter().max_by_key(|(at, _)| *at).map(|(_, out)| *out);
            let mut history = Vec::new();
            for (at, out) in wishes {
                let command = if out { NumberCommand::OptOut(said(at)) } else { NumberCommand::OptIn(said(at)) };
                let state = fold::<Number>(history.clone());
                history.extend(Number::decide(&state, command).unwrap());
            }
            prop_assert_eq!(Some(fold::<Number>(history).opted_out), newest);
        }
    }
}
