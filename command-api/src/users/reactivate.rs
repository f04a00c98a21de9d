//! `POST /v1/users/{id}/reactivate`

use axum::{extract::State, response::Response};
use events::{ids::UserId, permission::Permission, user::UserCommand};
use platform::http::{
    Problem,
    auth::Caller,
    documented::{Bodied, Erasable, Guarded, Named, Served, UserChanged, Versioned},
    id::Id,
    json::Body,
};

use super::{Change, never};
use crate::{
    conditions::{Conditions, DryRun, IfMatchAllowed, Repeatable},
    reason::WithReason,
    state::AppState,
};

/// Take a suspension back.
///
/// They return to where they stood before it.
#[utoipa::path(
    post, path = "/v1/users/{id}/reactivate", tag = "users", operation_id = "reactivate_user",
    security(("bearer" = [])),
    request_body = WithReason,
    params(("id" = Uuid, Path, description = "The user"), IfMatchAllowed, Repeatable, DryRun),
    responses(
        UserChanged,
        (status = 409, description = "`user-not-suspended` or `conflict`", body = Problem, content_type = "application/problem+json"),
        Guarded, Served, Bodied, Named, Erasable, Versioned,
    )
)]
pub async fn reactivate(
    State(state): State<AppState>,
    caller: Caller,
    Id(id): Id<UserId>,
    conditions: Conditions,
    Body(request): Body<WithReason>,
) -> Result<Response, Problem> {
    caller.require(Permission::USERS_WRITE)?;
    let reason = Some(request.parse()?);
    let change = Change { state: &state, caller: &caller, wish: UserCommand::Reactivate, narrows: never };
    change.answer("reactivate user", id, &conditions, reason).await
}
