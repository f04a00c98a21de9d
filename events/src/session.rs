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
    /// A refresh token came back that had been replaced long before: somebody has a copy.
    RefreshTokenReused(OfUser),
    /// The session is over: its refresh token is taken no more, and its access tokens are void.
    SessionEnded(OfUser),
}

/// Data of [`SessionEvent::SessionStarted`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionStarted {
    /// Who.
    pub user_id: UserId,
    /// When the session ends unless it is refreshed.
    pub expires_at: DateTime<Utc>,
    /// Whether they signed in before, and never with such a device.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub new_device: bool,
}

/// Data of events that say no more than whose session it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct OfUser {
    /// Whose.
    pub user_id: UserId,
}

/// A session as folded from its history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionState {
    /// How it began.
    pub started: SessionStarted,
    /// Whether it is over.
    pub ended: bool,
}

const fn plain(name: &'static str) -> EventType {
    EventType { name, schema: 1, personal: &[] }
}

const STARTED: EventType = plain("SessionStarted");
const REUSED: EventType = plain("RefreshTokenReused");
const ENDED: EventType = plain("SessionEnded");

impl EventData for SessionEvent {
    const CATALOGUE: &'static [EventType] = &[STARTED, REUSED, ENDED];

    fn event_type(&self) -> &'static EventType {
        match self {
            Self::SessionStarted(_) => &STARTED,
            Self::RefreshTokenReused(_) => &REUSED,
            Self::SessionEnded(_) => &ENDED,
        }
    }
}

/// What somebody wants of a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SessionCommand {
    /// Sign in.
    Start(SessionStarted),
    /// Sign out, or be signed out.
    End,
    /// End because a refresh token came back that had been replaced long before.
    EndReused,
}

/// Why a session's command is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SessionRefusal {
    /// Another session has this id.
    #[error("the session exists already")]
    Exists,
    /// There is none.
    #[error("there is no such session")]
    NotFound,
}

impl Refusal for SessionRefusal {
    fn code(&self) -> &'static str {
        match self {
            Self::Exists => "session-exists",
            Self::NotFound => "not-found",
        }
    }

    fn kind(&self) -> RefusalKind {
        match self {
            Self::Exists => RefusalKind::Conflict,
            Self::NotFound => RefusalKind::NotFound,
        }
    }
}

impl Decider for Session {
    const CATEGORY: Category = Category::Session;
    const STATE_SCHEMA: u32 = 3;
    type State = Option<SessionState>;
    type Event = SessionEvent;
    type Command = SessionCommand;
    type Refusal = SessionRefusal;

    fn evolve(state: &mut Self::State, recorded: &Recorded<SessionEvent>) {
        match &recorded.event {
            SessionEvent::SessionStarted(event) => {
                state.get_or_insert_with(|| SessionState { started: event.clone(), ended: false });
            }
            SessionEvent::RefreshTokenReused(_) => (),
            SessionEvent::SessionEnded(_) => {
                if let Some(session) = state {
                    session.ended = true;
                }
            }
        }
    }

    fn decide(state: &Self::State, command: SessionCommand) -> Result<Vec<SessionEvent>, SessionRefusal> {
        match (state, command) {
            (None, SessionCommand::Start(wish)) => Ok(vec![SessionEvent::SessionStarted(wish)]),
            (Some(session), SessionCommand::Start(wish)) if session.started == wish && !session.ended => Ok(vec![]),
            (Some(_), SessionCommand::Start(_)) => Err(SessionRefusal::Exists),
            (None, SessionCommand::End | SessionCommand::EndReused) => Err(SessionRefusal::NotFound),
            (Some(session), SessionCommand::End | SessionCommand::EndReused) if session.ended => Ok(vec![]),
            (Some(session), command) => {
                let of = OfUser { user_id: session.started.user_id };
                let ended = SessionEvent::SessionEnded(of);
                let reused = SessionEvent::RefreshTokenReused(of);
                Ok(if command == SessionCommand::EndReused { vec![reused, ended] } else { vec![ended] })
            }
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

    const ENDINGS: [SessionCommand; 2] = [SessionCommand::End, SessionCommand::EndReused];

    fn wish(user: &str) -> SessionStarted {
        SessionStarted { user_id: UserId(derive(&[user])), expires_at: DateTime::UNIX_EPOCH, new_device: false }
    }

    fn of(user: &str) -> OfUser {
        OfUser { user_id: UserId(derive(&[user])) }
    }

    #[test]
    fn a_session_starts_once() {
        let started = SessionEvent::SessionStarted(wish("ada"));
        given::<Session>([]).when(SessionCommand::Start(wish("ada"))).then([started.clone()]);
        given::<Session>([started.clone()]).when(SessionCommand::Start(wish("ada"))).then_nothing();
        given::<Session>([started]).when(SessionCommand::Start(wish("eve"))).then_refused(&SessionRefusal::Exists);
    }

    #[test]
    fn a_session_ends_once_and_for_ever() {
        let started = SessionEvent::SessionStarted(wish("ada"));
        let (reused, ended) = (SessionEvent::RefreshTokenReused(of("ada")), SessionEvent::SessionEnded(of("ada")));
        given::<Session>([started.clone()]).when(SessionCommand::End).then([ended.clone()]);
        given::<Session>([started.clone()]).when(SessionCommand::EndReused).then([reused, ended.clone()]);
        for ending in ENDINGS {
            given::<Session>([started.clone(), ended.clone()]).when(ending).then_nothing();
        }
        let again = SessionCommand::Start(wish("ada"));
        given::<Session>([started, ended]).when(again).then_refused(&SessionRefusal::Exists);
    }

    #[test]
    fn what_never_started_cannot_end() {
        for ending in ENDINGS {
            given::<Session>([]).when(ending).then_refused(&SessionRefusal::NotFound);
        }
    }
}
