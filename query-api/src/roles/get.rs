//! `GET /v1/roles/{id}`

use axum::{
    Json,
    extract::{Path, State},
    response::{IntoResponse, Response},
};
use events::{ids::RoleId, permission::Permission};
use platform::http::{
    Problem,
    auth::Caller,
    bodies::RoleBody,
    consistency::{AtLeast, version_headers},
};

use crate::{fresh, state::AppState};

/// Read a role.
#[utoipa::path(
    get, path = "/v1/roles/{id}", tag = "roles", operation_id = "get_role",
    security(("bearer" = [])),
    params(("id" = Uuid, Path, description = "The role"), ("Consistency-Token" = Option<String>, Header, description = "What writes returned; the answer is not older than any of them")),
    responses(
        (status = 200, description = "The role", body = RoleBody, headers(("ETag" = String), ("Projection-Lag" = String))),
        (status = 400, description = "A bad token, or a version that does not exist", body = Problem, content_type = "application/problem+json"),
        (status = 401, description = "No valid token", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "Permission missing", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "No such role", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Try again", body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn get(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<String>,
    at_least: AtLeast,
) -> Result<Response, Problem> {
    caller.require(Permission::ROLES_READ)?;
    let id: RoleId = id.parse().map_err(|_| Problem::not_found())?;
    let role = fresh::row(&state.roles, state.context.store(), id.0, at_least.of(id.into())).await?;
    let role = role.ok_or_else(Problem::not_found)?;
    Ok((version_headers(id.into(), role.version), Json(RoleBody::from(&role))).into_response())
}
