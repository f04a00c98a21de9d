//! When a message waits because its recipient sleeps.

use chrono::{DateTime, Utc};

use super::template::Template;
use crate::user::UserState;

/// Until when a message has to wait.
pub fn until(_: &Template, _: &UserState, _: DateTime<Utc>) -> Option<DateTime<Utc>> {
    None
}
