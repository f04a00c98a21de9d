//! What the projector is told by its environment.

use std::net::SocketAddr;

use platform::settings::Settings;
use secrecy::SecretString;

/// Settings of the projector.
#[derive(Debug, Clone, clap::Parser)]
#[command(
    name = "projector",
    about = "Follows the log, builds the read models and sends the notifications of FieldFuze",
    after_help = "Operator commands: verify, checkpoint, export, claims, keys, parked, rebuild, replay; each has its own --help, with its exit codes."
)]
pub struct Config {
    /// Settings that all services share.
    #[command(flatten)]
    pub settings: Settings,
    /// Where to answer health checks.
    #[arg(long, env = "FIELDFUZE_PROJECTOR_LISTEN", default_value = "127.0.0.1:8083")]
    pub listen: SocketAddr,
    /// Base of Telnyx's API.
    #[arg(long, env = "FIELDFUZE_TELNYX_URL", default_value = "https://api.telnyx.com")]
    pub telnyx_url: String,
    /// Key of Telnyx's API.
    #[arg(long, env = "FIELDFUZE_TELNYX_API_KEY", hide_env_values = true)]
    pub telnyx_api_key: SecretString,
    /// The number from which messages are sent (E.164).
    #[arg(long, env = "FIELDFUZE_TELNYX_FROM")]
    pub telnyx_from: String,
}
