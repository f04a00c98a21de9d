//! command-apis over one engine with a clock that stands still, asked by clients at addresses of their own.

use dev::{engines::Engines, ports::Ports, seed, wiretap::Wiretap};
use platform::{clock::Clock, lifecycle::Shutdown};
use reqwest::Method;
use secrecy::SecretString;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::{Answer, Client, PASSWORD, gate::Gate, new_user, send};

/// A password that nobody has at first.
pub const WRONG: &str = "wind 7 over the grey harbour";

/// Sign-ins of one name at one address that need not wait.
pub const FREE_HERE: u8 = 5;

/// Where the administrator is.
pub const HOME: &str = "192.0.2.1";

/// One command-api.
pub struct Instance {
    /// A client without a token.
    pub client: Client,
    /// What it asks DynamoDB for.
    pub tap: Wiretap,
    /// What it works with.
    pub state: command_api::state::AppState,
}

impl Instance {
    /// A request from an address.
    pub async fn post(&self, address: &str, path: &str, body: &Value) -> Answer {
        self.post_as(&self.client, address, path, body).await
    }

    /// The same, by a client of this instance.
    pub async fn post_as(&self, client: &Client, address: &str, path: &str, body: &Value) -> Answer {
        let request = client.request(Method::POST, path).header(dev::proxy::VIEWER_ADDRESS, format!("{address}:4711"));
        send(request.json(body)).await
    }

    /// A sign-in from an address.
    pub async fn sign_in(&self, address: &str, name: &str, password: &str) -> Answer {
        self.post(address, "/v1/auth/login", &json!({ "identifier": name, "password": password })).await
    }
}

/// The parts.
pub struct Guarded {
    pub first: Instance,
    pub second: Instance,
    /// Between the second and the engine.
    pub gate: Gate,
    /// The administrator at the first.
    pub administrator: Client,
    /// What time it is for both.
    pub clock: Clock,
    /// A client of the engine itself.
    pub dynamodb: aws_sdk_dynamodb::Client,
    engines: Engines,
    shutdown: Shutdown,
    _directory: tempfile::TempDir,
}

impl Guarded {
    /// Starts them and signs the administrator in.
    pub async fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let (clock, shutdown) = (Clock::manual(Clock::system().now()), Shutdown::new());
        let engines = Engines::start(&Ports::ANY, directory.path(), clock.clone()).await.unwrap();
        let gate = Gate::before(engines.dynamodb_url());
        let start = async |first: bool| {
            let target = if first { engines.dynamodb_url() } else { gate.url() };
            let tap = Wiretap::start(target).await.unwrap();
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let mut settings = engines.settings(directory.path(), "http://127.0.0.1:1");
            settings.dynamodb_url = Some(tap.url.clone());
            let config = command_api::config::Config {
                settings,
                listen: listener.local_addr().unwrap(),
                telnyx_public_keys: vec![engines.telnyx_public_key()],
                client_address_header: Some(dev::proxy::VIEWER_ADDRESS),
            };
            let state = command_api::state::AppState::open(&config, clock.clone()).await.unwrap();
            if first {
                seed::administrator(&state, Some(SecretString::from(PASSWORD))).await.unwrap();
            }
            let client = Client::new(&format!("http://{}", config.listen));
            tokio::spawn(command_api::server::serve(listener, state.clone(), shutdown.clone()));
            client.get_until("/readyz", |answer| answer.status.is_success()).await;
            Instance { client, tap, state }
        };
        let (first, second) = (start(true).await, start(false).await);
        let signed_in = first.sign_in(HOME, seed::ADMINISTRATOR, PASSWORD).await.expect(200);
        let administrator = first.client.with_token(&signed_in.text("access_token"));
        let dynamodb = super::engine::client(&engines.dynamodb_url());
        Self { first, second, gate, administrator, clock, dynamodb, engines, shutdown, _directory: directory }
    }

    /// Makes a user with these fields beside the usual ones, and gives their path.
    pub async fn user(&self, number: u32, fields: Value) -> String {
        let mut user = new_user(number);
        user.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        let created = self.administrator.post("/v1/users", &user).await.expect(201);
        format!("/v1/users/{}", created.text("id"))
    }

    /// One who can sign in.
    pub async fn with_password(&self, number: u32) -> String {
        self.user(number, json!({ "password": PASSWORD })).await
    }

    /// Ends everything.
    pub async fn stop(self) {
        self.shutdown.begin();
        self.engines.stop().await;
    }
}

/// An address of many.
pub fn address(number: impl Into<u32>) -> String {
    let [_, _, third, last] = number.into().to_be_bytes();
    format!("198.18.{third}.{last}")
}
