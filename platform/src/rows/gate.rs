//! Rows as they are written: each only over what its writer knows to be there.

use std::collections::HashMap;

use aws_sdk_dynamodb::{operation::put_item::PutItemError, types::AttributeValue};
use events::views::Row;
use uuid::Uuid;

use super::{Rows, key};
use crate::store::{StoreError, unavailable};

/// Attribute of a row that was put right although its version did not change: whoever still has the wrong one in memory
/// must not build on it.
const MENDED: &str = "mended";

/// What a writer knows of the row that is there.
#[derive(Debug, Clone)]
pub struct Stored<R> {
    /// The row; `None`: it cannot be read.
    pub row: Option<R>,
    version: Option<AttributeValue>,
    mended: Option<AttributeValue>,
}

impl<R: Row> Stored<R> {
    /// A row that was just put.
    pub fn put(row: R) -> Self {
        let version = AttributeValue::N(row.version().to_string());
        Self { row: Some(row), version: Some(version), mended: None }
    }
}

impl<R: Row> Rows<R> {
    /// The row that is there, readable or not; strongly consistent.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn stored(&self, id: Uuid) -> Result<Option<Stored<R>>, StoreError> {
        let key = AttributeValue::S(key(self.generation.number().await?, id));
        let get = self.client.get_item().table_name(&self.table).key("id", key).consistent_read(true);
        let item = get.send().await.map_err(unavailable)?.item;
        Ok(item.map(|item| {
            let attribute = |name: &str| item.get(name).cloned();
            let (version, mended) = (attribute("version"), attribute(MENDED));
            Stored { row: self.row_of(item).ok(), version, mended }
        }))
    }

    /// What is said of a row that cannot be read.
    pub fn malformed(&self) -> StoreError {
        StoreError::BadRow { table: self.table.clone() }
    }

    /// Writes a row if the one that is there is as `before` says. `false` when it is not: somebody else was faster.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn put(&self, row: &R, before: Option<&Stored<R>>) -> Result<bool, StoreError> {
        let item = self.to_item(row, self.generation.number().await?)?;
        self.write(item, before).await
    }

    /// As [`Rows::put`], of a row that may have the same version with another content. `mark` is new every time.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn mend(&self, row: &R, before: Option<&Stored<R>>, mark: Uuid) -> Result<bool, StoreError> {
        let mut item = self.to_item(row, self.generation.number().await?)?;
        item.insert(MENDED.to_owned(), AttributeValue::S(mark.to_string()));
        self.write(item, before).await
    }

    async fn write(
        &self,
        item: HashMap<String, AttributeValue>,
        before: Option<&Stored<R>>,
    ) -> Result<bool, StoreError> {
        let mut put = self.client.put_item().table_name(&self.table).set_item(Some(item));
        let Some(before) = before else {
            return sent(put.condition_expression("attribute_not_exists(id)").send().await);
        };
        let mut conditions = vec!["attribute_exists(id)".to_owned()];
        for (name, value) in [("version", &before.version), (MENDED, &before.mended)] {
            match value {
                Some(value) => {
                    conditions.push(format!("{name} = :{name}"));
                    put = put.expression_attribute_values(format!(":{name}"), value.clone());
                }
                None => conditions.push(format!("attribute_not_exists({name})")),
            }
        }
        sent(put.condition_expression(conditions.join(" AND ")).send().await)
    }
}

fn sent<T>(sent: Result<T, aws_sdk_dynamodb::error::SdkError<PutItemError>>) -> Result<bool, StoreError> {
    match sent {
        Ok(_) => Ok(true),
        Err(error) if error.as_service_error().is_some_and(PutItemError::is_conditional_check_failed_exception) => {
            Ok(false)
        }
        Err(error) => Err(unavailable(error)),
    }
}
