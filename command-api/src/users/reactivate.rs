//! `POST /v1/users/{id}/reactivate`

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

/// Take a suspension back.
///
/// They return to where they stood before it.
#[utoipa::path(
    post, path = "/v1/users/{id}/reactivate", tag = "users", operation_id = "reactivate_user",
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
        (status = 409, description = "`user-not-suspended` or `conflict`", body = Problem, content_type = "application/problem+json"),
        (status = 410, description = "Erased", body = Problem, content_type = "application/problem+json"),
        (status = 412, description = "Changed since you read it", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "Body too large", body = Problem, content_type = "application/problem+json"),
        (status = 415, description = "Not application/json", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "A value is not valid", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Try again", body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn reactivate(
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
    let ask = Ask {
        operation: "reactivate user",
        actor: caller.actor(),
        reason: Some(reason),
        expected: if_match.0,
        key: &key,
    };
    let intent = ask.intent(&state, &fingerprint);
    let known = known_rights(&state).await?;
    let change = Change { state: &state, caller: &caller, known: &known, narrows: |_, _| false };
    let executed =
        change.execute(id, &intent, UserCommand::Reactivate).await.map_err(|error| problem(error, nothing_taken))?;
    whole(&state, StatusCode::OK, id, &executed).await
}
