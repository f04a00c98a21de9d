//! The rows of the read models and how commits change them. The projector writes by these, the query API folds by them.

mod audit;
mod gate;

use chrono::{DateTime, Utc};
use serde::{Serialize, de::DeserializeOwned};
use uuid::Uuid;

pub use audit::{AuditRow, AuditSlot};
pub use gate::{Gate, gate};

use crate::{
    decider::Decider,
    notification::{Notification, NotificationState},
    role::{Role, RoleState},
    stream::{StreamId, Version},
    user::{User, UserState},
};

/// Buckets over which an index of everything is spread, so that no partition is hot; merged on reading.
pub const BUCKETS: u8 = 8;

/// A row that one stream feeds: the fold of that stream.
pub trait Row: Clone + PartialEq + Send + Sync + Serialize + DeserializeOwned + 'static {
    /// The rules by which it is folded.
    type Rules: Decider<State = Option<Self>>;

    /// The stream that feeds it.
    fn stream(&self) -> StreamId;
    /// Number of the last commit that it contains.
    fn version(&self) -> Version;
    /// When its stream began.
    fn created_at(&self) -> DateTime<Utc>;
    /// When somebody should look again whether it moves on, for rows that can get stuck.
    fn look_again_at(&self) -> Option<DateTime<Utc>> {
        None
    }
}

/// The bucket of an entity in an index of everything.
pub fn bucket(id: Uuid) -> u8 {
    id.as_bytes()[15] % BUCKETS
}

macro_rules! row {
    ($state:ty, $rules:ty $(, $look:ident)?) => {
        impl Row for $state {
            type Rules = $rules;

            fn stream(&self) -> StreamId {
                self.id.into()
            }

            fn version(&self) -> Version {
                self.version
            }

            fn created_at(&self) -> DateTime<Utc> {
                self.created_at
            }

            $(fn $look(&self) -> Option<DateTime<Utc>> {
                <$state>::$look(self)
            })?
        }
    };
}
row!(UserState, User);
row!(RoleState, Role);
row!(NotificationState, Notification, look_again_at);
