use aws_sdk_dynamodb::{Client, types::AttributeValue};
use events::ids::UserId;
use futures::future::try_join_all;
use platform::{
    credentials::Credential,
    store::{StoreError, unavailable},
    tables::{BY_USER, CREDENTIALS, Names, SESSIONS},
};

/// Deletes what is kept of a user outside the log once they are erased: their sessions, and all that lies in `credentials`.
///
/// Safe to repeat at any time, and repeated with every delivery of the event: what a sign-in wrote at the same moment is
/// swept by the next one, or goes by its time to live. Its tokens are void since the erasure's own commit.
#[derive(Debug)]
pub(crate) struct Forgetting {
    client: Client,
    sessions: String,
    credentials: String,
}

impl Forgetting {
    /// For the tables of one stage.
    pub(crate) fn new(client: Client, names: &Names) -> Self {
        Self { client, sessions: names.table(&SESSIONS), credentials: names.table(&CREDENTIALS) }
    }

    /// Deletes it.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]. Some of it may be deleted then.
    pub(crate) async fn forget(&self, user: UserId) -> Result<(), StoreError> {
        let partition = CREDENTIALS.partition.name;
        let deletions =
            Credential::ALL.map(|credential| self.delete(&self.credentials, partition, credential.key(user)));
        try_join_all(deletions).await?;
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
