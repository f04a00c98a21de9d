//! `GET /v1/roles/{id}`

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use events::{ids::RoleId, permission::Permission, role::Role};
use platform::http::{
    Problem,
    auth::Caller,
    bodies::RoleBody,
    consistency::{AtLeast, version_headers},
    documented::{Guarded, Named, ReadAfter, Served},
    id::Id,
};

use crate::{
    fresh,
    moment::{self, AsOf},
    state::AppState,
};

/// Read a role.
///
/// A retired one stays readable for ever.
#[utoipa::path(
    get, path = "/v1/roles/{id}", tag = "roles", operation_id = "get_role",
    security(("bearer" = [])),
    params(("id" = Uuid, Path, description = "The role"), AsOf, ReadAfter),
    responses(
        (status = 200, description = "The role", body = RoleBody, headers(("ETag" = String, description = "The version, for `If-Match`"))),
        Guarded, Served, Named,
    )
)]
pub async fn get(
    State(state): State<AppState>,
    caller: Caller,
    Id(id): Id<RoleId>,
    as_of: AsOf,
    at_least: AtLeast,
) -> Result<Response, Problem> {
    caller.require(Permission::ROLES_READ)?;
    let role = match as_of.at {
        Some(at) => moment::state_at::<Role>(&state, id.into(), at, &at_least).await?,
        None => fresh::row(&state.roles, state.context.store(), id.0, at_least.of(id.into())).await?,
    };
    let role = role.ok_or_else(Problem::not_found)?;
    Ok((version_headers(id.into(), role.version), Json(RoleBody::from(&role))).into_response())
}
