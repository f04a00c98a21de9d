//! `POST /v1/users/{id}/require-password-change`

use axum::{extract::State, response::Response};
use events::{ids::UserId, permission::Permission, user::UserCommand};
use platform::http::{
    Problem,
    auth::Caller,
    documented::{Bodied, Erasable, Guarded, Named, Served, UserChanged, Versioned},
    id::Id,
    json::OptionalBody,
};

use super::{Change, always};
use crate::{
    conditions::{Conditions, DryRun, IfMatchAllowed, Repeatable},
    reason::MaybeReason,
    state::AppState,
};

/// Let a user choose another password.
///
/// All of their sessions end, and the next sign-in takes a new password along with the old one.
#[utoipa::path(
    post, path = "/v1/users/{id}/require-password-change", tag = "users", operation_id = "require_password_change",
    security(("bearer" = [])),
    request_body = Option<MaybeReason>,
    params(("id" = Uuid, Path, description = "The user"), IfMatchAllowed, Repeatable, DryRun),
    responses(
        UserChanged,
        (status = 409, description = "`user-not-active` or `conflict`", body = Problem, content_type = "application/problem+json"),
        Guarded, Served, Bodied, Named, Erasable, Versioned,
    )
)]
pub async fn require_password_change(
    State(state): State<AppState>,
    caller: Caller,
    Id(id): Id<UserId>,
    conditions: Conditions,
    OptionalBody(request): OptionalBody<MaybeReason>,
) -> Result<Response, Problem> {
    caller.require(Permission::USERS_WRITE)?;
    let reason = request.parse()?;
    let change = Change { state: &state, caller: &caller, wish: UserCommand::RequirePasswordChange, narrows: always };
    change.answer("let a user choose another password", id, &conditions, reason).await
}
