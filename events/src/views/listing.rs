//! In which lists a row stands, and where in them.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    claim::caseless_form,
    commit::timestamp,
    ids::{RoleId, UserId},
    notification::Delivery,
    user::{Status, UserState},
    values::Personal,
};

/// Most bytes of a text that a row is ordered by: with the row's id it stays below the 1,024 bytes of a `DynamoDB` sort
/// key. Names of which more than this is alike are in the order of their ids.
const MAX_TEXT_BYTES: usize = 900;

/// Most bytes of a folded prefix: well below `MAX_TEXT_BYTES`, so that what is cut off never decides.
pub const MAX_PREFIX_BYTES: usize = 512;

/// By what the rows of a list are ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Order {
    /// When they came to be.
    Created,
    /// Last name, then first name, folded. Who has no name any more is in no such list.
    Name,
    /// E-mail address, folded. Who has none any more is in no such list.
    Email,
}

impl Order {
    /// Every order.
    pub const ALL: [Self; 3] = [Self::Created, Self::Name, Self::Email];
}

/// One value by which a list is narrowed. A row has an entry for each of its facets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Facet {
    /// Users of this status.
    UserStatus(Status),
    /// Users who have this role, be it for a scope or a time that has passed.
    UserRole(RoleId),
    /// Notifications of this status.
    NotificationStatus(Delivery),
    /// Notifications that tell this user.
    NotificationTo(UserId),
}

impl Facet {
    /// The list of all rows that share the value.
    pub fn list(self) -> String {
        match self {
            Self::UserStatus(status) => format!("status={}", status.as_str()),
            Self::UserRole(role) => format!("role={role}"),
            Self::NotificationStatus(status) => format!("status={}", status.as_str()),
            Self::NotificationTo(user) => format!("user={user}"),
        }
    }

    /// What names the entry among those of its row: a row has one status, but many roles.
    pub fn slot(self) -> String {
        match self {
            Self::UserStatus(_) | Self::NotificationStatus(_) => "status".to_owned(),
            Self::UserRole(role) => format!("role={role}"),
            Self::NotificationTo(_) => "user".to_owned(),
        }
    }
}

/// The form in which a text is compared: neither case nor composition nor width make a difference.
pub fn folded(text: &str) -> String {
    caseless_form(text)
}

/// Where a row that came to be at `at` stands in the order of creation.
pub(super) fn by_creation(at: DateTime<Utc>) -> String {
    timestamp(at)
}

/// Where a user stands in an order.
pub(super) fn place_of_user(user: &UserState, order: Order) -> Option<String> {
    match order {
        Order::Created => Some(by_creation(user.created_at)),
        Order::Name => match (&user.last_name, &user.first_name) {
            (Personal::Known(last), Personal::Known(first)) => {
                Some(cut(folded(&format!("{} {}", last.as_str(), first.as_str()))))
            }
            _ => None,
        },
        Order::Email => user.email.known().map(|email| cut(folded(email.as_str()))),
    }
}

fn cut(mut text: String) -> String {
    text.truncate(text.floor_char_boundary(MAX_TEXT_BYTES));
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Whoever types the beginning of a name in any case finds it.
        #[test]
        fn a_name_begins_with_each_of_its_beginnings(name in "[A-Za-zÄÖÜäöüßéñ' -]{1,60}", at in 0_usize..60) {
            let beginning: String = name.chars().take(at).collect();
            let place = cut(folded(&name));
            prop_assert!(place.starts_with(&folded(&beginning)), "{:?} {:?}", name, beginning);
            prop_assert!(place.starts_with(&folded(&beginning.to_uppercase())), "{:?} {:?}", name, beginning);
        }

        #[test]
        fn a_place_is_short_enough_for_a_key(name in "\\PC{0,400}") {
            prop_assert!(cut(folded(&name)).len() <= MAX_TEXT_BYTES);
        }
    }

    #[test]
    fn a_row_has_one_status_and_many_roles() {
        let role = |name: &str| Facet::UserRole(RoleId(crate::ids::derive(&[name])));
        assert_eq!(Facet::UserStatus(Status::Active).slot(), Facet::UserStatus(Status::Invited).slot());
        assert_ne!(role("a").slot(), role("b").slot());
        assert_ne!(Facet::UserStatus(Status::Active).list(), Facet::UserStatus(Status::Invited).list());
    }
}
