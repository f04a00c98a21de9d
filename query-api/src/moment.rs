//! The state of an entity as it was at a moment, folded from the log.

use axum::{
    extract::{FromRequestParts, Query, rejection::QueryRejection},
    http::request::Parts,
};
use chrono::{DateTime, Utc};
use events::{
    decider::Decider,
    stream::{StreamId, Version},
};
use platform::{
    http::{
        Problem,
        consistency::{AtLeast, version_beyond_the_stream},
    },
    store::{EventStore, Range},
};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::{list::invalid_query, state::AppState};

/// As of when.
#[derive(Debug, Clone, Copy, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct AsOf {
    /// The state as it was at this moment (RFC 3339), not later than now; as it is now unless said otherwise.
    #[param(nullable = false, example = "2026-01-05T00:00:00Z")]
    pub at: Option<DateTime<Utc>>,
}

impl<S: Send + Sync> FromRequestParts<S> for AsOf {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let query: Result<Query<Self>, QueryRejection> = Query::from_request_parts(parts, state).await;
        query.map(|Query(as_of)| as_of).map_err(|_| invalid_query())
    }
}

/// The state of a stream at `at`.
///
/// # Errors
/// As [`find_at`]; 404 when the stream had not begun.
pub async fn state_at<D: Decider>(
    state: &AppState,
    stream: StreamId,
    at: DateTime<Utc>,
    at_least: &AtLeast,
) -> Result<D::State, Problem> {
    find_at::<D>(state, stream, at, at_least).await?.ok_or_else(Problem::not_found)
}

/// The state of a stream at `at`, if it had begun by then. What is read of it is always the newest, so that a token can
/// only say too much.
///
/// # Errors
/// 400 when the moment is still to come, or when the stream has no such version; 410 when its subject is erased by now;
/// or 503.
pub async fn find_at<D: Decider>(
    state: &AppState,
    stream: StreamId,
    at: DateTime<Utc>,
    at_least: &AtLeast,
) -> Result<Option<D::State>, Problem> {
    if at > state.context.clock.now() {
        return Err(invalid_query().detail("at lies in the future"));
    }
    let store = state.context.store();
    let now = store.load::<D>(stream, None).await?;
    if at_least.of(stream).is_some_and(|least| now.version < least) {
        return Err(version_beyond_the_stream());
    }
    let Some(recorded_at) = now.recorded_at else { return Ok(None) };
    if D::is_erased(&now.state) {
        return Err(Problem::erased());
    }
    if recorded_at <= at {
        return Ok(Some(now.state));
    }
    match last_before(store, stream, Some(now.version), at).await? {
        Version::NONE => Ok(None),
        version => Ok(Some(store.load::<D>(stream, Some(version)).await?.state)),
    }
}

/// The last version of a stream that was recorded at `at` or before. `end`, if it is known, and what follows it were
/// recorded later. Times never go back within a stream, so each commit that is read halves what is left.
///
/// # Errors
/// 503.
pub async fn last_before(
    store: &EventStore,
    stream: StreamId,
    end: Option<Version>,
    at: DateTime<Utc>,
) -> Result<Version, Problem> {
    let is_before = |version: u64| async move {
        let range = Range { after: Version(version - 1), until: Some(Version(version)) };
        let commits = store.read_stored(stream, range, 1).await?;
        Ok::<_, Problem>(commits.first().is_some_and(|commit| commit.recorded_at <= at))
    };
    let (mut before, mut later) = (0, end.map_or(1, |end| end.0));
    while end.is_none() && is_before(later).await? {
        (before, later) = (later, later * 2);
    }
    while later - before > 1 {
        let middle = before + (later - before) / 2;
        if is_before(middle).await? {
            before = middle;
        } else {
            later = middle;
        }
    }
    Ok(Version(before))
}
