use chrono::{DateTime, Utc};

use super::event::{NotificationDeferred, NotificationRequested};

/// What somebody wants of a notification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotificationCommand {
    /// Tell somebody of something.
    Request(NotificationRequested),
    /// Conclude what time has decided: it is too late to send it, or whoever held it has died.
    Settle {
        /// Now.
        now: DateTime<Utc>,
    },
    /// Take it for sending until `until`.
    Take {
        /// The moment of taking.
        now: DateTime<Utc>,
        /// When the holder counts as dead.
        until: DateTime<Utc>,
        /// What is about to be sent.
        text: TextOf,
    },
    /// Do not send it now, or not at all: judged before it is taken.
    Withhold(Withheld),
    /// What came of the try with this number.
    Conclude {
        /// The fence: an older try has no say.
        attempt: u32,
        /// What came of it.
        outcome: Outcome,
    },
    /// What the provider says later of the try with this number.
    Receive {
        /// The try that the receipt names.
        attempt: u32,
        /// The provider's id of the message.
        provider_id: String,
        /// What it says.
        receipt: Receipt,
    },
    /// The provider was asked and knew nothing new.
    FoundNothing {
        /// How often it had been asked in vain before.
        look_ups: u32,
        /// Whether the provider will know more later.
        again: bool,
        /// When it is `unknown` and this was the last look-up: whether to send it once more.
        resend: bool,
        /// Now.
        now: DateTime<Utc>,
    },
    /// Send it once more: somebody decided so.
    Redrive {
        /// Until when it is worth sending.
        expires_at: DateTime<Utc>,
    },
    /// Never send it: somebody decided so.
    Discard,
    /// Give up for this reason: it was received too often without an end.
    GiveUp(&'static str),
}

/// What is about to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TextOf {
    /// Version of the template.
    pub template_version: u32,
    /// Segments of the text.
    pub segments: u32,
}

/// Why something is not sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Withheld {
    /// Not before that.
    Until(NotificationDeferred),
    /// Never, by this rule of ours.
    Suppressed(&'static str),
}

/// What came of a try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The provider took it under this id.
    Accepted(String),
    /// The provider certainly did not take it; try again later.
    Deferred(NotificationDeferred),
    /// The provider never will take it, by this code.
    Refused(String),
    /// The provider cannot read what we sent, by this code: the fault is ours.
    Malformed(String),
    /// Nobody knows.
    Unknown,
    /// A rule of ours forbids it.
    Suppressed(&'static str),
}

impl Outcome {
    /// Which one it is, for logs.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Accepted(_) => "accepted",
            Self::Deferred(_) => "deferred",
            Self::Refused(_) => "refused",
            Self::Malformed(_) => "malformed",
            Self::Unknown => "unknown",
            Self::Suppressed(_) => "suppressed",
        }
    }
}

/// What a receipt says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Receipt {
    /// Handed to the carrier.
    Sent,
    /// Arrived.
    Delivered,
    /// Will not arrive, by this code.
    Failed(String),
    /// Handed to the carrier, which never says more.
    Unconfirmed,
}

impl Receipt {
    /// Which one it is, for metrics.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Delivered => "delivered",
            Self::Failed(_) => "failed",
            Self::Unconfirmed => "unconfirmed",
        }
    }
}
