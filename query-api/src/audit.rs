//! The audit feed.

mod follow;
pub mod list;
mod page;
mod settled;
pub mod stream;
mod subject;
mod walk;

use events::{envelope::Actor, views::AuditRow};
use platform::http::{Problem, bodies::EventBody};

use crate::state::AppState;

/// Which events of the feed are shown. No index serves these: what is read is bounded, not what is found in it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Filter {
    /// Only what they did.
    actor: Option<Actor>,
    /// Only events of this type.
    kind: Option<String>,
}

impl Filter {
    fn takes(&self, row: &AuditRow) -> bool {
        self.actor.is_none_or(|actor| row.actor == actor)
            && self.kind.as_deref().is_none_or(|kind| row.event.event.kind == kind)
    }

    fn takes_everything(&self) -> bool {
        *self == Self::default()
    }
}

/// Rows with their sealed fields open.
///
/// # Errors
/// 503.
async fn bodies(state: &AppState, rows: Vec<AuditRow>) -> Result<Vec<EventBody>, Problem> {
    let mut items = Vec::with_capacity(rows.len());
    for mut row in rows {
        let reason = state.context.store().open_audit(&mut row).await?;
        items.push(EventBody {
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
        });
    }
    Ok(items)
}
