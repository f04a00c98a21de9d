use chrono::{DateTime, Utc};
use platform::http::{bodies::EventBody, documented::examples};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

/// A part of the audit feed.
#[derive(Serialize, ToSchema)]
#[schema(example = json!(example()))]
pub struct AuditPage {
    /// The events.
    pub items: Vec<EventBody>,
    /// Where to go on; null at the end.
    pub next_page_token: Option<String>,
    /// What was recorded before this moment is in the feed; an event that was recorded later may still be on its way. Null
    /// while that is unknown.
    pub complete_until: Option<DateTime<Utc>>,
}

/// A page, as the document shows it.
pub(super) fn example() -> Value {
    json!({
        "items": [examples::event()], "next_page_token": null, "complete_until": "2026-01-04T09:00:01.000001Z"
    })
}
