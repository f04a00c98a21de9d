use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::preferences::Preferences;
use crate::{
    ids::{RoleId, UserId},
    stream::Version,
    values::{Email, Locale, PersonName, Personal, Phone, Scope, TimeZone, Username},
};

/// Where a user stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Known, but without a password yet.
    Invited,
    /// May sign in.
    Active,
    /// May not, until reactivated.
    Suspended,
    /// Forgotten for ever.
    Erased,
}

impl Status {
    /// The status as it stands in answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Invited => "invited",
            Self::Active => "active",
            Self::Suspended => "suspended",
            Self::Erased => "erased",
        }
    }
}

/// What a one-time code is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CodePurpose {
    /// Setting the first password.
    Invitation,
    /// Setting another password instead of a forgotten one.
    PasswordReset,
    /// Showing at a sign-in that one has the telephone.
    SignIn,
    /// Showing that one has the telephone before that becomes a second factor.
    SmsFactor,
}

impl CodePurpose {
    /// Every purpose.
    pub const ALL: [Self; 4] = [Self::Invitation, Self::PasswordReset, Self::SignIn, Self::SmsFactor];

    /// The purpose as keys name it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Invitation => "invitation",
            Self::PasswordReset => "password_reset",
            Self::SignIn => "sign_in",
            Self::SmsFactor => "sms_factor",
        }
    }
}

/// What a sign-in can take beside the password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Factor {
    /// The codes of an authenticator (RFC 6238).
    Totp,
    /// A code in a text message.
    Sms,
}

impl Factor {
    /// The factor as it stands in answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Totp => "totp",
            Self::Sms => "sms",
        }
    }
}

/// One role that a user has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assignment {
    /// Which role.
    pub role_id: RoleId,
    /// Where it holds; everywhere when absent.
    pub scope: Option<Scope>,
    /// When it ends; never when absent.
    pub expires_at: Option<DateTime<Utc>>,
}

impl Assignment {
    /// Whether it counts on our own routes at `now`: without a scope, and not ended.
    pub fn counts_at(&self, now: DateTime<Utc>) -> bool {
        self.scope.is_none() && self.holds_at(now)
    }

    /// Whether it has not ended at `now`.
    pub fn holds_at(&self, now: DateTime<Utc>) -> bool {
        self.expires_at.is_none_or(|end| end > now)
    }

    /// Whether it ends no earlier than something that ends at `end`, or never when that is absent.
    pub fn lasts_until(&self, end: Option<DateTime<Utc>>) -> bool {
        self.expires_at.is_none_or(|own| end.is_some_and(|end| end <= own))
    }
}

/// A user as folded from the history. It is the decider's state and the row of the read model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserState {
    /// The user.
    pub id: UserId,
    /// Where mail reaches them.
    pub email: Personal<Email>,
    /// What they sign in with, beside the address.
    pub username: Personal<Username>,
    /// Given name.
    pub first_name: Personal<PersonName>,
    /// Family name.
    pub last_name: Personal<PersonName>,
    /// Where text messages reach them.
    pub phone: Personal<Phone>,
    /// The language of their messages.
    pub locale: Locale,
    /// The time zone of their quiet hours.
    pub time_zone: TimeZone,
    /// Where they stand.
    pub status: Status,
    /// What they return to when reactivated.
    pub before_suspension: Status,
    /// Their roles, in the order of the roles' ids.
    pub roles: Vec<Assignment>,
    /// The commit that ended all sessions that were there: of those that began on an earlier version none counts.
    #[serde(default)]
    pub sessions_since: Version,
    /// Whether they have to choose another password before they sign in again.
    #[serde(default)]
    pub password_change_required: bool,
    /// What a sign-in takes beside the password; any one of them.
    #[serde(default)]
    pub factors: BTreeSet<Factor>,
    /// Which messages they want, and when.
    #[serde(default)]
    pub preferences: Preferences,
    /// Number of their last commit.
    pub version: Version,
    /// When they were registered.
    pub created_at: DateTime<Utc>,
    /// When anything changed last.
    pub updated_at: DateTime<Utc>,
}
