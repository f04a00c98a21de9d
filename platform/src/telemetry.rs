//! What a running service tells: logs, traces and metrics. Only a `main` installs them.
//!
//! Nothing here may slow the work down or grow when nobody listens: queues are bounded, and what does not fit is dropped
//! and counted.

mod calls;
mod emf;
mod lines;
pub mod metric;
pub mod metrics;
mod recent;
mod repeats;
mod sampling;
mod traces;
pub mod trip;

use std::time::Duration;

use metrics_exporter_prometheus::PrometheusHandle;
use opentelemetry_otlp::ExporterBuildError;
use opentelemetry_sdk::trace::SdkTracerProvider;

pub(crate) use self::calls::Calls;
pub use self::recent::{Trouble, recent};

/// How long the last spans and figures of a process may take to leave it.
const LEAVE_WITHIN: Duration = Duration::from_secs(2);

/// What is told to whom.
#[derive(Debug, Clone, clap::Args)]
#[group(skip)]
pub struct Config {
    /// Where spans are sent (OTLP over HTTP); nowhere when absent. On an instance that is the CloudWatch agent.
    #[arg(long, env = "OTEL_EXPORTER_OTLP_ENDPOINT")]
    pub otlp_url: Option<String>,
    /// The share of all trips whose spans are sent, 0 to 1. Those in which something failed are sent anyway.
    #[arg(long, env = "OTEL_TRACES_SAMPLER_ARG", default_value_t = DEFAULT_SHARE, value_parser = share)]
    pub trace_share: f64,
    /// Writes the metrics to standard output once a minute, as CloudWatch reads them out of logs (EMF), under this
    /// namespace.
    #[arg(long, env = "FIELDFUZE_EMF_NAMESPACE")]
    pub emf_namespace: Option<String>,
}

/// One trip in twenty: what X-Ray's own default rule samples.
const DEFAULT_SHARE: f64 = 0.05;

impl Default for Config {
    /// Nothing leaves the process.
    fn default() -> Self {
        Self { otlp_url: None, trace_share: DEFAULT_SHARE, emf_namespace: None }
    }
}

fn share(text: &str) -> Result<f64, String> {
    let share: f64 = text.parse().map_err(|_| "a number".to_owned())?;
    if (0.0..=1.0).contains(&share) { Ok(share) } else { Err("a number from 0 to 1".to_owned()) }
}

/// Telemetry cannot be installed.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// It was installed before.
    #[error("logs or metrics were installed before")]
    Twice,
    /// The client for spans cannot be built.
    #[error("spans cannot be sent")]
    Exporter(#[from] ExporterBuildError),
}

/// What was installed. To be [`Self::close`]d at the end, so that nothing is lost.
#[derive(Debug)]
#[must_use]
pub struct Telemetry {
    spans: Option<SdkTracerProvider>,
    figures: Option<emf::Reporter>,
}

/// Writes logs as JSON lines to standard error, so that standard output stays a program's own; sends spans and counts as
/// the configuration says. Inside an async runtime.
///
/// # Errors
/// [`InstallError`].
pub fn install(service: &'static str, config: &Config) -> Result<Telemetry, InstallError> {
    lines::install()?;
    let figures = metric::install(service, config.emf_namespace.as_deref())?;
    let spans = match &config.otlp_url {
        Some(url) => Some(traces::install(service, url, config.trace_share)?),
        None => None,
    };
    tokio::spawn(repeats::tell());
    Ok(Telemetry { spans, figures })
}

/// All metrics in Prometheus's text format; empty when none were installed.
pub fn exposition() -> String {
    metric::handle().map(PrometheusHandle::render).unwrap_or_default()
}

impl Telemetry {
    /// Lets what is left go out, within two seconds.
    pub async fn close(self) {
        let Self { spans, figures } = self;
        if let Some(figures) = figures
            && tokio::time::timeout(LEAVE_WITHIN, figures.close()).await.is_err()
        {
            tracing::warn!("the last figures were not written");
        }
        if let Some(spans) = spans {
            let closing = tokio::task::spawn_blocking(move || spans.shutdown_with_timeout(LEAVE_WITHIN));
            if !matches!(closing.await, Ok(Ok(()))) {
                tracing::warn!("the last spans were not sent");
            }
        }
    }
}
