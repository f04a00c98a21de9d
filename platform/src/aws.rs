//! The clients of AWS, built in one place so that every service has the same time-outs and retries.

use std::time::Duration;

use aws_config::{BehaviorVersion, Region, retry::RetryConfig, timeout::TimeoutConfig};

use crate::settings::Settings;

/// A connection that takes longer than this is tried anew: both ends are in one region.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// One try of one call. Long polls of SQS (20 s) must fit in.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(25);

/// Tries per call, the first included; the SDK's standard mode with its retry token bucket and full jitter.
const ATTEMPTS: u32 = 4;

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
}

impl Aws {
    /// Builds the clients from the settings and the SDK's own chain of credentials.
    pub async fn connect(settings: &Settings) -> Self {
        let mut loader = aws_config::defaults(BehaviorVersion::latest());
        if let Some(credentials) = settings.credentials.clone() {
            loader = loader.credentials_provider(credentials);
        }
        let shared = loader
            .region(Region::new(settings.aws_region.clone()))
            .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS))
            .timeout_config(
                TimeoutConfig::builder()
                    .connect_timeout(CONNECT_TIMEOUT)
                    .operation_attempt_timeout(ATTEMPT_TIMEOUT)
                    .build(),
            )
            .load()
            .await;
        let mut dynamodb = aws_sdk_dynamodb::config::Builder::from(&shared);
        dynamodb.set_endpoint_url(settings.dynamodb_url.clone());
        let mut streams = aws_sdk_dynamodbstreams::config::Builder::from(&shared);
        streams.set_endpoint_url(settings.streams_url.clone());
        let mut sqs = aws_sdk_sqs::config::Builder::from(&shared);
        sqs.set_endpoint_url(settings.sqs_url.clone());
        let mut kms = aws_sdk_kms::config::Builder::from(&shared);
        kms.set_endpoint_url(settings.kms_url.clone());
        Self {
            dynamodb: aws_sdk_dynamodb::Client::from_conf(dynamodb.build()),
            streams: aws_sdk_dynamodbstreams::Client::from_conf(streams.build()),
            sqs: aws_sdk_sqs::Client::from_conf(sqs.build()),
            kms: aws_sdk_kms::Client::from_conf(kms.build()),
        }
    }
}
