use serde::{Deserialize, Serialize};

/// What a message is about: people mute whole categories.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MessageCategory {
    /// That there is an account, and how to get into it.
    Account,
    /// One-time codes, and what somebody must know whose account another may have taken.
    Security,
    /// What one may do.
    Access,
}

impl MessageCategory {
    /// Every category.
    pub const ALL: [Self; 3] = [Self::Account, Self::Security, Self::Access];

    /// The category as it stands in answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Account => "account",
            Self::Security => "security",
            Self::Access => "access",
        }
    }

    /// Whether people may do without its messages. The others would hide from them that an account is being taken.
    pub const fn can_be_muted(self) -> bool {
        matches!(self, Self::Access)
    }
}
