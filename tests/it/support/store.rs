//! The log as a service reaches it.

use platform::{access::Principal, clock::Clock, context::Context, crypto::Secrets, settings::Settings};

use super::TestWorld;

/// A service's own view of what these settings name.
pub async fn context(settings: &Settings) -> Context {
    context_at(settings, Clock::system()).await
}

/// The same, at another time.
pub async fn context_at(settings: &Settings, clock: Clock) -> Context {
    let secrets = Secrets::load(&settings.data_dir).unwrap();
    Context::open(settings, Principal::Elsewhere, &secrets, clock).await.unwrap()
}

impl TestWorld {
    /// What a service in this world is told.
    pub fn settings(&self) -> Settings {
        let addresses = &self.world.addresses;
        Settings {
            aws_region: "us-east-1".to_owned(),
            dynamodb_url: Some(addresses.dynamodb.clone()),
            streams_url: Some(addresses.dynamodb.clone()),
            sqs_url: Some(addresses.sqs.clone()),
            kms_url: None,
            secrets_manager_url: None,
            secrets_id: None,
            table_prefix: String::new(),
            public_url: addresses.public.clone(),
            credentials: Some(super::engine::credentials()),
            data_dir: self.directory.path().to_owned(),
            telemetry: platform::telemetry::Config::default(),
        }
    }
}
