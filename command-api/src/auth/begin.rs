//! How a session begins.

use chrono::DateTime;
use events::{
    decider::Decider,
    envelope::Actor,
    ids::SessionId,
    session::{Session, SessionCommand, SessionEvent, SessionRefusal, SessionStarted, SessionState},
    user::UserState,
};
use platform::{
    http::Problem,
    sessions::SessionRow,
    store::{Command, Companions, Draft, ExecuteError, Folded, Intent},
};

use super::{client::Client, code::invalid_code, second_factor::SecondFactor, tokens::TokenPair};
use crate::{
    command::{Refused, metadata, nothing_taken, problem},
    devices::Known,
    state::AppState,
};

/// Number of a session's first refresh token.
const FIRST: u64 = 1;

/// When a user has shown who they are.
pub(super) enum Shown {
    /// Just now, with this beside the password.
    Now(Option<SecondFactor>),
    /// When the session began that this one takes the place of, in epoch seconds.
    At(i64),
}

/// Begins a session of a user who has shown who they are, and who has signed in with these devices before.
///
/// # Errors
/// When the log does not answer.
pub(super) async fn start(
    state: &AppState,
    user: &UserState,
    client: Client,
    shown: Shown,
    devices: Known,
) -> Result<TokenPair, Problem> {
    let now = state.context.clock.now();
    let (shown, began) = match shown {
        Shown::Now(shown) => (shown, now),
        Shown::At(seconds) => (None, DateTime::from_timestamp(seconds, 0).unwrap_or_default().min(now)),
    };
    let session = SessionId(state.context.clock.new_id());
    let expires_at = SessionRow::end(began, now);
    let row = SessionRow {
        session,
        user: user.id,
        user_version: user.version,
        number: FIRST,
        started_at: began,
        refreshed_at: now,
        address: client.address,
        device: client.device.clone(),
        expires_at: expires_at.timestamp(),
    };
    let met = state.devices.meet(user.id, client.device.as_deref(), devices);
    let family = state.sessions.begin_action(&row)?;
    let wish = SessionStarted { user_id: user.id, expires_at, new_device: met.is_new() };
    let intent = Intent::of(metadata(Actor::User(user.id), None));
    let mut beside = vec![family];
    if let Some(SecondFactor::Code(shown)) = &shown {
        beside.push(state.codes.use_action(shown)?);
    }
    match state.session_streams.begin(session.into(), &intent, Starting { wish, beside }).await {
        Ok(_) => {
            if let Err(error) = state.devices.remember(met).await {
                // The user is told of this device once more; that is no reason to refuse a sign-in that took place.
                tracing::warn!(error = &error as &dyn std::error::Error, "a device was not remembered");
            }
            TokenPair::of(state, user, session, (FIRST, began), now)
        }
        // Another sign-in has used the code.
        Err(ExecuteError::CompanionRefused(_)) if shown.is_some() => Err(invalid_code()),
        Err(error) => Err(problem(error, nothing_taken)),
    }
}

/// A session begins together with its family of refresh tokens, and uses up what was shown for it.
struct Starting {
    wish: SessionStarted,
    beside: Companions,
}

impl Command<Session> for Starting {
    type Refusal = Refused<SessionRefusal>;

    fn decide(&self, folded: &Folded<Option<SessionState>>) -> Result<Vec<SessionEvent>, Self::Refusal> {
        Ok(Session::decide(&folded.state, SessionCommand::Start(self.wish.clone()))?)
    }

    fn beside(&self, _: &Draft<Session>) -> Result<Companions, Self::Refusal> {
        Ok(self.beside.clone())
    }
}
