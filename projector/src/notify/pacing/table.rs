use std::collections::HashMap;

use aws_sdk_dynamodb::{
    Client,
    error::SdkError,
    operation::put_item::PutItemError,
    types::{AttributeValue, ReturnValuesOnConditionCheckFailure},
};
use platform::{
    store::{StoreError, bad_row, unavailable},
    tables::{Names, PACING},
};
use serde::{Deserialize, Serialize};

use super::plan::Plan;

/// The account: there is one.
const ACCOUNT: &str = "telnyx";

/// Table `pacing`.
#[derive(Debug, Clone)]
pub(super) struct Table {
    client: Client,
    name: String,
}

/// The plan as it lies in the table, with the number by which a write recognises that somebody else wrote meanwhile.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Kept {
    account: String,
    number: u64,
    pub(super) plan: Plan,
}

type Item = HashMap<String, AttributeValue>;

impl Table {
    pub(super) fn new(client: Client, names: &Names) -> Self {
        Self { client, name: names.table(&PACING) }
    }

    pub(super) async fn read(&self) -> Result<Kept, StoreError> {
        let key = AttributeValue::S(ACCOUNT.to_owned());
        let get = self.client.get_item().table_name(&self.name).key("account", key).consistent_read(true);
        self.kept(get.send().await.map_err(unavailable)?.item)
    }

    /// Writes a plan over the one that it was made from. `Err`: somebody else was faster, and left this.
    pub(super) async fn replace(&self, seen: &Kept, plan: Plan) -> Result<Result<Kept, Kept>, StoreError> {
        let next = Kept { account: ACCOUNT.to_owned(), number: seen.number + 1, plan };
        let put = self
            .client
            .put_item()
            .table_name(&self.name)
            .set_item(Some(serde_dynamo::to_item(&next).map_err(bad_row(&self.name))?))
            .condition_expression("attribute_not_exists(account) OR #number = :seen")
            .expression_attribute_names("#number", "number")
            .expression_attribute_values(":seen", AttributeValue::N(seen.number.to_string()))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        match put.send().await {
            Ok(_) => Ok(Ok(next)),
            Err(SdkError::ServiceError(error)) if error.err().is_conditional_check_failed_exception() => {
                match error.into_err() {
                    PutItemError::ConditionalCheckFailedException(failed) => self.kept(failed.item).map(Err),
                    _ => self.read().await.map(Err),
                }
            }
            Err(error) => Err(unavailable(error)),
        }
    }

    fn kept(&self, item: Option<Item>) -> Result<Kept, StoreError> {
        item.map(serde_dynamo::from_item).transpose().map(Option::unwrap_or_default).map_err(bad_row(&self.name))
    }
}
