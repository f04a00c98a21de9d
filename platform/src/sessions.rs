//! Table `sessions`: one family of refresh tokens for each session, and where the session is used.
//!
//! Nothing in it is secret: a refresh token is made of a session, a number and their MAC, and the row holds the number of
//! the last one. What it says of the person (address and device) is deleted with the session.

use std::{collections::HashMap, net::IpAddr};

use aws_sdk_dynamodb::{
    Client,
    operation::put_item::PutItemError,
    types::{AttributeValue, Delete, Put, TransactWriteItem},
};
use chrono::{DateTime, TimeDelta, Utc};
use events::{
    ids::{SessionId, UserId},
    stream::Version,
};
use serde::{Deserialize, Serialize};

use crate::{
    store::{StoreError, bad_row, unavailable},
    tables::{BY_USER, Names, SESSIONS},
};

/// How long a session lasts without being used.
pub const IDLE_LIFETIME: TimeDelta = TimeDelta::days(30);

/// How long a session lasts at most, however often it is used (OWASP ASVS 5.0, 7.3.2).
pub const LONGEST_LIFETIME: TimeDelta = TimeDelta::days(90);

/// A session as its row says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionRow {
    /// The session.
    pub session: SessionId,
    /// Whose it is.
    pub user: UserId,
    /// The version of the user's stream that was folded when it began.
    pub user_version: Version,
    /// Number of the last refresh token.
    pub number: u64,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// When the last refresh token was made.
    pub refreshed_at: DateTime<Utc>,
    /// From where it was used last, where that is known.
    pub address: Option<IpAddr>,
    /// With what it was used last, as that calls itself.
    pub device: Option<String>,
    /// When it ends unless it is used, in epoch seconds.
    pub expires_at: i64,
}

impl SessionRow {
    /// When a session that began at `started_at` and is used at `now` ends by itself.
    pub fn end(started_at: DateTime<Utc>, now: DateTime<Utc>) -> DateTime<Utc> {
        (now + IDLE_LIFETIME).min(started_at + LONGEST_LIFETIME)
    }

    /// Whether it still counts for a user whose sessions count since `since`.
    pub fn holds(&self, since: Version, now: DateTime<Utc>) -> bool {
        self.user_version >= since && self.expires_at > now.timestamp()
    }
}

/// The table.
#[derive(Debug, Clone)]
pub struct Sessions {
    client: Client,
    table: String,
}

impl Sessions {
    /// The table of one stage.
    pub fn new(client: Client, names: &Names) -> Self {
        Self { client, table: names.table(&SESSIONS) }
    }

    /// A session's row as it is now, if the session is not over.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn get(&self, session: SessionId) -> Result<Option<SessionRow>, StoreError> {
        let key = AttributeValue::S(session.to_string());
        let get = self.client.get_item().table_name(&self.table).key("session", key).consistent_read(true);
        let item = get.send().await.map_err(unavailable)?.item;
        item.map(serde_dynamo::from_item).transpose().map_err(bad_row(&self.table))
    }

    /// The newest sessions of a user, at most `limit`, newest first. What began or ended within the last moments may
    /// still be missing or there.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn of_user(&self, user: UserId, limit: u16) -> Result<Vec<SessionRow>, StoreError> {
        let query = self
            .client
            .query()
            .table_name(&self.table)
            .index_name(BY_USER.name)
            .key_condition_expression("#user = :user")
            .expression_attribute_names("#user", BY_USER.partition.name)
            .expression_attribute_values(":user", AttributeValue::S(user.to_string()))
            .scan_index_forward(false)
            .limit(limit.into());
        let items = query.send().await.map_err(unavailable)?.items.unwrap_or_default();
        serde_dynamo::from_items(items).map_err(bad_row(&self.table))
    }

    /// The action that begins a session's family, for the transaction of its first commit.
    ///
    /// # Errors
    /// Only if the action cannot be built.
    pub fn begin_action(&self, row: &SessionRow) -> Result<TransactWriteItem, StoreError> {
        let put = Put::builder().table_name(&self.table).set_item(Some(self.item(row)?)).build()?;
        Ok(TransactWriteItem::builder().put(put).build())
    }

    /// The action that ends a session's family, for the transaction of the commit that ends the session.
    ///
    /// # Errors
    /// Only if the action cannot be built.
    pub fn end_action(&self, session: SessionId) -> Result<TransactWriteItem, StoreError> {
        let key = AttributeValue::S(session.to_string());
        let delete = Delete::builder().table_name(&self.table).key("session", key).build()?;
        Ok(TransactWriteItem::builder().delete(delete).build())
    }

    /// Writes `next` if the last refresh token is still number `seen`, and tells whether it was.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn advance(&self, seen: u64, next: &SessionRow) -> Result<bool, StoreError> {
        let put = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(self.item(next)?))
            .condition_expression("#number = :seen")
            .expression_attribute_names("#number", "number")
            .expression_attribute_values(":seen", AttributeValue::N(seen.to_string()));
        match put.send().await {
            Ok(_) => Ok(true),
            Err(error) if error.as_service_error().is_some_and(PutItemError::is_conditional_check_failed_exception) => {
                Ok(false)
            }
            Err(error) => Err(unavailable(error)),
        }
    }

    fn item(&self, row: &SessionRow) -> Result<HashMap<String, AttributeValue>, StoreError> {
        serde_dynamo::to_item(row).map_err(bad_row(&self.table))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_that_is_used_lasts_on_but_not_for_ever() {
        let start = DateTime::UNIX_EPOCH;
        assert_eq!(SessionRow::end(start, start), start + IDLE_LIFETIME);
        let used = start + TimeDelta::days(20);
        assert_eq!(SessionRow::end(start, used), used + IDLE_LIFETIME);
        assert_eq!(SessionRow::end(start, start + TimeDelta::days(89)), start + LONGEST_LIFETIME);
    }
}
