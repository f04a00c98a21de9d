use chrono::{DateTime, Utc};

use super::{
    preferences::Preferences,
    state::{CodePurpose, Factor},
};
use crate::{
    ids::RoleId,
    values::{Email, Locale, PersonName, Phone, Scope, TimeZone, Username},
};

/// What somebody wants of a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UserCommand {
    /// Bring the user into being.
    Register(Register),
    /// Change some of the profile.
    ChangeProfile(ChangeProfile),
    /// Stop the user from signing in and acting.
    Suspend,
    /// Take a suspension back.
    Reactivate,
    /// Give a role, or give it on other terms.
    AssignRole(AssignRole),
    /// Take a role away.
    RevokeRole(RoleId),
    /// Set another password. That the old one was shown was checked before.
    ChangePassword,
    /// Let them sign in again only with another password.
    RequirePasswordChange,
    /// Send a one-time code.
    RequestCode(CodePurpose),
    /// Set the first password. That the invitation's code was shown was checked before.
    AcceptInvitation,
    /// Take this at each sign-in. That the user has it was checked before.
    AddFactor(Factor),
    /// Do without this at a sign-in.
    RemoveFactor(Factor),
    /// Do without any of them, for they are lost, and end all sessions.
    RemoveFactors,
    /// Replace the recovery codes.
    ReplaceRecoveryCodes,
    /// Use a recovery code up. That it is one was checked before.
    UseRecoveryCode,
    /// Get other messages, or at other times.
    SetPreferences(Preferences),
    /// End all sessions that there are.
    EndSessions,
    /// Forget the user for ever.
    Erase,
}

/// Everything that a new user has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Register {
    /// Where mail reaches them.
    pub email: Email,
    /// What they sign in with, beside the address.
    pub username: Username,
    /// Given name.
    pub first_name: PersonName,
    /// Family name.
    pub last_name: PersonName,
    /// Where text messages reach them.
    pub phone: Phone,
    /// The language of their messages.
    pub locale: Locale,
    /// The time zone of their quiet hours.
    pub time_zone: TimeZone,
    /// Whether a password is set along with it, so that they need no invitation.
    pub with_password: bool,
}

/// The fields to change; the others stay.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChangeProfile {
    /// New e-mail address.
    pub email: Option<Email>,
    /// New user name.
    pub username: Option<Username>,
    /// New given name.
    pub first_name: Option<PersonName>,
    /// New family name.
    pub last_name: Option<PersonName>,
    /// New telephone number.
    pub phone: Option<Phone>,
    /// New language.
    pub locale: Option<Locale>,
    /// New time zone.
    pub time_zone: Option<TimeZone>,
}

/// A role and its terms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AssignRole {
    /// Which role. That it exists and is active was looked up before.
    pub role_id: RoleId,
    /// Where it shall hold; everywhere when absent.
    pub scope: Option<Scope>,
    /// When it shall end; never when absent.
    pub expires_at: Option<DateTime<Utc>>,
    /// The moment of the decision: an end must lie behind it, and roles that have ended by it no longer count.
    pub now: DateTime<Utc>,
}
