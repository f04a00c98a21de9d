use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::state::Lane;
use crate::{
    event::{EventData, EventType},
    ids::{EventId, UserId},
};

/// What happened to a notification.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data")]
pub enum NotificationEvent {
    /// Something happened of which somebody shall be told.
    NotificationRequested(NotificationRequested),
    /// A dispatcher holds it and is about to send. Durable before the first byte goes out.
    NotificationSending(NotificationSending),
    /// The provider certainly did not take it; it may be tried again later.
    NotificationDeferred(NotificationDeferred),
    /// The provider took it.
    NotificationAccepted(NotificationAccepted),
    /// Nobody knows whether the provider took it.
    NotificationUnknown {},
    /// The provider handed it to the carrier.
    NotificationSent {},
    /// The carrier says that it arrived.
    NotificationDelivered {},
    /// It certainly will not arrive.
    NotificationFailed(NotificationFailed),
    /// Its time had passed before it could be sent.
    NotificationExpired {},
    /// It may not be sent to this person.
    NotificationSuppressed(NotificationSuppressed),
    /// It cannot be sent as it is; an operator has to look.
    NotificationDied(NotificationDied),
    /// The provider was asked what became of it and knew nothing new.
    NotificationLookedUp(NotificationLookedUp),
    /// It is to be sent once more, although it was given up or nobody knew what became of it.
    NotificationRedriven(NotificationRedriven),
}

/// Data of [`NotificationEvent::NotificationRequested`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotificationRequested {
    /// Who shall be told.
    pub user_id: UserId,
    /// The event of which they shall be told.
    pub event_id: EventId,
    /// Name of the text.
    pub template: String,
    /// How urgent it is.
    pub lane: Lane,
    /// After this it is not worth sending.
    pub expires_at: DateTime<Utc>,
}

/// Data of [`NotificationEvent::NotificationSending`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotificationSending {
    /// Number of the try, from 1: the fence of whoever holds it.
    pub attempt: u32,
    /// When another dispatcher may conclude that this one died.
    pub until: DateTime<Utc>,
    /// Version of the template of which the text was made. Absent in what older builds wrote.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template_version: Option<u32>,
    /// Segments of the text: what it takes of the sender's rate, and costs. Absent in what older builds wrote.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub segments: Option<u32>,
}

/// Data of [`NotificationEvent::NotificationDeferred`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotificationDeferred {
    /// The provider's code, or ours when nobody answered.
    pub error_code: String,
    /// When to try again.
    pub not_before: DateTime<Utc>,
}

/// Data of [`NotificationEvent::NotificationAccepted`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotificationAccepted {
    /// The provider's id of the message.
    pub provider_id: String,
}

/// Data of [`NotificationEvent::NotificationFailed`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotificationFailed {
    /// The provider's code.
    pub error_code: String,
}

/// Data of [`NotificationEvent::NotificationSuppressed`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotificationSuppressed {
    /// Our code of the rule that forbids it.
    pub cause: String,
}

/// Data of [`NotificationEvent::NotificationDied`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotificationDied {
    /// The provider's code of what is wrong with the request, or ours. Absent in what older builds wrote.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_code: Option<String>,
}

/// Data of [`NotificationEvent::NotificationLookedUp`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotificationLookedUp {
    /// Whether it is worth asking again later.
    pub again: bool,
}

/// Data of [`NotificationEvent::NotificationRedriven`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotificationRedriven {
    /// After this it is not worth sending any more.
    pub expires_at: DateTime<Utc>,
}

const fn plain(name: &'static str) -> EventType {
    EventType { name, schema: 1, personal: &[] }
}

const REQUESTED: EventType = plain("NotificationRequested");
const SENDING: EventType = plain("NotificationSending");
const DEFERRED: EventType = plain("NotificationDeferred");
const ACCEPTED: EventType = plain("NotificationAccepted");
const UNKNOWN: EventType = plain("NotificationUnknown");
const SENT: EventType = plain("NotificationSent");
const DELIVERED: EventType = plain("NotificationDelivered");
const FAILED: EventType = plain("NotificationFailed");
const EXPIRED: EventType = plain("NotificationExpired");
const SUPPRESSED: EventType = plain("NotificationSuppressed");
const DIED: EventType = plain("NotificationDied");
const LOOKED_UP: EventType = plain("NotificationLookedUp");
const REDRIVEN: EventType = plain("NotificationRedriven");

impl EventData for NotificationEvent {
    const CATALOGUE: &'static [EventType] = &[
        REQUESTED, SENDING, DEFERRED, ACCEPTED, UNKNOWN, SENT, DELIVERED, FAILED, EXPIRED, SUPPRESSED, DIED, LOOKED_UP,
        REDRIVEN,
    ];

    fn event_type(&self) -> &'static EventType {
        match self {
            Self::NotificationRequested(_) => &REQUESTED,
            Self::NotificationSending(_) => &SENDING,
            Self::NotificationDeferred(_) => &DEFERRED,
            Self::NotificationAccepted(_) => &ACCEPTED,
            Self::NotificationUnknown {} => &UNKNOWN,
            Self::NotificationSent {} => &SENT,
            Self::NotificationDelivered {} => &DELIVERED,
            Self::NotificationFailed(_) => &FAILED,
            Self::NotificationExpired {} => &EXPIRED,
            Self::NotificationSuppressed(_) => &SUPPRESSED,
            Self::NotificationDied(_) => &DIED,
            Self::NotificationLookedUp(_) => &LOOKED_UP,
            Self::NotificationRedriven(_) => &REDRIVEN,
        }
    }
}
