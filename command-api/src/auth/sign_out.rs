//! `POST /v1/auth/logout` and `DELETE` of one's own sessions

use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use events::{
    ids::{SessionId, UserId},
    session::{SessionCommand, SessionState},
    user::UserCommand,
    values::Reason,
};
use platform::http::{
    Problem,
    auth::Caller,
    documented::{Bodied, Done, Erasable, Guarded, Named, Served, UserChanged, Validated, Versioned},
    id::Id,
    json::OptionalBody,
};

use super::ending::Ending;
use crate::{
    command::{Ask, answer, nothing_taken, problem},
    conditions::{Conditions, DryRun, IfMatchAllowed, Repeatable},
    reason::MaybeReason,
    state::AppState,
    users::{self, Change, always},
};

/// Sign out.
///
/// Ends the session of the access token: within seconds the token is worth nothing, and the refresh token at once.
#[utoipa::path(
    post, path = "/v1/auth/logout", tag = "sign-in", operation_id = "logout",
    security(("bearer" = [])),
    params(IfMatchAllowed, Repeatable, DryRun),
    responses(
        Done,
        (status = 409, description = "`conflict`", body = Problem, content_type = "application/problem+json"),
        Validated, Guarded, Served, Named, Versioned,
    )
)]
pub async fn logout(
    State(state): State<AppState>,
    caller: Caller,
    conditions: Conditions,
) -> Result<Response, Problem> {
    end(&state, &caller, caller.user(), caller.claims.sid, &conditions).await
}

/// End one of your own sessions.
///
/// Another device is signed out.
#[utoipa::path(
    delete, path = "/v1/me/sessions/{id}", tag = "sign-in", operation_id = "end_own_session",
    security(("bearer" = [])),
    params(("id" = Uuid, Path, description = "The session"), IfMatchAllowed, Repeatable, DryRun),
    responses(
        Done,
        (status = 409, description = "`conflict`", body = Problem, content_type = "application/problem+json"),
        Validated, Guarded, Served, Named, Versioned,
    )
)]
pub async fn end_own_session(
    State(state): State<AppState>,
    caller: Caller,
    Id(id): Id<SessionId>,
    conditions: Conditions,
) -> Result<Response, Problem> {
    end(&state, &caller, caller.user(), id, &conditions).await
}

/// End all of your own sessions.
///
/// This one, too: all devices are signed out.
#[utoipa::path(
    delete, path = "/v1/me/sessions", tag = "sign-in", operation_id = "end_own_sessions",
    security(("bearer" = [])),
    request_body = Option<MaybeReason>,
    params(IfMatchAllowed, Repeatable, DryRun),
    responses(
        UserChanged,
        (status = 409, description = "`conflict`", body = Problem, content_type = "application/problem+json"),
        Guarded, Served, Bodied, Named, Erasable, Versioned,
    )
)]
pub async fn end_own_sessions(
    State(state): State<AppState>,
    caller: Caller,
    conditions: Conditions,
    OptionalBody(request): OptionalBody<MaybeReason>,
) -> Result<Response, Problem> {
    let reason = request.parse()?;
    end_all(&state, &caller, caller.user(), &conditions, reason).await
}

/// Ends one session of `owner`. Nobody says why: a session's stream has no key that would seal it, so it would outlive its
/// owner's erasure.
///
/// # Errors
/// 404 when they have no such session.
pub async fn end(
    state: &AppState,
    caller: &Caller,
    owner: UserId,
    session: SessionId,
    conditions: &Conditions,
) -> Result<Response, Problem> {
    let ask = Ask { operation: "end session", actor: caller.actor(), reason: None };
    let intent = ask.intent(state, conditions, &(owner, session));
    let ending = Ending { state, session, owner, wish: SessionCommand::End };
    let executed = state.session_streams.execute(session.into(), &intent, ending).await;
    let executed = executed.map_err(|error| problem(error, nothing_taken))?;
    let nothing = |session: &Option<SessionState>| session.as_ref().map(|_| StatusCode::NO_CONTENT.into_response());
    Ok(answer(StatusCode::NO_CONTENT, session.into(), &executed, nothing))
}

/// Ends all sessions of `owner`, also those that begin at the same moment.
///
/// # Errors
/// 404 and 410 when there is no such user.
pub async fn end_all(
    state: &AppState,
    caller: &Caller,
    owner: UserId,
    conditions: &Conditions,
    reason: Option<Reason>,
) -> Result<Response, Problem> {
    let fingerprint = (owner, &reason);
    let ask = Ask { operation: "end sessions", actor: caller.actor(), reason: reason.clone() };
    let intent = ask.intent(state, conditions, &fingerprint);
    let change = Change { state, caller, wish: UserCommand::EndSessions, narrows: always };
    let executed = change.execute(owner, &intent).await.map_err(users::problem)?;
    users::whole(state, StatusCode::OK, owner, &executed).await
}
