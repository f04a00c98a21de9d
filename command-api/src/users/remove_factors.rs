//! `DELETE /v1/users/{id}/factors`

use axum::{extract::State, http::StatusCode, response::Response};
use events::{ids::UserId, permission::Permission, user::UserCommand};
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

/// Remove all second factors of a user.
///
/// For whoever has lost them. All of their sessions end; their password alone is enough for the next sign-in.
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
    let reason = request.parse()?;
    let fingerprint = (id, reason.clone());
    let ask = Ask { operation: "remove all second factors of a user", actor: caller.actor(), reason };
    let intent = ask.intent(&state, &conditions, &fingerprint);
    let wish = UserCommand::RemoveFactors;
    let change = Change { state: &state, caller: &caller, wish, narrows: always };
    let executed = change.execute(id, &intent).await.map_err(problem)?;
    whole(&state, StatusCode::OK, id, &executed).await
}
