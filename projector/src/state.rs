//! What the projector's parts share.

use platform::{clock::Clock, context::Context};

use crate::{config::Config, notify::telnyx::Telnyx};

/// Everything that the parts are built from.
#[derive(Debug, Clone)]
pub struct AppState {
    /// Clients, keys and stores.
    pub context: Context,
    /// The client of the message API.
    pub telnyx: Telnyx,
    /// Base of the webhooks' addresses.
    pub public_url: String,
}

impl AppState {
    /// Connects to everything.
    ///
    /// # Errors
    /// When the secrets cannot be used or a client cannot be built.
    pub async fn open(config: &Config, clock: Clock) -> anyhow::Result<Self> {
        let (context, _) = Box::pin(Context::connect(&config.settings, clock)).await?;
        let telnyx = Telnyx::new(&config.telnyx_url, config.telnyx_api_key.clone(), config.telnyx_from.clone())?;
        Ok(Self { context, telnyx, public_url: config.settings.public_url.clone() })
    }
}
