//! `GET /v1/roles/{id}`

use axum::{extract::State, response::Response};
use events::{ids::RoleId, permission::Permission, role::Role};
use platform::http::{
    Problem,
    auth::Caller,
    bodies::RoleBody,
    consistency::AtLeast,
    documented::{Guarded, Named, ReadAfter, Served},
    id::Id,
};

use crate::{
    conditional::{IfNoneMatch, NOTHING_ELSE, Same, UnlessSame},
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
    params(("id" = Uuid, Path, description = "The role"), AsOf, ReadAfter, UnlessSame),
    responses(
        (status = 200, description = "The role", body = RoleBody, headers(("ETag" = String, description = "The version, for `If-Match`, and for `If-None-Match`"))),
        Same, Guarded, Served, Named,
    )
)]
pub async fn get(
    State(state): State<AppState>,
    caller: Caller,
    Id(id): Id<RoleId>,
    as_of: AsOf,
    at_least: AtLeast,
    if_none_match: IfNoneMatch,
) -> Result<Response, Problem> {
    caller.require(Permission::ROLES_READ)?;
    let role = match as_of.at {
        Some(at) => moment::state_at::<Role>(&state, id.into(), at, &at_least).await?,
        None => fresh::row(&state.roles, state.context.store(), id.0, at_least.of(id.into())).await?,
    };
    let role = role.ok_or_else(Problem::not_found)?;
    if_none_match.entity(&state.tag_key, (id.into(), role.version), NOTHING_ELSE, RoleBody::from(&role))
}
