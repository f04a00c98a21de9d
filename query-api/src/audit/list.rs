//! `GET /v1/audit`

use std::num::NonZeroU16;

use axum::{
    Json,
    extract::{Query, State, rejection::QueryRejection},
};
use chrono::{DateTime, TimeDelta, Utc};
use events::{
    commit::timestamp,
    permission::Permission,
    values::{Personal, Reason},
    views::{AuditRow, AuditSlot},
};
use futures::future::try_join_all;
use platform::http::{
    Problem,
    auth::Caller,
    bodies::EventBody,
    documented::{Guarded, Served, examples},
};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::{
    cursor,
    list::{Items, Paging, invalid_query},
    state::AppState,
};

/// How far back a page begins unless the client says otherwise.
const DEFAULT_SPAN: TimeDelta = TimeDelta::hours(24);

/// Most hours that one request looks through; a page that finds nothing in them says where to go on.
const MAX_HOURS: usize = 48;

/// Sorts behind every place of its moment.
const END: &str = "~";

/// Which part of the feed.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Span {
    /// Recorded at or after this moment (RFC 3339); a day ago unless said otherwise.
    from: Option<DateTime<Utc>>,
    /// Recorded before this moment; now unless said otherwise.
    to: Option<DateTime<Utc>>,
    /// Items of a page, 1 to 200; 50 unless said otherwise.
    #[param(nullable = false, minimum = 1, maximum = 200)]
    page_size: Option<u16>,
    /// Where to go on: `next_page_token` of the page before.
    #[param(nullable = false, pattern = "^([A-Za-z0-9_-]{39,2048})?$")]
    page_token: Option<String>,
}

/// Read what happened to everything, oldest first.
///
/// The feed is complete but is no total order: an event that was projected late appears at its own time.
#[utoipa::path(
    get, path = "/v1/audit", tag = "audit", operation_id = "audit",
    security(("bearer" = [])),
    params(Span),
    responses(
        (status = 200, description = "A page of events; a page may be empty and still say where to go on", body = Items<EventBody>, example = json!(examples::page(examples::event()))),
        Guarded, Served,
    )
)]
pub async fn list(
    State(state): State<AppState>,
    caller: Caller,
    span: Result<Query<Span>, QueryRejection>,
) -> Result<Json<Items<EventBody>>, Problem> {
    caller.require(Permission::AUDIT_READ)?;
    let Query(span) = span.map_err(|_| invalid_query())?;
    let paging = Paging::new(span.page_size, span.page_token);
    let size = paging.size()?;
    let now = state.context.clock.now();
    let (from, to) = (span.from.unwrap_or(now - DEFAULT_SPAN), span.to.unwrap_or(now));
    let list = "audit";
    let place: String = paging.place(&state, list)?.unwrap_or_else(|| timestamp(from));

    let (rows, next) = walk(&state, place, to, size).await?;
    let mut items = Vec::with_capacity(rows.len());
    for mut row in rows {
        let reason = state.context.store().open_audit(&mut row).await?;
        items.push(body(row, reason));
    }
    let next_page_token = next.map(|next| cursor::seal(&state.cursor_key, list, &next)).transpose()?;
    Ok(Json(Items { items, next_page_token }))
}

/// Goes through the hours from `place` on until the page is full, the hours of one request are used up, or `to`.
async fn walk(
    state: &AppState,
    place: String,
    to: DateTime<Utc>,
    size: NonZeroU16,
) -> Result<(Vec<AuditRow>, Option<String>), Problem> {
    let begin: DateTime<Utc> = place.get(..27).and_then(|at| at.parse().ok()).ok_or_else(invalid_query)?;
    let until = timestamp(to);
    if place >= until {
        return Ok((Vec::new(), None));
    }
    let wanted = usize::from(size.get());
    let mut rows: Vec<AuditRow> = Vec::new();
    let mut hour = AuditSlot::hour_of(begin);
    for _ in 0..MAX_HOURS {
        if hour >= to {
            return Ok((rows, None));
        }
        let limit = i32::from(size.get()) + 1;
        let slots = (0..AuditSlot::BUCKETS).map(|bucket| AuditSlot { hour, bucket });
        let read = slots.map(|slot| {
            let (place, until) = (&place, &until);
            async move { state.audit.read(&slot, place, until, limit).await }
        });
        let mut found: Vec<AuditRow> = try_join_all(read).await?.into_iter().flatten().collect();
        found.sort_by_key(AuditRow::position);
        rows.extend(found);
        if rows.len() > wanted {
            rows.truncate(wanted);
            // The place of the last row, and a character more: just behind it.
            let next = rows.last().map(|row| format!("{}{END}", row.position()));
            return Ok((rows, next));
        }
        hour += TimeDelta::hours(1);
    }
    Ok((rows, (hour < to).then(|| timestamp(hour))))
}

fn body(row: AuditRow, reason: Option<Personal<Reason>>) -> EventBody {
    EventBody {
        event_id: row.event.event_id.0,
        stream: row.stream.to_string(),
        version: row.version.0,
        index: row.index,
        kind: row.event.event.kind,
        schema: row.event.event.schema,
        recorded_at: row.recorded_at,
        actor: row.actor,
        reason,
        correlation_id: row.correlation_id,
        causation_id: row.causation_id.map(|id| id.0),
        traceparent: row.traceparent,
        data: row.event.event.data,
    }
}
