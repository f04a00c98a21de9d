//! What the handlers share.

use std::sync::Arc;

use axum::{extract::FromRef, http::HeaderName};
use events::session::Session;
use platform::{
    access::Principal, clock::Clock, context::Context, crypto::MacKey, http::auth::Authenticator, sessions::Sessions,
    store::Streams, telnyx::signature::PublicKeys, tokens::Signer,
};

use tokio::sync::Semaphore;

use crate::{
    codes::Codes, config::Config, credentials::Credentials, devices::Devices, factors::Factors, later::Later,
    passwords::Passwords, throttle::Throttle, users::import::IMPORTS_AT_ONCE,
};

/// Everything that a handler may need.
#[derive(Debug, Clone)]
pub struct AppState(Arc<Inner>);

/// The parts of [`AppState`].
#[derive(Debug)]
pub struct Inner {
    /// Clients, keys and stores.
    pub context: Context,
    /// The streams of sessions.
    pub session_streams: Streams<Session>,
    /// The families of refresh tokens.
    pub sessions: Sessions,
    /// Password hashes.
    pub credentials: Credentials,
    /// Hashes and checks passwords.
    pub passwords: Passwords,
    /// Counts attempts.
    pub throttle: Throttle,
    /// Signs access tokens.
    pub signer: Signer,
    /// One-time codes that may be shown.
    pub codes: Codes,
    /// Second factors.
    pub factors: Factors,
    /// Devices of earlier sign-ins.
    pub devices: Devices,
    /// Works behind answers.
    pub later: Later,
    /// Makes refresh tokens.
    pub refresh_key: MacKey,
    /// Makes idempotency digests.
    pub digest_key: MacKey,
    /// Issuer of tokens.
    pub issuer: String,
    /// Verify Telnyx's webhooks.
    pub telnyx_keys: PublicKeys,
    /// The header that states a client's address.
    pub client_address_header: Option<HeaderName>,
    /// Places for imports.
    pub imports: Arc<Semaphore>,
}

impl AppState {
    /// Connects to everything.
    ///
    /// # Errors
    /// When the secrets or keys cannot be used.
    pub async fn open(config: &Config, clock: Clock) -> anyhow::Result<Self> {
        let (context, secrets) = Box::pin(Context::connect(&config.settings, Principal::CommandApi, clock)).await?;
        Ok(Self(Arc::new(Inner {
            session_streams: Streams::new(context.store().clone()),
            sessions: Sessions::new(context.aws.dynamodb.clone(), &context.names),
            credentials: Credentials::new(context.aws.dynamodb.clone(), &context.names),
            passwords: Passwords::start()?,
            throttle: Throttle::new(
                context.aws.dynamodb.clone(),
                &context.names,
                secrets.digests()?,
                context.clock.clone(),
            ),
            signer: Signer::new(context.token_keys.clone()),
            codes: Codes::new(
                context.aws.dynamodb.clone(),
                &context.names,
                context.codes.clone(),
                context.clock.clone(),
            ),
            factors: Factors::new(
                context.aws.dynamodb.clone(),
                &context.names,
                context.store().keyring().clone(),
                secrets.digests()?,
                context.clock.clone(),
            ),
            devices: Devices::new(
                context.aws.dynamodb.clone(),
                &context.names,
                secrets.digests()?,
                context.clock.clone(),
            ),
            later: Later::default(),
            refresh_key: secrets.refresh()?,
            digest_key: secrets.digests()?,
            issuer: config.settings.public_url.clone(),
            telnyx_keys: PublicKeys::parse(config.telnyx_public_keys.iter().map(String::as_str))?,
            client_address_header: config.client_address_header.clone(),
            imports: Arc::new(Semaphore::new(IMPORTS_AT_ONCE)),
            context,
        })))
    }
}

impl std::ops::Deref for AppState {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.0
    }
}

impl FromRef<AppState> for Authenticator {
    fn from_ref(state: &AppState) -> Self {
        state.context.authenticator.clone()
    }
}
