//! A collector of spans: takes OTLP over HTTP, as the CloudWatch agent does on an instance.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{Router, body::Bytes, extract::State, routing::post};
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    trace::v1::{Span, status::StatusCode},
};
use prost::Message;
use tokio::{net::TcpListener, time::Instant};

use super::{ASK_EVERY, SOON};

/// A running collector.
pub struct Collector {
    /// What `OTEL_EXPORTER_OTLP_ENDPOINT` has to be.
    pub url: String,
    spans: Arc<Mutex<Vec<Span>>>,
}

impl Collector {
    /// Starts one.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let spans = Arc::new(Mutex::new(Vec::new()));
        let routes = Router::new().route("/v1/traces", post(take)).with_state(Arc::clone(&spans));
        tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
        Self { url, spans }
    }

    /// The spans of a trip, once they are `complete`.
    #[track_caller]
    pub fn trip(&self, id: &str, complete: impl Fn(&[Span]) -> bool) -> impl Future<Output = Vec<Span>> {
        let place = std::panic::Location::caller();
        let (id, deadline) = (id.to_owned(), Instant::now() + SOON + Duration::from_secs(10));
        async move {
            loop {
                let all = self.spans.lock().unwrap().clone();
                let trip: Vec<Span> = all.into_iter().filter(|span| hex(&span.trace_id) == id).collect();
                if complete(&trip) {
                    return trip;
                }
                let names: Vec<&str> = trip.iter().map(|span| span.name.as_str()).collect();
                assert!(Instant::now() < deadline, "{place}: the trip never became complete: {names:?}");
                tokio::time::sleep(ASK_EVERY).await;
            }
        }
    }

    /// Everything that was received, as text.
    pub fn everything(&self) -> String {
        format!("{:?}", self.spans.lock().unwrap())
    }
}

async fn take(State(spans): State<Arc<Mutex<Vec<Span>>>>, body: Bytes) {
    let request = ExportTraceServiceRequest::decode(body).unwrap();
    let received = request.resource_spans.into_iter().flat_map(|of| of.scope_spans).flat_map(|scope| scope.spans);
    spans.lock().unwrap().extend(received);
}

/// An id as it is written.
pub fn hex(id: &[u8]) -> String {
    id.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Whether a span failed.
pub fn has_failed(span: &Span) -> bool {
    span.status.as_ref().is_some_and(|status| status.code == StatusCode::Error as i32)
}
