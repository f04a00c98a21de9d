//! What the routes have in common that take a one-time code, or send one.

use axum::http::StatusCode;
use events::{
    claim::Claim,
    decider::Decider,
    envelope::Actor,
    user::{CodePurpose, User, UserCommand, UserEvent, UserRefusal, UserState},
};
use platform::{
    http::Problem,
    store::{Command, Companions, Draft, ExecuteError, Folded, Intent},
};

use super::{
    first_factor::find,
    limits::{self, Asking},
};
use crate::{
    codes::ShownCode,
    command::{Refused, metadata, nothing_taken, problem},
    state::AppState,
    throttle::Tally,
};

/// No such account, another status, a wrong code, or one that is not good any more: it is one answer.
pub(super) fn invalid_code() -> Problem {
    Problem::new(StatusCode::UNAUTHORIZED, "invalid-code", "The code is not valid")
}

/// The user of that name and the code that they were sent, if it is that one.
pub(super) async fn check(
    state: &AppState,
    name: Option<&Claim>,
    purpose: CodePurpose,
    said: &str,
) -> Result<Option<(UserState, ShownCode)>, Problem> {
    let found = find(state, name).await?;
    let shown = state.codes.show(found.id, purpose, said).await?;
    Ok(found.user.zip(shown))
}

/// Sends a code to a user, unless too many were sent to them, to where it is asked for, or to such numbers lately.
///
/// # Errors
/// 429; 503.
pub(super) async fn send(
    state: &AppState,
    tally: &Tally,
    asking: Asking<'_>,
    user: &UserState,
    purpose: CodePurpose,
) -> Result<(), Problem> {
    let Some(phone) = user.phone.known() else { return Ok(()) };
    state.throttle.admit_in_turn(tally, limits::codes_to(&state.throttle, asking, user.id, phone)).await?;
    let intent = Intent::of(metadata(Actor::User(user.id), None));
    match state.context.users.execute(user.id.into(), &intent, Sending { state, purpose }).await {
        // A rule refuses who was suspended meanwhile.
        Ok(_) | Err(ExecuteError::Refused(Refused::Rule(_))) => Ok(()),
        Err(error) => Err(problem(error, nothing_taken)),
    }
}

/// The command: that the code may be shown goes along with the commit that has it sent.
struct Sending<'a> {
    state: &'a AppState,
    purpose: CodePurpose,
}

impl Command<User> for Sending<'_> {
    type Refusal = Refused<UserRefusal>;

    fn decide(&self, folded: &Folded<Option<UserState>>) -> Result<Vec<UserEvent>, Self::Refusal> {
        Ok(User::decide(&folded.state, UserCommand::RequestCode(self.purpose))?)
    }

    fn beside(&self, draft: &Draft<User>) -> Result<Companions, Self::Refusal> {
        self.state.codes.expect_actions(draft).map_err(Refused::with)
    }
}
