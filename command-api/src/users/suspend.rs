//! `POST /v1/users/{id}/suspend`

use axum::{
    extract::{Path, State},
    http::StatusCode,
    response::Response,
};
use events::{ids::UserId, permission::Permission, user::UserCommand};
use platform::http::{Problem, auth::Caller, bodies::UserBody, consistency::IfMatch, json::Body};

use super::{Change, problem, reason::WithReason, whole};
use crate::{
    auth::authority::known_rights,
    command::{Ask, IdempotencyKey, entity_id, nothing_taken},
    state::AppState,
};

/// Suspend a user.
///
/// They cannot sign in any more, and within seconds their tokens are worth nothing.
#[utoipa::path(
    post, path = "/v1/users/{id}/suspend", tag = "users", operation_id = "suspend_user",
    security(("bearer" = [])),
    request_body = WithReason,
    params(
        ("id" = Uuid, Path, description = "The user"),
        ("If-Match" = Option<String>, Header, description = "The ETag that you read, or `*`"),
        ("Idempotency-Key" = Option<String>, Header, description = "Names this request, so that it can be repeated safely"),
    ),
    responses(
        (status = 200, description = "The whole user", body = UserBody, headers(("ETag" = String), ("Consistency-Token" = String))),
        (status = 400, description = "Not JSON, or a bad header", body = Problem, content_type = "application/problem+json"),
        (status = 401, description = "No valid token", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "Permission missing, or above your level", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "No such user", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "`conflict`", body = Problem, content_type = "application/problem+json"),
        (status = 410, description = "Erased", body = Problem, content_type = "application/problem+json"),
        (status = 412, description = "Changed since you read it", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "Body too large", body = Problem, content_type = "application/problem+json"),
        (status = 415, description = "Not application/json", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "A value is not valid", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Try again", body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn suspend(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<String>,
    if_match: IfMatch,
    key: IdempotencyKey,
    Body(request): Body<WithReason>,
) -> Result<Response, Problem> {
    caller.require(Permission::USERS_WRITE)?;
    let id: UserId = entity_id(&id)?;
    let reason = request.parse()?;
    let fingerprint = (id, reason.clone());
    let ask =
        Ask { operation: "suspend user", actor: caller.actor(), reason: Some(reason), expected: if_match.0, key: &key };
    let intent = ask.intent(&state, &fingerprint);
    let known = known_rights(&state).await?;
    let change = Change { state: &state, caller: &caller, known: &known, narrows: |_, events| !events.is_empty() };
    let executed =
        change.execute(id, &intent, UserCommand::Suspend).await.map_err(|error| problem(error, nothing_taken))?;
    whole(&state, StatusCode::OK, id, &executed).await
}
