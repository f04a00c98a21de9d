//! The texts, and which events lead to them.

use chrono::{DateTime, TimeDelta, Utc};

use super::state::Lane;
use crate::user::UserState;

/// One kind of message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Template {
    /// Its name, part of the derived id of every notification: never changes.
    pub name: &'static str,
    /// How urgent its messages are.
    pub lane: Lane,
    /// How long after the event a message is still worth sending.
    pub lifetime: TimeDelta,
    /// Events recorded before this moment do not lead to a message, so that a new template never writes to old users.
    pub applies_from: DateTime<Utc>,
}

/// Greets a new user; it is also the invitation.
pub const WELCOME: Template = Template {
    name: "welcome",
    lane: Lane::Transactional,
    lifetime: TimeDelta::hours(72),
    applies_from: DateTime::UNIX_EPOCH,
};

/// Every template.
pub const ALL: [Template; 1] = [WELCOME];

impl Template {
    /// The template with this name.
    pub fn named(name: &str) -> Option<&'static Self> {
        ALL.iter().find(|template| template.name == name)
    }

    /// The text for `user`, in GSM-7 characters as long as their name is; `None` when the user was erased.
    pub fn render(&self, user: &UserState) -> Option<String> {
        let name = user.first_name.known()?.as_str();
        Some(format!("Welcome to FieldFuze, {name}! Your account is ready."))
    }
}
