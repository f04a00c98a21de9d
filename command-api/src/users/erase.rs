//! `POST /v1/users/{id}/erase`

use axum::{extract::State, http::StatusCode, response::Response};
use events::{ids::UserId, permission::Permission, user::UserCommand};
use platform::http::{
    Problem,
    auth::Caller,
    documented::{Bodied, Erasable, Guarded, Named, Served, UserChanged, Versioned},
    id::Id,
    json::Body,
};

use super::{Change, always, problem, whole};
use crate::{
    command::Ask,
    conditions::{Conditions, DryRun, IfMatchAllowed, Repeatable},
    reason::WithReason,
    state::AppState,
};

/// Forget a user for ever.
///
/// Their key is destroyed: whatever the log, the read models and every copy of them hold of the person is unreadable from
/// then on, also to us. What they signed in with is free again. Who did it, when and why stays in the history, readable:
/// the reason must not name the person.
#[utoipa::path(
    post, path = "/v1/users/{id}/erase", tag = "users", operation_id = "erase_user",
    security(("bearer" = [])),
    request_body = WithReason,
    params(("id" = Uuid, Path, description = "The user"), IfMatchAllowed, Repeatable, DryRun),
    responses(
        UserChanged,
        (status = 409, description = "`last-administrator` or `conflict`", body = Problem, content_type = "application/problem+json"),
        Guarded, Served, Bodied, Named, Erasable, Versioned,
    )
)]
pub async fn erase(
    State(state): State<AppState>,
    caller: Caller,
    Id(id): Id<UserId>,
    conditions: Conditions,
    Body(request): Body<WithReason>,
) -> Result<Response, Problem> {
    caller.require(Permission::USERS_ERASE)?;
    let reason = request.parse()?;
    let fingerprint = (id, reason.clone());
    let ask = Ask { operation: "erase user", actor: caller.actor(), reason: Some(reason) };
    let intent = ask.intent(&state, &conditions, &fingerprint);
    let change = Change { state: &state, caller: &caller, wish: UserCommand::Erase, narrows: always };
    let executed = change.execute(id, &intent).await.map_err(problem)?;
    whole(&state, StatusCode::OK, id, &executed).await
}
