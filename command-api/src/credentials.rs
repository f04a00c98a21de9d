//! What never enters the log: password hashes.

use std::collections::HashMap;

use aws_sdk_dynamodb::{
    Client,
    operation::update_item::UpdateItemError,
    types::{AttributeValue, Delete, Put, TransactWriteItem},
};
use events::ids::UserId;
use platform::{
    aws::{Item, Wanted, get_each},
    credentials::Credential,
    store::{StoreError, unavailable},
    tables::{CREDENTIALS, Names},
};

/// Table `credentials`.
#[derive(Debug, Clone)]
pub struct Credentials {
    client: Client,
    passwords: String,
}

impl Credentials {
    /// The tables of one stage.
    pub fn new(client: Client, names: &Names) -> Self {
        Self { client, passwords: names.table(&CREDENTIALS) }
    }

    /// Where a user's password hash lies, for who reads it beside other items.
    pub fn wanted(&self, user: UserId) -> Wanted {
        Wanted { table: self.passwords.clone(), key: ("user", Credential::Password.key(user)) }
    }

    /// The password hash (PHC string) in a user's row, if they have a password.
    pub fn in_row(row: Option<Item>) -> Option<String> {
        match row?.remove("password_hash") {
            Some(AttributeValue::S(hash)) => Some(hash),
            _ => None,
        }
    }

    /// A user's password hash, if they have a password.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn password_hash(&self, user: UserId) -> Result<Option<String>, StoreError> {
        let [row] = get_each(&self.client, [self.wanted(user)]).await?;
        Ok(Self::in_row(row))
    }

    /// The action that sets a user's password, for the transaction of the commit that says so.
    ///
    /// # Errors
    /// Only if the action cannot be built.
    pub fn set_password_action(&self, user: UserId, hash: &str) -> Result<TransactWriteItem, StoreError> {
        let item = HashMap::from([
            ("user".to_owned(), Credential::Password.key(user)),
            ("password_hash".to_owned(), AttributeValue::S(hash.to_owned())),
        ]);
        put(&self.passwords, item)
    }

    /// Puts a new hash of the same password in the place of `old`, unless another password was set meanwhile.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn replace_password_hash(&self, user: UserId, old: &str, new: &str) -> Result<(), StoreError> {
        let update = self
            .client
            .update_item()
            .table_name(&self.passwords)
            .key("user", Credential::Password.key(user))
            .update_expression("SET password_hash = :new")
            .condition_expression("password_hash = :old")
            .expression_attribute_values(":new", AttributeValue::S(new.to_owned()))
            .expression_attribute_values(":old", AttributeValue::S(old.to_owned()));
        match update.send().await {
            Err(error)
                if !error.as_service_error().is_some_and(UpdateItemError::is_conditional_check_failed_exception) =>
            {
                Err(unavailable(error))
            }
            _ => Ok(()),
        }
    }

    /// The action that forgets a user's secrets, for the transaction of the commit that erases them.
    ///
    /// # Errors
    /// Only if the action cannot be built.
    pub fn forget_action(&self, user: UserId) -> Result<TransactWriteItem, StoreError> {
        let delete = Delete::builder().table_name(&self.passwords).key("user", Credential::Password.key(user));
        Ok(TransactWriteItem::builder().delete(delete.build()?).build())
    }
}

fn put(table: &str, item: HashMap<String, AttributeValue>) -> Result<TransactWriteItem, StoreError> {
    let put = Put::builder().table_name(table).set_item(Some(item)).build()?;
    Ok(TransactWriteItem::builder().put(put).build())
}
