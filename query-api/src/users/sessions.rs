//! `GET /v1/me/sessions` and `GET /v1/users/{id}/sessions`

use axum::{Json, extract::State};
use chrono::{DateTime, Utc};
use events::{
    ids::{SessionId, UserId},
    permission::Permission,
    user::UserState,
};
use platform::{
    http::{
        Problem,
        auth::Caller,
        consistency::AtLeast,
        documented::{Erasable, Guarded, Named, ReadAfter, Served},
        id::Id,
    },
    sessions::SessionRow,
};
use serde::Serialize;
use utoipa::ToSchema;

use super::get;
use crate::state::AppState;

/// The newest sessions that are shown: more than one person has devices, few enough for one answer.
const MOST: u16 = 100;

/// One sign-in that still counts.
#[derive(Debug, Serialize, ToSchema)]
pub struct SessionBody {
    /// The session.
    #[schema(value_type = Uuid)]
    id: SessionId,
    /// Whether it is the one of this request's token.
    current: bool,
    /// When somebody signed in.
    started_at: DateTime<Utc>,
    /// When its tokens were made or refreshed last.
    last_used_at: DateTime<Utc>,
    /// When it ends unless it is used.
    expires_at: DateTime<Utc>,
    /// From where it was used last, where that is known.
    address: Option<String>,
    /// With what it was used last, as that calls itself.
    device: Option<String>,
}

/// Sessions, newest first.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({ "items": [{
    "id": "0190b1a5-3c1d-7e2f-9a0b-1c2d3e4f5a6b", "current": true, "started_at": "2026-01-05T00:00:00.000001Z",
    "last_used_at": "2026-01-05T08:30:00Z", "expires_at": "2026-02-04T08:30:00Z", "address": "198.51.100.10",
    "device": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
}] }))]
pub struct SessionList {
    /// At most 100 of them.
    items: Vec<SessionBody>,
}

/// Read your own sessions.
///
/// Where you are signed in, newest first. It takes a token and no permission.
#[utoipa::path(
    get, path = "/v1/me/sessions", tag = "sign-in", operation_id = "own_sessions",
    security(("bearer" = [])),
    params(ReadAfter),
    responses(
        (status = 200, description = "Your sessions", body = SessionList),
        Guarded, Served, Named, Erasable,
    )
)]
pub async fn own_sessions(
    State(state): State<AppState>,
    caller: Caller,
    at_least: AtLeast,
) -> Result<Json<SessionList>, Problem> {
    list(&state, &caller, caller.user(), &caller.since_signed(at_least)).await.map(Json)
}

/// Read a user's sessions.
///
/// Where they are signed in, newest first.
#[utoipa::path(
    get, path = "/v1/users/{id}/sessions", tag = "users", operation_id = "sessions",
    security(("bearer" = [])),
    params(("id" = Uuid, Path, description = "The user"), ReadAfter),
    responses(
        (status = 200, description = "Their sessions", body = SessionList),
        Guarded, Served, Named, Erasable,
    )
)]
pub async fn sessions(
    State(state): State<AppState>,
    caller: Caller,
    Id(id): Id<UserId>,
    at_least: AtLeast,
) -> Result<Json<SessionList>, Problem> {
    caller.require(Permission::USERS_READ)?;
    list(&state, &caller, id, &at_least).await.map(Json)
}

async fn list(state: &AppState, caller: &Caller, id: UserId, at_least: &AtLeast) -> Result<SessionList, Problem> {
    let user = get::row(state, id, at_least).await?;
    let items = holding(state, &user, at_least).await?;
    Ok(SessionList { items: items.into_iter().map(|row| SessionBody::new(row, caller.claims.sid)).collect() })
}

/// The sessions of a user that still count. The index shows one that ended for a moment longer: the rights, which are a
/// second old at most, know of it, and one that a token names is looked up.
///
/// # Errors
/// 503.
pub async fn holding(state: &AppState, user: &UserState, at_least: &AtLeast) -> Result<Vec<SessionRow>, Problem> {
    let now = state.context.clock.now();
    let (mut rows, voided) = (Vec::new(), state.context.rights.voided_sessions()?);
    for row in state.sessions.of_user(user.id, MOST).await? {
        let named = at_least.of(row.session.into()).is_some();
        if row.holds(user.sessions_since, now)
            && !voided.contains(row.session)
            && !(named && state.sessions.get(row.session).await?.is_none())
        {
            rows.push(row);
        }
    }
    Ok(rows)
}

impl SessionBody {
    /// A session as `current` sees it.
    pub fn new(row: SessionRow, current: SessionId) -> Self {
        Self {
            id: row.session,
            current: row.session == current,
            started_at: row.started_at,
            last_used_at: row.refreshed_at,
            expires_at: DateTime::from_timestamp(row.expires_at, 0).unwrap_or(row.refreshed_at),
            address: row.address.map(|address| address.to_string()),
            device: row.device,
        }
    }
}
