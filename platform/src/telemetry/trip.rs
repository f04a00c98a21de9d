//! The spans of a trip: from a request through the log, the projector and the queues to a text message and its receipt.
//!
//! A [`Hop`] is one step. Within a process hops nest by the context at hand; from one process to the next the trip goes on
//! by its W3C `traceparent`, which rides in the commits of the log and in the attributes of messages.

use std::{borrow::Cow, collections::HashMap};

use axum::http::HeaderMap;
pub use opentelemetry::trace::SpanKind;
use opentelemetry::{
    Context, KeyValue, Value,
    context::FutureExt,
    propagation::TextMapPropagator,
    trace::{SpanBuilder, SpanContext, Status, TraceContextExt, TraceId, Tracer},
};
use opentelemetry_aws::trace::xray_propagator::span_context_from_str;
use opentelemetry_sdk::propagation::TraceContextPropagator;

use super::traces;

/// By which a trip goes on (W3C Trace Context §3.2).
pub const TRACEPARENT: &str = "traceparent";

/// By which AWS's load balancers name a request.
const AMZN_TRACE_ID: &str = "x-amzn-trace-id";

/// One step of a trip. It ends when all its clones are gone.
#[derive(Debug, Clone, Default)]
pub struct Hop(Option<Context>);

/// A hop that has not begun.
#[derive(Debug)]
#[must_use]
pub struct Start(Option<Beginning>);

#[derive(Debug)]
struct Beginning {
    span: SpanBuilder,
    parent: Context,
    trip: Option<TraceId>,
}

/// Where a request comes from, as its headers tell.
#[derive(Debug, Clone, Default)]
pub struct Origin {
    parent: Option<SpanContext>,
    trip: Option<TraceId>,
}

impl Origin {
    /// A well-formed `traceparent`, else the load balancer's header.
    pub fn of(headers: &HeaderMap) -> Self {
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        if let Some(parent) = text(TRACEPARENT).and_then(span_context) {
            return Self { trip: Some(parent.trace_id()), parent: Some(parent) };
        }
        let named = text(AMZN_TRACE_ID).and_then(span_context_from_str);
        Self { trip: named.as_ref().map(SpanContext::trace_id), parent: named.filter(SpanContext::is_valid) }
    }

    /// The parent in W3C's form, if there is one.
    pub fn traceparent(&self) -> Option<String> {
        self.parent.as_ref().map(traceparent)
    }

    /// The trip's id in hexadecimal, if it was named.
    pub fn trip(&self) -> Option<String> {
        self.trip.map(|id| id.to_string())
    }
}

impl Start {
    /// A hop within the one at hand.
    pub fn new(kind: SpanKind, name: impl Into<Cow<'static, str>>) -> Self {
        Self(traces::tracer().map(|_| Beginning {
            span: SpanBuilder::from_name(name).with_kind(kind),
            parent: Context::current(),
            trip: None,
        }))
    }

    /// It answers a request from there.
    pub fn from(mut self, origin: &Origin) -> Self {
        if let Some(beginning) = &mut self.0 {
            beginning.parent = Context::new();
            beginning.trip = origin.trip;
            if let Some(parent) = &origin.parent {
                beginning.parent = Context::new().with_remote_span_context(parent.clone());
            }
        }
        self
    }

    /// It goes on with the trip that `traceparent` names, later than what began it there; linked with the hop at hand.
    /// Without a readable one it stays where it is.
    pub fn after(mut self, traceparent: Option<&str>) -> Self {
        if let Some(beginning) = &mut self.0
            && let Some(cause) = traceparent.and_then(span_context)
        {
            let here = beginning.parent.span().span_context().clone();
            if here.is_valid() && here.trace_id() != cause.trace_id() {
                link(&mut beginning.span, here);
            }
            beginning.parent = Context::new().with_remote_span_context(cause);
        }
        self
    }

    /// It has to do with the hop that `traceparent` names.
    pub fn linked(mut self, traceparent: Option<&str>) -> Self {
        if let Some(beginning) = &mut self.0
            && let Some(other) = traceparent.and_then(span_context)
        {
            link(&mut beginning.span, other);
        }
        self
    }

    /// What is known of it. Never what somebody entered.
    pub fn with(mut self, key: &'static str, value: impl Into<Value>) -> Self {
        if let Some(beginning) = &mut self.0 {
            beginning.span.attributes.get_or_insert_default().push(KeyValue::new(key, value));
        }
        self
    }

    /// Begins it.
    pub fn begin(self) -> Hop {
        let begun = self.0.zip(traces::tracer()).map(|(Beginning { span, parent, trip }, tracer)| {
            let span = traces::of_trip(trip, || tracer.build_with_context(span, &parent));
            parent.with_span(span)
        });
        Hop(begun)
    }
}

impl Hop {
    /// The one at hand.
    pub fn current() -> Self {
        Self(traces::tracer().map(|_| Context::current()).filter(TraceContextExt::has_active_span))
    }

    /// Whether anything becomes of what is noted: else it need not be put together.
    pub fn is_noted(&self) -> bool {
        self.0.is_some()
    }

    /// By which the trip goes on elsewhere; nothing when no spans are made.
    pub fn traceparent(&self) -> Option<String> {
        self.0.as_ref().map(|context| traceparent(context.span().span_context()))
    }

    /// The trip's id in hexadecimal.
    pub fn trip(&self) -> Option<String> {
        self.0.as_ref().map(|context| context.span().span_context().trace_id().to_string())
    }

    /// Takes down what became known of it.
    pub fn note(&self, key: &'static str, value: impl Into<Value>) {
        if let Some(context) = &self.0 {
            context.span().set_attribute(KeyValue::new(key, value));
        }
    }

    /// It failed; `why` is a word of ours.
    pub fn failed(&self, why: &'static str) {
        if let Some(context) = &self.0 {
            context.span().set_status(Status::error(why));
        }
    }

    /// Does the work as this hop's.
    pub async fn carry<F: Future>(self, work: F) -> F::Output {
        match self.0 {
            Some(context) => work.with_context(context).await,
            None => work.await,
        }
    }
}

fn link(span: &mut SpanBuilder, to: SpanContext) {
    span.links.get_or_insert_default().push(opentelemetry::trace::Link::with_context(to));
}

fn span_context(text: &str) -> Option<SpanContext> {
    let carrier = HashMap::from([(TRACEPARENT.to_owned(), text.to_owned())]);
    let context = TraceContextPropagator::new().extract_with_context(&Context::new(), &carrier);
    let found = context.span().span_context().clone();
    found.is_valid().then_some(found)
}

fn traceparent(of: &SpanContext) -> String {
    format!("00-{}-{}-{:02x}", of.trace_id(), of.span_id(), of.trace_flags())
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    const ONE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn origin(headers: &[(&'static str, &'static str)]) -> Origin {
        Origin::of(
            &headers.iter().map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value))).collect(),
        )
    }

    #[test]
    fn only_a_well_formed_traceparent_is_kept() {
        assert_eq!(origin(&[(TRACEPARENT, ONE)]).traceparent().as_deref(), Some(ONE));
        for text in [
            "",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
        ] {
            let origin = origin(&[(TRACEPARENT, text)]);
            assert_eq!((origin.traceparent(), origin.trip()), (None, None), "{text}");
        }
    }

    #[test]
    fn the_load_balancer_names_a_trip_with_or_without_a_parent() {
        let root = origin(&[(AMZN_TRACE_ID, "Root=1-67891233-abcdef012345678912345678")]);
        assert_eq!(root.trip().as_deref(), Some("67891233abcdef012345678912345678"));
        assert_eq!(root.traceparent(), None);
        let child = origin(&[(
            AMZN_TRACE_ID,
            "Self=1-67891234-12456789abcdef012345678;Root=1-67891233-abcdef012345678912345678;Parent=463ac35c9f6413ad;Sampled=1",
        )]);
        assert_eq!(child.traceparent().as_deref(), Some("00-67891233abcdef012345678912345678-463ac35c9f6413ad-01"));
        let both = origin(&[(TRACEPARENT, ONE), (AMZN_TRACE_ID, "Root=1-67891233-abcdef012345678912345678")]);
        assert_eq!(both.traceparent().as_deref(), Some(ONE), "who called knows more");
        assert_eq!(origin(&[(AMZN_TRACE_ID, "Root=1-6789;x")]).trip(), None);
    }

    #[test]
    fn without_a_collector_there_are_no_spans() {
        let hop = Start::new(SpanKind::Server, "GET /").from(&origin(&[(TRACEPARENT, ONE)])).begin();
        assert_eq!((hop.traceparent(), hop.trip()), (None, None));
    }
}
