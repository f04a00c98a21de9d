//! What every service is told by its environment.

use std::path::PathBuf;

use crate::telemetry;

/// Settings that all services share. Each field names its environment variable.
#[derive(Debug, Clone, clap::Args)]
pub struct Settings {
    /// The AWS region.
    #[arg(long, env = "AWS_REGION", default_value = "us-east-1")]
    pub aws_region: String,
    /// Endpoint of DynamoDB, when it is not AWS's own.
    #[arg(long, env = "AWS_ENDPOINT_URL_DYNAMODB")]
    pub dynamodb_url: Option<String>,
    /// Endpoint of DynamoDB Streams, when it is not AWS's own.
    #[arg(long, env = "AWS_ENDPOINT_URL_DYNAMODB_STREAMS")]
    pub streams_url: Option<String>,
    /// Endpoint of SQS, when it is not AWS's own.
    #[arg(long, env = "AWS_ENDPOINT_URL_SQS")]
    pub sqs_url: Option<String>,
    /// Endpoint of KMS, when it is not AWS's own.
    #[arg(long, env = "AWS_ENDPOINT_URL_KMS")]
    pub kms_url: Option<String>,
    /// Endpoint of Secrets Manager, when it is not AWS's own.
    #[arg(long, env = "AWS_ENDPOINT_URL_SECRETS_MANAGER")]
    pub secrets_manager_url: Option<String>,
    /// Put in front of every table's and queue's name.
    #[arg(long, env = "FIELDFUZE_TABLE_PREFIX", default_value = "")]
    pub table_prefix: String,
    /// Where the world reaches the load balancer: issuer of tokens and base of webhook addresses.
    #[arg(long, env = "FIELDFUZE_PUBLIC_URL", default_value = "http://127.0.0.1:8080")]
    pub public_url: String,
    /// Credentials handed in by a process that runs the services itself; else the SDK's own chain finds them.
    #[arg(skip)]
    pub credentials: Option<aws_sdk_dynamodb::config::Credentials>,
    /// Name or ARN of the secret in AWS Secrets Manager that holds the keys; without it they are in `secrets.json`.
    #[arg(long, env = "FIELDFUZE_SECRETS_ID")]
    pub secrets_id: Option<String>,
    /// Where the local world keeps its state; holds `secrets.json`, unless the keys are in Secrets Manager.
    #[arg(long, env = "FIELDFUZE_DATA_DIR", default_value = ".fieldfuze")]
    pub data_dir: PathBuf,
    /// What a service tells of itself.
    #[command(flatten)]
    pub telemetry: telemetry::Config,
}
