//! Puts table `claims` right beside live writers: each change holds only while the stream is as it was when it was
//! folded, so that no writer comes in between.

use aws_sdk_dynamodb::{
    error::BuildError,
    operation::transact_write_items::TransactWriteItemsError,
    types::{AttributeValue, ConditionCheck, Delete, Put, TransactWriteItem, Update},
};
use events::{
    claim::GuardedSet,
    stream::{StreamId, Version},
};
use platform::{
    context::Context,
    store::{StoreError, set_id, unavailable},
    tables::{CLAIMS, EVENTS},
};

/// Why a transaction is cancelled when somebody was faster. The next run sees what they did.
const SOMEBODY_WAS_FASTER: [&str; 3] = ["None", "ConditionalCheckFailed", "TransactionConflict"];

/// A stream as it was folded.
#[derive(Debug, Clone, Copy)]
pub(super) struct Owner {
    pub(super) stream: StreamId,
    pub(super) version: Version,
}

/// Takes a claim that nobody holds. `false` if somebody was faster.
pub(super) async fn take(context: &Context, id: &str, owner: Owner) -> Result<bool, StoreError> {
    let put = Put::builder()
        .table_name(context.names.table(&CLAIMS))
        .item("claim", AttributeValue::S(id.to_owned()))
        .item("owner", AttributeValue::S(owner.stream.to_string()))
        .item("version", AttributeValue::N(owner.version.to_string()))
        .condition_expression("attribute_not_exists(claim)")
        .build()?;
    send(context, owner, TransactWriteItem::builder().put(put).build()).await
}

/// Releases a claim that the stream holds and does not have.
pub(super) async fn release(context: &Context, id: &str, owner: Owner) -> Result<bool, StoreError> {
    let delete = Delete::builder()
        .table_name(context.names.table(&CLAIMS))
        .key("claim", AttributeValue::S(id.to_owned()))
        .condition_expression("#owner = :owner")
        .expression_attribute_names("#owner", "owner")
        .expression_attribute_values(":owner", AttributeValue::S(owner.stream.to_string()))
        .build()?;
    send(context, owner, TransactWriteItem::builder().delete(delete).build()).await
}

/// Makes the stream a member of a set.
pub(super) async fn join(context: &Context, set: GuardedSet, owner: Owner) -> Result<bool, StoreError> {
    let update = member(context, set, owner, "ADD members :members")?;
    send(context, owner, update).await
}

/// Takes the stream out of a set.
pub(super) async fn leave(context: &Context, set: GuardedSet, owner: Owner) -> Result<bool, StoreError> {
    let update = member(context, set, owner, "DELETE members :members")?;
    send(context, owner, update).await
}

fn member(context: &Context, set: GuardedSet, owner: Owner, change: &str) -> Result<TransactWriteItem, BuildError> {
    let update = Update::builder()
        .table_name(context.names.table(&CLAIMS))
        .key("claim", AttributeValue::S(set_id(set)))
        .update_expression(change)
        .expression_attribute_values(":members", AttributeValue::Ss(vec![owner.stream.to_string()]))
        .build()?;
    Ok(TransactWriteItem::builder().update(update).build())
}

async fn send(context: &Context, owner: Owner, change: TransactWriteItem) -> Result<bool, StoreError> {
    let unmoved = ConditionCheck::builder()
        .table_name(context.names.table(&EVENTS))
        .key("stream", AttributeValue::S(owner.stream.to_string()))
        .key("version", AttributeValue::N(owner.version.next().to_string()))
        .condition_expression("attribute_not_exists(#stream)")
        .expression_attribute_names("#stream", "stream")
        .build()?;
    let unmoved = TransactWriteItem::builder().condition_check(unmoved).build();
    let Err(error) =
        context.aws.dynamodb.transact_write_items().transact_items(unmoved).transact_items(change).send().await
    else {
        return Ok(true);
    };
    if let Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) = error.as_service_error() {
        let mut reasons = cancelled.cancellation_reasons().iter().filter_map(|reason| reason.code());
        if reasons.all(|code| SOMEBODY_WAS_FASTER.contains(&code)) {
            return Ok(false);
        }
    }
    Err(unavailable(error))
}
