//! What command-api is told by its environment.

use std::net::SocketAddr;

use axum::http::HeaderName;
use platform::settings::Settings;

/// Settings of command-api.
#[derive(Debug, Clone, clap::Parser)]
#[command(name = "command-api", about = "Sign-in and every write of FieldFuze")]
pub struct Config {
    /// Settings that all services share.
    #[command(flatten)]
    pub settings: Settings,
    /// Where to listen.
    #[arg(long, env = "FIELDFUZE_COMMAND_API_LISTEN", default_value = "127.0.0.1:8081")]
    pub listen: SocketAddr,
    /// Public keys (base64, 32 bytes) by which Telnyx's webhooks are verified; two while it rotates.
    #[arg(long, env = "FIELDFUZE_TELNYX_PUBLIC_KEY", value_delimiter = ',')]
    pub telnyx_public_keys: Vec<String>,
    /// The header in which whatever stands before us states a client's address, such as `CloudFront-Viewer-Address`. It
    /// is believed: what clients send under this name must not come through. Without it addresses are not known.
    #[arg(long, env = "FIELDFUZE_CLIENT_ADDRESS_HEADER")]
    pub client_address_header: Option<HeaderName>,
}
