//! The end of a session: its commit, its family of refresh tokens and its access tokens, in one transaction.

use events::{
    decider::Decider,
    ids::{SessionId, UserId},
    session::{Session, SessionCommand, SessionEvent, SessionRefusal, SessionState},
};
use platform::store::{Command, Companions, Draft, Folded};

use crate::{command::Refused, state::AppState};

/// Ends a session of `owner`.
#[derive(Debug)]
pub struct Ending<'a> {
    /// The handlers' state.
    pub state: &'a AppState,
    /// Which session.
    pub session: SessionId,
    /// Whose session it must be; one of anybody else is not found.
    pub owner: UserId,
    /// How it ends.
    pub wish: SessionCommand,
}

impl Command<Session> for Ending<'_> {
    type Refusal = Refused<SessionRefusal>;

    async fn authorise(&self, folded: &Folded<Option<SessionState>>) -> Result<(), Self::Refusal> {
        match &folded.state {
            Some(session) if session.started.user_id == self.owner => Ok(()),
            _ => Err(SessionRefusal::NotFound.into()),
        }
    }

    fn decide(&self, folded: &Folded<Option<SessionState>>) -> Result<Vec<SessionEvent>, Self::Refusal> {
        Ok(Session::decide(&folded.state, self.wish.clone())?)
    }

    fn beside(&self, _: &Draft<Session>) -> Result<Companions, Self::Refusal> {
        let (rights, now) = (&self.state.context.rights, self.state.context.clock.now());
        let void = rights.void_session_action(self.session, now).map_err(Refused::with)?;
        Ok(vec![void, self.state.sessions.end_action(self.session).map_err(Refused::with)?])
    }
}
