//! The kinds of messages: what each says, to whom it goes, and how urgent it is.

#[cfg(test)]
mod review;
mod wording;
mod words;

use chrono::{DateTime, TimeDelta, Utc};

use self::wording::Text;
use super::{MessageCategory, state::Lane};
use crate::user::{CodePurpose, Status, UserState};

/// One kind of message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Template {
    /// Its name, part of the derived id of every notification: never changes.
    pub name: &'static str,
    /// Version of its texts: recorded with every message, and raised whenever a text changes.
    pub version: u32,
    /// What it is about.
    pub category: MessageCategory,
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
    /// Where somebody may stand to get it.
    reaches: &'static [Status],
    /// What it says with a code.
    with_code: Option<Text>,
    /// What it says without one: to those who need none.
    without_code: Option<Text>,
}

/// How long an invitation is good for: over a weekend.
const INVITED_FOR: TimeDelta = TimeDelta::hours(72);

/// How long another code is good for (OWASP ASVS 5.0, 6.5.5: at most 10 minutes).
const CODE_LIFETIME: TimeDelta = TimeDelta::minutes(10);

/// How long a warning is worth sending: whoever hears later that an account was taken has been told too late, but told.
const WARNING_LIFETIME: TimeDelta = TimeDelta::hours(24);

/// How long news of one's rights is worth sending: it can wait for a night and for what is more urgent.
const NEWS_LIFETIME: TimeDelta = TimeDelta::hours(48);

/// When the templates came into use that tell of more than accounts and codes.
const SINCE_NEWS: DateTime<Utc> = match DateTime::from_timestamp(1_793_491_200, 0) {
    Some(moment) => moment,
    None => DateTime::UNIX_EPOCH,
};

/// Greets a new user; to one who has no password yet it is the invitation.
pub const WELCOME: Template = Template {
    name: "welcome",
    version: 2,
    category: MessageCategory::Account,
    resend_unreceived: true,
    lane: Lane::Transactional,
    lifetime: INVITED_FOR,
    applies_from: DateTime::UNIX_EPOCH,
    purpose: Some(CodePurpose::Invitation),
    reaches: &[Status::Invited, Status::Active],
    with_code: Some(words::WELCOME_WITH_CODE),
    without_code: Some(words::WELCOME),
};

/// Invites a user once more.
pub const INVITATION: Template =
    Template { name: "invitation", reaches: &[Status::Invited], without_code: None, ..WELCOME };

/// Lets a user set another password instead of a forgotten one.
pub const PASSWORD_RESET: Template = code("password-reset", CodePurpose::PasswordReset, words::PASSWORD_RESET);

/// Shows at a sign-in that somebody has the telephone.
pub const SIGN_IN_CODE: Template = code("sign-in-code", CodePurpose::SignIn, words::SIGN_IN_CODE);

/// Shows that somebody has the telephone that is to be a second factor.
pub const SMS_FACTOR: Template = code("sms-factor", CodePurpose::SmsFactor, words::SMS_FACTOR);

/// Tells that the password was changed.
pub const PASSWORD_CHANGED: Template = warning("password-changed", words::PASSWORD_CHANGED);

/// Tells that somebody signed in with what was never used before.
pub const NEW_DEVICE: Template = warning("new-device", words::NEW_DEVICE);

/// Tells that the account is suspended.
pub const SUSPENDED: Template = Template { reaches: &[Status::Suspended], ..warning("suspended", words::SUSPENDED) };

/// Tells that the account works again.
pub const REACTIVATED: Template = news("reactivated", words::REACTIVATED);

/// Tells that a role was given.
pub const ROLE_GRANTED: Template = news("role-granted", words::ROLE_GRANTED);

/// Tells that a role was taken away.
pub const ROLE_REVOKED: Template = news("role-revoked", words::ROLE_REVOKED);

/// Every template.
pub const ALL: [&Template; 11] = [
    &WELCOME,
    &INVITATION,
    &PASSWORD_RESET,
    &SIGN_IN_CODE,
    &SMS_FACTOR,
    &PASSWORD_CHANGED,
    &NEW_DEVICE,
    &SUSPENDED,
    &REACTIVATED,
    &ROLE_GRANTED,
    &ROLE_REVOKED,
];

const fn code(name: &'static str, purpose: CodePurpose, text: Text) -> Template {
    Template {
        name,
        version: 2,
        category: MessageCategory::Security,
        resend_unreceived: false,
        lane: Lane::Code,
        lifetime: CODE_LIFETIME,
        applies_from: DateTime::UNIX_EPOCH,
        purpose: Some(purpose),
        reaches: &[Status::Active],
        with_code: Some(text),
        without_code: None,
    }
}

const fn warning(name: &'static str, text: Text) -> Template {
    Template {
        name,
        version: 1,
        category: MessageCategory::Security,
        resend_unreceived: false,
        lane: Lane::Transactional,
        lifetime: WARNING_LIFETIME,
        applies_from: SINCE_NEWS,
        purpose: None,
        reaches: &[Status::Active],
        with_code: None,
        without_code: Some(text),
    }
}

const fn news(name: &'static str, text: Text) -> Template {
    Template { category: MessageCategory::Access, lane: Lane::Bulk, lifetime: NEWS_LIFETIME, ..warning(name, text) }
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
        self.reaches.contains(&status)
    }

    /// Whether a user wants such messages.
    pub fn is_wanted_by(&self, user: &UserState) -> bool {
        !user.preferences.muted.contains(&self.category)
    }

    /// The text for `user` in their language; `None` when there is nothing to tell them any more. `code` is only asked for
    /// when the text has one.
    pub fn render(&self, user: &UserState, code: impl FnOnce() -> String) -> Option<String> {
        let name = user.first_name.known()?.as_str();
        // Who has a password already needs no code to set the first one.
        let needs_code = self.purpose != Some(CodePurpose::Invitation) || user.status == Status::Invited;
        match (self.with_code, self.without_code) {
            (Some(text), _) if needs_code => Some(text.say(&user.locale, name, &code())),
            (_, Some(text)) => Some(text.say(&user.locale, name, "")),
            _ => None,
        }
    }
}
