use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    ids::{EventId, NotificationId, UserId},
    stream::Version,
};

/// How urgent a notification is; each lane is a queue of its own, so that none can hold up a more urgent one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Lane {
    /// One-time codes.
    Code,
    /// What somebody's own action caused.
    Transactional,
    /// Everything that can wait.
    Bulk,
}

impl Lane {
    /// As metrics name it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Code => "code",
            Self::Transactional => "transactional",
            Self::Bulk => "bulk",
        }
    }
}

/// Where a notification stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Delivery {
    /// Waits for a dispatcher.
    Pending,
    /// A dispatcher holds it.
    Sending,
    /// Nobody knows whether the provider took it.
    Unknown,
    /// The provider took it.
    Accepted,
    /// The provider handed it to the carrier.
    Sent,
    /// It arrived.
    Delivered,
    /// It certainly will not arrive.
    Failed,
    /// Its time had passed.
    Expired,
    /// It may not be sent.
    Suppressed,
    /// An operator has to look.
    Dead,
}

impl Delivery {
    /// Every status.
    pub const ALL: [Self; 10] = [
        Self::Pending,
        Self::Sending,
        Self::Unknown,
        Self::Accepted,
        Self::Sent,
        Self::Delivered,
        Self::Failed,
        Self::Expired,
        Self::Suppressed,
        Self::Dead,
    ];

    /// Whether no receipt changes it any more. `dead` can change: a late receipt still tells the truth.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Delivered | Self::Failed | Self::Expired | Self::Suppressed)
    }

    /// The status as it stands in answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Sending => "sending",
            Self::Unknown => "unknown",
            Self::Accepted => "accepted",
            Self::Sent => "sent",
            Self::Delivered => "delivered",
            Self::Failed => "failed",
            Self::Expired => "expired",
            Self::Suppressed => "suppressed",
            Self::Dead => "dead",
        }
    }
}

/// A notification as folded from the history. It is the decider's state and the row of the read model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotificationState {
    /// The notification.
    pub id: NotificationId,
    /// Who shall be told.
    pub user_id: UserId,
    /// The event of which they shall be told.
    pub event_id: EventId,
    /// Name of the text.
    pub template: String,
    /// How urgent it is.
    pub lane: Lane,
    /// Where it stands.
    pub status: Delivery,
    /// Number of the last try; 0 before the first.
    pub attempt: u32,
    /// Until when a dispatcher may hold it (`sending`), or before when it is not to be tried again (`pending`).
    pub due: Option<DateTime<Utc>>,
    /// The provider's id of the message.
    pub provider_id: Option<String>,
    /// The last code that said why not.
    pub error_code: Option<String>,
    /// After this it is not worth sending.
    pub expires_at: DateTime<Utc>,
    /// How often the provider was asked in vain what became of it, since it stands where it stands.
    #[serde(default)]
    pub look_ups: u32,
    /// How often it was sent on its way once more after it had been given up or was unknown.
    #[serde(default)]
    pub redriven: u32,
    /// The trip that it belongs to: that of the event which caused it.
    #[serde(default)]
    pub correlation_id: Uuid,
    /// The trace that it belongs to.
    #[serde(default)]
    pub traceparent: Option<String>,
    /// Number of its last commit.
    pub version: Version,
    /// When it was requested.
    pub created_at: DateTime<Utc>,
    /// When anything changed last.
    pub updated_at: DateTime<Utc>,
}

/// How long a new notification is left to the queue before somebody looks whether it got lost on the way there.
const ENQUEUE_GRACE: TimeDelta = TimeDelta::seconds(15);

/// When the provider is asked about a message that it took and of which no final receipt came: after so long since the last
/// news. Most receipts come within seconds; three days later the carrier has forgotten it, too.
const LOOK_UPS_OF_ACCEPTED: [TimeDelta; 6] = [
    TimeDelta::seconds(30),
    TimeDelta::minutes(2),
    TimeDelta::minutes(10),
    TimeDelta::hours(1),
    TimeDelta::hours(6),
    TimeDelta::hours(72),
];

/// When the provider's records are searched for a message of which nobody knows whether it was taken. First its webhook is
/// waited for. A message can wait in the provider's queue for 4 hours and is in no record meanwhile: the last search comes
/// when it must have left it.
const LOOK_UPS_OF_UNKNOWN: [TimeDelta; 4] =
    [TimeDelta::minutes(2), TimeDelta::minutes(10), TimeDelta::hours(1), TimeDelta::minutes(270)];

impl NotificationState {
    /// When somebody should look again whether it moves on; `None` when only a receipt or an operator can move it.
    pub fn look_again_at(&self) -> Option<DateTime<Utc>> {
        match self.status {
            Delivery::Pending => Some(self.due.unwrap_or(self.updated_at + ENQUEUE_GRACE)),
            Delivery::Sending => self.due,
            _ => self.look_ups().get(usize::try_from(self.look_ups).ok()?).map(|after| self.updated_at + *after),
        }
    }

    /// Whether the provider's answer to the next look-up is the last word: there is none after it.
    pub fn is_last_look_up(&self) -> bool {
        usize::try_from(self.look_ups).is_ok_and(|done| done + 1 >= self.look_ups().len())
    }

    pub(super) fn look_ups(&self) -> &'static [TimeDelta] {
        match self.status {
            Delivery::Accepted | Delivery::Sent if self.provider_id.is_some() => &LOOK_UPS_OF_ACCEPTED,
            Delivery::Unknown => &LOOK_UPS_OF_UNKNOWN,
            _ => &[],
        }
    }
}
