//! Reads of notifications, one file per endpoint.

pub mod get;
pub mod list;

use chrono::{DateTime, Utc};
use events::notification::{Delivery, Lane, NotificationState};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;
use uuid::Uuid;

/// A notification. Neither its text nor a telephone number is in it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!(example()))]
pub struct NotificationBody {
    /// The notification's id.
    id: Uuid,
    /// Whom it tells.
    user_id: Uuid,
    /// Name of its text.
    #[schema(pattern = "^[a-z][a-z0-9_-]*$")]
    template: String,
    /// How urgent it is.
    #[schema(value_type = LaneValue)]
    lane: Lane,
    /// Where it stands.
    #[schema(value_type = DeliveryValue)]
    status: Delivery,
    /// Number of the last try; 0 before the first.
    attempt: u32,
    /// The last code that said why not.
    error_code: Option<String>,
    /// When it was requested.
    created_at: DateTime<Utc>,
    /// When anything changed last.
    updated_at: DateTime<Utc>,
    /// After this it is not worth sending.
    expires_at: DateTime<Utc>,
}

/// One-time codes, what somebody's own action caused, and everything that can wait.
#[derive(ToSchema)]
#[schema(as = Lane, rename_all = "snake_case")]
#[expect(dead_code, reason = "read by the document only")]
enum LaneValue {
    Code,
    Transactional,
    Bulk,
}

/// Where a notification stands; the last five are final, and so is `delivered`.
#[derive(ToSchema)]
#[schema(as = Delivery, rename_all = "snake_case")]
#[expect(dead_code, reason = "read by the document only")]
enum DeliveryValue {
    Pending,
    Sending,
    Unknown,
    Accepted,
    Sent,
    Delivered,
    Failed,
    Expired,
    Suppressed,
    Dead,
}

/// A notification, as the document shows it.
fn example() -> Value {
    json!({
        "id": "5d2c0f3e-6c1b-5a4d-9e8f-0a1b2c3d4e5f", "user_id": "0190b1a2-7c1e-7d3a-9a57-2b6f0e1d77a4",
        "template": "welcome", "lane": "transactional", "status": "delivered", "attempt": 1, "error_code": null,
        "created_at": "2026-01-02T03:04:05.678901Z", "updated_at": "2026-01-02T03:04:07.000001Z",
        "expires_at": "2026-01-05T03:04:05.678901Z"
    })
}

impl From<&NotificationState> for NotificationBody {
    fn from(row: &NotificationState) -> Self {
        Self {
            id: row.id.0,
            user_id: row.user_id.0,
            template: row.template.clone(),
            lane: row.lane,
            status: row.status,
            attempt: row.attempt,
            error_code: row.error_code.clone(),
            created_at: row.created_at,
            updated_at: row.updated_at,
            expires_at: row.expires_at,
        }
    }
}
