use std::collections::HashMap;

use aws_sdk_dynamodb::{Client, operation::put_item::PutItemError, types::AttributeValue};
use aws_sdk_dynamodbstreams::types::AttributeValue as ImageValue;
use events::commit::timestamp;
use platform::{
    clock::Clock,
    store::{StoreError, unavailable},
    tables::{Names, PARKED},
};

/// Sets a stream's failing record aside, visibly, so that all the others go on.
#[derive(Debug)]
pub(super) struct Parking {
    client: Client,
    table: String,
    clock: Clock,
}

impl Parking {
    pub(super) fn new(client: Client, names: &Names, clock: Clock) -> Self {
        Self { client, table: names.table(&PARKED), clock }
    }

    /// Records the first version that fails. Later records of the stream fail at the same place and change nothing.
    pub(super) async fn park(
        &self,
        stream: &str,
        version: &str,
        error: &(dyn std::error::Error + Send + Sync + 'static),
    ) -> Result<(), StoreError> {
        tracing::error!(stream, version, error = error as &dyn std::error::Error, "the stream is parked");
        let put = self
            .client
            .put_item()
            .table_name(&self.table)
            .item("stream", AttributeValue::S(stream.to_owned()))
            .item("version", AttributeValue::S(version.to_owned()))
            .item("error", AttributeValue::S(chain(error)))
            .item("parked_at", AttributeValue::S(timestamp(self.clock.now())))
            .condition_expression("attribute_not_exists(#stream)")
            .expression_attribute_names("#stream", "stream");
        match put.send().await {
            Ok(_) => Ok(()),
            Err(error) if error.as_service_error().is_some_and(PutItemError::is_conditional_check_failed_exception) => {
                Ok(())
            }
            Err(error) => Err(unavailable(error)),
        }
    }

    /// Parks what does not even say readably which commit it is.
    pub(super) async fn park_image(
        &self,
        image: &HashMap<String, ImageValue>,
        error: &(dyn std::error::Error + Send + Sync + 'static),
    ) -> Result<(), StoreError> {
        let text = |name| match image.get(name) {
            Some(ImageValue::S(text) | ImageValue::N(text)) => text.as_str(),
            _ => "unreadable",
        };
        self.park(text("stream"), text("version"), error).await
    }
}

/// An error with its causes. None of ours quotes personal data.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
