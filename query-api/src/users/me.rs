//! `GET /v1/me`

use axum::{extract::State, response::Response};
use platform::http::{
    Problem,
    auth::Caller,
    bodies::UserBody,
    consistency::AtLeast,
    documented::{Erasable, Guarded, Named, ReadAfter, Served},
};

use super::get;
use crate::{
    conditional::{IfNoneMatch, Same, UnlessSame},
    state::AppState,
};

/// Read your own user.
///
/// It takes a token and no permission.
#[utoipa::path(
    get, path = "/v1/me", tag = "users", operation_id = "me",
    security(("bearer" = [])),
    params(ReadAfter, UnlessSame),
    responses(
        (status = 200, description = "You", body = UserBody, headers(("ETag" = String, description = "The version, for `If-Match`, and for `If-None-Match`"))),
        Same, Guarded, Served, Named, Erasable,
    )
)]
pub async fn me(
    State(state): State<AppState>,
    caller: Caller,
    at_least: AtLeast,
    if_none_match: IfNoneMatch,
) -> Result<Response, Problem> {
    let (version, body) = get::current(&state, caller.user(), &caller.since_signed(at_least)).await?;
    if_none_match.entity(&state.tag_key, (caller.user().into(), version), &body.roles, &body)
}
