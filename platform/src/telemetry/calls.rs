//! Looks at every call of AWS: its hop on the trip, what it consumed, whether it failed.

use aws_sdk_dynamodb::{
    config::{
        ConfigBag, Intercept, RuntimeComponents,
        interceptors::{BeforeSerializationInterceptorContextMut, FinalizerInterceptorContextRef},
    },
    error::{BoxError, ProvideErrorMetadata},
    operation::{
        batch_get_item::{BatchGetItemError, BatchGetItemInput, BatchGetItemOutput},
        batch_write_item::{BatchWriteItemError, BatchWriteItemInput, BatchWriteItemOutput},
        delete_item::{DeleteItemError, DeleteItemInput, DeleteItemOutput},
        get_item::{GetItemError, GetItemInput, GetItemOutput},
        put_item::{PutItemError, PutItemInput, PutItemOutput},
        query::{QueryError, QueryInput, QueryOutput},
        scan::{ScanError, ScanInput, ScanOutput},
        transact_write_items::{TransactWriteItemsError, TransactWriteItemsInput, TransactWriteItemsOutput},
        update_item::{UpdateItemError, UpdateItemInput, UpdateItemOutput},
    },
    types::{ConsumedCapacity, ReturnConsumedCapacity},
};
use aws_smithy_runtime_api::client::{
    interceptors::context::{Error, Input, Output},
    orchestrator::Metadata,
};
use aws_smithy_types::config_bag::{Storable, StoreReplace};

use super::{
    metrics::{AWS_FAILURES, CAPACITY},
    trip::{Hop, SpanKind, Start},
};
use crate::tables;

/// An interceptor of all our clients.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Calls;

/// A call's hop, until it ends.
#[derive(Debug)]
struct Call(Hop);

impl Storable for Call {
    type Storer = StoreReplace<Self>;
}

/// What a conditional write may be answered, and what is no failure of a call but news.
const NEWS: [&str; 3] =
    ["ConditionalCheckFailedException", "TransactionCanceledException", "TransactionConflictException"];

impl Intercept for Calls {
    fn name(&self) -> &'static str {
        "telemetry"
    }

    fn modify_before_serialization(
        &self,
        context: &mut BeforeSerializationInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        ask(context.input_mut());
        // What belongs to no trip, such as polling, makes no spans.
        if !Hop::current().is_noted() {
            return Ok(());
        }
        let Some(of) = config.load::<Metadata>() else { return Ok(()) };
        let (service, operation) = (of.service().to_owned(), of.name().to_owned());
        let hop = Start::new(SpanKind::Client, format!("{service}.{operation}"))
            .with("rpc.system", "aws-api")
            .with("rpc.service", service)
            .with("rpc.method", operation)
            .begin();
        config.interceptor_state().store_put(Call(hop));
        Ok(())
    }

    fn read_after_execution(
        &self,
        context: &FinalizerInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let hop = config.load::<Call>().map(|call| call.0.clone()).unwrap_or_default();
        match context.output_or_error() {
            Some(Ok(output)) => note(&hop, told(output)),
            Some(Err(error)) if error.as_operation_error().is_some_and(is_news) => (),
            _ => {
                hop.failed("the call failed");
                let operation = config.load::<Metadata>().map(|of| of.name().to_owned()).unwrap_or_default();
                AWS_FAILURES.add(1, [operation.into()]);
            }
        }
        // The bag outlives the call by its answer.
        config.interceptor_state().unset::<Call>();
        Ok(())
    }
}

/// A table's name without the prefix of its stage.
fn bare(name: &str) -> &'static str {
    tables::ALL.iter().find(|table| name.ends_with(table.name)).map_or("unknown", |table| table.name)
}

fn note(hop: &Hop, consumed: &[ConsumedCapacity]) {
    let (mut units, mut tables) = (0.0, Vec::new());
    for part in consumed {
        let table = bare(part.table_name.as_deref().unwrap_or_default());
        let part = part.capacity_units.unwrap_or_default();
        units += part;
        tables.push(table);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a few thousand at most, never negative"
        )]
        CAPACITY.add((part * 1_000.0).round() as u64, [table.into()]);
    }
    if !tables.is_empty() {
        hop.note("aws.dynamodb.table_names", tables.join(","));
        hop.note("aws.dynamodb.consumed_capacity", units);
    }
}

macro_rules! operations {
    ($($input:ident $output:ident $error:ident),*) => {
        /// Asks for what the call consumes: it costs nothing.
        fn ask(input: &mut Input) {
            $(if let Some(input) = input.downcast_mut::<$input>() {
                input.return_consumed_capacity = Some(ReturnConsumedCapacity::Total);
                return;
            })*
        }

        fn told(output: &Output) -> &[ConsumedCapacity] {
            $(if let Some(output) = output.downcast_ref::<$output>() {
                return Consumed::consumed(&output.consumed_capacity);
            })*
            &[]
        }

        fn is_news(error: &Error) -> bool {
            let code = None$(.or_else(|| error.downcast_ref::<$error>().and_then(ProvideErrorMetadata::code)))*;
            code.is_some_and(|code| NEWS.contains(&code))
        }
    };
}

operations! {
    PutItemInput PutItemOutput PutItemError,
    QueryInput QueryOutput QueryError,
    TransactWriteItemsInput TransactWriteItemsOutput TransactWriteItemsError,
    UpdateItemInput UpdateItemOutput UpdateItemError,
    GetItemInput GetItemOutput GetItemError,
    BatchGetItemInput BatchGetItemOutput BatchGetItemError,
    BatchWriteItemInput BatchWriteItemOutput BatchWriteItemError,
    DeleteItemInput DeleteItemOutput DeleteItemError,
    ScanInput ScanOutput ScanError
}

/// What an answer says was consumed, by one table or by several.
trait Consumed {
    fn consumed(&self) -> &[ConsumedCapacity];
}

impl Consumed for Option<ConsumedCapacity> {
    fn consumed(&self) -> &[ConsumedCapacity] {
        self.as_slice()
    }
}

impl Consumed for Option<Vec<ConsumedCapacity>> {
    fn consumed(&self) -> &[ConsumedCapacity] {
        self.as_deref().unwrap_or_default()
    }
}
