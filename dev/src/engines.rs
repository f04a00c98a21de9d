//! The parts of the world that stand for AWS and Telnyx.

use std::path::Path;

use anyhow::Context;
use aws_sdk_dynamodb::config::Credentials;
use platform::{clock::Clock, crypto::Secrets, settings::Settings, tables::Names, telemetry};
use secrecy::SecretString;

use crate::{
    access,
    engine::{self, Engine},
    ports::{Ports, bind},
    proxy::VIEWER_ADDRESS,
    queue::Queues,
    standin::Standin,
};

/// The key that the stand-in for Telnyx accepts. No secret: it opens nothing but the stand-in.
const TELNYX_API_KEY: &str = "KEY-of-the-local-stand-in";

/// Countries whose numbers get messages from the stand-in: those of the documentation's and the tests' numbers.
pub const SMS_COUNTRIES: [&str; 5] = ["US", "CA", "MX", "ES", "DE"];

/// Segments a second: Telnyx's default for an account, and a sender that is as fast.
pub const SMS_RATE: f64 = 50.0;

/// Segments a day: the stand-in's cost nothing.
pub const SMS_DAILY_SEGMENTS: u64 = 1_000_000;

/// The number from which local messages come; fictional by its numbering plan.
const TELNYX_FROM: &str = "+15125550100";

/// The region that the local endpoints are told.
const REGION: &str = "us-east-1";

/// User name and password of the local endpoints, which accept any.
const LOCAL_CREDENTIALS: &str = "local";

/// DynamoDB with its streams, SQS and Telnyx.
#[derive(Debug)]
pub struct Engines {
    dynamodb: Engine,
    sqs: Queues,
    telnyx: Standin,
}

impl Engines {
    /// Starts them on the state in `data`, with all tables and queues.
    ///
    /// # Errors
    /// When a port is taken or a file cannot be used.
    pub async fn start(ports: &Ports, data: &Path, clock: Clock) -> anyhow::Result<Self> {
        access::enforce();
        let names = Names::new("");
        let listeners =
            (bind("DynamoDB", ports.dynamodb_port)?, bind("SQS", ports.sqs_port)?, bind("Telnyx", ports.telnyx_port)?);
        if data.join(engine::FILE).exists() {
            // New keys would open nothing of what is there.
            Secrets::load(data)
                .and_then(|_| Secrets::load_or_create(data, clock.now()))
                .context("the data are there but not their keys: restore them, or start afresh with --reset")?;
        } else {
            Secrets::load_or_create(data, clock.now())?;
        }
        let dynamodb = Engine::start(listeners.0, data, &names).await?;
        let sqs = Queues::start(listeners.1, &names).await?;
        let telnyx = Standin::start(listeners.2, data, clock, TELNYX_API_KEY.into()).await?;
        Ok(Self { dynamodb, sqs, telnyx })
    }

    /// What services that run in this process are told.
    pub fn settings(&self, data: &Path, public_url: &str) -> Settings {
        Settings {
            aws_region: REGION.to_owned(),
            dynamodb_url: Some(self.dynamodb.url()),
            streams_url: Some(self.dynamodb.url()),
            sqs_url: Some(self.sqs.url()),
            kms_url: None,
            secrets_manager_url: None,
            secrets_id: None,
            table_prefix: String::new(),
            public_url: public_url.to_owned(),
            credentials: Some(Credentials::new(LOCAL_CREDENTIALS, LOCAL_CREDENTIALS, None, None, "fieldfuze")),
            data_dir: data.to_owned(),
            telemetry: telemetry::Config::default(),
        }
    }

    /// What services that run in other processes are told by their environment.
    pub fn environment(&self, data: &Path, public_url: &str) -> Vec<(&'static str, String)> {
        vec![
            ("AWS_REGION", REGION.to_owned()),
            ("AWS_ACCESS_KEY_ID", LOCAL_CREDENTIALS.to_owned()),
            ("AWS_SECRET_ACCESS_KEY", LOCAL_CREDENTIALS.to_owned()),
            ("AWS_ENDPOINT_URL_DYNAMODB", self.dynamodb.url()),
            ("AWS_ENDPOINT_URL_DYNAMODB_STREAMS", self.dynamodb.url()),
            ("AWS_ENDPOINT_URL_SQS", self.sqs.url()),
            ("FIELDFUZE_PUBLIC_URL", public_url.to_owned()),
            ("FIELDFUZE_DATA_DIR", data.display().to_string()),
            ("FIELDFUZE_CLIENT_ADDRESS_HEADER", VIEWER_ADDRESS.to_string()),
            ("FIELDFUZE_TELNYX_URL", self.telnyx.url()),
            ("FIELDFUZE_TELNYX_API_KEY", TELNYX_API_KEY.to_owned()),
            ("FIELDFUZE_TELNYX_FROM", TELNYX_FROM.to_owned()),
            ("FIELDFUZE_SMS_COUNTRIES", SMS_COUNTRIES.join(",")),
            ("FIELDFUZE_SMS_ACCOUNT_RATE", SMS_RATE.to_string()),
            ("FIELDFUZE_SMS_SENDER_RATE", SMS_RATE.to_string()),
            ("FIELDFUZE_SMS_DAILY_SEGMENTS", SMS_DAILY_SEGMENTS.to_string()),
            ("FIELDFUZE_TELNYX_PUBLIC_KEY", self.telnyx.public_key().to_owned()),
        ]
    }

    /// DynamoDB's address.
    pub fn dynamodb_url(&self) -> String {
        self.dynamodb.url()
    }

    /// SQS's address.
    pub fn sqs_url(&self) -> String {
        self.sqs.url()
    }

    /// The address of the stand-in for Telnyx.
    pub fn telnyx_url(&self) -> String {
        self.telnyx.url()
    }

    /// The key by which the stand-in's webhooks are verified.
    pub fn telnyx_public_key(&self) -> String {
        self.telnyx.public_key().to_owned()
    }

    /// The key that the stand-in accepts.
    pub fn telnyx_api_key(&self) -> SecretString {
        TELNYX_API_KEY.into()
    }

    /// The number from which messages come.
    pub fn telnyx_from(&self) -> String {
        TELNYX_FROM.to_owned()
    }

    /// Stops them, the stand-in first: its webhooks need somebody to answer.
    pub async fn stop(self) {
        self.telnyx.stop().await;
        self.sqs.stop().await;
        self.dynamodb.stop().await;
    }
}
