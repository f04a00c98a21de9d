//! `POST /v1/users/{id}/suspend`

use axum::{extract::State, response::Response};
use events::{ids::UserId, permission::Permission, user::UserCommand};
use platform::http::{
    Problem,
    auth::Caller,
    documented::{Bodied, Erasable, Guarded, Named, Served, UserChanged, Versioned},
    id::Id,
    json::Body,
};

use super::{Change, always};
use crate::{
    conditions::{Conditions, DryRun, IfMatchAllowed, Repeatable},
    reason::WithReason,
    state::AppState,
};

/// Suspend a user.
///
/// They cannot sign in any more, and within seconds their tokens are worth nothing.
#[utoipa::path(
    post, path = "/v1/users/{id}/suspend", tag = "users", operation_id = "suspend_user",
    security(("bearer" = [])),
    request_body = WithReason,
    params(("id" = Uuid, Path, description = "The user"), IfMatchAllowed, Repeatable, DryRun),
    responses(
        UserChanged,
        (status = 409, description = "`last-administrator` or `conflict`", body = Problem, content_type = "application/problem+json"),
        Guarded, Served, Bodied, Named, Erasable, Versioned,
    )
)]
pub async fn suspend(
    State(state): State<AppState>,
    caller: Caller,
    Id(id): Id<UserId>,
    conditions: Conditions,
    Body(request): Body<WithReason>,
) -> Result<Response, Problem> {
    caller.require(Permission::USERS_WRITE)?;
    let reason = Some(request.parse()?);
    let change = Change { state: &state, caller: &caller, wish: UserCommand::Suspend, narrows: always };
    change.answer("suspend user", id, &conditions, reason).await
}
