//! `POST /v1/users/{id}/invite`

use axum::{extract::State, http::StatusCode, response::Response};
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

use super::{Change, never, problem, whole};
use crate::{
    command::Ask,
    conditions::{Conditions, DryRun, IfMatchAllowed, Repeatable},
    reason::MaybeReason,
    state::AppState,
};

/// Invite a user again.
///
/// The code of the last invitation is worth nothing then.
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
    let fingerprint = (id, reason.clone());
    let ask = Ask { operation: "invite a user again", actor: caller.actor(), reason };
    let intent = ask.intent(&state, &conditions, &fingerprint);
    let wish = UserCommand::RequestCode(CodePurpose::Invitation);
    let change = Change { state: &state, caller: &caller, wish, narrows: never };
    let executed = change.execute(id, &intent).await.map_err(problem)?;
    whole(&state, StatusCode::OK, id, &executed).await
}
