//! Reads of notifications, one file per endpoint.

pub mod get;
pub mod list;

use chrono::{DateTime, Utc};
use events::notification::{Delivery, Lane, NotificationState};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

/// A notification. Neither its text nor a telephone number is in it.
#[derive(Debug, Serialize, ToSchema)]
pub struct NotificationBody {
    /// The notification's id.
    id: Uuid,
    /// Whom it tells.
    user_id: Uuid,
    /// Name of its text.
    template: String,
    /// `code`, `transactional` or `bulk`.
    #[schema(value_type = String)]
    lane: Lane,
    /// `pending`, `sending`, `unknown`, `accepted`, `sent`, `delivered`, `failed`, `expired`, `suppressed` or `dead`.
    #[schema(value_type = String)]
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
