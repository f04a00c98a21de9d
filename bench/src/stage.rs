use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use anyhow::Context;
use aws_sdk_dynamodb::types::AttributeValue;
use command_api::{config::Config, state::AppState};
use dev::{engines::Engines, ports::Ports, seed};
use futures::{StreamExt, TryStreamExt, stream};
use platform::{
    clock::Clock, lifecycle::Shutdown, settings::Settings, telnyx::signature::SigningKey, tokens::Verifier,
};
use reqwest::Client;
use secrecy::SecretString;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::{apart, raw};

pub(crate) const PASSWORD: &str = "a password of the bench";

/// How long any answer may take: longer than a service takes to refuse.
const WITHIN: Duration = Duration::from_mins(1);

/// Users who are registered at once.
const REGISTERING: usize = 8;

/// A fresh engine with command-api before it, and one user for each client. No projector
/// unless a cell starts one.
pub(crate) struct Stage {
    pub(crate) engines: Engines,
    pub(crate) http: Client,
    pub(crate) base: String,
    pub(crate) token: String,
    pub(crate) users: Vec<String>,
    /// A client of the engine itself.
    pub(crate) dynamodb: aws_sdk_dynamodb::Client,
    /// Makes each request another one.
    pub(crate) serial: AtomicU64,
    /// Signs webhooks, as Telnyx does.
    pub(crate) telnyx: SigningKey,
    /// Verifies tokens.
    pub(crate) verifier: Verifier,
    pub(crate) shutdown: Shutdown,
    directory: tempfile::TempDir,
}

impl Stage {
    pub(crate) async fn start(users: usize) -> anyhow::Result<Self> {
        let directory = tempfile::tempdir()?;
        let (data, clock, shutdown) = (directory.path(), Clock::system(), Shutdown::new());
        let engines = Engines::start(&Ports::ANY, data, clock.clone()).await?;
        apart::settle()?;
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let base = format!("http://{}", listener.local_addr()?);
        let telnyx = SigningKey::generate()?;
        let config = Config {
            settings: engines.settings(data, &base),
            listen: listener.local_addr()?,
            telnyx_public_keys: vec![engines.telnyx_public_key(), telnyx.public_key()],
            client_address_header: Some(dev::proxy::VIEWER_ADDRESS),
        };
        let state = AppState::open(&config, clock).await?;
        let verifier = state.context.authenticator.verifier.clone();
        seed::administrator(&state, Some(SecretString::from(PASSWORD))).await?;
        tokio::spawn(command_api::server::serve(listener, state, shutdown.clone()));
        let http = Client::builder().timeout(WITHIN).build()?;
        while !http.get(format!("{base}/readyz")).send().await?.status().is_success() {
            tokio::task::yield_now().await;
        }
        let sign_in = json!({ "identifier": seed::ADMINISTRATOR, "password": PASSWORD });
        let answer: Value = http.post(format!("{base}/v1/auth/login")).json(&sign_in).send().await?.json().await?;
        let token = answer["access_token"].as_str().context("no token")?.to_owned();
        let serial = AtomicU64::new(0);
        let dynamodb = raw::client(&engines.dynamodb_url());
        let mut stage = Self {
            engines,
            dynamodb,
            http,
            base,
            token,
            users: Vec::new(),
            serial,
            telnyx,
            verifier,
            shutdown,
            directory,
        };
        let registered = stream::iter(0..users).map(|number| stage.register(number)).buffered(REGISTERING);
        stage.users = registered.try_collect().await?;
        Ok(stage)
    }

    /// Registers a user, and gives the id.
    pub(crate) async fn register(&self, number: usize) -> anyhow::Result<String> {
        self.register_with(number, None).await
    }

    /// The same, with a password.
    pub(crate) async fn register_with(&self, number: usize, password: Option<&str>) -> anyhow::Result<String> {
        let mut user = json!({
            "email": format!("person{number}@example.com"),
            "username": format!("person{number}"),
            "first_name": "Ada",
            "last_name": "Lovelace",
            "phone": format!("+1512{:07}", 2_000_000 + number),
        });
        if let Some(password) = password {
            user["password"] = password.into();
        }
        let request = self.http.post(format!("{}/v1/users", self.base)).bearer_auth(&self.token).json(&user);
        let answer: Value = request.send().await?.error_for_status()?.json().await?;
        Ok(answer["id"].as_str().context("no id")?.to_owned())
    }

    /// Changes a user's first name, and gives the version that this made.
    pub(crate) async fn rename(&self, user: usize, name: &str) -> anyhow::Result<u64> {
        let path = format!("{}/v1/users/{}", self.base, self.users[user]);
        let request = self.http.patch(path).bearer_auth(&self.token).header("if-match", "*");
        let answer = request.json(&json!({ "first_name": name })).send().await?.error_for_status()?;
        answer.json::<Value>().await?["version"].as_u64().context("no version")
    }

    /// The version of a user that the read model shows; 0 without a row.
    pub(crate) async fn shown(&self, user: usize) -> anyhow::Result<u64> {
        let id = AttributeValue::S(format!("1#{}", self.users[user]));
        let row = self.dynamodb.get_item().table_name("users1").key("id", id).send().await?.item;
        match row.and_then(|mut row| row.remove("version")) {
            Some(AttributeValue::N(version)) => Ok(version.parse()?),
            _ => Ok(0),
        }
    }

    /// What a service in this process is told.
    pub(crate) fn settings(&self) -> Settings {
        self.engines.settings(self.directory.path(), &self.base)
    }

    /// What services in other processes are told.
    pub(crate) fn environment(&self) -> Vec<(&'static str, String)> {
        self.engines.environment(self.directory.path(), &self.base)
    }

    pub(crate) fn next(&self) -> u64 {
        self.serial.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) async fn stop(self) {
        self.shutdown.begin();
        self.engines.stop().await;
    }
}
