//! Writes of users, one file per endpoint.

pub mod assign_role;
pub mod change;
pub mod change_own;
pub mod create;
pub mod end_sessions;
pub mod erase;
pub mod import;
pub mod invite;
pub mod preferences;
pub mod reactivate;
mod register;
pub mod remove_factors;
pub mod require_password_change;
pub mod revoke_role;
pub mod suspend;

use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use events::{
    claim::Claim,
    decider::Decider,
    ids::UserId,
    user::{Factor, User, UserCommand, UserEvent, UserRefusal, UserState},
    values::{Email, Reason, Username},
};
use platform::{
    http::{Problem, auth::Caller, bodies::UserBody},
    rights::at_all,
    store::{Command, Companions, Draft, ExecuteError, Executed, Folded, Intent},
};

use crate::{
    auth::authority::require_may,
    command::{self, Ask, Refused, answer, nothing_taken},
    conditions::Conditions,
    state::AppState,
};

/// Says which field's value is taken.
pub fn taken<'a>(email: Option<&'a Email>, username: Option<&'a Username>) -> impl FnOnce(&Claim) -> Problem + 'a {
    move |claim| {
        let conflict = |code, title, pointer| {
            Problem::new(StatusCode::CONFLICT, code, title).error(pointer, code, "somebody signs in with it already")
        };
        if email.is_some_and(|email| Claim::email(email) == *claim) {
            conflict("email-taken", "The e-mail address is taken", "/email")
        } else if username.is_some_and(|username| Claim::username(username) == *claim) {
            conflict("username-taken", "The user name is taken", "/username")
        } else {
            nothing_taken(claim)
        }
    }
}

/// Answers with the whole user, with the names of their roles.
///
/// # Errors
/// When the roles' names are not known at the moment.
pub async fn whole(
    state: &AppState,
    status: StatusCode,
    id: UserId,
    executed: &Executed<User>,
) -> Result<Response, Problem> {
    let held = executed.folded.state.as_ref().map(|user| user.roles.as_slice()).unwrap_or_default();
    let known = state.context.rights.known(at_all(held)).await?;
    let name_of = |role| known.name_of(role).cloned().map(Into::into);
    let now = state.context.clock.now();
    let body = |user: &Option<UserState>| Some(Json(UserBody::new(user.as_ref()?, now, name_of)).into_response());
    Ok(answer(status, id.into(), executed, body))
}

/// A change of a user by a caller who must not stand below them, nor have less than they when it could hand the account
/// over.
pub struct Change<'a> {
    /// The handlers' state.
    pub state: &'a AppState,
    /// Who asks.
    pub caller: &'a Caller,
    /// What they want.
    pub wish: UserCommand,
    /// Whether events of this command narrow what the user may do: then tokens signed before it are void.
    pub narrows: fn(&UserState, &[UserEvent]) -> bool,
}

impl Change<'_> {
    /// Carries the command through.
    ///
    /// # Errors
    /// [`ExecuteError`].
    pub async fn execute(
        self,
        id: UserId,
        intent: &Intent,
    ) -> Result<Executed<User>, ExecuteError<Refused<UserRefusal>>> {
        self.state.context.users.execute(id.into(), intent, self).await
    }

    /// Carries a command through that says nothing but why, and answers with the whole user.
    ///
    /// # Errors
    /// The problem to answer with.
    pub async fn answer(
        self,
        operation: &'static str,
        id: UserId,
        conditions: &Conditions,
        reason: Option<Reason>,
    ) -> Result<Response, Problem> {
        let (state, actor, fingerprint) = (self.state, self.caller.actor(), (id, reason.clone()));
        let intent = Ask { operation, actor, reason }.intent(state, conditions, &fingerprint);
        let executed = self.execute(id, &intent).await.map_err(problem)?;
        whole(state, StatusCode::OK, id, &executed).await
    }
}

impl Command<User> for Change<'_> {
    type Refusal = Refused<UserRefusal>;

    async fn authorise(&self, folded: &Folded<Option<UserState>>) -> Result<(), Self::Refusal> {
        match &folded.state {
            Some(user) => require_may(self.state, self.caller, user, &self.wish).await.map_err(Refused::with),
            None => Ok(()),
        }
    }

    fn decide(&self, folded: &Folded<Option<UserState>>) -> Result<Vec<UserEvent>, Self::Refusal> {
        Ok(User::decide(&folded.state, self.wish.clone())?)
    }

    fn beside(&self, draft: &Draft<User>) -> Result<Companions, Self::Refusal> {
        let Some(user) = &draft.before().state else { return Ok(Companions::new()) };
        let events: Vec<UserEvent> = draft.events().iter().map(|recorded| recorded.event.clone()).collect();
        let mut companions = self.state.codes.expect_actions(draft).map_err(Refused::with)?;
        if (self.narrows)(user, &events) {
            let now = self.state.context.clock.now();
            let void = self.state.context.rights.void_user_action(user.id, draft.after().version, now);
            companions.push(void.map_err(Refused::with)?);
        }
        let totp = |user: &UserState| user.factors.contains(&Factor::Totp);
        if totp(user) && !draft.after().state.as_ref().is_some_and(totp) {
            companions.push(self.state.factors.forget_action(user.id).map_err(Refused::with)?);
        }
        if User::is_erased(&draft.after().state) {
            companions.push(self.state.credentials.forget_action(user.id).map_err(Refused::with)?);
            companions.push(self.state.devices.forget_action(user.id).map_err(Refused::with)?);
        }
        Ok(companions)
    }
}

/// For commands whose every event narrows what the user may do.
pub fn always(_: &UserState, _: &[UserEvent]) -> bool {
    true
}

/// For commands that narrow nothing.
pub fn never(_: &UserState, _: &[UserEvent]) -> bool {
    false
}

/// The end of a command that takes no unique value, as a problem.
pub fn problem(error: ExecuteError<Refused<UserRefusal>>) -> Problem {
    command::problem(error, nothing_taken)
}
