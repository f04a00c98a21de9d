//! Goes through the feed by time: hour by hour, the slots of an hour merged.

use std::num::NonZeroU16;

use chrono::{DateTime, TimeDelta, Utc};
use events::{
    commit::timestamp,
    views::{AuditRow, AuditSlot},
};
use futures::future::try_join_all;
use platform::http::Problem;

use super::Filter;
use crate::{list::invalid_query, state::AppState};

/// Most rounds of one request, each a read of every slot of an hour; a page that finds nothing in them says where to go on.
const MAX_ROUNDS: usize = 48;

/// Rows that are read of a slot at once while most of them may be passed over.
const PASSED_OVER: i32 = 200;

/// Sorts behind every place of its moment, and behind the place that it is put after.
const END: &str = "~";

/// Digits of a moment at the beginning of a place.
const MOMENT: usize = 27;

/// A place in the feed: everything before it has been looked at.
pub(super) type Place = String;

/// The place of everything that was recorded at `at` or later.
pub(super) fn place_of(at: DateTime<Utc>) -> Place {
    timestamp(at)
}

/// Rows from `place` on until the page is full, the rounds of one request are used up, or `to` is reached: then there is
/// no place to go on.
///
/// # Errors
/// 400 when the place is none; 503.
pub(super) async fn walk(
    state: &AppState,
    mut place: Place,
    to: DateTime<Utc>,
    size: NonZeroU16,
    filter: &Filter,
) -> Result<(Vec<AuditRow>, Option<Place>), Problem> {
    let wanted = usize::from(size.get());
    let limit = if filter.takes_everything() { i32::from(size.get()) + 1 } else { PASSED_OVER };
    let until = place_of(to);
    let mut rows: Vec<AuditRow> = Vec::new();
    for _ in 0..MAX_ROUNDS {
        if place >= until {
            return Ok((rows, None));
        }
        let moment: DateTime<Utc> =
            place.get(..MOMENT).and_then(|moment| moment.parse().ok()).ok_or_else(invalid_query)?;
        let hour = AuditSlot::hour_of(moment);
        let slots = (0..AuditSlot::BUCKETS).map(|bucket| AuditSlot { hour, bucket });
        let read = slots.map(|slot| {
            let (place, until) = (&place, &until);
            async move { state.audit.read(&slot, place, until, limit).await }
        });
        let slots = try_join_all(read).await?;
        // Of a slot that has more, nothing is known behind its last row.
        let full = slots.iter().filter(|rows| rows.len() >= usize::try_from(limit).unwrap_or_default());
        let edge = full.filter_map(|rows| rows.last().map(AuditRow::position)).min();
        let mut found: Vec<AuditRow> = slots.into_iter().flatten().collect();
        found.retain(|row| edge.as_ref().is_none_or(|edge| row.position() <= *edge) && filter.takes(row));
        found.sort_by_key(AuditRow::position);
        rows.extend(found);
        if rows.len() > wanted {
            rows.truncate(wanted);
            return Ok((rows.clone(), rows.last().map(|row| behind(&row.position()))));
        }
        place = edge.map_or_else(|| place_of(hour + TimeDelta::hours(1)), |edge| behind(&edge));
    }
    Ok((rows, (place < until).then_some(place)))
}

/// The place right behind a row.
pub(super) fn behind(position: &str) -> Place {
    format!("{position}{END}")
}
