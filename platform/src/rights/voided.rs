//! Whose tokens are void before they end: written in the transaction of the commit that voids them.

use aws_sdk_dynamodb::types::TransactWriteItem;
use chrono::{DateTime, Utc};
use events::{
    ids::{SessionId, UserId},
    stream::Version,
};
use serde::{Deserialize, Serialize};

use super::Rights;
use crate::{store::StoreError, tokens::ACCESS_TOKEN_LIFETIME};

pub(super) const USER: &str = "user";
pub(super) const SESSION: &str = "session";

/// Tokens of a user signed before this version of their stream are void.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct VoidedUser {
    pub(super) id: UserId,
    pub(super) version: Version,
    expires_at: i64,
}

/// Tokens of a session that is over are void.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct VoidedSession {
    pub(super) id: SessionId,
    expires_at: i64,
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
        self.put(USER, &VoidedUser { id: user, version, expires_at: until(now) })
    }

    /// The action that voids a session's tokens, for the transaction of the commit that ends it.
    ///
    /// # Errors
    /// Only if the action cannot be built.
    pub fn void_session_action(&self, session: SessionId, now: DateTime<Utc>) -> Result<TransactWriteItem, StoreError> {
        self.put(SESSION, &VoidedSession { id: session, expires_at: until(now) })
    }
}

/// Twice the lifetime of a token, so that clocks apart never drop an entry before the last token has ended.
fn until(now: DateTime<Utc>) -> i64 {
    (now + ACCESS_TOKEN_LIFETIME * 2).timestamp()
}
