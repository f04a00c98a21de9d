//! `GET /v1/audit`

use axum::{
    Json,
    extract::{Query, State, rejection::QueryRejection},
};
use chrono::{DateTime, TimeDelta, Utc};
use events::{envelope::Actor, permission::Permission, stream::StreamId};
use platform::http::{
    Problem,
    auth::Caller,
    consistency::AtLeast,
    documented::{Guarded, ReadAfter, Served},
};
use serde::Deserialize;
use utoipa::IntoParams;

use super::{
    Filter, bodies,
    page::{self, AuditPage},
    settled::settled,
    subject,
    walk::{Place, place_of, walk},
};
use crate::{
    cursor,
    list::{Paging, invalid_query},
    state::AppState,
};

/// How far back a page begins unless the client says otherwise.
const DEFAULT_SPAN: TimeDelta = TimeDelta::hours(24);

/// Which part of the feed.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Wanted {
    /// Recorded at or after this moment (RFC 3339); unless said otherwise a day ago, and with `subject` the beginning.
    #[param(nullable = false)]
    from: Option<DateTime<Utc>>,
    /// Recorded before this moment; now unless said otherwise.
    #[param(nullable = false)]
    to: Option<DateTime<Utc>>,
    /// Only what they did: `user#<id>`, `system` or `telnyx`.
    #[param(
        nullable = false,
        value_type = Option<String>,
        pattern = "^(user#[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|system|telnyx)$",
        example = "user#0190b1a2-7c1e-7d3a-9a57-2b6f0e1d77a4"
    )]
    actor: Option<Actor>,
    /// Only what happened to this one, such as `user#<id>`; read from its own history, which is always as new as the log.
    #[param(
        nullable = false,
        value_type = Option<String>,
        pattern = "^(user|role|session|notification|number)#[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$",
        example = "user#0190b1a2-7c1e-7d3a-9a57-2b6f0e1d77a4"
    )]
    subject: Option<StreamId>,
    /// Only events of this type, such as `UserSuspended`.
    #[serde(rename = "type")]
    #[param(nullable = false, max_length = 100, example = "UserSuspended")]
    kind: Option<String>,
    /// Items of a page, 1 to 200; 50 unless said otherwise.
    #[param(nullable = false, minimum = 1, maximum = 200)]
    page_size: Option<u16>,
    /// Where to go on: `next_page_token` of the page before.
    #[param(nullable = false, pattern = "^([A-Za-z0-9_-]{39,2048})?$")]
    page_token: Option<String>,
}

/// Read what happened to everything, oldest first.
///
/// The feed is complete but is no total order: an event that was projected late appears at its own time. So no page token
/// points behind `complete_until`: the next page may tell again what this one told, and whoever keeps events drops repeats
/// by `event_id`. Whoever goes on later begins at `complete_until`. With a Consistency-Token it waits up to 5 s until that
/// write is in the feed.
#[utoipa::path(
    get, path = "/v1/audit", tag = "audit", operation_id = "audit",
    security(("bearer" = [])),
    params(Wanted, ReadAfter),
    responses(
        (status = 200, description = "A page of events; a page may be empty and still say where to go on", body = AuditPage, example = json!(page::example())),
        Guarded, Served,
    )
)]
pub async fn list(
    State(state): State<AppState>,
    caller: Caller,
    wanted: Result<Query<Wanted>, QueryRejection>,
    at_least: AtLeast,
) -> Result<Json<AuditPage>, Problem> {
    caller.require(Permission::AUDIT_READ)?;
    let Query(wanted) = wanted.map_err(|_| invalid_query())?;
    let paging = Paging::new(wanted.page_size, wanted.page_token);
    let size = paging.size()?;
    let now = state.context.clock.now();
    let to = wanted.to.unwrap_or(now);
    let filter = Filter { actor: wanted.actor, kind: wanted.kind };
    let list = format!("audit {:?} {filter:?}", wanted.subject);
    settled(&state, &at_least).await?;

    // Before the rows: what comes meanwhile is not promised.
    let complete_until = state.lag.complete_until();
    let (rows, next_page_token) = if let Some(subject) = wanted.subject {
        let after = paging.place(&state, &list)?;
        let span = (wanted.from, to);
        let (rows, next) = subject::page(&state, subject, after, span, size, &filter).await?;
        (rows, next.map(|next| cursor::seal(&state.cursor_key, &list, &next)))
    } else {
        let begin: Option<Place> = paging.place(&state, &list)?;
        let begin = begin.unwrap_or_else(|| place_of(wanted.from.unwrap_or(now - DEFAULT_SPAN)));
        let (rows, next) = walk(&state, begin.clone(), to, size, &filter).await?;
        let complete = complete_until.map(place_of).unwrap_or_default().max(begin);
        (rows, next.map(|next| cursor::seal(&state.cursor_key, &list, &next.min(complete))))
    };
    let items = bodies(&state, rows).await?;
    Ok(Json(AuditPage { items, next_page_token: next_page_token.transpose()?, complete_until }))
}
