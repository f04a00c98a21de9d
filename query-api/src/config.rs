//! What query-api is told by its environment.

use std::net::SocketAddr;

use platform::settings::Settings;

/// Settings of query-api.
#[derive(Debug, Clone, clap::Parser)]
#[command(name = "query-api", about = "Every read of FieldFuze")]
pub struct Config {
    /// Settings that all services share.
    #[command(flatten)]
    pub settings: Settings,
    /// Where to listen.
    #[arg(long, env = "FIELDFUZE_QUERY_API_LISTEN", default_value = "127.0.0.1:8082")]
    pub listen: SocketAddr,
}
