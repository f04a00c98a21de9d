//! What the projector is told by its environment.

use std::net::SocketAddr;

use platform::settings::Settings;
use secrecy::SecretString;

/// Settings of the projector.
#[derive(Debug, Clone, clap::Parser)]
#[command(
    name = "projector",
    about = "Follows the log, builds the read models and sends the notifications of FieldFuze",
    after_help = "Operator commands: verify, checkpoint, export, claims, dlq, keys, parked, rebuild, replay, status; each has its own --help, with its exit codes."
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
    /// Countries whose numbers get messages (ISO 3166-1 alpha-2, separated by commas). All others get none: fraud with
    /// text messages makes its money with numbers of countries where a company has no business.
    #[arg(long, env = "FIELDFUZE_SMS_COUNTRIES", value_delimiter = ',', value_parser = country)]
    pub sms_countries: Vec<String>,
    /// Segments a second that the account may send. Telnyx's default for accounts is 50.
    #[arg(long, env = "FIELDFUZE_SMS_ACCOUNT_RATE", default_value_t = 50.0, value_parser = rate)]
    pub sms_account_rate: f64,
    /// Segments a second that the sender may send. Telnyx's default is 20 for a toll-free number, 0.1 for a long code
    /// outside the USA, and what the campaign allows within.
    #[arg(long, env = "FIELDFUZE_SMS_SENDER_RATE", default_value_t = 20.0, value_parser = rate)]
    pub sms_sender_rate: f64,
    /// Segments a day (UTC) after which nothing is sent until the next: what a mistake or a fraud may cost at most.
    #[arg(long, env = "FIELDFUZE_SMS_DAILY_SEGMENTS", default_value_t = 10_000)]
    pub sms_daily_segments: u64,
}

fn country(text: &str) -> Result<String, String> {
    let is_code = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_uppercase());
    if is_code { Ok(text.to_owned()) } else { Err("two capital letters, such as US".to_owned()) }
}

fn rate(text: &str) -> Result<f64, String> {
    let rate: f64 = text.parse().map_err(|_| "a number".to_owned())?;
    if rate.is_finite() && rate > 0.0 { Ok(rate) } else { Err("a number above 0".to_owned()) }
}
