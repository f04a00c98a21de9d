//! The events of one stream, from the log itself: no late event, no other stream's rows to pass over.

use std::num::NonZeroU16;

use chrono::{DateTime, TimeDelta, Utc};
use events::{
    stream::{StreamId, Version},
    views::AuditRow,
};
use platform::{http::Problem, store::Range};

use super::Filter;
use crate::{moment::last_before, state::AppState};

/// A page of a stream's events after `after`, or else from `from` on, and before `to`. It ends between commits, so it may
/// hold a few events more than asked for, or fewer.
///
/// # Errors
/// 503.
pub(super) async fn page(
    state: &AppState,
    stream: StreamId,
    after: Option<Version>,
    (from, to): (Option<DateTime<Utc>>, DateTime<Utc>),
    size: NonZeroU16,
    filter: &Filter,
) -> Result<(Vec<AuditRow>, Option<Version>), Problem> {
    let store = state.context.store();
    let after = match (after, from) {
        (Some(after), _) => after,
        (None, Some(from)) => last_before(store, stream, None, from - TimeDelta::microseconds(1)).await?,
        (None, None) => Version::NONE,
    };
    let wanted = usize::from(size.get());
    let mut commits = store.read_stored(stream, Range { after, until: None }, wanted + 1).await?;
    let more = commits.len() > wanted;
    commits.truncate(wanted);
    let read = commits.len();
    commits.retain(|commit| commit.recorded_at < to);
    let next = commits.last().filter(|_| more && commits.len() == read).map(|commit| commit.version);
    let mut rows = Vec::new();
    for commit in &commits {
        rows.extend(AuditRow::of(commit).map_err(|_| Problem::internal())?);
    }
    rows.retain(|row| filter.takes(row));
    Ok((rows, next))
}
