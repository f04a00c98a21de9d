//! `GET /v1/me/preferences`

use axum::{extract::State, response::Response};
use platform::http::{
    Problem,
    auth::Caller,
    bodies::PreferencesBody,
    consistency::AtLeast,
    documented::{Erasable, Guarded, Named, ReadAfter, Served},
};

use super::get;
use crate::{
    conditional::{IfNoneMatch, NOTHING_ELSE, Same, UnlessSame},
    state::AppState,
};

/// Read which messages you want, and when.
///
/// It takes a token and no permission. Who has not said anything gets all of them, those that can wait not from 21:00 to
/// 08:00.
#[utoipa::path(
    get, path = "/v1/me/preferences", tag = "users", operation_id = "preferences",
    security(("bearer" = [])),
    params(ReadAfter, UnlessSame),
    responses(
        (status = 200, description = "What you want", body = PreferencesBody, headers(("ETag" = String, description = "The version, for `If-Match`, and for `If-None-Match`"))),
        Same, Guarded, Served, Named, Erasable,
    )
)]
pub async fn preferences(
    State(state): State<AppState>,
    caller: Caller,
    at_least: AtLeast,
    if_none_match: IfNoneMatch,
) -> Result<Response, Problem> {
    let user = get::row(&state, caller.user(), &caller.since_signed(at_least)).await?;
    let body = PreferencesBody::from(&user.preferences);
    if_none_match.entity(&state.tag_key, (user.id.into(), user.version), NOTHING_ELSE, body)
}
