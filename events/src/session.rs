//! Sessions: one sign-in each, with its family of refresh tokens.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    claim::Claim,
    decider::{Decider, Refusal, RefusalKind},
    envelope::Recorded,
    event::{EventData, EventType},
    ids::UserId,
    stream::Category,
};

/// The rules of sessions.
#[derive(Debug, Clone, Copy)]
pub struct Session;

/// What happened to a session.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data")]
pub enum SessionEvent {
    /// Somebody signed in.
    SessionStarted(SessionStarted),
}

/// Data of [`SessionEvent::SessionStarted`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionStarted {
    /// Who.
    pub user_id: UserId,
    /// When the session ends unless it is refreshed.
    pub expires_at: DateTime<Utc>,
}

const STARTED: EventType = EventType { name: "SessionStarted", schema: 1, personal: &[] };

impl EventData for SessionEvent {
    const CATALOGUE: &'static [EventType] = &[STARTED];

    fn event_type(&self) -> &'static EventType {
        match self {
            Self::SessionStarted(_) => &STARTED,
        }
    }
}

/// What somebody wants of a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SessionCommand {
    /// Sign in.
    Start(SessionStarted),
}

/// Why a session's command is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SessionRefusal {
    /// Another session has this id.
    #[error("the session exists already")]
    Exists,
}

impl Refusal for SessionRefusal {
    fn code(&self) -> &'static str {
        "session-exists"
    }

    fn kind(&self) -> RefusalKind {
        RefusalKind::Conflict
    }
}

impl Decider for Session {
    const CATEGORY: Category = Category::Session;
    const STATE_SCHEMA: u32 = 1;
    type State = Option<SessionStarted>;
    type Event = SessionEvent;
    type Command = SessionCommand;
    type Refusal = SessionRefusal;

    fn evolve(state: &mut Self::State, recorded: &Recorded<SessionEvent>) {
        let SessionEvent::SessionStarted(event) = &recorded.event;
        state.get_or_insert_with(|| event.clone());
    }

    fn decide(state: &Self::State, command: SessionCommand) -> Result<Vec<SessionEvent>, SessionRefusal> {
        let SessionCommand::Start(wish) = command;
        match state {
            None => Ok(vec![SessionEvent::SessionStarted(wish)]),
            Some(session) if *session == wish => Ok(vec![]),
            Some(_) => Err(SessionRefusal::Exists),
        }
    }

    fn claims(_: &Self::State) -> BTreeSet<Claim> {
        BTreeSet::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{harness::given, ids::derive};

    #[test]
    fn a_session_starts_once() {
        let wish = |user: &str| SessionStarted { user_id: UserId(derive(&[user])), expires_at: DateTime::UNIX_EPOCH };
        let started = SessionEvent::SessionStarted(wish("ada"));
        given::<Session>([]).when(SessionCommand::Start(wish("ada"))).then([started.clone()]);
        given::<Session>([started.clone()]).when(SessionCommand::Start(wish("ada"))).then_nothing();
        given::<Session>([started]).when(SessionCommand::Start(wish("eve"))).then_refused(&SessionRefusal::Exists);
    }
}
