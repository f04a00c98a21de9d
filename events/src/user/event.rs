use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{
    preferences::Preferences,
    state::{CodePurpose, Factor, Status},
};
use crate::{
    event::{EventData, EventType, Upcast},
    ids::RoleId,
    values::{Email, Locale, PersonName, Personal, Phone, Scope, TimeZone, Username},
};

/// What happened to a user.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data")]
pub enum UserEvent {
    /// The user came to be.
    UserRegistered(UserRegistered),
    /// Some of the profile changed.
    UserProfileChanged(ProfileChanged),
    /// The user may not sign in or act any more.
    UserSuspended {},
    /// The user may again what they might before.
    UserReactivated {},
    /// The user has a role, or has it on other terms.
    UserRoleAssigned(RoleAssigned),
    /// The user lost a role.
    UserRoleRevoked(RoleRevoked),
    /// The user has another password. All of their sessions are over.
    UserPasswordChanged {},
    /// The user has to choose another password before they sign in again. All of their sessions are over.
    UserPasswordChangeRequired {},
    /// The user is sent a one-time code.
    UserCodeRequested(CodeRequested),
    /// The user, who was invited, has a password now.
    UserInvitationAccepted {},
    /// From now on a sign-in takes this as well as the password.
    UserFactorAdded(FactorChanged),
    /// A sign-in does not take this any more.
    UserFactorRemoved(FactorChanged),
    /// The user has new recovery codes; the old ones are worth nothing.
    UserRecoveryCodesReplaced {},
    /// The user signed in with a recovery code, which is used up.
    UserRecoveryCodeUsed {},
    /// All of the user's sessions are over: whoever signed in before signs in anew.
    UserSessionsEnded {},
    /// The user wants other messages, or at other times.
    UserPreferencesChanged(Preferences),
    /// The user is forgotten: their key is destroyed in the same transaction, and nothing follows any more.
    UserErased {},
}

/// Data of [`UserEvent::UserRegistered`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserRegistered {
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
    /// `active` when they have a password already, else `invited`.
    pub status: Status,
}

/// Data of [`UserEvent::UserProfileChanged`]: the new value of each field that changed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProfileChanged {
    /// New e-mail address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<Personal<Email>>,
    /// New user name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<Personal<Username>>,
    /// New given name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_name: Option<Personal<PersonName>>,
    /// New family name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_name: Option<Personal<PersonName>>,
    /// New telephone number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone: Option<Personal<Phone>>,
    /// New language.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locale: Option<Locale>,
    /// New time zone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<TimeZone>,
}

/// Data of [`UserEvent::UserRoleAssigned`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoleAssigned {
    /// Which role.
    pub role_id: RoleId,
    /// Where it holds; everywhere when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<Scope>,
    /// When it ends; never when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<DateTime<Utc>>,
}

/// Data of [`UserEvent::UserRoleRevoked`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoleRevoked {
    /// Which role.
    pub role_id: RoleId,
}

/// Data of [`UserEvent::UserCodeRequested`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CodeRequested {
    /// What for.
    pub purpose: CodePurpose,
}

/// Data of [`UserEvent::UserFactorAdded`] and [`UserEvent::UserFactorRemoved`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FactorChanged {
    /// Which one.
    pub factor: Factor,
}

const PERSONAL: &[&str] = &["email", "username", "first_name", "last_name", "phone"];

const fn plain(name: &'static str) -> EventType {
    EventType { name, schema: 1, personal: &[] }
}

const REGISTERED: EventType = EventType { name: "UserRegistered", schema: 2, personal: PERSONAL };
const PROFILE_CHANGED: EventType = EventType { name: "UserProfileChanged", schema: 1, personal: PERSONAL };
const SUSPENDED: EventType = plain("UserSuspended");
const REACTIVATED: EventType = plain("UserReactivated");
const ROLE_ASSIGNED: EventType = plain("UserRoleAssigned");
const ROLE_REVOKED: EventType = plain("UserRoleRevoked");
const PASSWORD_CHANGED: EventType = plain("UserPasswordChanged");
const PASSWORD_CHANGE_REQUIRED: EventType = plain("UserPasswordChangeRequired");
const CODE_REQUESTED: EventType = plain("UserCodeRequested");
const INVITATION_ACCEPTED: EventType = plain("UserInvitationAccepted");
const FACTOR_ADDED: EventType = plain("UserFactorAdded");
const FACTOR_REMOVED: EventType = plain("UserFactorRemoved");
const RECOVERY_CODES_REPLACED: EventType = plain("UserRecoveryCodesReplaced");
const RECOVERY_CODE_USED: EventType = plain("UserRecoveryCodeUsed");
const SESSIONS_ENDED: EventType = plain("UserSessionsEnded");
const PREFERENCES_CHANGED: EventType = plain("UserPreferencesChanged");
const ERASED: EventType = plain("UserErased");

/// Schema 1 knew neither language nor time zone.
const REGISTERED_1: Upcast =
    Upcast { from: ("UserRegistered", 1), to: ("UserRegistered", 2), apply: with_locale_and_time_zone };

fn with_locale_and_time_zone(mut data: Map<String, Value>) -> Map<String, Value> {
    data.entry("locale").or_insert_with(|| Locale::default().as_str().into());
    data.entry("time_zone").or_insert_with(|| TimeZone::default().as_str().into());
    data
}

impl EventData for UserEvent {
    const CATALOGUE: &'static [EventType] = &[
        REGISTERED,
        PROFILE_CHANGED,
        SUSPENDED,
        REACTIVATED,
        ROLE_ASSIGNED,
        ROLE_REVOKED,
        PASSWORD_CHANGED,
        PASSWORD_CHANGE_REQUIRED,
        CODE_REQUESTED,
        INVITATION_ACCEPTED,
        FACTOR_ADDED,
        FACTOR_REMOVED,
        RECOVERY_CODES_REPLACED,
        RECOVERY_CODE_USED,
        SESSIONS_ENDED,
        PREFERENCES_CHANGED,
        ERASED,
    ];
    const UPCASTS: &'static [Upcast] = &[REGISTERED_1];

    fn event_type(&self) -> &'static EventType {
        match self {
            Self::UserRegistered(_) => &REGISTERED,
            Self::UserProfileChanged(_) => &PROFILE_CHANGED,
            Self::UserSuspended {} => &SUSPENDED,
            Self::UserReactivated {} => &REACTIVATED,
            Self::UserRoleAssigned(_) => &ROLE_ASSIGNED,
            Self::UserRoleRevoked(_) => &ROLE_REVOKED,
            Self::UserPasswordChanged {} => &PASSWORD_CHANGED,
            Self::UserPasswordChangeRequired {} => &PASSWORD_CHANGE_REQUIRED,
            Self::UserCodeRequested(_) => &CODE_REQUESTED,
            Self::UserInvitationAccepted {} => &INVITATION_ACCEPTED,
            Self::UserFactorAdded(_) => &FACTOR_ADDED,
            Self::UserFactorRemoved(_) => &FACTOR_REMOVED,
            Self::UserRecoveryCodesReplaced {} => &RECOVERY_CODES_REPLACED,
            Self::UserRecoveryCodeUsed {} => &RECOVERY_CODE_USED,
            Self::UserSessionsEnded {} => &SESSIONS_ENDED,
            Self::UserPreferencesChanged(_) => &PREFERENCES_CHANGED,
            Self::UserErased {} => &ERASED,
        }
    }
}
