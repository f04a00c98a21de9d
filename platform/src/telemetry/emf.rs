//! Metrics as lines that CloudWatch reads out of a log: the Embedded Metric Format.
//!
//! ADR 0017 says why these and not OTLP.

use std::time::Duration;

use metrics::Recorder;
use metrique_metricsrs::{MetricRecorder, MetricReporter};
use metrique_writer::{Entry, EntryIoStreamExt, FormatExt};
use metrique_writer_format_emf::Emf;

/// CloudWatch keeps custom metrics by the minute.
const WRITE_EVERY: Duration = Duration::from_mins(1);

/// The one dimension that all metrics have, beside their own labels.
const SERVICE: &str = "service";

#[derive(Entry)]
struct Common {
    service: &'static str,
}

/// Writes the metrics of a process once a minute.
#[derive(Debug)]
pub(super) struct Reporter(MetricReporter);

impl Reporter {
    /// Writes what has not been written.
    pub(super) async fn close(self) {
        self.0.shutdown().await;
    }
}

/// What takes the metrics of a service down, and what writes them to standard output.
pub(super) fn reporter(service: &'static str, namespace: &str) -> (Reporter, MetricRecorder<dyn Recorder>) {
    let lines = Emf::all_validations(namespace.to_owned(), vec![vec![SERVICE.to_owned()]])
        .output_to_makewriter(std::io::stdout)
        .merge_globals(Common { service });
    let (reporter, recorder) = MetricReporter::builder()
        .metrics_publish_interval(WRITE_EVERY)
        .metrics_rs_version::<dyn Recorder>()
        .metrics_io_stream(lines)
        .build_without_installing();
    (Reporter(reporter), recorder)
}
