//! `DELETE /v1/roles/{id}`

use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use events::{
    ids::RoleId,
    permission::Permission,
    role::{RoleCommand, RoleState},
};
use platform::http::{
    Problem,
    auth::Caller,
    documented::{Bodied, Done, Guarded, MustMatch, Named, Served, Validated, Versioned},
    id::Id,
    json::OptionalBody,
};

use super::Change;
use crate::{
    auth::authority::Authority,
    command::{Ask, answer},
    conditions::{Conditions, DryRun, IfMatchRequired, Repeatable},
    reason::MaybeReason,
    state::AppState,
};

/// Retire a role.
///
/// Within seconds it grants nothing any more; its name is free at once. It stays in the history for ever.
#[utoipa::path(
    delete, path = "/v1/roles/{id}", tag = "roles", operation_id = "retire_role",
    security(("bearer" = [])),
    request_body = Option<MaybeReason>,
    params(("id" = Uuid, Path, description = "The role"), IfMatchRequired, Repeatable, DryRun),
    responses(
        Done,
        (status = 409, description = "`conflict`", body = Problem, content_type = "application/problem+json"),
        Validated, Guarded, Served, Bodied, Named, Versioned, MustMatch,
    )
)]
pub async fn retire(
    State(state): State<AppState>,
    caller: Caller,
    Id(id): Id<RoleId>,
    conditions: Conditions,
    OptionalBody(request): OptionalBody<MaybeReason>,
) -> Result<Response, Problem> {
    caller.require(Permission::ROLES_WRITE)?;
    conditions.must_match()?;
    let reason = request.parse()?;
    let authority = Authority::of(&state, &caller).await?;
    let fingerprint = (id, &reason);
    let ask = Ask { operation: "retire role", actor: caller.actor(), reason: reason.clone() };
    let intent = ask.intent(&state, &conditions, &fingerprint);
    let wish = RoleCommand::Retire;
    let executed = Change { state: &state, authority: &authority, wish, conditions: &conditions }.execute(id, &intent);
    let nothing = |role: &Option<RoleState>| role.as_ref().map(|_| StatusCode::NO_CONTENT.into_response());
    Ok(answer(StatusCode::NO_CONTENT, id.into(), &executed.await?, nothing))
}
