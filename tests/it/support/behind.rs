//! The two APIs, each behind a proxy with faults, over engines of their own. No projector: reads fold what they ask for.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::AttributeValue;
use dev::{engines::Engines, ports::Ports, seed};
use platform::{clock::Clock, lifecycle::Shutdown, settings::Settings, telnyx::signature::SigningKey};
use secrecy::SecretString;
use tokio::{net::TcpListener, task::JoinHandle};

use super::{Client, PASSWORD, engine, faults::Faults};

/// The APIs.
pub struct Behind {
    pub commands: Faults,
    pub queries: Faults,
    pub command_api: Client,
    pub query_api: Client,
    /// Where command-api listens; the port outlives its crashes.
    pub listener: std::net::TcpListener,
    /// A key of Telnyx beside the stand-in's own.
    pub telnyx: SigningKey,
    serving: JoinHandle<anyhow::Result<()>>,
    shutdown: Shutdown,
    engines: Engines,
    directory: tempfile::TempDir,
}

impl Behind {
    pub async fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let shutdown = Shutdown::new();
        let engines = Engines::start(&Ports::ANY, directory.path(), Clock::system()).await.unwrap();
        let (commands, queries) = (Faults::start(engines.dynamodb_url()), Faults::start(engines.dynamodb_url()));
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let command_api = Client::new(&format!("http://{}", listener.local_addr().unwrap()));

        let settings = settings(&engines, directory.path(), &commands);
        let telnyx = SigningKey::generate().unwrap();
        let keys = vec![engines.telnyx_public_key(), telnyx.public_key()];
        let serving = serve_commands(&listener, settings, keys, &shutdown, true).await;
        let second = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let listen = second.local_addr().unwrap();
        let query_api = Client::new(&format!("http://{listen}"));
        let settings = self::settings(&engines, directory.path(), &queries);
        let config = query_api::config::Config { settings, listen };
        let state = query_api::state::AppState::open(&config, Clock::system()).await.unwrap();
        tokio::spawn(query_api::server::serve(second, state, shutdown.clone()));

        query_api.get_until("/readyz", |answer| answer.status.is_success()).await;
        command_api.get_until("/readyz", |answer| answer.status.is_success()).await;
        let command_api = command_api.sign_in(seed::ADMINISTRATOR, PASSWORD).await;
        let query_api = query_api.with_token(command_api.token());
        Self { commands, queries, command_api, query_api, listener, telnyx, serving, shutdown, engines, directory }
    }

    /// Ends command-api in the middle of whatever it does, and starts it again.
    pub async fn crash(&mut self) {
        self.serving.abort();
        let settings = settings(&self.engines, self.directory.path(), &self.commands);
        let keys = vec![self.engines.telnyx_public_key(), self.telnyx.public_key()];
        self.serving = serve_commands(&self.listener, settings, keys, &self.shutdown, false).await;
    }

    /// Everything in these tables, past the proxies: item by item, in an order of their own.
    pub async fn items(&self, tables: &[&str]) -> Vec<BTreeMap<String, AttributeValue>> {
        let engine = engine::client(&self.engines.dynamodb_url());
        let mut all = Vec::new();
        for table in tables {
            let items = engine::items(&engine, table).await.into_iter();
            all.extend(items.map(|item| item.into_iter().collect::<BTreeMap<_, _>>()));
        }
        all.sort_by_cached_key(|item| format!("{item:?}"));
        all
    }

    /// The settings of a part that stands behind no proxy.
    pub fn settings(&self) -> Settings {
        self.engines.settings(self.directory.path(), "http://127.0.0.1:1")
    }

    /// Ends everything.
    pub fn stop(self) {
        self.shutdown.begin();
    }
}

fn settings(engines: &Engines, data: &std::path::Path, proxy: &Faults) -> Settings {
    let mut settings = engines.settings(data, "http://127.0.0.1:1");
    settings.dynamodb_url = Some(proxy.url.clone());
    settings
}

async fn serve_commands(
    listener: &std::net::TcpListener,
    settings: Settings,
    telnyx_public_keys: Vec<String>,
    shutdown: &Shutdown,
    first: bool,
) -> JoinHandle<anyhow::Result<()>> {
    let listener = listener.try_clone().unwrap();
    listener.set_nonblocking(true).unwrap();
    let listener = TcpListener::from_std(listener).unwrap();
    let config = command_api::config::Config {
        settings,
        listen: listener.local_addr().unwrap(),
        telnyx_public_keys,
        client_address_header: Some(dev::proxy::VIEWER_ADDRESS),
    };
    let state = command_api::state::AppState::open(&config, Clock::system()).await.unwrap();
    if first {
        seed::administrator(&state, Some(SecretString::from(PASSWORD))).await.unwrap();
    }
    tokio::spawn(command_api::server::serve(listener, state, shutdown.clone()))
}
