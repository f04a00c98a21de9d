//! `DELETE /v1/users/{id}/factors`

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
    auth::recent::require_recent,
    conditions::{Conditions, DryRun, IfMatchAllowed, Repeatable},
    reason::MaybeReason,
    state::AppState,
};

/// Remove all second factors of a user.
///
/// For whoever has lost them. All of their sessions end; their password alone is enough for the next sign-in. It takes a
/// sign-in of the last 10 minutes, and everything that the user's roles grant.
#[utoipa::path(
    delete, path = "/v1/users/{id}/factors", tag = "users", operation_id = "remove_factors",
    security(("bearer" = [])),
    request_body = Option<MaybeReason>,
    params(("id" = Uuid, Path, description = "The user"), IfMatchAllowed, Repeatable, DryRun),
    responses(
        UserChanged,
        (status = 409, description = "`user-not-active` or `conflict`", body = Problem, content_type = "application/problem+json"),
        Guarded, Served, Bodied, Named, Erasable, Versioned,
    )
)]
pub async fn remove_factors(
    State(state): State<AppState>,
    caller: Caller,
    Id(id): Id<UserId>,
    conditions: Conditions,
    OptionalBody(request): OptionalBody<MaybeReason>,
) -> Result<Response, Problem> {
    caller.require(Permission::USERS_WRITE)?;
    require_recent(&state, &caller)?;
    let reason = request.parse()?;
    let change = Change { state: &state, caller: &caller, wish: UserCommand::RemoveFactors, narrows: always };
    change.answer("remove all second factors of a user", id, &conditions, reason).await
}
