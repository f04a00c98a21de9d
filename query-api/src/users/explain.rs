//! `GET /v1/users/{id}/permissions:explain`

use std::collections::BTreeMap;

use axum::{
    Json,
    extract::{Query, State, rejection::QueryRejection},
};
use chrono::{DateTime, Utc};
use events::{
    envelope::Recorded,
    event::EventData,
    ids::{RoleId, UserId},
    permission::Permission,
    role::RoleEvent,
    stream::{StreamId, Version},
    user::{Assignment, Status, UserEvent},
    values::Scope,
};
use platform::{
    http::{
        Problem,
        auth::Caller,
        bodies::EventBody,
        documented::{Erasable, Guarded, Named, Served, examples},
        id::Id,
    },
    store::Range,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::{IntoParams, ToSchema};

use crate::{list::invalid_query, state::AppState};

/// Commits per call while a history is read.
const PAGE: usize = 200;

/// Which right.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Wanted {
    /// The permission, such as `users:write`.
    #[param(pattern = "^([a-z][a-z0-9_]*:[a-z][a-z0-9_]*|[*])$", max_length = 64, example = "users:write")]
    permission: String,
}

/// Why a user has a right on our own routes, or has it not.
#[derive(Serialize, ToSchema)]
#[schema(example = json!(example()))]
pub struct Explanation {
    /// Which right.
    permission: String,
    /// Whether the user has it now.
    granted: bool,
    /// Where the user stands: only an active one has any right.
    #[schema(value_type = String, pattern = "^(invited|active|suspended)$")]
    status: Status,
    /// The event that made it so.
    status_by: EventBody,
    /// Every role that the user has, or had.
    assignments: Vec<Explained>,
}

/// What one role of a user means for a right.
#[derive(Serialize, ToSchema)]
#[schema(example = json!(example_of_an_assignment()))]
pub struct Explained {
    /// Which role.
    #[schema(value_type = uuid::Uuid)]
    role_id: RoleId,
    /// Where it holds; everywhere when null.
    #[schema(value_type = Option<String>)]
    scope: Option<Scope>,
    /// When it ends; never when null.
    expires_at: Option<DateTime<Utc>>,
    /// What it comes to.
    outcome: Outcome,
    /// The event that gave the role to the user.
    assigned_by: EventBody,
    /// The event by which the outcome is what it is: of the role, or the one that took it away.
    decided_by: EventBody,
}

/// What one role comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It grants the right.
    Grants,
    /// The role does not have the right, or is retired.
    RoleLacksIt,
    /// It holds in its scope only, for other services.
    Scoped,
    /// Its time is over.
    Ended,
    /// The role was taken away.
    Revoked,
}

/// Explain a right.
///
/// It names the events that give the user a right, or keep it from them. It is read from the histories of the user and of
/// their roles, and so as new as the log; it takes the longer the longer those are.
#[utoipa::path(
    get, path = "/v1/users/{id}/permissions:explain", tag = "users", operation_id = "explain_permission",
    security(("bearer" = [])),
    params(("id" = Uuid, Path, description = "The user"), Wanted),
    responses((status = 200, description = "Why", body = Explanation), Guarded, Served, Named, Erasable)
)]
pub async fn explain(
    State(state): State<AppState>,
    caller: Caller,
    Id(id): Id<UserId>,
    wanted: Result<Query<Wanted>, QueryRejection>,
) -> Result<Json<Explanation>, Problem> {
    caller.require(Permission::USERS_READ)?;
    let Query(Wanted { permission }) = wanted.map_err(|_| invalid_query())?;
    let permission =
        Permission::parse(&permission).map_err(|_| invalid_query().detail("there is no such permission"))?;
    let history: Vec<Recorded<UserEvent>> = history(&state, id.into()).await?;
    let (mut status, mut status_by, mut before) = (Status::Invited, None, Status::Invited);
    let mut held: BTreeMap<RoleId, (Assignment, EventBody, Option<EventBody>)> = BTreeMap::new();
    for recorded in &history {
        let by = || EventBody::from(recorded);
        let becomes = match &recorded.event {
            UserEvent::UserRegistered(event) => event.status,
            UserEvent::UserInvitationAccepted {} => Status::Active,
            UserEvent::UserSuspended {} => Status::Suspended,
            UserEvent::UserReactivated {} => before,
            UserEvent::UserErased {} => return Err(Problem::erased()),
            UserEvent::UserRoleAssigned(event) => {
                let (role_id, scope, expires_at) = (event.role_id, event.scope.clone(), event.expires_at);
                held.insert(role_id, (Assignment { role_id, scope, expires_at }, by(), None));
                continue;
            }
            UserEvent::UserRoleRevoked(event) => {
                if let Some((_, _, revoked)) = held.get_mut(&event.role_id) {
                    *revoked = Some(by());
                }
                continue;
            }
            _ => continue,
        };
        if becomes == Status::Suspended {
            before = status;
        }
        (status, status_by) = (becomes, Some(by()));
    }
    let now = state.context.clock.now();
    let mut assignments = Vec::new();
    for (assignment, assigned_by, revoked) in held.into_values() {
        let (grants, decided_by) = of_role(&state, assignment.role_id, &permission).await?;
        let (outcome, decided_by) = match revoked {
            Some(revoked) => (Outcome::Revoked, revoked),
            None if !assignment.holds_at(now) => (Outcome::Ended, assigned_by.clone()),
            None if !grants => (Outcome::RoleLacksIt, decided_by),
            None if assignment.scope.is_some() => (Outcome::Scoped, assigned_by.clone()),
            None => (Outcome::Grants, decided_by),
        };
        let Assignment { role_id, scope, expires_at } = assignment;
        assignments.push(Explained { role_id, scope, expires_at, outcome, assigned_by, decided_by });
    }
    let granted = status == Status::Active && assignments.iter().any(|one| one.outcome == Outcome::Grants);
    let status_by = status_by.ok_or_else(Problem::not_found)?;
    let permission = permission.as_str().to_owned();
    Ok(Json(Explanation { permission, granted, status, status_by, assignments }))
}

/// Whether a role grants a right now, and the event since which it does or does not.
async fn of_role(state: &AppState, role: RoleId, permission: &Permission) -> Result<(bool, EventBody), Problem> {
    let mut standing: Option<(bool, EventBody)> = None;
    for recorded in history::<RoleEvent>(state, role.into()).await? {
        let grants = match &recorded.event {
            RoleEvent::RoleCreated(event) => event.permissions.allow(permission.as_str()),
            RoleEvent::RoleChanged(event) => match &event.permissions {
                Some(permissions) => permissions.allow(permission.as_str()),
                None => continue,
            },
            RoleEvent::RoleRetired {} => false,
        };
        if standing.as_ref().is_none_or(|(before, _)| *before != grants) {
            standing = Some((grants, EventBody::from(&recorded)));
        }
    }
    standing.ok_or_else(Problem::internal)
}

async fn history<E: EventData>(state: &AppState, stream: StreamId) -> Result<Vec<Recorded<E>>, Problem> {
    let (mut events, mut after) = (Vec::new(), Version::NONE);
    loop {
        let commits = state.context.store().read::<E>(stream, Range { after, until: None }, PAGE).await?;
        let Some(last) = commits.last() else { break };
        after = last.version;
        events.extend(commits.into_iter().flat_map(|commit| commit.events));
    }
    if events.is_empty() { Err(Problem::not_found()) } else { Ok(events) }
}

fn example() -> Value {
    json!({
        "permission": "users:write", "granted": true, "status": "active", "status_by": examples::event(),
        "assignments": [example_of_an_assignment()]
    })
}

fn example_of_an_assignment() -> Value {
    json!({
        "role_id": "0190b1a2-8d2f-7e4b-8b68-3c7f1f2e88b5", "scope": null, "expires_at": null, "outcome": "grants",
        "assigned_by": examples::event(), "decided_by": examples::event()
    })
}
