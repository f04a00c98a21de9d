//! The log as a service reaches it.

use std::path::Path;

use platform::{access::Principal, clock::Clock, context::Context, crypto::Secrets, settings::Settings};

use super::{TestWorld, engine, process::Process};

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
        settings(&addresses.dynamodb, &addresses.sqs, &addresses.public, self.directory.path())
    }
}

/// What a service beside a world that is a process of its own is told.
pub fn settings_of(world: &Process, data: &Path) -> Settings {
    settings(&world.dynamodb, &world.sqs, &world.public, data)
}

fn settings(dynamodb: &str, sqs: &str, public: &str, data: &Path) -> Settings {
    Settings {
        aws_region: "us-east-1".to_owned(),
        dynamodb_url: Some(dynamodb.to_owned()),
        streams_url: Some(dynamodb.to_owned()),
        sqs_url: Some(sqs.to_owned()),
        kms_url: None,
        secrets_manager_url: None,
        secrets_id: None,
        table_prefix: String::new(),
        public_url: public.to_owned(),
        credentials: Some(engine::credentials()),
        data_dir: data.to_owned(),
        telemetry: platform::telemetry::Config::default(),
    }
}
