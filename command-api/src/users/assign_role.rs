//! `PUT /v1/users/{id}/roles/{role_id}`

use axum::{
    extract::{Path, State},
    http::StatusCode,
    response::Response,
};
use chrono::{DateTime, Utc};
use events::{
    ids::{RoleId, UserId},
    permission::Permission,
    role::RoleStatus,
    user::{AssignRole, UserCommand, UserEvent, UserState},
    values::{Invalid, Scope},
};
use platform::http::{
    Problem,
    auth::Caller,
    bodies::UserBody,
    consistency::IfMatch,
    fields::Fields,
    json::{KnownFields, OptionalBody},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Change, problem, whole};
use crate::{
    auth::authority::{Authority, known_rights},
    command::{Ask, IdempotencyKey, entity_id, nothing_taken},
    state::AppState,
};

/// On what terms.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Terms {
    /// Where it shall hold, for other services; everywhere when left out.
    #[schema(example = "branch:austin")]
    scope: Option<String>,
    /// When it shall end (RFC 3339); never when left out.
    expires_at: Option<String>,
}

impl KnownFields for Terms {
    const FIELDS: &'static [&'static str] = &["scope", "expires_at"];
}

/// Give a user a role.
///
/// Given again, it is given on the new terms. Nobody gives a role above their own level or with a permission they lack.
#[utoipa::path(
    put, path = "/v1/users/{id}/roles/{role_id}", tag = "users", operation_id = "assign_role",
    security(("bearer" = [])),
    request_body = Option<Terms>,
    params(
        ("id" = Uuid, Path, description = "The user"),
        ("role_id" = Uuid, Path, description = "The role"),
        ("If-Match" = Option<String>, Header, description = "The ETag that you read, or `*`"),
        ("Idempotency-Key" = Option<String>, Header, description = "Names this request, so that it can be repeated safely"),
    ),
    responses(
        (status = 200, description = "The whole user", body = UserBody, headers(("ETag" = String), ("Consistency-Token" = String))),
        (status = 400, description = "Not JSON, or a bad header", body = Problem, content_type = "application/problem+json"),
        (status = 401, description = "No valid token", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "Permission missing, or above your level", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "No such user or role", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "`role-retired`, `too-many-roles` or `conflict`", body = Problem, content_type = "application/problem+json"),
        (status = 410, description = "Erased", body = Problem, content_type = "application/problem+json"),
        (status = 412, description = "Changed since you read it", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "Body too large", body = Problem, content_type = "application/problem+json"),
        (status = 415, description = "Not application/json", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "A value is not valid", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Try again", body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn assign_role(
    State(state): State<AppState>,
    caller: Caller,
    Path((id, role_id)): Path<(String, String)>,
    if_match: IfMatch,
    key: IdempotencyKey,
    OptionalBody(request): OptionalBody<Terms>,
) -> Result<Response, Problem> {
    caller.require(Permission::ROLES_ASSIGN)?;
    let id: UserId = entity_id(&id)?;
    let role_id: RoleId = entity_id(&role_id)?;
    let terms = parse(request, role_id, state.context.clock.now())?;
    let role = state.context.roles.load(role_id.into()).await?.state.ok_or_else(Problem::not_found)?;
    if role.status == RoleStatus::Retired {
        return Err(Problem::new(StatusCode::CONFLICT, "role-retired", "The role is retired"));
    }
    Authority::of(&state, &caller).await?.covers(role.level, &role.permissions)?;

    let fingerprint = (id, role_id, terms.scope.clone(), terms.expires_at);
    let ask = Ask { operation: "assign role", actor: caller.actor(), reason: None, expected: if_match.0, key: &key };
    let intent = ask.intent(&state, &fingerprint);
    let known = known_rights(&state).await?;
    let change = Change { state: &state, caller: &caller, known: &known, narrows: replaces_terms };
    let executed = change
        .execute(id, &intent, UserCommand::AssignRole(terms))
        .await
        .map_err(|error| problem(error, nothing_taken))?;
    whole(&state, StatusCode::OK, id, &executed).await
}

/// New terms may be narrower than the old ones.
fn replaces_terms(user: &UserState, events: &[UserEvent]) -> bool {
    events.iter().any(|event| match event {
        UserEvent::UserRoleAssigned(new) => user.roles.iter().any(|held| held.role_id == new.role_id),
        _ => false,
    })
}

fn parse(request: Terms, role_id: RoleId, now: DateTime<Utc>) -> Result<AssignRole, Problem> {
    let refuse = |code, message: &str| Invalid { code, message: message.to_owned() };
    let mut fields = Fields::default();
    let scope = fields.optional("/scope", request.scope, |text| Scope::parse(&text));
    let expires_at = fields.optional("/expires_at", request.expires_at, |text| {
        let end =
            DateTime::parse_from_rfc3339(&text).map_err(|_| refuse("invalid-time", "must be an RFC 3339 time"))?;
        let end = end.to_utc();
        if end > now { Ok(end) } else { Err(refuse("in-the-past", "must lie in the future")) }
    });
    fields.finish(Some(AssignRole { role_id, scope, expires_at }))
}
