//! The second factor of a sign-in: a code of an authenticator, of a text message, or a recovery code.

use aws_sdk_dynamodb::types::TransactWriteItem;
use axum::http::StatusCode;
use events::{
    decider::Decider,
    envelope::Actor,
    user::{CodePurpose, Factor, User, UserCommand, UserEvent, UserRefusal, UserState},
};
use platform::{
    http::Problem,
    store::{Command, Companions, Draft, ExecuteError, Folded, Intent},
};

use super::limits;
use crate::{
    codes::ShownCode,
    command::{Refused, metadata, nothing_taken, problem},
    state::AppState,
    throttle::Tally,
};

/// What somebody has shown beside their password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SecondFactor {
    /// Something that is used up already.
    Used,
    /// A code that the session's first commit has to use up.
    Code(ShownCode),
}

/// It is the password, and the account takes more than that.
pub(super) fn required(user: &UserState) -> Problem {
    let factors: Vec<&str> = user.factors.iter().map(|factor| factor.as_str()).collect();
    Problem::new(StatusCode::FORBIDDEN, "second-factor-required", "The sign-in takes a second factor")
        .detail(format!("sign in again, with the code of one of these beside the password: {}", factors.join(", ")))
}

/// Whether `said` shows that somebody has a second factor of the user.
///
/// # Errors
/// 429; 503.
pub(super) async fn check(
    state: &AppState,
    tally: &Tally,
    user: &UserState,
    said: &str,
) -> Result<Option<SecondFactor>, Problem> {
    let attempt = state.throttle.admit(tally, limits::second_factor(&state.throttle, user.id)).await?;
    let shown = any(state, user, said).await?;
    if shown.is_some() {
        attempt.succeeded().await;
    }
    Ok(shown)
}

async fn any(state: &AppState, user: &UserState, said: &str) -> Result<Option<SecondFactor>, Problem> {
    if user.factors.contains(&Factor::Totp) && state.factors.accept(user.id, said).await? {
        return Ok(Some(SecondFactor::Used));
    }
    if user.factors.contains(&Factor::Sms)
        && let Some(shown) = state.codes.show(user.id, CodePurpose::SignIn, said).await?
    {
        return Ok(Some(SecondFactor::Code(shown)));
    }
    recovery(state, user, said).await
}

async fn recovery(state: &AppState, user: &UserState, said: &str) -> Result<Option<SecondFactor>, Problem> {
    let Some(using) = state.factors.use_recovery_action(user.id, said)? else { return Ok(None) };
    let intent = Intent::of(metadata(Actor::User(user.id), None));
    match state.context.users.execute(user.id.into(), &intent, Recovering(using)).await {
        Ok(_) => Ok(Some(SecondFactor::Used)),
        Err(ExecuteError::CompanionRefused(_)) => Ok(None),
        Err(error) => Err(problem(error, nothing_taken)),
    }
}

/// The command: that the code is used up goes along with the commit that says so.
struct Recovering(TransactWriteItem);

impl Command<User> for Recovering {
    type Refusal = Refused<UserRefusal>;

    fn decide(&self, folded: &Folded<Option<UserState>>) -> Result<Vec<UserEvent>, Self::Refusal> {
        Ok(User::decide(&folded.state, UserCommand::UseRecoveryCode)?)
    }

    fn beside(&self, _: &Draft<User>) -> Result<Companions, Self::Refusal> {
        Ok(vec![self.0.clone()])
    }
}
