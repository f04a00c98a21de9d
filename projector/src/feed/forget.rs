use aws_sdk_dynamodb::{Client, types::AttributeValue};
use events::ids::UserId;
use platform::{
    store::{StoreError, unavailable},
    tables::{BY_USER, CREDENTIALS, Names, SESSIONS},
};

/// Deletes what is kept of a user outside the log once they are erased: their sessions, and their secrets once more.
///
/// Safe to repeat, and repeated with every delivery of the event: a session that a sign-in began at the same moment is
/// swept by the next one, or ends by itself. Its tokens are void since the erasure's own commit.
#[derive(Debug)]
pub(crate) struct Forgetting {
    client: Client,
    sessions: String,
    credentials: String,
}

impl Forgetting {
    pub(crate) fn new(client: Client, names: &Names) -> Self {
        Self { client, sessions: names.table(&SESSIONS), credentials: names.table(&CREDENTIALS) }
    }

    pub(crate) async fn forget(&self, user: UserId) -> Result<(), StoreError> {
        self.delete(&self.credentials, "user", AttributeValue::S(user.to_string())).await?;
        let mut sessions = self
            .client
            .query()
            .table_name(&self.sessions)
            .index_name(BY_USER.name)
            .key_condition_expression("#user = :user")
            .expression_attribute_names("#user", BY_USER.partition.name)
            .expression_attribute_values(":user", AttributeValue::S(user.to_string()))
            .into_paginator()
            .items()
            .send();
        while let Some(session) = sessions.next().await {
            let mut session = session.map_err(unavailable)?;
            if let Some(key) = session.remove(SESSIONS.partition.name) {
                self.delete(&self.sessions, SESSIONS.partition.name, key).await?;
            }
        }
        Ok(())
    }

    async fn delete(&self, table: &str, key: &str, value: AttributeValue) -> Result<(), StoreError> {
        self.client.delete_item().table_name(table).key(key, value).send().await.map_err(unavailable).map(drop)
    }
}
