//! The headers that an ALB adds, and those that end at every hop.

use std::net::SocketAddr;

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use chrono::{DateTime, Utc};
use uuid::Uuid;

/// Headers about one connection, not about the request (RFC 9110, section 7.6.1).
const HOP_BY_HOP: [HeaderName; 8] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FORWARDED_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");

/// In which CloudFront, which stands before the ALB, states a client's address and port.
pub const VIEWER_ADDRESS: HeaderName = HeaderName::from_static("cloudfront-viewer-address");

const TRACE_ID: HeaderName = HeaderName::from_static("x-amzn-trace-id");

/// Hexadecimal digits of the unique part of a trace id.
const TRACE_DIGITS: usize = 24;

/// Removes what must not pass a proxy, and what the `Connection` header names as such.
pub(super) fn remove_hop_by_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in HOP_BY_HOP.iter().chain(&named) {
        headers.remove(name);
    }
}

/// Adds what CloudFront and an ALB add: the client's address (alone, and behind those that a client claims), the scheme
/// and port it came by (whatever it claims), and a trace id where there is none.
pub(super) fn add_forwarding(headers: &mut HeaderMap, client: SocketAddr, port: u16, now: DateTime<Utc>, id: Uuid) {
    if let Ok(value) = HeaderValue::from_str(&client.to_string()) {
        headers.insert(VIEWER_ADDRESS, value);
    }
    let mut addresses: Vec<String> =
        headers.get_all(FORWARDED_FOR).iter().filter_map(|value| value.to_str().ok()).map(str::to_owned).collect();
    addresses.push(client.ip().to_string());
    if let Ok(value) = HeaderValue::from_str(&addresses.join(", ")) {
        headers.insert(FORWARDED_FOR, value);
    }
    headers.insert(FORWARDED_PROTO, HeaderValue::from_static("http"));
    headers.insert(FORWARDED_PORT, HeaderValue::from(port));
    if !headers.contains_key(TRACE_ID)
        && let Ok(value) = HeaderValue::from_str(&trace_id(now, id))
    {
        headers.insert(TRACE_ID, value);
    }
}

/// `Root=1-<seconds in hexadecimal>-<24 digits>`. The digits are the id's last, which are random.
fn trace_id(now: DateTime<Utc>, id: Uuid) -> String {
    let digits = id.simple().to_string();
    let unique = &digits[digits.len() - TRACE_DIGITS..];
    format!("Root=1-{:08x}-{unique}", now.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn forwarded(headers: &mut HeaderMap) {
        let now = DateTime::from_timestamp(0x6553_f100, 0).unwrap();
        add_forwarding(headers, ([192, 0, 2, 7], 4711).into(), 8080, now, Uuid::from_u128(0xabc));
    }

    #[test]
    fn the_client_s_address_comes_last_and_its_scheme_is_not_believed() {
        let mut headers = HeaderMap::new();
        headers.append(FORWARDED_FOR, HeaderValue::from_static("10.0.0.1"));
        headers.append(FORWARDED_FOR, HeaderValue::from_static("10.0.0.2"));
        headers.insert(FORWARDED_PROTO, HeaderValue::from_static("https"));
        headers.insert(VIEWER_ADDRESS, HeaderValue::from_static("10.0.0.3:1"));
        forwarded(&mut headers);
        assert_eq!(headers[FORWARDED_FOR], "10.0.0.1, 10.0.0.2, 192.0.2.7");
        assert_eq!(headers.get_all(FORWARDED_FOR).iter().count(), 1);
        assert_eq!(headers[FORWARDED_PROTO], "http");
        assert_eq!(headers[VIEWER_ADDRESS], "192.0.2.7:4711");
    }

    #[test]
    fn a_trace_id_is_made_only_where_there_is_none() {
        let mut headers = HeaderMap::new();
        forwarded(&mut headers);
        assert_eq!(headers[TRACE_ID], "Root=1-6553f100-000000000000000000000abc");
        headers.insert(TRACE_ID, HeaderValue::from_static("Root=mine"));
        forwarded(&mut headers);
        assert_eq!(headers[TRACE_ID], "Root=mine");
    }

    #[test]
    fn what_is_about_the_connection_does_not_pass() {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONNECTION, HeaderValue::from_static("close, X-Inner"));
        headers.insert("x-inner", HeaderValue::from_static("1"));
        headers.insert(header::TE, HeaderValue::from_static("trailers"));
        headers.insert(header::ACCEPT, HeaderValue::from_static("*/*"));
        remove_hop_by_hop(&mut headers);
        assert_eq!(headers.keys().collect::<Vec<_>>(), [header::ACCEPT]);
    }
}
