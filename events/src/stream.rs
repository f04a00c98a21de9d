//! Streams and their versions.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::ids::{NotificationId, NumberId, RoleId, SessionId, UserId};

/// What kind of entity a stream is the history of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Category {
    /// A user.
    User,
    /// A role.
    Role,
    /// A notification.
    Notification,
    /// A session.
    Session,
    /// A telephone number.
    Number,
}

impl Category {
    /// Every category.
    pub const ALL: [Self; 5] = [Self::User, Self::Role, Self::Notification, Self::Session, Self::Number];

    /// The category as it stands in a stream's name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Role => "role",
            Self::Notification => "notification",
            Self::Session => "session",
            Self::Number => "number",
        }
    }
}

/// The name of one entity's history: `user#<uuid>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct StreamId {
    /// What it is the history of.
    pub category: Category,
    /// The entity's id.
    pub id: Uuid,
}

/// A text that names no stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a stream: expected category#uuid")]
pub struct NotAStream;

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}", self.category.as_str(), self.id)
    }
}

impl FromStr for StreamId {
    type Err = NotAStream;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (category, id) = text.split_once('#').ok_or(NotAStream)?;
        let category = Category::ALL.into_iter().find(|c| c.as_str() == category).ok_or(NotAStream)?;
        Ok(Self { category, id: id.parse().map_err(|_| NotAStream)? })
    }
}

impl TryFrom<String> for StreamId {
    type Error = NotAStream;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<StreamId> for String {
    fn from(stream: StreamId) -> Self {
        stream.to_string()
    }
}

macro_rules! stream_of {
    ($id:ident, $category:ident) => {
        impl From<$id> for StreamId {
            fn from(id: $id) -> Self {
                Self { category: Category::$category, id: id.0 }
            }
        }
    };
}
stream_of!(UserId, User);
stream_of!(RoleId, Role);
stream_of!(NotificationId, Notification);
stream_of!(SessionId, Session);
stream_of!(NumberId, Number);

/// How many commits a stream has: 1, 2, 3, … without a hole; 0 for a stream that has none yet.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Version(pub u64);

impl Version {
    /// The version of a stream without commits.
    pub const NONE: Self = Self(0);

    /// The version of the next commit.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What a caller believes a stream's version to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExpectedVersion {
    /// Any, as long as the stream exists (`If-Match: *`).
    Existing,
    /// Exactly this one.
    Exact(Version),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_reads_back_from_its_name() {
        for category in Category::ALL {
            let stream = StreamId { category, id: crate::ids::derive(&["x"]) };
            assert_eq!(stream.to_string().parse(), Ok(stream));
        }
        for text in ["", "user", "user#", "user#1", "truck#6f1d3c1e-8f0b-5c52-9a57-2b6f0e1d77a4"] {
            assert_eq!(text.parse::<StreamId>(), Err(NotAStream), "{text}");
        }
    }
}
