//! Writes of users, one file per endpoint.

pub mod assign_role;
pub mod change;
pub mod create;
pub mod reactivate;
pub mod reason;
pub mod revoke_role;
pub mod suspend;

use axum::{http::StatusCode, response::Response};
use events::{
    claim::Claim,
    decider::Decider,
    ids::UserId,
    user::{User, UserCommand, UserEvent, UserRefusal, UserState},
    values::{Email, Username},
};
use platform::{
    http::{Problem, bodies::UserBody},
    rights::KnownRights,
    store::{ExecuteError, Executed, Folded, Intent, Plan, StoreError},
};

use crate::{
    command::{self, answer},
    state::AppState,
};

/// Why a user's command is refused: by the rules, by the caller's rank, or because its rights cannot be written.
#[derive(Debug)]
pub enum Refused {
    /// By the decider.
    Rule(UserRefusal),
    /// With this answer.
    Problem(Box<Problem>),
}

impl From<UserRefusal> for Refused {
    fn from(refusal: UserRefusal) -> Self {
        Self::Rule(refusal)
    }
}

impl From<Problem> for Refused {
    fn from(problem: Problem) -> Self {
        Self::Problem(Box::new(problem))
    }
}

impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Self {
        Problem::from(error).into()
    }
}

/// The end of a user's command as a problem.
pub fn problem(error: ExecuteError<Refused>, taken: impl FnOnce(&Claim) -> Problem) -> Problem {
    let refused = |refusal| match refusal {
        Refused::Rule(refusal) => command::refused(refusal),
        Refused::Problem(problem) => *problem,
    };
    command::problem(error, refused, taken)
}

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
            command::nothing_taken(claim)
        }
    }
}

/// The whole user, with the names of their roles.
///
/// # Errors
/// When a role cannot be read.
pub async fn whole(
    state: &AppState,
    status: StatusCode,
    id: UserId,
    executed: &Executed<User>,
) -> Result<Response, Problem> {
    let user = executed.folded.state.as_ref().ok_or_else(Problem::not_found)?;
    let mut names = Vec::with_capacity(user.roles.len());
    for held in &user.roles {
        let role = state.context.roles.warm(held.role_id.into()).await?;
        names.push((held.role_id, role.state.as_ref().map(|role| role.name.clone().into())));
    }
    let name_of =
        |wanted| names.iter().find(|(id, _)| *id == wanted).and_then(|(_, name): &(_, Option<String>)| name.clone());
    let body = UserBody::new(user, state.context.clock.now(), name_of);
    Ok(answer(status, id.into(), executed, body))
}

/// A decision that refuses to change somebody above the caller, and voids their tokens where it narrows a right.
pub struct Change<'a> {
    /// The handlers' state.
    pub state: &'a AppState,
    /// Who asks.
    pub caller: &'a platform::http::auth::Caller,
    /// Rights at this moment.
    pub known: &'a KnownRights,
    /// Whether events of this command narrow what the user may do.
    pub narrows: fn(&UserState, &[UserEvent]) -> bool,
}

impl Change<'_> {
    /// Decides, and carries the command through.
    ///
    /// # Errors
    /// [`ExecuteError`].
    pub async fn execute(
        &self,
        id: UserId,
        intent: &Intent,
        wish: UserCommand,
    ) -> Result<Executed<User>, ExecuteError<Refused>> {
        self.state.context.users.execute(id.into(), intent, |folded| self.plan(folded, wish.clone())).await
    }

    fn plan(&self, folded: &Folded<Option<UserState>>, wish: UserCommand) -> Result<Plan<UserEvent>, Refused> {
        let events = User::decide(&folded.state, wish)?;
        let Some(user) = &folded.state else { return Ok(events.into()) };
        let now = self.state.context.clock.now();
        crate::auth::authority::require_not_above(self.caller, self.known, &user.roles, now)?;
        let mut companions = Vec::new();
        if (self.narrows)(user, &events) {
            let action = self.state.context.rights.void_user_action(user.id, folded.version.next(), now)?;
            companions.push(action);
        }
        Ok(Plan { events, companions })
    }
}
