//! Writes of roles, one file per endpoint.

pub mod change;
pub mod create;
pub mod retire;

use std::collections::BTreeSet;

use axum::{http::StatusCode, response::Response};
use events::{
    claim::Claim,
    decider::Decider,
    envelope::Recorded,
    ids::RoleId,
    permission::{Permission, Permissions},
    role::{Role, RoleCommand, RoleEvent, RoleRefusal, RoleState},
    values::{Invalid, Level},
};
use platform::{
    http::{Problem, bodies::RoleBody},
    store::{ExecuteError, Executed, Folded, Intent, Plan, StoreError},
};

use crate::{
    auth::authority::Authority,
    command::{self, answer},
    state::AppState,
};

/// Most permissions of one role: a role is read by every verifier once a second.
const MAX_PERMISSIONS: usize = 200;

/// Why a role's command is refused.
#[derive(Debug)]
pub enum Refused {
    /// By the decider.
    Rule(RoleRefusal),
    /// With this answer.
    Problem(Box<Problem>),
}

impl From<RoleRefusal> for Refused {
    fn from(refusal: RoleRefusal) -> Self {
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

/// Decides, refuses what is above the caller, and writes the role's rights along with the commit.
///
/// # Errors
/// The problem to answer with.
pub async fn execute(
    state: &AppState,
    authority: &Authority,
    id: RoleId,
    intent: &Intent,
    wish: RoleCommand,
) -> Result<Executed<Role>, Problem> {
    let plan = |folded: &Folded<Option<RoleState>>| -> Result<Plan<RoleEvent>, Refused> {
        let events = Role::decide(&folded.state, wish.clone())?;
        if let Some(role) = &folded.state {
            authority.covers(role.level, &role.permissions)?;
        }
        let Some(after) = state_after(id, folded, &events, intent) else { return Ok(events.into()) };
        authority.covers(after.level, &after.permissions)?;
        let rights = state.context.rights.role_action(&after)?;
        Ok(Plan { events, companions: vec![rights] })
    };
    state.context.roles.execute(id.into(), intent, plan).await.map_err(problem)
}

/// The role as it will be once these events are recorded.
fn state_after(
    id: RoleId,
    before: &Folded<Option<RoleState>>,
    events: &[RoleEvent],
    intent: &Intent,
) -> Option<RoleState> {
    let mut state = before.state.clone();
    for (index, event) in events.iter().enumerate() {
        let recorded = Recorded {
            event_id: events::ids::EventId(id.0),
            stream: id.into(),
            version: before.version.next(),
            index,
            recorded_at: before.recorded_at.unwrap_or_default(),
            metadata: intent.metadata.clone(),
            event: event.clone(),
        };
        Role::evolve(&mut state, &recorded);
    }
    state
}

fn problem(error: ExecuteError<Refused>) -> Problem {
    let refused = |refusal| match refusal {
        Refused::Rule(refusal) => command::refused(refusal),
        Refused::Problem(problem) => *problem,
    };
    command::problem(error, refused, name_taken)
}

fn name_taken(_: &Claim) -> Problem {
    Problem::new(StatusCode::CONFLICT, "role-name-taken", "The role's name is taken").error(
        "/name",
        "role-name-taken",
        "another role has it already",
    )
}

/// The whole role.
///
/// # Errors
/// 404 when there is none.
pub fn whole(status: StatusCode, id: RoleId, executed: &Executed<Role>) -> Result<Response, Problem> {
    let role = executed.folded.state.as_ref().ok_or_else(Problem::not_found)?;
    Ok(answer(status, id.into(), executed, RoleBody::from(role)))
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
