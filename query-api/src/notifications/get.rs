//! `GET /v1/notifications/{id}`

use axum::{
    Json,
    extract::{Path, State},
    response::{IntoResponse, Response},
};
use events::{ids::NotificationId, permission::Permission};
use platform::http::{
    Problem,
    auth::Caller,
    consistency::{AtLeast, version_headers},
};

use super::NotificationBody;
use crate::{fresh, state::AppState};

/// Read a notification.
#[utoipa::path(
    get, path = "/v1/notifications/{id}", tag = "notifications", operation_id = "get_notification",
    security(("bearer" = [])),
    params(("id" = Uuid, Path, description = "The notification"), ("Consistency-Token" = Option<String>, Header, description = "What writes returned; the answer is not older than any of them")),
    responses(
        (status = 200, description = "The notification", body = NotificationBody, headers(("ETag" = String), ("Projection-Lag" = String))),
        (status = 400, description = "A bad token, or a version that does not exist", body = Problem, content_type = "application/problem+json"),
        (status = 401, description = "No valid token", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "Permission missing", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "No such notification", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Try again", body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn get(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<String>,
    at_least: AtLeast,
) -> Result<Response, Problem> {
    caller.require(Permission::NOTIFICATIONS_READ)?;
    let id: NotificationId = id.parse().map_err(|_| Problem::not_found())?;
    let row = fresh::row(&state.notifications, state.context.store(), id.0, at_least.of(id.into())).await?;
    let row = row.ok_or_else(Problem::not_found)?;
    Ok((version_headers(id.into(), row.version), Json(NotificationBody::from(&row))).into_response())
}
