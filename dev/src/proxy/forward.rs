//! Passes one request on and its answer back, both as they come in, without keeping them.

use std::{sync::Arc, time::Duration};

use axum::{
    Extension, Json,
    body::Body,
    extract::{Request, State},
    http::{
        HeaderValue, StatusCode, Uri, Version,
        header::{CONTENT_TYPE, HOST},
        uri::{Authority, PathAndQuery, Scheme},
    },
    response::{IntoResponse, Response},
};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use platform::{clock::Clock, http::serve::Connection};
use serde_json::json;

use super::{Targets, connector::Connector, headers, route};

/// How long a service may take until its answer begins: an ALB's idle time-out as it comes.
const ANSWER_TIMEOUT: Duration = Duration::from_mins(1);

/// How long a connection to a service may take: both are on this machine.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// How long an unused connection is kept. Shorter than any service keeps it, so that no request meets its end.
const IDLE_TIMEOUT: Duration = Duration::from_secs(15);

/// What all requests share.
pub(super) struct Forward {
    targets: Targets,
    client: Client<Connector, Body>,
    clock: Clock,
}

impl Forward {
    pub(super) fn new(targets: Targets, clock: Clock) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
        let client = Client::builder(TokioExecutor::new())
            .pool_idle_timeout(IDLE_TIMEOUT)
            .pool_timer(hyper_util::rt::TokioTimer::new())
            .build(Connector::new(connector));
        Self { targets, client, clock }
    }
}

/// Every request comes here.
pub(super) async fn forward(
    State(forward): State<Arc<Forward>>,
    Extension(connection): Extension<Connection>,
    mut request: Request,
) -> Response {
    let target = forward.targets.address(route(request.method()));
    let Some(uri) = at(&target.to_string(), request.uri()) else {
        return problem(StatusCode::BAD_REQUEST, "bad_request", "Bad request");
    };
    *request.uri_mut() = uri;
    *request.version_mut() = Version::HTTP_11;
    let port = port_of(request.headers().get(HOST));
    headers::remove_hop_by_hop(request.headers_mut());
    headers::add_forwarding(
        request.headers_mut(),
        connection.peer.ip(),
        port,
        forward.clock.now(),
        forward.clock.new_id(),
    );
    match tokio::time::timeout(ANSWER_TIMEOUT, forward.client.request(request)).await {
        Ok(Ok(mut response)) => {
            headers::remove_hop_by_hop(response.headers_mut());
            response.map(Body::new)
        }
        Ok(Err(error)) => {
            tracing::warn!(%error, %target, "a service cannot be reached");
            problem(StatusCode::BAD_GATEWAY, "bad_gateway", "Bad gateway")
        }
        Err(_) => {
            tracing::warn!(%target, "a service does not answer");
            problem(StatusCode::GATEWAY_TIMEOUT, "gateway_timeout", "Gateway timeout")
        }
    }
}

/// The request's address at the service.
fn at(target: &str, uri: &Uri) -> Option<Uri> {
    let path = uri.path_and_query().cloned().unwrap_or(PathAndQuery::from_static("/"));
    Uri::builder().scheme(Scheme::HTTP).authority(target).path_and_query(path).build().ok()
}

/// The port that the client asked for.
fn port_of(host: Option<&HeaderValue>) -> u16 {
    const HTTP: u16 = 80;
    host.and_then(|host| host.to_str().ok())
        .and_then(|host| host.parse::<Authority>().ok())
        .and_then(|authority| authority.port_u16())
        .unwrap_or(HTTP)
}

fn problem(status: StatusCode, code: &str, title: &str) -> Response {
    let body = json!({
        "type": format!("urn:fieldfuze:problem:{code}"),
        "title": title,
        "status": status.as_u16(),
        "code": code,
    });
    let content_type = [(CONTENT_TYPE, "application/problem+json")];
    (status, content_type, Json(body)).into_response()
}
