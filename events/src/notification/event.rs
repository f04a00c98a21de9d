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
    /// It was received too often without an end; an operator has to look.
    NotificationDied {},
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

impl EventData for NotificationEvent {
    const CATALOGUE: &'static [EventType] =
        &[REQUESTED, SENDING, DEFERRED, ACCEPTED, UNKNOWN, SENT, DELIVERED, FAILED, EXPIRED, SUPPRESSED, DIED];

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
            Self::NotificationDied {} => &DIED,
        }
    }
}
