//! Waits until the feed has what a caller has tokens for.

use events::{
    stream::{StreamId, Version},
    views::AuditRow,
};
use platform::{
    http::{
        Problem,
        consistency::{AtLeast, version_beyond_the_stream},
    },
    store::Range,
};

use crate::{state::AppState, wait};

/// Waits until every event of the commits that are asked for is in the feed.
///
/// # Errors
/// 400 when a stream has no such version; 503 when the feed does not get there in time.
pub(super) async fn settled(state: &AppState, at_least: &AtLeast) -> Result<(), Problem> {
    for (stream, version) in at_least.iter() {
        let rows = rows_of(state, stream, version).await?;
        wait::until(|| async {
            for row in &rows {
                if !state.audit.has(row).await? {
                    return Ok(false);
                }
            }
            Ok(true)
        })
        .await?;
    }
    Ok(())
}

async fn rows_of(state: &AppState, stream: StreamId, version: Version) -> Result<Vec<AuditRow>, Problem> {
    let range = Range { after: Version(version.0 - 1), until: Some(version) };
    let commits = state.context.store().read_stored(stream, range, 1).await?;
    let commit = commits.first().ok_or_else(version_beyond_the_stream)?;
    AuditRow::of(commit).map_err(|_| Problem::internal())
}
