//! Writes of roles, one file per endpoint.

pub mod change;
pub mod create;
pub mod retire;

use std::collections::BTreeSet;

use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use events::{
    claim::Claim,
    decider::Decider,
    ids::RoleId,
    permission::{Permission, Permissions},
    role::{Role, RoleCommand, RoleEvent, RoleRefusal, RoleState},
    values::{Invalid, Level},
};
use platform::{
    http::{Problem, bodies::RoleBody},
    store::{Command, Companions, Draft, Executed, Folded, Intent},
};

use crate::{
    auth::authority::Authority,
    command::{self, Refused, answer, nothing_to_match},
    conditions::Conditions,
    state::AppState,
};

/// Most permissions of one role: a role is read by every verifier once a second.
const MAX_PERMISSIONS: usize = 200;

/// A change of a role by a caller who must have everything that the role gives, before it and after it.
pub struct Change<'a> {
    /// The handlers' state.
    pub state: &'a AppState,
    /// What the caller may give.
    pub authority: &'a Authority,
    /// What they want.
    pub wish: RoleCommand,
    /// On what conditions.
    pub conditions: &'a Conditions,
}

impl Change<'_> {
    /// Carries the command through.
    ///
    /// # Errors
    /// The problem to answer with.
    pub async fn execute(self, id: RoleId, intent: &Intent) -> Result<Executed<Role>, Problem> {
        let executed = self.state.context.roles.execute(id.into(), intent, self).await;
        executed.map_err(|error| command::problem(error, name_taken))
    }

    /// Whoever has the role, be it the caller, may have it without an end: then they have what is new for ever.
    fn covers_what_is_new(&self, before: &RoleState, after: &RoleState) -> Result<(), Problem> {
        let new = after.permissions.0.iter().filter(|permission| !before.permissions.allow(permission.as_str()));
        let new = Permissions(new.cloned().collect());
        if new.0.is_empty() && after.level <= before.level {
            return Ok(());
        }
        self.authority.covers_until(after.level, &new, None)
    }
}

impl Command<Role> for Change<'_> {
    type Refusal = Refused<RoleRefusal>;

    async fn authorise(&self, folded: &Folded<Option<RoleState>>) -> Result<(), Self::Refusal> {
        match &folded.state {
            Some(role) => self.authority.covers(role.level, &role.permissions).map_err(Refused::with),
            None => Ok(()),
        }
    }

    fn decide(&self, folded: &Folded<Option<RoleState>>) -> Result<Vec<RoleEvent>, Self::Refusal> {
        let events = Role::decide(&folded.state, self.wish.clone())?;
        if folded.state.is_none() {
            nothing_to_match(self.conditions).map_err(Refused::with)?;
        }
        Ok(events)
    }

    /// What the role permits takes effect with the commit.
    fn beside(&self, draft: &Draft<Role>) -> Result<Companions, Self::Refusal> {
        let Some(after) = &draft.after().state else { return Ok(Companions::new()) };
        self.authority.covers(after.level, &after.permissions).map_err(Refused::with)?;
        if let Some(before) = &draft.before().state {
            self.covers_what_is_new(before, after).map_err(Refused::with)?;
        }
        Ok(vec![self.state.context.rights.role_action(after).map_err(Refused::with)?])
    }
}

fn name_taken(_: &Claim) -> Problem {
    Problem::new(StatusCode::CONFLICT, "role-name-taken", "The role's name is taken").error(
        "/name",
        "role-name-taken",
        "another role has it already",
    )
}

/// Answers with the whole role.
pub fn whole(status: StatusCode, id: RoleId, executed: &Executed<Role>) -> Response {
    let body = |role: &Option<RoleState>| Some(Json(RoleBody::from(role.as_ref()?)).into_response());
    answer(status, id.into(), executed, body)
}

/// A level from a request.
fn level(number: i64) -> Result<Level, Invalid> {
    Level::try_from(u8::try_from(number).unwrap_or(0))
}

/// A role's permissions from a request: at least one.
#[expect(clippy::needless_pass_by_value, reason = "taken by `Fields`")]
fn permissions(names: Vec<String>) -> Result<Permissions, Invalid> {
    let refuse = |code, message: String| Err(Invalid { code, message });
    if names.is_empty() {
        return refuse("no-permissions", "must hold at least one permission".to_owned());
    }
    if names.len() > MAX_PERMISSIONS {
        return refuse("too-many-permissions", format!("must hold at most {MAX_PERMISSIONS} permissions"));
    }
    let parsed: Result<BTreeSet<Permission>, Invalid> = names.iter().map(|name| Permission::parse(name)).collect();
    parsed.map(Permissions)
}
