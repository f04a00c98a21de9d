//! The texts, and which events lead to them.

use chrono::{DateTime, TimeDelta, Utc};

use super::state::Lane;
use crate::user::{CodePurpose, Status, UserState};

/// One kind of message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Template {
    /// Its name, part of the derived id of every notification: never changes.
    pub name: &'static str,
    /// Version of its texts.
    pub version: u32,
    /// Whether a message is sent once more of which the provider, when it must know, knows nothing.
    pub resend_unreceived: bool,
    /// How urgent its messages are.
    pub lane: Lane,
    /// How long after the event a message is still worth sending.
    pub lifetime: TimeDelta,
    /// Events recorded before this moment do not lead to a message, so that a new template never writes to old users.
    pub applies_from: DateTime<Utc>,
    /// What its one-time code is good for, if it has one; for as long as the message is worth sending.
    pub purpose: Option<CodePurpose>,
}

/// How long an invitation is good for: over a weekend.
const INVITED_FOR: TimeDelta = TimeDelta::hours(72);

/// How long another code is good for (OWASP ASVS 5.0, 6.5.5: at most 10 minutes).
const CODE_LIFETIME: TimeDelta = TimeDelta::minutes(10);

/// Greets a new user; to one who has no password yet it is the invitation.
pub const WELCOME: Template = Template {
    name: "welcome",
    version: 1,
    resend_unreceived: true,
    lane: Lane::Transactional,
    lifetime: INVITED_FOR,
    applies_from: DateTime::UNIX_EPOCH,
    purpose: Some(CodePurpose::Invitation),
};

/// Invites a user once more.
pub const INVITATION: Template = Template { name: "invitation", ..WELCOME };

/// Lets a user set another password instead of a forgotten one.
pub const PASSWORD_RESET: Template = code("password-reset", CodePurpose::PasswordReset);

/// Shows at a sign-in that somebody has the telephone.
pub const SIGN_IN_CODE: Template = code("sign-in-code", CodePurpose::SignIn);

/// Shows that somebody has the telephone that is to be a second factor.
pub const SMS_FACTOR: Template = code("sms-factor", CodePurpose::SmsFactor);

/// Every template.
pub const ALL: [&Template; 5] = [&WELCOME, &INVITATION, &PASSWORD_RESET, &SIGN_IN_CODE, &SMS_FACTOR];

const fn code(name: &'static str, purpose: CodePurpose) -> Template {
    Template {
        name,
        version: 1,
        resend_unreceived: false,
        lane: Lane::Code,
        lifetime: CODE_LIFETIME,
        applies_from: DateTime::UNIX_EPOCH,
        purpose: Some(purpose),
    }
}

impl Template {
    /// The template with this name.
    pub fn named(name: &str) -> Option<&'static Self> {
        ALL.into_iter().find(|template| template.name == name)
    }

    /// The template that brings a code for `purpose`, when one is asked for.
    pub fn for_code(purpose: CodePurpose) -> &'static Self {
        match purpose {
            CodePurpose::Invitation => &INVITATION,
            CodePurpose::PasswordReset => &PASSWORD_RESET,
            CodePurpose::SignIn => &SIGN_IN_CODE,
            CodePurpose::SmsFactor => &SMS_FACTOR,
        }
    }

    /// Whether it goes to somebody who stands there.
    pub fn reaches(&self, status: Status) -> bool {
        matches!(status, Status::Invited | Status::Active)
    }

    /// Whether a user wants such messages.
    pub fn is_wanted_by(&self, _: &UserState) -> bool {
        true
    }

    /// The text for `user`, in GSM-7 characters as long as their name is; `None` when there is nothing to tell them any
    /// more. `code` is only asked for when the text has one.
    pub fn render(&self, user: &UserState, code: impl FnOnce() -> String) -> Option<String> {
        let name = user.first_name.known()?.as_str();
        let invited = user.status == Status::Invited;
        match self.purpose {
            Some(CodePurpose::Invitation) if invited => Some(format!(
                "Welcome to FieldFuze, {name}! To set your password, use the code {}. It is good for 3 days.",
                code()
            )),
            Some(CodePurpose::Invitation) if self.name == WELCOME.name => {
                Some(format!("Welcome to FieldFuze, {name}! Your account is ready."))
            }
            Some(CodePurpose::PasswordReset) => Some(format!(
                "FieldFuze: {} is your code to set a new password. It is good for 10 minutes. Was it not you? Tell nobody.",
                code()
            )),
            Some(CodePurpose::SignIn) => Some(format!(
                "FieldFuze: {} is your code to sign in. It is good for 10 minutes. We never ask for it.",
                code()
            )),
            Some(CodePurpose::SmsFactor) => {
                Some(format!("FieldFuze: {} is your code to confirm this number. It is good for 10 minutes.", code()))
            }
            Some(CodePurpose::Invitation) | None => None,
        }
    }
}
