//! Services of a stage behind proxies that see each call of DynamoDB.

use anyhow::Context;
use dev::wiretap::{Call, Wiretap};
use platform::clock::Clock;
use reqwest::RequestBuilder;
use serde_json::Value;
use tokio::net::TcpListener;

use crate::{projector::until, stage::Stage};

/// command-api and query-api, each behind a proxy of its own.
pub(crate) struct Tapped<'a> {
    pub(crate) stage: &'a Stage,
    pub(crate) commands: String,
    pub(crate) queries: String,
    taps: [Wiretap; 2],
}

/// What calls took, together.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
pub(crate) struct Taken {
    pub(crate) requests: f64,
    pub(crate) read_units: f64,
    pub(crate) write_units: f64,
    /// Items looked at.
    pub(crate) items: f64,
}

impl Taken {
    /// The share of one, of so many that took the calls together.
    #[expect(clippy::cast_precision_loss, reason = "counts and half units")]
    pub(crate) fn each(calls: &[Call], count: usize) -> Self {
        let mut taken = Self::default();
        for call in calls {
            let units = call.half_units as f64 / 2.0 / count as f64;
            *(if call.is_read() { &mut taken.read_units } else { &mut taken.write_units }) += units;
            taken.requests += 1.0 / count as f64;
            taken.items += call.items as f64 / count as f64;
        }
        taken
    }
}

impl<'a> Tapped<'a> {
    pub(crate) async fn start(stage: &'a Stage) -> anyhow::Result<Self> {
        let taps =
            [Wiretap::start(stage.engines.dynamodb_url()).await?, Wiretap::start(stage.engines.dynamodb_url()).await?];
        let settings = |tap: &Wiretap| {
            let mut settings = stage.settings();
            settings.dynamodb_url = Some(tap.url.clone());
            settings
        };
        let (one, other) = (TcpListener::bind("127.0.0.1:0").await?, TcpListener::bind("127.0.0.1:0").await?);
        let config = command_api::config::Config {
            settings: settings(&taps[0]),
            listen: one.local_addr()?,
            telnyx_public_keys: vec![stage.engines.telnyx_public_key()],
            client_address_header: Some(dev::proxy::VIEWER_ADDRESS),
        };
        let commands = format!("http://{}", config.listen);
        let state = command_api::state::AppState::open(&config, Clock::system()).await?;
        tokio::spawn(command_api::server::serve(one, state, stage.shutdown.clone()));
        let config = query_api::config::Config { settings: settings(&taps[1]), listen: other.local_addr()? };
        let queries = format!("http://{}", config.listen);
        let state = query_api::state::AppState::open(&config, Clock::system()).await?;
        tokio::spawn(query_api::server::serve(other, state, stage.shutdown.clone()));
        for base in [&commands, &queries] {
            until("the service is ready", || async {
                let answer = stage.http.get(format!("{base}/readyz")).send().await;
                Ok(answer.is_ok_and(|answer| answer.status().is_success()))
            })
            .await?;
        }
        Ok(Self { stage, commands, queries, taps })
    }

    /// What one of so many took, that are made one after the other.
    pub(crate) async fn taken<F: Future<Output = anyhow::Result<()>>>(
        &self,
        count: usize,
        one: impl Fn(usize) -> F,
    ) -> anyhow::Result<Taken> {
        self.take();
        for number in 0..count {
            one(number).await?;
        }
        Ok(Taken::each(&self.take(), count))
    }

    fn take(&self) -> Vec<Call> {
        self.taps.iter().flat_map(Wiretap::take).collect()
    }

    /// Sends with the administrator's token.
    pub(crate) async fn send(&self, request: RequestBuilder) -> anyhow::Result<Value> {
        let answer = request.bearer_auth(&self.stage.token).send().await?.error_for_status()?;
        answer.json().await.context("no JSON")
    }
}
