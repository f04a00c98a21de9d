//! `GET /v1/users/{id}`

use axum::{
    Json,
    extract::{Path, State},
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
};

use super::bodies;
use crate::{fresh, state::AppState};

/// Read a user.
#[utoipa::path(
    get, path = "/v1/users/{id}", tag = "users", operation_id = "get_user",
    security(("bearer" = [])),
    params(("id" = Uuid, Path, description = "The user"), ("Consistency-Token" = Option<String>, Header, description = "What writes returned; the answer is not older than any of them")),
    responses(
        (status = 200, description = "The user", body = UserBody, headers(("ETag" = String), ("Projection-Lag" = String))),
        (status = 400, description = "A bad token, or a version that does not exist", body = Problem, content_type = "application/problem+json"),
        (status = 401, description = "No valid token", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "Permission missing", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "No such user", body = Problem, content_type = "application/problem+json"),
        (status = 410, description = "Erased", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Try again", body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn get(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<String>,
    at_least: AtLeast,
) -> Result<Response, Problem> {
    caller.require(Permission::USERS_READ)?;
    let id: UserId = id.parse().map_err(|_| Problem::not_found())?;
    answer(&state, id, &at_least).await
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
