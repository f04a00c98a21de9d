//! `GET /v1/notifications/{id}`

use axum::{extract::State, response::Response};
use events::{ids::NotificationId, permission::Permission};
use platform::http::{
    Problem,
    auth::Caller,
    consistency::AtLeast,
    documented::{Guarded, Named, ReadAfter, Served},
    id::Id,
};

use super::NotificationBody;
use crate::{
    conditional::{IfNoneMatch, NOTHING_ELSE, Same, UnlessSame},
    fresh,
    state::AppState,
};

/// Read a notification.
///
/// Neither its text nor a telephone number is in it.
#[utoipa::path(
    get, path = "/v1/notifications/{id}", tag = "notifications", operation_id = "get_notification",
    security(("bearer" = [])),
    params(("id" = Uuid, Path, description = "The notification"), ReadAfter, UnlessSame),
    responses(
        (status = 200, description = "The notification", body = NotificationBody, headers(("ETag" = String, description = "The version, for `If-Match`, and for `If-None-Match`"))),
        Same, Guarded, Served, Named,
    )
)]
pub async fn get(
    State(state): State<AppState>,
    caller: Caller,
    Id(id): Id<NotificationId>,
    at_least: AtLeast,
    if_none_match: IfNoneMatch,
) -> Result<Response, Problem> {
    caller.require(Permission::NOTIFICATIONS_READ)?;
    let row = fresh::row(&state.notifications, state.context.store(), id.0, at_least.of(id.into())).await?;
    let row = row.ok_or_else(Problem::not_found)?;
    if_none_match.entity(&state.tag_key, (id.into(), row.version), NOTHING_ELSE, NotificationBody::from(&row))
}
