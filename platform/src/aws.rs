//! The clients of AWS, built in one place so that every service has the same time-outs and retries.

pub(crate) mod batch;
mod deadline;
mod failure;

use std::{
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use aws_config::{AppName, BehaviorVersion, Region, retry::RetryConfig, timeout::TimeoutConfig};
use aws_sdk_dynamodb::config::{Intercept, SharedInterceptor, retry::RetryPartition};

pub use batch::{Item, Wanted, get_each};
pub(crate) use deadline::SentBefore;
pub use failure::CallFailed;

use crate::{access::Principal, settings::Settings, telemetry::Calls};

/// A connection that takes longer than this is tried anew: both ends are in one region.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// One try of one call. The slowest that is normal, a page of 1 MB or a contended transaction, takes a fraction of it.
pub(crate) const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(2);

/// One call with all its tries: well below a request's 20 s, so that the request still says itself what failed.
const OPERATION_TIMEOUT: Duration = Duration::from_secs(8);

/// One long poll of SQS: the 20 s for which it may wait, and the way there and back.
const LONG_POLL_TIMEOUT: Duration = Duration::from_secs(25);

/// Tries per call, the first included; the SDK's standard mode with its retry token bucket and full jitter. Throttling,
/// lost connections and time-outs are tried again, and writes are conditional, so that a repeat finds its own effect.
const ATTEMPTS: u32 = 4;

/// The first pause before a retry, doubled each time: what DynamoDB's throttling lasts as a rule is milliseconds.
const FIRST_PAUSE: Duration = Duration::from_millis(50);

/// The longest pause before a retry.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Sees every call of this process, if it was set.
static WATCH: OnceLock<SharedInterceptor> = OnceLock::new();

/// How often this process has connected: a name for each time.
static CONNECTED: AtomicU64 = AtomicU64::new(0);

/// Lets `watch` see every call of the clients that this process makes from now on, and refuse it. The first one stays.
/// The local world looks here whether a service has the right to its call.
pub fn watch(watch: impl Intercept + 'static) {
    let _ = WATCH.set(SharedInterceptor::new(watch));
}

/// The clients that our services use.
#[derive(Debug, Clone)]
pub struct Aws {
    /// Tables.
    pub dynamodb: aws_sdk_dynamodb::Client,
    /// The log's stream.
    pub streams: aws_sdk_dynamodbstreams::Client,
    /// Queues.
    pub sqs: aws_sdk_sqs::Client,
    /// Opens the wrapping key, once per process.
    pub kms: aws_sdk_kms::Client,
    /// Keeps the secrets, if they are not in a file.
    pub secrets: aws_sdk_secretsmanager::Client,
}

impl Aws {
    /// Builds the clients from the settings and the SDK's own chain of credentials.
    pub async fn connect(settings: &Settings, principal: Principal) -> Self {
        let mut loader = aws_config::defaults(BehaviorVersion::latest());
        if let Ok(name) = AppName::new(principal.name()) {
            loader = loader.app_name(name);
        }
        if let Some(credentials) = settings.credentials.clone() {
            loader = loader.credentials_provider(credentials);
        }
        let shared = loader
            .region(Region::new(settings.aws_region.clone()))
            .retry_config(
                RetryConfig::standard()
                    .with_max_attempts(ATTEMPTS)
                    .with_initial_backoff(FIRST_PAUSE)
                    .with_max_backoff(LONGEST_PAUSE),
            )
            .timeout_config(
                TimeoutConfig::builder()
                    .connect_timeout(CONNECT_TIMEOUT)
                    .operation_attempt_timeout(ATTEMPT_TIMEOUT)
                    .operation_timeout(OPERATION_TIMEOUT)
                    .build(),
            )
            .load()
            .await;
        // The SDK keeps one bucket of retries for each partition of a process. These clients have one of their own: where
        // services share a process, one whose calls all fail would else use up the retries of the others.
        let partition = Some(RetryPartition::new(CONNECTED.fetch_add(1, Ordering::Relaxed).to_string()));
        let mut dynamodb = aws_sdk_dynamodb::config::Builder::from(&shared);
        dynamodb.set_endpoint_url(settings.dynamodb_url.clone());
        dynamodb.set_retry_partition(partition.clone());
        let mut streams = aws_sdk_dynamodbstreams::config::Builder::from(&shared);
        streams.set_endpoint_url(settings.streams_url.clone());
        streams.set_retry_partition(partition.clone());
        let mut sqs = aws_sdk_sqs::config::Builder::from(&shared);
        sqs.set_endpoint_url(settings.sqs_url.clone());
        sqs.set_retry_partition(partition.clone());
        let mut kms = aws_sdk_kms::config::Builder::from(&shared);
        kms.set_endpoint_url(settings.kms_url.clone());
        kms.set_retry_partition(partition.clone());
        let mut secrets = aws_sdk_secretsmanager::config::Builder::from(&shared);
        secrets.set_endpoint_url(settings.secrets_manager_url.clone());
        secrets.set_retry_partition(partition.clone());
        let calls = SharedInterceptor::new(Calls);
        dynamodb.push_interceptor(calls.clone());
        streams.push_interceptor(calls.clone());
        sqs.push_interceptor(calls.clone());
        kms.push_interceptor(calls.clone());
        secrets.push_interceptor(calls.clone());
        if let Some(watch) = WATCH.get() {
            dynamodb.push_interceptor(watch.clone());
            streams.push_interceptor(watch.clone());
            sqs.push_interceptor(watch.clone());
            kms.push_interceptor(watch.clone());
            secrets.push_interceptor(watch.clone());
        }
        Self {
            dynamodb: aws_sdk_dynamodb::Client::from_conf(dynamodb.build()),
            streams: aws_sdk_dynamodbstreams::Client::from_conf(streams.build()),
            sqs: aws_sdk_sqs::Client::from_conf(sqs.build()),
            kms: aws_sdk_kms::Client::from_conf(kms.build()),
            secrets: aws_sdk_secretsmanager::Client::from_conf(secrets.build()),
        }
    }
}

/// What a long poll of SQS needs instead of every other call's time-outs.
pub fn long_poll() -> aws_sdk_sqs::config::Builder {
    aws_sdk_sqs::Config::builder().timeout_config(
        TimeoutConfig::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .operation_attempt_timeout(LONG_POLL_TIMEOUT)
            .operation_timeout(LONG_POLL_TIMEOUT)
            .build(),
    )
}
