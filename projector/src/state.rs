//! What the projector's parts share.

use platform::{access::Principal, clock::Clock, context::Context};

use crate::{
    config::Config,
    notify::{Limits, Telnyx},
};

/// Everything that the parts are built from.
#[derive(Debug, Clone)]
pub struct AppState {
    /// Clients, keys and stores.
    pub context: Context,
    /// The client of the message API.
    pub telnyx: Telnyx,
    /// What may be sent.
    pub sending: Sending,
    /// Base of the webhooks' addresses.
    pub public_url: String,
}

/// What may be sent.
#[derive(Debug, Clone)]
pub struct Sending {
    /// To the numbers of which countries (ISO 3166-1 alpha-2).
    pub countries: Vec<String>,
    /// How much.
    pub limits: Limits,
}

impl AppState {
    /// Connects to everything.
    ///
    /// # Errors
    /// When the secrets cannot be used or a client cannot be built.
    pub async fn open(config: &Config, clock: Clock) -> anyhow::Result<Self> {
        let (context, _) = Box::pin(Context::connect(&config.settings, Principal::Projector, clock)).await?;
        let telnyx = Telnyx::new(&config.telnyx_url, config.telnyx_api_key.clone(), config.telnyx_from.clone())?;
        let sending = Sending {
            countries: config.sms_countries.clone(),
            limits: Limits {
                account: config.sms_account_rate,
                sender: config.sms_sender_rate,
                daily: config.sms_daily_segments,
            },
        };
        if sending.countries.is_empty() {
            tracing::warn!("no country is allowed (FIELDFUZE_SMS_COUNTRIES): nobody gets a message");
        }
        Ok(Self { context, telnyx, sending, public_url: config.settings.public_url.clone() })
    }
}
