use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

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

    /// Whether nothing can change any more. `dead` can: a late receipt still tells the truth.
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
    /// Number of its last commit.
    pub version: Version,
    /// When it was requested.
    pub created_at: DateTime<Utc>,
    /// When anything changed last.
    pub updated_at: DateTime<Utc>,
}

/// How long a new notification is left to the queue before somebody looks whether it got lost on the way there.
const ENQUEUE_GRACE: TimeDelta = TimeDelta::seconds(15);

/// How long a receipt is waited for before the provider is asked. Most come within seconds.
const LOOK_UP_AFTER: TimeDelta = TimeDelta::seconds(30);

impl NotificationState {
    /// When somebody should look again whether it moves on; `None` when only a receipt or an operator can move it.
    pub fn look_again_at(&self) -> Option<DateTime<Utc>> {
        match self.status {
            Delivery::Pending => Some(self.due.unwrap_or(self.created_at + ENQUEUE_GRACE)),
            Delivery::Sending => self.due,
            // A receipt can get lost; the provider can still be asked.
            Delivery::Accepted | Delivery::Sent if self.provider_id.is_some() => Some(self.updated_at + LOOK_UP_AFTER),
            _ => None,
        }
    }
}
