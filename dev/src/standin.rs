//! A stateful stand-in of the part of Telnyx API v2 that we use.
//!
//! It validates as Telnyx does, signs its webhooks, and, like Telnyx, knows no idempotency key for messages: two
//! requests are two messages. What it accepted and which webhooks are still owed is on disk before it answers.

mod account;
mod control;
mod delivery;
mod faults;
mod key;
mod lists;
mod messages;
mod query;
mod refusal;
mod rules;
mod store;

use std::{
    net::TcpListener,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use anyhow::Context;
use axum::{
    Router,
    extract::DefaultBodyLimit,
    routing::{get, post},
};
use platform::{clock::Clock, telnyx::signature::SigningKey};
use secrecy::SecretString;
use tokio::{
    sync::mpsc::{UnboundedSender, unbounded_channel},
    task::JoinHandle,
};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::serve::Server;
use account::Account;
use delivery::Delivery;
use faults::Faults;
use store::{Store, Timer};

/// The ledger's file in the data directory.
const FILE: &str = "telnyx-standin.sqlite";

/// The longest request: the longest message (10 segments) takes a few KB.
const BODY_LIMIT: usize = 64 * 1024;

/// The running stand-in. Dropping it begins the stop as well, but does not wait for its end.
#[derive(Debug)]
pub struct Standin {
    server: Server,
    public_key: String,
    stop: DropGuard,
    delivery: JoinHandle<()>,
}

/// What all requests share.
struct State {
    store: Store,
    faults: Mutex<Faults>,
    account: Mutex<Account>,
    clock: Clock,
    api_key: SecretString,
    signing_key: SigningKey,
    /// Posts the webhooks.
    client: reqwest::Client,
    /// The way to the delivery, for webhooks that are owed and were not before.
    owed: UnboundedSender<Timer>,
}

impl State {
    fn faults(&self) -> MutexGuard<'_, Faults> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn account(&self) -> MutexGuard<'_, Account> {
        self.account.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Leaves webhooks to the delivery. Once it has ended, they are sent after the next start.
    fn owe(&self, timers: impl IntoIterator<Item = Timer>) {
        for timer in timers {
            let _ = self.owed.send(timer);
        }
    }
}

impl Standin {
    /// Opens the ledger and the key in `data` (both are made at the first start), serves on `listener` whoever has
    /// `api_key`, and sends the webhooks that an earlier run still owes.
    ///
    /// # Errors
    /// The ledger or the key cannot be read or made.
    pub async fn start(
        listener: TcpListener,
        data: &Path,
        clock: Clock,
        api_key: SecretString,
    ) -> anyhow::Result<Self> {
        let signing_key = key::load_or_create(data).context("the stand-in's key")?;
        let store = Store::open(data.join(FILE)).await.context("the stand-in's ledger")?;
        let public_key = signing_key.public_key();
        let (owed, owing) = unbounded_channel();
        let faults = Mutex::default();
        let (account, client) = (Mutex::default(), delivery::client()?);
        let state = Arc::new(State { store, faults, account, clock, api_key, signing_key, client, owed });
        let delivery = Delivery::resume(Arc::clone(&state), owing).await.context("the webhooks that are owed")?;
        let server = Server::start(listener, &router(state))?;
        let stop = CancellationToken::new();
        let delivery = tokio::spawn(delivery.run(stop.clone()));
        Ok(Self { server, public_key, stop: stop.drop_guard(), delivery })
    }

    /// The base address, without a slash at the end; the API is under `/v2`.
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// The public key of its webhooks: base64 of 32 bytes.
    pub fn public_key(&self) -> &str {
        &self.public_key
    }

    /// Accepts no more, lets running requests end for up to 2 s. Webhooks still owed are sent after the next start.
    pub async fn stop(self) {
        self.server.stop().await;
        drop(self.stop);
        if let Err(error) = self.delivery.await {
            tracing::error!(%error, "the stand-in's delivery failed");
        }
    }
}

fn router(state: Arc<State>) -> Router {
    Router::new()
        .route("/v2/messages", post(messages::send))
        .route("/v2/messages/{id}", get(messages::read))
        .route("/v2/detail_records", get(lists::records))
        .route("/v2/messaging_optouts", get(lists::opt_outs))
        .route("/v2/public_key", get(messages::public_key))
        .route("/_standin/messages", get(control::ledger))
        .route("/_standin/faults", get(control::faults).put(control::set_faults).delete(control::clear_faults))
        .route("/_standin/account", get(control::account).put(control::set_account))
        .route("/_standin/inbound", post(control::inbound))
        .fallback(refusal::no_such_route)
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .with_state(state)
}

#[cfg(test)]
mod tests;
