//! What never enters the log: password hashes and refresh-token families.

use std::collections::HashMap;

use aws_sdk_dynamodb::{
    Client,
    types::{AttributeValue, Delete, Put, TransactWriteItem},
};
use chrono::{DateTime, Utc};
use events::ids::{SessionId, UserId};
use platform::{
    store::{StoreError, unavailable},
    tables::{CREDENTIALS, Names, SESSIONS},
};

/// Tables `credentials` and `sessions`.
#[derive(Debug, Clone)]
pub struct Credentials {
    client: Client,
    passwords: String,
    families: String,
}

impl Credentials {
    /// The tables of one stage.
    pub fn new(client: Client, names: &Names) -> Self {
        Self { client, passwords: names.table(&CREDENTIALS), families: names.table(&SESSIONS) }
    }

    /// A user's password hash (PHC string), if they have a password.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn password_hash(&self, user: UserId) -> Result<Option<String>, StoreError> {
        let answer = self
            .client
            .get_item()
            .table_name(&self.passwords)
            .key("user", AttributeValue::S(user.to_string()))
            .consistent_read(true)
            .send()
            .await
            .map_err(unavailable)?;
        Ok(answer.item.and_then(|mut item| match item.remove("password_hash") {
            Some(AttributeValue::S(hash)) => Some(hash),
            _ => None,
        }))
    }

    /// The action that sets a user's first password, for the transaction of the commit that registers them.
    ///
    /// # Errors
    /// Only if the action cannot be built.
    pub fn set_password_action(&self, user: UserId, hash: &str) -> Result<TransactWriteItem, StoreError> {
        let item = HashMap::from([
            ("user".to_owned(), AttributeValue::S(user.to_string())),
            ("password_hash".to_owned(), AttributeValue::S(hash.to_owned())),
        ]);
        put(&self.passwords, item)
    }

    /// The action that forgets a user's secrets, for the transaction of the commit that erases them.
    ///
    /// # Errors
    /// Only if the action cannot be built.
    pub fn forget_action(&self, user: UserId) -> Result<TransactWriteItem, StoreError> {
        let delete = Delete::builder().table_name(&self.passwords).key("user", AttributeValue::S(user.to_string()));
        Ok(TransactWriteItem::builder().delete(delete.build()?).build())
    }

    /// The action that begins a family of refresh tokens, for the transaction of its session's first commit.
    ///
    /// # Errors
    /// Only if the action cannot be built.
    pub fn begin_family_action(
        &self,
        session: SessionId,
        user: UserId,
        expires_at: DateTime<Utc>,
    ) -> Result<TransactWriteItem, StoreError> {
        let item = HashMap::from([
            ("session".to_owned(), AttributeValue::S(session.to_string())),
            ("user".to_owned(), AttributeValue::S(user.to_string())),
            ("number".to_owned(), AttributeValue::N("1".to_owned())),
            ("expires_at".to_owned(), AttributeValue::N(expires_at.timestamp().to_string())),
        ]);
        put(&self.families, item)
    }
}

fn put(table: &str, item: HashMap<String, AttributeValue>) -> Result<TransactWriteItem, StoreError> {
    let put = Put::builder().table_name(table).set_item(Some(item)).build()?;
    Ok(TransactWriteItem::builder().put(put).build())
}
