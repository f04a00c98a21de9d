//! From where and with what a request comes, as far as that can be known.

use std::{
    convert::Infallible,
    net::{IpAddr, SocketAddr},
};

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, header, request::Parts},
};

use crate::state::AppState;

/// Longest name of a device that is kept, in characters: browsers' names have some 150.
const MAX_DEVICE_CHARACTERS: usize = 256;

/// Who sent a request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Client {
    /// The address that the header says which the configuration trusts.
    pub address: Option<IpAddr>,
    /// What the client calls itself (`User-Agent`).
    pub device: Option<String>,
}

impl FromRequestParts<AppState> for Client {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Infallible> {
        let trusted = state.client_address_header.as_ref();
        let address = trusted.and_then(|name| parts.headers.get(name)).and_then(|value| value.to_str().ok());
        Ok(Self { address: address.and_then(parse_address), device: device(&parts.headers) })
    }
}

/// `address` or `address:port`. `CloudFront-Viewer-Address` puts a port behind an IPv6 address without brackets.
fn parse_address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let with_port = || text.parse::<SocketAddr>().ok().map(|address| address.ip());
    let before_the_port = || text.rsplit_once(':')?.0.parse().ok();
    with_port().or_else(before_the_port).or_else(|| text.parse().ok())
}

fn device(headers: &HeaderMap) -> Option<String> {
    let name = headers.get(header::USER_AGENT)?.to_str().ok()?.trim();
    (!name.is_empty()).then(|| name.chars().take(MAX_DEVICE_CHARACTERS).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_with_and_without_its_port() {
        let same =
            |text: &str, address: &str| assert_eq!(parse_address(text), Some(address.parse().unwrap()), "{text}");
        same("198.51.100.10:46532", "198.51.100.10");
        same("198.51.100.10", "198.51.100.10");
        same("2001:db8:0:0:0:0:0:7:46532", "2001:db8::7");
        same("[2001:db8::7]:46532", "2001:db8::7");
        for text in ["", "somewhere", "198.51.100.10, 198.51.100.11", "198.51.100.256:1"] {
            assert_eq!(parse_address(text), None, "{text}");
        }
    }

    #[test]
    fn a_device_s_name_is_bounded() {
        let mut headers = HeaderMap::new();
        assert_eq!(device(&headers), None);
        headers.insert(header::USER_AGENT, "x".repeat(1_000).parse().unwrap());
        assert_eq!(device(&headers).unwrap().len(), MAX_DEVICE_CHARACTERS);
    }
}
