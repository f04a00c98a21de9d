//! `DELETE /v1/users/{id}/roles/{role_id}`

use axum::{
    extract::{Path, State},
    http::StatusCode,
    response::Response,
};
use events::{
    ids::{RoleId, UserId},
    permission::Permission,
    user::UserCommand,
};
use platform::http::{Problem, auth::Caller, bodies::UserBody, consistency::IfMatch};

use super::{Change, problem, whole};
use crate::{
    auth::authority::known_rights,
    command::{Ask, IdempotencyKey, entity_id, nothing_taken},
    state::AppState,
};

/// Take a role away.
///
/// Within seconds the user's tokens are worth nothing; the next ones are without the role.
#[utoipa::path(
    delete, path = "/v1/users/{id}/roles/{role_id}", tag = "users", operation_id = "revoke_role",
    security(("bearer" = [])),
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
        (status = 404, description = "No such user", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "`conflict`", body = Problem, content_type = "application/problem+json"),
        (status = 410, description = "Erased", body = Problem, content_type = "application/problem+json"),
        (status = 412, description = "Changed since you read it", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "A value is not valid", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Try again", body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn revoke_role(
    State(state): State<AppState>,
    caller: Caller,
    Path((id, role_id)): Path<(String, String)>,
    if_match: IfMatch,
    key: IdempotencyKey,
) -> Result<Response, Problem> {
    caller.require(Permission::ROLES_ASSIGN)?;
    let id: UserId = entity_id(&id)?;
    let role_id: RoleId = entity_id(&role_id)?;
    let ask = Ask { operation: "revoke role", actor: caller.actor(), reason: None, expected: if_match.0, key: &key };
    let intent = ask.intent(&state, &(id, role_id));
    let known = known_rights(&state).await?;
    let change = Change { state: &state, caller: &caller, known: &known, narrows: |_, events| !events.is_empty() };
    let executed = change
        .execute(id, &intent, UserCommand::RevokeRole(role_id))
        .await
        .map_err(|error| problem(error, nothing_taken))?;
    whole(&state, StatusCode::OK, id, &executed).await
}
