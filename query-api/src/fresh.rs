//! Rows that are never older than a caller asks for: the row, plus the commits that it lacks folded on the spot.

use events::{
    decider::Decider,
    stream::{StreamId, Version},
    views::Row,
};
use platform::{
    http::{Problem, consistency::version_beyond_the_stream},
    rows::Rows,
    store::{EventStore, Range},
};
use uuid::Uuid;

/// Commits per call while the tail is folded.
const PAGE: usize = 100;

/// A row, not older than `at_least`.
///
/// # Errors
/// 400 when the stream has no such version; 503 when something does not answer.
pub async fn row<R: Row>(
    rows: &Rows<R>,
    store: &EventStore,
    id: Uuid,
    at_least: Option<Version>,
) -> Result<Option<R>, Problem> {
    let mut row = rows.get(id, false).await?;
    let Some(at_least) = at_least else { return Ok(row) };
    let stream = StreamId { category: R::Rules::CATEGORY, id };
    loop {
        let version = row.as_ref().map_or(Version::NONE, Row::version);
        if version >= at_least {
            return Ok(row);
        }
        let range = Range { after: version, until: Some(at_least) };
        let commits = store.read::<<R::Rules as Decider>::Event>(stream, range, PAGE).await?;
        if commits.is_empty() {
            return Err(version_beyond_the_stream());
        }
        for event in commits.iter().flat_map(|commit| &commit.events) {
            R::Rules::evolve(&mut row, event);
        }
    }
}
