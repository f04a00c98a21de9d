//! The rows of the read models and how commits change them. The projector writes by these, the query API folds by them.

mod audit;
mod gate;
mod listing;

use chrono::{DateTime, Utc};
use serde::{Serialize, de::DeserializeOwned};
use uuid::Uuid;

pub use audit::{AuditRow, AuditSlot};
pub use gate::{Gate, gate};
pub use listing::{Facet, MAX_PREFIX_BYTES, Order, folded};

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
    /// Where it stands in a list of this order; `None` when it is in none. Rows of one place are told apart by their ids.
    fn place(&self, order: Order) -> Option<String> {
        (order == Order::Created).then(|| listing::by_creation(self.created_at()))
    }
    /// The values by which it is found in narrower lists.
    fn facets(&self) -> Vec<Facet> {
        Vec::new()
    }
    /// When somebody should look again whether it moves on, for rows that can get stuck.
    fn look_again_at(&self) -> Option<DateTime<Utc>> {
        None
    }
}

/// The bucket of an entity in an index of everything.
pub fn bucket(id: Uuid) -> u8 {
    id.as_bytes()[15] % BUCKETS
}

macro_rules! fed_by {
    ($rules:ty) => {
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
    };
}

impl Row for UserState {
    fed_by!(User);

    fn place(&self, order: Order) -> Option<String> {
        listing::place_of_user(self, order)
    }

    fn facets(&self) -> Vec<Facet> {
        let roles = self.roles.iter().map(|held| Facet::UserRole(held.role_id));
        std::iter::once(Facet::UserStatus(self.status)).chain(roles).collect()
    }
}

impl Row for RoleState {
    fed_by!(Role);
}

impl Row for NotificationState {
    fed_by!(Notification);

    fn facets(&self) -> Vec<Facet> {
        vec![Facet::NotificationStatus(self.status), Facet::NotificationTo(self.user_id)]
    }

    fn look_again_at(&self) -> Option<DateTime<Utc>> {
        Self::look_again_at(self)
    }
}
