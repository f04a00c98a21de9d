//! `POST /v1/users/{id}/invite`

use axum::{extract::State, response::Response};
use events::{
    ids::UserId,
    permission::Permission,
    user::{CodePurpose, UserCommand},
};
use platform::http::{
    Problem,
    auth::Caller,
    documented::{Bodied, Erasable, Guarded, Named, Served, UserChanged, Versioned},
    id::Id,
    json::OptionalBody,
};

use super::{Change, never};
use crate::{
    conditions::{Conditions, DryRun, IfMatchAllowed, Repeatable},
    reason::MaybeReason,
    state::AppState,
};

/// Invite a user again.
///
/// The code of the last invitation is worth nothing then. It takes everything that the user's roles grant.
#[utoipa::path(
    post, path = "/v1/users/{id}/invite", tag = "users", operation_id = "invite_user",
    security(("bearer" = [])),
    request_body = Option<MaybeReason>,
    params(("id" = Uuid, Path, description = "The user"), IfMatchAllowed, Repeatable, DryRun),
    responses(
        UserChanged,
        (status = 409, description = "`user-not-invited` or `conflict`", body = Problem, content_type = "application/problem+json"),
        Guarded, Served, Bodied, Named, Erasable, Versioned,
    )
)]
pub async fn invite(
    State(state): State<AppState>,
    caller: Caller,
    Id(id): Id<UserId>,
    conditions: Conditions,
    OptionalBody(request): OptionalBody<MaybeReason>,
) -> Result<Response, Problem> {
    caller.require(Permission::USERS_WRITE)?;
    let reason = request.parse()?;
    let change = Change {
        state: &state,
        caller: &caller,
        wish: UserCommand::RequestCode(CodePurpose::Invitation),
        narrows: never,
    };
    change.answer("invite a user again", id, &conditions, reason).await
}
