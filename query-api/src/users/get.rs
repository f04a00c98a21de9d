//! `GET /v1/users/{id}`

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use events::{
    ids::UserId,
    permission::Permission,
    user::{Status, UserState},
};
use platform::http::{
    Problem,
    auth::Caller,
    bodies::UserBody,
    consistency::{AtLeast, version_headers},
    documented::{Erasable, Guarded, Named, ReadAfter, Served},
    id::Id,
};

use super::bodies;
use crate::{
    fresh,
    moment::{self, AsOf},
    state::AppState,
};

/// Read a user.
///
/// With a Consistency-Token never older than that write; the roles' names too.
#[utoipa::path(
    get, path = "/v1/users/{id}", tag = "users", operation_id = "get_user",
    security(("bearer" = [])),
    params(("id" = Uuid, Path, description = "The user"), AsOf, ReadAfter),
    responses(
        (status = 200, description = "The user", body = UserBody, headers(("ETag" = String, description = "The version, for `If-Match`"))),
        Guarded, Served, Named, Erasable,
    )
)]
pub async fn get(
    State(state): State<AppState>,
    caller: Caller,
    Id(id): Id<UserId>,
    as_of: AsOf,
    at_least: AtLeast,
) -> Result<Response, Problem> {
    caller.require(Permission::USERS_READ)?;
    match as_of.at {
        Some(at) => answer_at(&state, id, at, &at_least).await,
        None => answer(&state, id, &at_least).await,
    }
}

/// One user, with version and roles' names.
///
/// # Errors
/// 404, 410, 400 or 503.
pub async fn answer(state: &AppState, id: UserId, at_least: &AtLeast) -> Result<Response, Problem> {
    let user: Option<UserState> = fresh::row(&state.users, state.context.store(), id.0, at_least.of(id.into())).await?;
    let user = user.ok_or_else(Problem::not_found)?;
    if user.status == Status::Erased {
        return Err(Problem::erased());
    }
    let headers = version_headers(id.into(), user.version);
    let body = bodies(state, &[user], at_least).await?.pop().ok_or_else(Problem::not_found)?;
    Ok((headers, Json(body)).into_response())
}
