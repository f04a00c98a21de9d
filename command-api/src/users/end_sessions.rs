//! `DELETE /v1/users/{id}/sessions`, and of one of them

use axum::{extract::State, response::Response};
use events::{
    ids::{SessionId, UserId},
    permission::Permission,
};
use platform::http::{
    Problem,
    auth::Caller,
    documented::{Bodied, Done, Erasable, Guarded, Named, Served, UserChanged, Validated, Versioned},
    id::Id,
    json::OptionalBody,
};

use crate::{
    auth::{authority::require_not_above, sign_out},
    conditions::{Conditions, DryRun, IfMatchAllowed, Repeatable},
    reason::MaybeReason,
    state::AppState,
};

/// End all sessions of a user.
///
/// All of their devices are signed out within seconds.
#[utoipa::path(
    delete, path = "/v1/users/{id}/sessions", tag = "users", operation_id = "end_sessions",
    security(("bearer" = [])),
    request_body = Option<MaybeReason>,
    params(("id" = Uuid, Path, description = "The user"), IfMatchAllowed, Repeatable, DryRun),
    responses(
        UserChanged,
        (status = 409, description = "`conflict`", body = Problem, content_type = "application/problem+json"),
        Guarded, Served, Bodied, Named, Erasable, Versioned,
    )
)]
pub async fn end_sessions(
    State(state): State<AppState>,
    caller: Caller,
    Id(id): Id<UserId>,
    conditions: Conditions,
    OptionalBody(request): OptionalBody<MaybeReason>,
) -> Result<Response, Problem> {
    caller.require(Permission::USERS_WRITE)?;
    sign_out::end_all(&state, &caller, id, &conditions, request.parse()?).await
}

/// End one session of a user.
///
/// One of their devices is signed out within seconds.
#[utoipa::path(
    delete, path = "/v1/users/{id}/sessions/{session_id}", tag = "users", operation_id = "end_session",
    security(("bearer" = [])),
    params(
        ("id" = Uuid, Path, description = "The user"),
        ("session_id" = Uuid, Path, description = "The session"),
        IfMatchAllowed, Repeatable, DryRun,
    ),
    responses(
        Done,
        (status = 409, description = "`conflict`", body = Problem, content_type = "application/problem+json"),
        Validated, Guarded, Served, Named, Versioned,
    )
)]
pub async fn end_session(
    State(state): State<AppState>,
    caller: Caller,
    Id((id, session)): Id<(UserId, SessionId)>,
    conditions: Conditions,
) -> Result<Response, Problem> {
    caller.require(Permission::USERS_WRITE)?;
    let user = state.context.users.load(id.into()).await?.state.ok_or_else(Problem::not_found)?;
    require_not_above(&state, &caller, &user).await?;
    sign_out::end(&state, &caller, id, session, &conditions).await
}
