//! The rights of each binary, one line for each resource.

use super::{
    Grant, Principal,
    Principal::{CommandApi, Operator, Projector, QueryApi},
    Resource,
    Resource::{DeadLetters, IndexesOf, Queues, Secrets, StreamOf, Table, WrappingKey},
};
use crate::tables::{
    AUDIT, CHECKPOINTS, CLAIMS, CREDENTIALS, EVENTS, KEYS, LEASES, NOTIFICATIONS, PACING, PARKED, RIGHTS, ROLES,
    SESSIONS, THROTTLES, USERS,
};

const BATCH_GET: &str = "dynamodb:BatchGetItem";
const BATCH_WRITE: &str = "dynamodb:BatchWriteItem";
const CHECK: &str = "dynamodb:ConditionCheckItem";
const DELETE: &str = "dynamodb:DeleteItem";
const DESCRIBE: &str = "dynamodb:DescribeTable";
const GET: &str = "dynamodb:GetItem";
const PUT: &str = "dynamodb:PutItem";
const QUERY: &str = "dynamodb:Query";
const SCAN: &str = "dynamodb:Scan";
const UPDATE: &str = "dynamodb:UpdateItem";

const READ_STREAM: &[&str] = &["dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator"];

const URL: &str = "sqs:GetQueueUrl";
const SEND: &str = "sqs:SendMessage";
const RECEIVE: &str = "sqs:ReceiveMessage";
const REMOVE: &str = "sqs:DeleteMessage";
const HIDE: &str = "sqs:ChangeMessageVisibility";
const COUNT: &str = "sqs:GetQueueAttributes";

const OPEN_KEY: &str = "kms:Decrypt";
const WRAP_KEY: &str = "kms:Encrypt";
const READ_SECRETS: &str = "secretsmanager:GetSecretValue";
const WRITE_SECRETS: &str = "secretsmanager:PutSecretValue";

const fn may(to: Principal, on: Resource, actions: &'static [&'static str]) -> Grant {
    Grant { to, on, actions }
}

/// Every right. Nobody changes the log or deletes from it: a commit is put once, on the condition that it is new.
pub const GRANTS: &[Grant] = &[
    may(CommandApi, Table(EVENTS), &[PUT, QUERY]),
    may(CommandApi, Table(CLAIMS), &[DELETE, GET, PUT, UPDATE]),
    may(CommandApi, Table(KEYS), &[GET, PUT]),
    may(CommandApi, Table(CREDENTIALS), &[BATCH_GET, DELETE, GET, PUT, UPDATE]),
    may(CommandApi, Table(SESSIONS), &[DELETE, GET, PUT]),
    may(CommandApi, Table(RIGHTS), &[PUT, QUERY]),
    may(CommandApi, Table(THROTTLES), &[UPDATE]),
    may(CommandApi, WrappingKey, &[OPEN_KEY]),
    may(CommandApi, Secrets, &[READ_SECRETS]),
    //
    may(QueryApi, Table(EVENTS), &[GET, QUERY]),
    may(QueryApi, Table(KEYS), &[GET]),
    may(QueryApi, IndexesOf(SESSIONS), &[QUERY]),
    may(QueryApi, Table(RIGHTS), &[QUERY]),
    may(QueryApi, Table(USERS), &[BATCH_GET, GET]),
    may(QueryApi, IndexesOf(USERS), &[QUERY]),
    may(QueryApi, Table(ROLES), &[GET]),
    may(QueryApi, IndexesOf(ROLES), &[QUERY]),
    may(QueryApi, Table(AUDIT), &[GET, QUERY]),
    may(QueryApi, Table(NOTIFICATIONS), &[BATCH_GET, GET]),
    may(QueryApi, IndexesOf(NOTIFICATIONS), &[QUERY]),
    may(QueryApi, Table(LEASES), &[GET, SCAN]),
    may(QueryApi, Table(PARKED), &[SCAN]),
    may(QueryApi, WrappingKey, &[OPEN_KEY]),
    may(QueryApi, Secrets, &[READ_SECRETS]),
    // It scans the log when the stream trimmed records before they were read, and for its audit.
    may(Projector, Table(EVENTS), &[DESCRIBE, PUT, QUERY, SCAN]),
    may(Projector, StreamOf(EVENTS), READ_STREAM),
    may(Projector, Table(KEYS), &[GET]),
    may(Projector, Table(CREDENTIALS), &[DELETE]),
    may(Projector, Table(SESSIONS), &[DELETE]),
    may(Projector, IndexesOf(SESSIONS), &[QUERY]),
    may(Projector, Table(USERS), &[DELETE, GET, PUT]),
    may(Projector, Table(ROLES), &[GET, PUT]),
    may(Projector, Table(AUDIT), &[BATCH_WRITE]),
    may(Projector, Table(NOTIFICATIONS), &[GET, PUT]),
    may(Projector, IndexesOf(NOTIFICATIONS), &[QUERY]),
    may(Projector, Table(LEASES), &[DELETE, GET, PUT, SCAN, UPDATE]),
    may(Projector, Table(PARKED), &[DELETE, SCAN, UPDATE]),
    may(Projector, Table(PACING), &[GET, PUT]),
    may(Projector, Queues, &[HIDE, REMOVE, COUNT, URL, RECEIVE, SEND]),
    may(Projector, DeadLetters, &[COUNT, URL, SEND]),
    may(Projector, WrappingKey, &[OPEN_KEY]),
    may(Projector, Secrets, &[READ_SECRETS]),
    //
    may(Operator, Table(EVENTS), &[CHECK, DESCRIBE, GET, PUT, QUERY, SCAN]),
    may(Operator, Table(CLAIMS), &[DELETE, GET, PUT, SCAN, UPDATE]),
    may(Operator, Table(KEYS), &[BATCH_GET, GET]),
    may(Operator, Table(USERS), &[BATCH_GET, DELETE, GET, PUT, SCAN]),
    may(Operator, Table(ROLES), &[BATCH_GET, DELETE, GET, PUT, SCAN]),
    may(Operator, Table(AUDIT), &[BATCH_WRITE, SCAN]),
    may(Operator, Table(NOTIFICATIONS), &[BATCH_GET, DELETE, GET, PUT, SCAN]),
    may(Operator, IndexesOf(NOTIFICATIONS), &[QUERY]),
    may(Operator, Table(LEASES), &[DELETE, GET, PUT, SCAN, UPDATE]),
    may(Operator, Table(PARKED), &[DELETE, GET, SCAN, UPDATE]),
    may(Operator, Table(CHECKPOINTS), &[PUT, QUERY]),
    may(Operator, Queues, &[URL, SEND]),
    may(Operator, DeadLetters, &[HIDE, REMOVE, URL, RECEIVE]),
    may(Operator, WrappingKey, &[OPEN_KEY, WRAP_KEY]),
    may(Operator, Secrets, &[READ_SECRETS, WRITE_SECRETS]),
];
