//! The whole system in one process: the engines, the load balancer's routing and the three services.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, bail};
use platform::{clock::Clock, lifecycle::Shutdown};
use secrecy::SecretString;
use tokio::{net::TcpListener, task::JoinSet};

use crate::{
    data_dir::DataDir,
    engines::{Engines, SMS_COUNTRIES, SMS_DAILY_SEGMENTS, SMS_RATE},
    ports::{Ports, bind},
    proxy::{Proxy, Targets},
    seed,
};

/// How long the services may take until all are ready.
const READY_WITHIN: Duration = Duration::from_mins(1);

/// How often readiness is asked for.
const ASK_EVERY: Duration = Duration::from_millis(50);

/// How a world is started.
#[derive(Debug, Clone)]
pub struct WorldConfig {
    /// Where its state lives.
    pub data_dir: PathBuf,
    /// Where its parts listen.
    pub ports: Ports,
    /// The administrator's password; generated when absent.
    pub admin_password: Option<SecretString>,
}

/// The addresses of a world's parts.
#[derive(Debug, Clone)]
pub struct Addresses {
    /// The load balancer: what clients use.
    pub public: String,
    /// command-api itself.
    pub command_api: String,
    /// query-api itself.
    pub query_api: String,
    /// The projector's health.
    pub projector: String,
    /// DynamoDB and its streams.
    pub dynamodb: String,
    /// SQS.
    pub sqs: String,
    /// The stand-in for Telnyx.
    pub telnyx: String,
}

/// A running world.
#[derive(Debug)]
pub struct World {
    /// Where its parts are.
    pub addresses: Addresses,
    /// The administrator's password, at the first start, if it was generated.
    pub generated_password: Option<SecretString>,
    engines: Engines,
    proxy: Proxy,
    services: JoinSet<anyhow::Result<()>>,
    shutdown: Shutdown,
    _data_dir: DataDir,
}

impl World {
    /// Starts everything and waits until all services are ready.
    ///
    /// # Errors
    /// When a port or the data directory is in use, or a service does not become ready.
    pub async fn start(config: &WorldConfig) -> anyhow::Result<Self> {
        let data_dir = DataDir::open(&config.data_dir)?;
        Self::start_in(data_dir, config).await
    }

    /// As [`World::start`], in a data directory that is open already.
    ///
    /// # Errors
    /// As [`World::start`].
    pub async fn start_in(data_dir: DataDir, config: &WorldConfig) -> anyhow::Result<Self> {
        let (ports, data, clock) = (&config.ports, data_dir.path().to_owned(), Clock::system());
        let alb = bind("load balancer", ports.alb_port)?;
        let public = format!("http://{}", alb.local_addr()?);
        let listeners = Listeners {
            command_api: listen("command-api", ports.command_api_port)?,
            query_api: listen("query-api", ports.query_api_port)?,
            projector: listen("projector", ports.projector_port)?,
        };
        let engines = Engines::start(ports, &data, clock.clone()).await?;
        let url = |listener: &TcpListener| listener.local_addr().map(|address| format!("http://{address}"));
        let addresses = Addresses {
            command_api: url(&listeners.command_api)?,
            query_api: url(&listeners.query_api)?,
            projector: url(&listeners.projector)?,
            dynamodb: engines.dynamodb_url(),
            sqs: engines.sqs_url(),
            telnyx: engines.telnyx_url(),
            public,
        };
        let targets =
            Targets { query: listeners.query_api.local_addr()?, command: listeners.command_api.local_addr()? };
        let proxy = Proxy::start(alb, targets, clock.clone())?;
        let shutdown = Shutdown::new();
        let (services, generated_password) =
            start_services(listeners, &engines, &addresses, &data, config, &clock, &shutdown).await?;
        let mut world = Self { addresses, generated_password, engines, proxy, services, shutdown, _data_dir: data_dir };
        world.wait_until_ready().await?;
        Ok(world)
    }

    /// Completes when a service has ended, which none does by itself.
    ///
    /// # Errors
    /// Why it ended.
    pub async fn failed(&mut self) -> anyhow::Result<()> {
        match self.services.join_next().await {
            Some(ended) => ended.context("a service panicked")?,
            None => Ok(()),
        }
    }

    /// Drains the services, then stops the engines.
    pub async fn stop(mut self) {
        self.shutdown.begin();
        while let Some(ended) = self.services.join_next().await {
            if let Err(error) = ended.map_err(anyhow::Error::from).flatten() {
                tracing::error!(error = %format!("{error:#}"), "a service ended badly");
            }
        }
        self.proxy.stop().await;
        self.engines.stop().await;
    }

    async fn wait_until_ready(&mut self) -> anyhow::Result<()> {
        let services = [&self.addresses.command_api, &self.addresses.query_api, &self.addresses.projector];
        let urls = services.map(|service| format!("{service}/readyz"));
        let waiting = async {
            let client = reqwest::Client::builder().timeout(Duration::from_secs(5)).build()?;
            for url in urls {
                let mut tick = tokio::time::interval(ASK_EVERY);
                loop {
                    tick.tick().await;
                    if client.get(&url).send().await.is_ok_and(|answer| answer.status().is_success()) {
                        break;
                    }
                }
            }
            Ok(())
        };
        tokio::select! {
            ready = tokio::time::timeout(READY_WITHIN, waiting) => ready.context("the services did not become ready")?,
            ended = self.services.join_next() => match ended {
                Some(ended) => ended.context("a service panicked")?.context("a service ended at its start"),
                None => bail!("there are no services"),
            },
        }
    }
}

struct Listeners {
    command_api: TcpListener,
    query_api: TcpListener,
    projector: TcpListener,
}

fn listen(part: &str, port: u16) -> anyhow::Result<TcpListener> {
    Ok(TcpListener::from_std(bind(part, port)?)?)
}

async fn start_services(
    listeners: Listeners,
    engines: &Engines,
    addresses: &Addresses,
    data: &Path,
    config: &WorldConfig,
    clock: &Clock,
    shutdown: &Shutdown,
) -> anyhow::Result<(JoinSet<anyhow::Result<()>>, Option<SecretString>)> {
    let settings = engines.settings(data, &addresses.public);
    let commands = command_api::config::Config {
        settings: settings.clone(),
        listen: listeners.command_api.local_addr()?,
        telnyx_public_keys: vec![engines.telnyx_public_key()],
        client_address_header: Some(crate::proxy::VIEWER_ADDRESS),
    };
    let commands = command_api::state::AppState::open(&commands, clock.clone()).await?;
    let generated = seed::administrator(&commands, config.admin_password.clone()).await?;
    let queries = query_api::config::Config { settings: settings.clone(), listen: listeners.query_api.local_addr()? };
    let queries = query_api::state::AppState::open(&queries, clock.clone()).await?;
    let projector = projector::config::Config {
        settings,
        listen: listeners.projector.local_addr()?,
        telnyx_url: engines.telnyx_url(),
        telnyx_api_key: engines.telnyx_api_key(),
        telnyx_from: engines.telnyx_from(),
        sms_countries: SMS_COUNTRIES.map(str::to_owned).to_vec(),
        sms_account_rate: SMS_RATE,
        sms_sender_rate: SMS_RATE,
        sms_daily_segments: SMS_DAILY_SEGMENTS,
    };
    let projector = projector::state::AppState::open(&projector, clock.clone()).await?;

    let mut services = JoinSet::new();
    let (first, second, third) = (shutdown.clone(), shutdown.clone(), shutdown.clone());
    services.spawn(command_api::server::serve(listeners.command_api, commands, first));
    services.spawn(query_api::server::serve(listeners.query_api, queries, second));
    services.spawn(projector::server::serve(listeners.projector, projector, third));
    Ok((services, generated))
}
