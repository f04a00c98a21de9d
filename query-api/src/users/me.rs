//! `GET /v1/me`

use axum::{extract::State, response::Response};
use platform::http::{Problem, auth::Caller, bodies::UserBody, consistency::AtLeast};

use super::get;
use crate::state::AppState;

/// Read your own user.
#[utoipa::path(
    get, path = "/v1/me", tag = "users", operation_id = "me",
    security(("bearer" = [])),
    params(("Consistency-Token" = Option<String>, Header, description = "What writes returned; the answer is not older than any of them")),
    responses(
        (status = 200, description = "You", body = UserBody, headers(("ETag" = String), ("Projection-Lag" = String))),
        (status = 400, description = "A bad token, or a version that does not exist", body = Problem, content_type = "application/problem+json"),
        (status = 401, description = "No valid token", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "Not known to the read model yet", body = Problem, content_type = "application/problem+json"),
        (status = 410, description = "Erased", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Try again", body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn me(State(state): State<AppState>, caller: Caller, at_least: AtLeast) -> Result<Response, Problem> {
    get::answer(&state, caller.user(), &at_least).await
}
