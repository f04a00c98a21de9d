//! `DELETE /v1/roles/{id}`

use axum::{
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use events::{ids::RoleId, permission::Permission, role::RoleCommand};
use platform::http::{Problem, auth::Caller, consistency::IfMatch};

use super::execute;
use crate::{
    auth::authority::Authority,
    command::{Ask, IdempotencyKey, entity_id, mark},
    state::AppState,
};

/// Retire a role.
///
/// Within seconds it grants nothing any more; its name is free at once. It stays in the history for ever.
#[utoipa::path(
    delete, path = "/v1/roles/{id}", tag = "roles", operation_id = "retire_role",
    security(("bearer" = [])),
    params(
        ("id" = Uuid, Path, description = "The role"),
        ("If-Match" = String, Header, description = "The ETag that you read, or `*`"),
        ("Idempotency-Key" = Option<String>, Header, description = "Names this request, so that it can be repeated safely"),
    ),
    responses(
        (status = 204, description = "Retired", headers(("ETag" = String), ("Consistency-Token" = String))),
        (status = 400, description = "Not JSON, or a bad header", body = Problem, content_type = "application/problem+json"),
        (status = 401, description = "No valid token", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "Permission missing, or above your level", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "No such role", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "`conflict`", body = Problem, content_type = "application/problem+json"),
        (status = 412, description = "Changed since you read it", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "The key was used for another request", body = Problem, content_type = "application/problem+json"),
        (status = 428, description = "If-Match is missing", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Try again", body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn retire(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<String>,
    if_match: IfMatch,
    key: IdempotencyKey,
) -> Result<Response, Problem> {
    caller.require(Permission::ROLES_WRITE)?;
    let id: RoleId = entity_id(&id)?;
    let expected = Some(if_match.required()?);
    let authority = Authority::of(&state, &caller).await?;
    let ask = Ask { operation: "retire role", actor: caller.actor(), reason: None, expected, key: &key };
    let intent = ask.intent(&state, &id);
    let executed = execute(&state, &authority, id, &intent, RoleCommand::Retire).await?;
    let mut response = StatusCode::NO_CONTENT.into_response();
    mark(&mut response, id.into(), &executed);
    Ok(response)
}
