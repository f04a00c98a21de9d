//! Which spans are sent: those of a share of all trips, and those of every trip on which something failed.
//!
//! Every service decides by the trip's id alone, so that all of them keep the same trips and nobody outside decides for
//! us. What is not of the share is kept until its part of the trip in this process has ended, and sent if anything in it
//! failed.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use opentelemetry::{
    Context, KeyValue,
    trace::{Link, SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId},
};
use opentelemetry_sdk::{
    Resource,
    error::OTelSdkResult,
    trace::{Sampler, SamplingDecision, SamplingResult, ShouldSample, Span, SpanData, SpanProcessor},
};

/// Trips of which spans are kept at once: more than are under way in one process.
const MAX_TRIPS: usize = 1_024;

/// Spans of one trip that are kept: a request makes a dozen.
const MAX_SPANS: usize = 64;

/// Records everything, and marks what is of the share.
#[derive(Debug, Clone)]
pub(super) struct Share(pub(super) Sampler);

impl ShouldSample for Share {
    fn should_sample(
        &self,
        parent: Option<&Context>,
        trip: TraceId,
        name: &str,
        kind: &SpanKind,
        attributes: &[KeyValue],
        links: &[Link],
    ) -> SamplingResult {
        let mut result = self.0.should_sample(parent, trip, name, kind, attributes, links);
        if result.decision == SamplingDecision::Drop {
            result.decision = SamplingDecision::RecordOnly;
        }
        result
    }
}

/// Hands on what is to be sent.
#[derive(Debug)]
pub(super) struct KeepFailures<P> {
    next: P,
    kept: Mutex<HashMap<TraceId, Vec<SpanData>>>,
}

impl<P> KeepFailures<P> {
    pub(super) fn new(next: P) -> Self {
        Self { next, kept: Mutex::default() }
    }

    /// The spans of a trip, when this is the last one of its part here.
    fn keep(&self, span: SpanData) -> Vec<SpanData> {
        let trip = span.span_context.trace_id();
        let is_last = span.parent_span_id == SpanId::INVALID || span.parent_span_is_remote;
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if is_last {
            let mut spans = kept.remove(&trip).unwrap_or_default();
            spans.push(span);
            return spans;
        }
        if kept.len() < MAX_TRIPS || kept.contains_key(&trip) {
            let spans = kept.entry(trip).or_default();
            if spans.len() < MAX_SPANS {
                spans.push(span);
            }
        }
        Vec::new()
    }
}

impl<P: SpanProcessor> SpanProcessor for KeepFailures<P> {
    fn on_start(&self, span: &mut Span, context: &Context) {
        self.next.on_start(span, context);
    }

    fn on_end(&self, span: SpanData) {
        if span.span_context.is_sampled() {
            return self.next.on_end(span);
        }
        let spans = self.keep(span);
        if spans.iter().any(|span| matches!(span.status, Status::Error { .. })) {
            for mut span in spans {
                span.span_context = sampled(&span.span_context);
                self.next.on_end(span);
            }
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.next.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.next.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.next.set_resource(resource);
    }
}

fn sampled(context: &SpanContext) -> SpanContext {
    let flags = context.trace_flags() | TraceFlags::SAMPLED;
    SpanContext::new(context.trace_id(), context.span_id(), flags, context.is_remote(), context.trace_state().clone())
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::SystemTime};

    use opentelemetry::{InstrumentationScope, trace::TraceContextExt};
    use opentelemetry_sdk::trace::{SpanEvents, SpanLinks};

    use super::*;

    #[derive(Debug, Clone, Default)]
    struct Sent(Arc<Mutex<Vec<SpanData>>>);

    impl Sent {
        fn names(&self) -> Vec<String> {
            self.0.lock().unwrap().iter().map(|span| span.name.to_string()).collect()
        }
    }

    impl SpanProcessor for Sent {
        fn on_start(&self, _: &mut Span, _: &Context) {}

        fn on_end(&self, span: SpanData) {
            assert!(span.span_context.is_sampled(), "whoever sends looks at this");
            self.0.lock().unwrap().push(span);
        }

        fn force_flush(&self) -> OTelSdkResult {
            Ok(())
        }

        fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
            Ok(())
        }
    }

    /// A span of a trip; the first of a trip has no parent.
    fn span(trip: u128, name: &'static str, is_child: bool, status: Status) -> SpanData {
        let context = SpanContext::new(
            TraceId::from_bytes(trip.to_be_bytes()),
            SpanId::from_bytes([1; 8]),
            TraceFlags::NOT_SAMPLED,
            false,
            opentelemetry::trace::TraceState::NONE,
        );
        SpanData {
            span_context: context,
            parent_span_id: if is_child { SpanId::from_bytes([2; 8]) } else { SpanId::INVALID },
            parent_span_is_remote: false,
            span_kind: SpanKind::Internal,
            name: name.into(),
            start_time: SystemTime::UNIX_EPOCH,
            end_time: SystemTime::UNIX_EPOCH,
            attributes: Vec::new(),
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            status,
            instrumentation_scope: InstrumentationScope::default(),
        }
    }

    #[test]
    fn a_trip_in_which_something_failed_is_sent_whole_and_no_other() {
        let sent = Sent::default();
        let keep = KeepFailures::new(sent.clone());
        keep.on_end(span(1, "a well one's call", true, Status::Unset));
        keep.on_end(span(2, "a failed call", true, Status::error("it failed")));
        keep.on_end(span(2, "a call beside it", true, Status::Unset));
        assert!(sent.names().is_empty(), "nothing is known yet");
        keep.on_end(span(1, "a well one", false, Status::Ok));
        keep.on_end(span(2, "the request", false, Status::Unset));
        assert_eq!(sent.names(), ["a failed call", "a call beside it", "the request"]);
        assert!(keep.kept.lock().unwrap().is_empty());
    }

    #[test]
    fn what_never_ends_is_kept_up_to_a_bound() {
        let keep = KeepFailures::new(Sent::default());
        for trip in 1..=2 * MAX_TRIPS as u128 {
            keep.on_end(span(trip, "a call", true, Status::Unset));
        }
        for _ in 0..2 * MAX_SPANS {
            keep.on_end(span(1, "a call", true, Status::Unset));
        }
        let kept = keep.kept.lock().unwrap();
        assert_eq!((kept.len(), kept[&TraceId::from_bytes(1_u128.to_be_bytes())].len()), (MAX_TRIPS, MAX_SPANS));
    }

    #[test]
    fn the_share_is_decided_by_the_trip_alone() {
        let share = Share(Sampler::TraceIdRatioBased(0.5));
        let decide = |trip: u128, parent: Option<&Context>| {
            let id = TraceId::from_bytes(trip.to_be_bytes());
            share.should_sample(parent, id, "", &SpanKind::Server, &[], &[]).decision
        };
        let wanting = Context::new().with_remote_span_context(sampled(&span(1, "", false, Status::Unset).span_context));
        let (low, high) = (1, u128::from(u64::MAX));
        assert_eq!(decide(low, None), SamplingDecision::RecordAndSample);
        assert_eq!(decide(high, Some(&wanting)), SamplingDecision::RecordOnly, "nobody outside decides");
    }
}
