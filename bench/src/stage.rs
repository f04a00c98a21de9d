use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Context;
use command_api::{config::Config, state::AppState};
use dev::{engines::Engines, ports::Ports, seed};
use platform::{clock::Clock, lifecycle::Shutdown};
use reqwest::Client;
use secrecy::SecretString;
use serde_json::{Value, json};
use tokio::net::TcpListener;

const PASSWORD: &str = "a password of the bench";

/// A fresh engine with command-api before it, and one user for each client. No projector: what is measured is the write.
pub(crate) struct Stage {
    pub(crate) engines: Engines,
    pub(crate) http: Client,
    pub(crate) base: String,
    pub(crate) token: String,
    pub(crate) users: Vec<String>,
    /// Makes each request another one.
    pub(crate) serial: AtomicU64,
    shutdown: Shutdown,
    _directory: tempfile::TempDir,
}

impl Stage {
    pub(crate) async fn start(users: usize) -> anyhow::Result<Self> {
        let directory = tempfile::tempdir()?;
        let (data, clock, shutdown) = (directory.path(), Clock::system(), Shutdown::new());
        let engines = Engines::start(&Ports::ANY, data, clock.clone()).await?;
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let base = format!("http://{}", listener.local_addr()?);
        let config = Config {
            settings: engines.settings(data, &base),
            listen: listener.local_addr()?,
            telnyx_public_keys: vec![engines.telnyx_public_key()],
        };
        let state = AppState::open(&config, clock).await?;
        seed::administrator(&state, Some(SecretString::from(PASSWORD))).await?;
        tokio::spawn(command_api::server::serve(listener, state, shutdown.clone()));
        let http = Client::new();
        while !http.get(format!("{base}/readyz")).send().await?.status().is_success() {
            tokio::task::yield_now().await;
        }
        let sign_in = json!({ "identifier": seed::ADMINISTRATOR, "password": PASSWORD });
        let answer: Value = http.post(format!("{base}/v1/auth/login")).json(&sign_in).send().await?.json().await?;
        let token = answer["access_token"].as_str().context("no token")?.to_owned();
        let serial = AtomicU64::new(0);
        let mut stage = Self { engines, http, base, token, users: Vec::new(), serial, shutdown, _directory: directory };
        for number in 0..users {
            stage.users.push(stage.register(number).await?);
        }
        Ok(stage)
    }

    async fn register(&self, number: usize) -> anyhow::Result<String> {
        let user = json!({
            "email": format!("person{number}@example.com"),
            "username": format!("person{number}"),
            "first_name": "Ada",
            "last_name": "Lovelace",
            "phone": format!("+1512{:07}", 2_000_000 + number),
        });
        let request = self.http.post(format!("{}/v1/users", self.base)).bearer_auth(&self.token).json(&user);
        let answer: Value = request.send().await?.error_for_status()?.json().await?;
        Ok(answer["id"].as_str().context("no id")?.to_owned())
    }

    pub(crate) fn next(&self) -> u64 {
        self.serial.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) async fn stop(self) {
        self.shutdown.begin();
        self.engines.stop().await;
    }
}
