//! Sends spans to a collector: OTLP over HTTP, in batches, behind a bounded queue.

use std::{cell::Cell, sync::OnceLock, time::Duration};

use opentelemetry::trace::{SpanId, TraceId, TracerProvider};
use opentelemetry_aws::trace::XrayIdGenerator;
use opentelemetry_otlp::{ExporterBuildError, Protocol, SpanExporter, WithExportConfig};
use opentelemetry_sdk::{
    Resource,
    trace::{BatchConfigBuilder, BatchSpanProcessor, IdGenerator, Sampler, SdkTracer, SdkTracerProvider},
};

use super::sampling::{KeepFailures, Share};

/// Spans that wait to be sent; what is more is dropped. Each is about a kilobyte.
const MAX_WAITING: usize = 4_096;

/// Spans in one request.
const BATCH: usize = 512;

/// How long a span waits at most for others.
const SEND_EVERY: Duration = Duration::from_secs(1);

/// One request to the collector, which is on the same machine.
const SEND_WITHIN: Duration = Duration::from_secs(3);

static TRACER: OnceLock<SdkTracer> = OnceLock::new();

/// Makes spans, if they are sent anywhere.
pub(super) fn tracer() -> Option<&'static SdkTracer> {
    TRACER.get()
}

/// Sends a share of all trips to the collector at `url` from now on.
pub(super) fn install(service: &'static str, url: &str, share: f64) -> Result<SdkTracerProvider, ExporterBuildError> {
    let exporter = SpanExporter::builder()
        .with_http()
        .with_protocol(Protocol::HttpBinary)
        .with_endpoint(format!("{}/v1/traces", url.trim_end_matches('/')))
        .with_timeout(SEND_WITHIN)
        .build()?;
    let batches = BatchConfigBuilder::default()
        .with_max_queue_size(MAX_WAITING)
        .with_max_export_batch_size(BATCH)
        .with_scheduled_delay(SEND_EVERY)
        .build();
    let sending = BatchSpanProcessor::builder(exporter).with_batch_config(batches).build();
    let provider = SdkTracerProvider::builder()
        .with_span_processor(KeepFailures::new(sending))
        .with_sampler(Share(Sampler::TraceIdRatioBased(share)))
        .with_id_generator(Ids::default())
        .with_resource(Resource::builder_empty().with_service_name(service).build())
        .build();
    let _ = TRACER.set(provider.tracer("fieldfuze"));
    Ok(provider)
}

thread_local! {
    /// The id of the trip that the next span without a parent begins.
    static GIVEN: Cell<Option<TraceId>> = const { Cell::new(None) };
}

/// Does `work`; a span without a parent that it begins is of the trip `id`.
pub(super) fn of_trip<T>(id: Option<TraceId>, work: impl FnOnce() -> T) -> T {
    GIVEN.set(id);
    let done = work();
    GIVEN.set(None);
    done
}

/// X-Ray's ids, whose first half is a time, unless the load balancer has named the trip.
#[derive(Debug, Default)]
struct Ids(XrayIdGenerator);

impl IdGenerator for Ids {
    fn new_trace_id(&self) -> TraceId {
        GIVEN.take().unwrap_or_else(|| self.0.new_trace_id())
    }

    fn new_span_id(&self) -> SpanId {
        self.0.new_span_id()
    }
}
