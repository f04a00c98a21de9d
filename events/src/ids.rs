//! Typed ids. Fresh ones are UUIDv7, minted outside; derived ones are UUIDv5 and are computed here.

use uuid::Uuid;

/// Name space of every id that we derive (UUIDv5). Never changes: derived ids are how repeats are recognised.
const NAMESPACE: Uuid = Uuid::from_u128(0x6f1d_3c1e_8f0b_5c52_9a57_2b6f_0e1d_77a4);

/// A UUIDv5 over length-prefixed parts, so that no two lists of parts are one name.
pub fn derive(parts: &[&str]) -> Uuid {
    let name = parts.iter().fold(String::new(), |name, part| name + &format!("{}:{part};", part.len()));
    Uuid::new_v5(&NAMESPACE, name.as_bytes())
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }

        impl std::str::FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self)
            }
        }
    };
}

id! {
    /// A user.
    UserId
}
id! {
    /// A role.
    RoleId
}
id! {
    /// A notification.
    NotificationId
}
id! {
    /// A session: one sign-in with its family of refresh tokens.
    SessionId
}
id! {
    /// A telephone number: says nothing of its digits.
    NumberId
}
id! {
    /// One event.
    EventId
}

impl RoleId {
    /// The seeded role with all permissions, never edited and never retired.
    pub fn administrator() -> Self {
        Self(derive(&["role", "administrator"]))
    }
}

impl UserId {
    /// The user that the first start seeds.
    pub fn seeded_administrator() -> Self {
        Self(derive(&["user", "administrator"]))
    }

    /// The first administrator of an installation that is no local world. There is one, however often it is asked for.
    pub fn founder() -> Self {
        Self(derive(&["user", "founder"]))
    }
}

impl NotificationId {
    /// The one notification that `event` causes for `recipient` by `template`.
    pub fn caused_by(event: EventId, recipient: UserId, template: &str) -> Self {
        Self(derive(&["notification", &event.to_string(), &recipient.to_string(), template]))
    }
}
