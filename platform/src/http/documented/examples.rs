//! Whole answers, as the document shows them.

use serde_json::{Value, json};

/// A user.
pub fn user() -> Value {
    json!({
        "id": "0190b1a2-7c1e-7d3a-9a57-2b6f0e1d77a4", "email": "ada@example.com", "username": "ada",
        "first_name": "Ada", "last_name": "Lovelace", "phone": "+15125550123", "locale": "en-US",
        "time_zone": "America/Chicago", "status": "active",
        "roles": [{
            "role_id": "0190b1a3-11d0-7c55-8f0e-5e0f6f3c2b18", "name": "Dispatcher", "scope": "branch:austin",
            "expires_at": "2027-01-01T00:00:00Z"
        }],
        "version": 3, "created_at": "2026-01-02T03:04:05.678901Z", "updated_at": "2026-01-03T08:00:00.000001Z"
    })
}

/// Which messages a user wants, and when.
pub fn preferences() -> Value {
    json!({ "muted": ["access"], "quiet_hours": { "from": "22:00", "to": "07:30" } })
}

/// A role.
pub fn role() -> Value {
    json!({
        "id": "0190b1a3-11d0-7c55-8f0e-5e0f6f3c2b18", "name": "Dispatcher", "description": "Plans the day of a branch",
        "level": 3, "permissions": ["users:read"], "status": "active", "version": 1,
        "created_at": "2026-01-02T03:00:00.000001Z", "updated_at": "2026-01-02T03:00:00.000001Z"
    })
}

/// An event of the log.
pub fn event() -> Value {
    json!({
        "event_id": "0190b1a4-0a2b-7b6e-b3a1-91d2c0f4e7aa", "stream": "user#0190b1a2-7c1e-7d3a-9a57-2b6f0e1d77a4",
        "version": 4, "index": 0, "type": "UserSuspended", "schema": 1, "recorded_at": "2026-01-04T09:00:00.000001Z",
        "actor": "user#0190b1a0-0000-7000-8000-000000000001", "reason": "left the company",
        "correlation_id": "0190b1a4-0a2a-7e01-8d33-6a1b2c3d4e5f", "causation_id": null,
        "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "data": {}
    })
}

/// What a write would record.
pub fn dry_run() -> Value {
    json!({ "events": [{ "type": "UserSuspended", "schema": 1, "data": {} }] })
}

/// A page of a list.
#[expect(clippy::needless_pass_by_value, reason = "reads better where it is used")]
pub fn page(item: Value) -> Value {
    json!({ "items": [item], "next_page_token": null })
}
