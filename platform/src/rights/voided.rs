//! Whose tokens are void before they end: written in the transaction of the commit that voids them.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::TransactWriteItem;
use chrono::{DateTime, Utc};
use events::{
    ids::{SessionId, UserId},
    stream::Version,
};
use serde::{Deserialize, Serialize};

use super::Rights;
use crate::{store::StoreError, tokens::ACCESS_TOKEN_LIFETIME};

pub(super) const USER: &str = "voided-user";
pub(super) const SESSION: &str = "voided-session";

/// Digits of a moment in [`place`]: enough for any, so that texts sort as the moments do.
const DIGITS: usize = 12;

/// Tokens of a user signed before this version of their stream are void.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct VoidedUser {
    /// Its [`place`].
    id: String,
    user: UserId,
    version: Version,
    expires_at: i64,
}

/// Tokens of a session that is over are void.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct VoidedSession {
    /// Its [`place`].
    id: String,
    pub(super) session: SessionId,
    expires_at: i64,
}

impl VoidedUser {
    fn new(user: UserId, version: Version, expires_at: i64) -> Self {
        Self { id: place(expires_at, &user.to_string()), user, version, expires_at }
    }
}

impl Rights {
    /// The action that voids a user's tokens signed before `version`, for the transaction of that commit.
    ///
    /// # Errors
    /// Only if the action cannot be built.
    pub fn void_user_action(
        &self,
        user: UserId,
        version: Version,
        now: DateTime<Utc>,
    ) -> Result<TransactWriteItem, StoreError> {
        self.put(USER, &VoidedUser::new(user, version, until(now)))
    }

    /// The action that voids a session's tokens, for the transaction of the commit that ends it.
    ///
    /// # Errors
    /// Only if the action cannot be built.
    pub fn void_session_action(&self, session: SessionId, now: DateTime<Utc>) -> Result<TransactWriteItem, StoreError> {
        let expires_at = until(now);
        self.put(SESSION, &VoidedSession { id: place(expires_at, &session.to_string()), session, expires_at })
    }
}

/// Where an item lies among those of its kind: by the moment when it expires, in epoch seconds, and then by whom it is about. So
/// whoever reads asks for what has not expired, however late the table drops the rest.
pub(super) fn place(expires_at: i64, whom: &str) -> String {
    format!("{expires_at:0DIGITS$}#{whom}")
}

/// The version before which each user's tokens are void: a user who was voided again has an item for each time.
pub(super) fn latest_of_each(voided: Vec<VoidedUser>) -> HashMap<UserId, Version> {
    let mut users = HashMap::new();
    for VoidedUser { user, version, .. } in voided {
        users.entry(user).and_modify(|known: &mut Version| *known = version.max(*known)).or_insert(version);
    }
    users
}

/// Twice the lifetime of a token, so that clocks apart never pass over an entry before the last token has ended.
fn until(now: DateTime<Utc>) -> i64 {
    (now + ACCESS_TOKEN_LIFETIME * 2).timestamp()
}

#[cfg(test)]
mod tests {
    use events::ids::derive;

    use super::*;

    #[test]
    fn places_sort_as_their_moments_do() {
        let moments = [0, 9, 10, 999_999_999, 1_000_000_000, 9_999_999_999, 10_000_000_000];
        assert!(moments.map(|moment| place(moment, "f")).is_sorted());
        for pair in moments.windows(2) {
            assert!(place(pair[0], "ffffffff") < place(pair[1], ""), "{pair:?}");
        }
    }

    #[test]
    fn of_a_user_who_was_voided_again_the_highest_version_counts_in_whatever_order() {
        let (one, other) = (UserId(derive(&["one"])), UserId(derive(&["other"])));
        // Clocks apart: the later version expires first.
        let mut voided = vec![
            VoidedUser::new(one, Version(7), 100),
            VoidedUser::new(one, Version(3), 101),
            VoidedUser::new(other, Version(2), 102),
        ];
        let wanted = HashMap::from([(one, Version(7)), (other, Version(2))]);
        assert_eq!(latest_of_each(voided.clone()), wanted);
        voided.reverse();
        assert_eq!(latest_of_each(voided), wanted);
    }
}
