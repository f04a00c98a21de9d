//! `DELETE /v1/users/{id}/roles/{role_id}`

use axum::{extract::State, http::StatusCode, response::Response};
use events::{
    ids::{RoleId, UserId},
    permission::Permission,
    user::UserCommand,
};
use platform::http::{
    Problem,
    auth::Caller,
    documented::{Bodied, Erasable, Guarded, Named, Served, UserChanged, Versioned},
    id::Id,
    json::OptionalBody,
};

use super::{Change, always, problem, whole};
use crate::{
    command::Ask,
    conditions::{Conditions, DryRun, IfMatchAllowed, Repeatable},
    reason::MaybeReason,
    state::AppState,
};

/// Take a role away.
///
/// Within seconds the user's tokens are worth nothing; the next ones are without the role.
#[utoipa::path(
    delete, path = "/v1/users/{id}/roles/{role_id}", tag = "users", operation_id = "revoke_role",
    security(("bearer" = [])),
    request_body = Option<MaybeReason>,
    params(
        ("id" = Uuid, Path, description = "The user"),
        ("role_id" = Uuid, Path, description = "The role"),
        IfMatchAllowed, Repeatable, DryRun,
    ),
    responses(
        UserChanged,
        (status = 409, description = "`last-administrator` or `conflict`", body = Problem, content_type = "application/problem+json"),
        Guarded, Served, Bodied, Named, Erasable, Versioned,
    )
)]
pub async fn revoke_role(
    State(state): State<AppState>,
    caller: Caller,
    Id((id, role_id)): Id<(UserId, RoleId)>,
    conditions: Conditions,
    OptionalBody(request): OptionalBody<MaybeReason>,
) -> Result<Response, Problem> {
    caller.require(Permission::ROLES_ASSIGN)?;
    let reason = request.parse()?;
    let fingerprint = (id, role_id, &reason);
    let ask = Ask { operation: "revoke role", actor: caller.actor(), reason: reason.clone() };
    let intent = ask.intent(&state, &conditions, &fingerprint);
    let change = Change { state: &state, caller: &caller, wish: UserCommand::RevokeRole(role_id), narrows: always };
    let executed = change.execute(id, &intent).await.map_err(problem)?;
    whole(&state, StatusCode::OK, id, &executed).await
}
