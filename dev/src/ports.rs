//! Where the parts of the local world listen.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use anyhow::Context;

/// The port of each part; 0 is any free one. Everything listens on the loopback address only.
#[derive(Debug, Clone, Copy, clap::Args)]
pub struct Ports {
    /// DynamoDB and its streams.
    #[arg(long, env = "FIELDFUZE_DYNAMODB_PORT", default_value_t = 8000)]
    pub dynamodb_port: u16,
    /// SQS.
    #[arg(long, env = "FIELDFUZE_SQS_PORT", default_value_t = 9324)]
    pub sqs_port: u16,
    /// The stand-in for Telnyx.
    #[arg(long, env = "FIELDFUZE_TELNYX_PORT", default_value_t = 8090)]
    pub telnyx_port: u16,
    /// The load balancer's routing.
    #[arg(long, env = "FIELDFUZE_ALB_PORT", default_value_t = 8080)]
    pub alb_port: u16,
    /// command-api.
    #[arg(long, env = "FIELDFUZE_COMMAND_API_PORT", default_value_t = 8081)]
    pub command_api_port: u16,
    /// query-api.
    #[arg(long, env = "FIELDFUZE_QUERY_API_PORT", default_value_t = 8082)]
    pub query_api_port: u16,
    /// The projector's health.
    #[arg(long, env = "FIELDFUZE_PROJECTOR_PORT", default_value_t = 8083)]
    pub projector_port: u16,
}

impl Ports {
    /// Any free ones, so that many worlds can run beside each other.
    pub const ANY: Self = Self {
        dynamodb_port: 0,
        sqs_port: 0,
        telnyx_port: 0,
        alb_port: 0,
        command_api_port: 0,
        query_api_port: 0,
        projector_port: 0,
    };
}

/// Binds a port of the loopback address.
///
/// # Errors
/// When it is taken.
pub fn bind(part: &str, port: u16) -> anyhow::Result<TcpListener> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let listener = TcpListener::bind(address)
        .with_context(|| format!("{address} ({part}) is taken: is another fieldfuze running?"))?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}
