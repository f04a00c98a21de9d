//! Engines and command-api in this process; query-apis beside them and projectors as processes of their own, each
//! reaching DynamoDB by an address that a test chooses.

use aws_sdk_dynamodb::types::AttributeValue;
use dev::{engines::Engines, ports::Ports, seed};
use platform::{clock::Clock, lifecycle::Shutdown, settings::Settings};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use tokio::{net::TcpListener, process::Command};

use super::{Client, PASSWORD, engine, process::part, projector::Projector};

/// The parts of a world.
pub struct Parts {
    /// command-api, with the administrator signed in.
    pub commands: Client,
    /// A client of the engine itself.
    pub dynamodb: aws_sdk_dynamodb::Client,
    engines: Engines,
    public_url: String,
    directory: tempfile::TempDir,
    shutdown: Shutdown,
}

impl Parts {
    /// Starts the engines and command-api.
    pub async fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let (data, clock, shutdown) = (directory.path(), Clock::system(), Shutdown::new());
        let engines = Engines::start(&Ports::ANY, data, clock.clone()).await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        // Receipts come to command-api itself: there is no load balancer.
        let public_url = format!("http://{}", listener.local_addr().unwrap());
        let config = command_api::config::Config {
            settings: engines.settings(data, &public_url),
            listen: listener.local_addr().unwrap(),
            telnyx_public_keys: vec![engines.telnyx_public_key()],
            client_address_header: Some(dev::proxy::VIEWER_ADDRESS),
        };
        let state = command_api::state::AppState::open(&config, clock).await.unwrap();
        seed::administrator(&state, Some(SecretString::from(PASSWORD))).await.unwrap();
        tokio::spawn(command_api::server::serve(listener, state, shutdown.clone()));
        let commands = Client::new(&public_url);
        commands.get_until("/readyz", |answer| answer.status.is_success()).await;
        let commands = commands.sign_in(seed::ADMINISTRATOR, PASSWORD).await;
        let dynamodb = engine::client(&engines.dynamodb_url());
        Self { commands, dynamodb, engines, public_url, directory, shutdown }
    }

    /// The engine's address.
    pub fn dynamodb_url(&self) -> String {
        self.engines.dynamodb_url()
    }

    /// The address of the stand-in for Telnyx.
    pub fn telnyx_url(&self) -> String {
        self.engines.telnyx_url()
    }

    /// Another instance of command-api, with the administrator signed in.
    pub async fn command_api(&self) -> Client {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let config = command_api::config::Config {
            settings: self.settings(),
            listen: listener.local_addr().unwrap(),
            telnyx_public_keys: vec![self.engines.telnyx_public_key()],
            client_address_header: Some(dev::proxy::VIEWER_ADDRESS),
        };
        let state = command_api::state::AppState::open(&config, Clock::system()).await.unwrap();
        tokio::spawn(command_api::server::serve(listener, state, self.shutdown.clone()));
        let commands = Client::new(&format!("http://{}", config.listen)).with_token(self.commands.token());
        commands.get_until("/readyz", |answer| answer.status.is_success()).await;
        commands
    }

    /// A query-api that reaches DynamoDB at `dynamodb`, with the administrator signed in.
    pub async fn query_api(&self, dynamodb: &str) -> Client {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut settings = self.engines.settings(self.directory.path(), &self.public_url);
        settings.dynamodb_url = Some(dynamodb.to_owned());
        let config = query_api::config::Config { settings, listen: address };
        let state = query_api::state::AppState::open(&config, Clock::system()).await.unwrap();
        tokio::spawn(query_api::server::serve(listener, state, self.shutdown.clone()));
        let queries = Client::new(&format!("http://{address}")).with_token(self.commands.token());
        queries.get_until("/readyz", |answer| answer.status.is_success()).await;
        queries
    }

    /// A projector, a process of its own, that reaches DynamoDB at `dynamodb` and its stream at `streams`.
    pub async fn projector(&self, dynamodb: &str, streams: &str) -> Projector {
        let around = [("AWS_ENDPOINT_URL_DYNAMODB", dynamodb), ("AWS_ENDPOINT_URL_DYNAMODB_STREAMS", streams)];
        self.projector_around(&around).await
    }

    /// A projector with some of its surroundings elsewhere.
    pub async fn projector_around(&self, surroundings: &[(&str, &str)]) -> Projector {
        let mut command = self.part("projector");
        command.envs(surroundings.iter().copied()).env("FIELDFUZE_PROJECTOR_LISTEN", "127.0.0.1:0");
        Projector::start(command).await
    }

    /// A part that is a process of its own.
    pub fn part(&self, name: &str) -> Command {
        let mut command = part(name);
        command.envs(self.engines.environment(self.directory.path(), &self.public_url));
        command
    }

    /// By which the stand-in knows us.
    pub fn telnyx_api_key(&self) -> String {
        self.engines.telnyx_api_key().expose_secret().to_owned()
    }

    /// SQS's address.
    pub fn sqs_url(&self) -> String {
        self.engines.sqs_url()
    }

    /// The settings of a part.
    pub fn settings(&self) -> Settings {
        self.engines.settings(self.directory.path(), &self.public_url)
    }

    /// A projector on the engine itself.
    pub async fn plain_projector(&self) -> Projector {
        let url = self.dynamodb_url();
        self.projector(&url, &url).await
    }

    /// Which worker has the lease of the stream's shard. The engine has one shard a table.
    pub async fn owner(&self) -> Option<String> {
        let rows = engine::items(&self.dynamodb, "leases").await;
        let mut shards = rows.iter().filter(|row| row.contains_key("checkpoint"));
        let shard = shards.next()?;
        assert!(shards.next().is_none(), "one shard is expected");
        let owner = shard.get("owner").map(AttributeValue::as_s);
        owner.map(|owner| owner.unwrap().clone())
    }

    /// A role to be changed again and again; gives its path.
    pub async fn new_role(&self, name: &str) -> String {
        let role = json!({ "name": name, "level": 1, "permissions": ["users:read"] });
        let created = self.commands.post("/v1/roles", &role).await.expect(201);
        format!("/v1/roles/{}", created.text("id"))
    }

    /// Ends everything.
    pub async fn stop(self) {
        self.shutdown.begin();
        self.engines.stop().await;
    }
}
