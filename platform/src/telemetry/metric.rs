//! The kinds of metrics, and where they go.

use std::{sync::OnceLock, time::Duration};

use metrics::{Key, KeyName, Label, Level, Metadata, Recorder, SharedString, Unit, with_recorder};
use metrics_exporter_prometheus::{BuildError, PrometheusBuilder, PrometheusHandle};
use metrics_util::layers::FanoutBuilder;

use super::{InstallError, emf, metrics::ALL};

/// What every metric is, whatever its kind.
#[derive(Debug)]
pub struct Described {
    /// As Prometheus and CloudWatch show it.
    pub name: &'static str,
    /// How it is counted.
    pub kind: Kind,
    /// In what.
    pub unit: Unit,
    /// What it is told apart by: few values each, because CloudWatch charges for every combination.
    pub labels: &'static [&'static str],
    /// What it tells.
    pub meaning: &'static str,
}

/// How a metric is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Grows.
    Counter,
    /// Is what it is now.
    Gauge,
    /// Is measured many times.
    Histogram,
}

impl Kind {
    /// As the documents name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// Counts.
#[derive(Debug)]
pub struct Counter(pub Described);

/// Holds the latest value.
#[derive(Debug)]
pub struct Gauge(pub Described);

/// Holds how values are distributed.
#[derive(Debug)]
pub struct Histogram(pub Described);

impl Counter {
    /// Adds to what is told apart by these values of the labels.
    pub fn add<const N: usize>(&self, by: u64, labels: [SharedString; N]) {
        with_recorder(|to| to.register_counter(&self.0.key(labels), &METADATA).increment(by));
    }
}

impl Gauge {
    /// Sets it for these values of the labels.
    pub fn set<const N: usize>(&self, value: f64, labels: [SharedString; N]) {
        with_recorder(|to| to.register_gauge(&self.0.key(labels), &METADATA).set(value));
    }
}

impl Histogram {
    /// Takes a duration down, in whole milliseconds or seconds as the unit is.
    pub fn record<const N: usize>(&self, took: Duration, labels: [SharedString; N]) {
        let value = if self.0.unit == Unit::Seconds { took.as_secs_f64() } else { took.as_secs_f64() * 1_000.0 };
        with_recorder(|to| to.register_histogram(&self.0.key(labels), &METADATA).record(value));
    }
}

impl Described {
    fn key<const N: usize>(&self, values: [SharedString; N]) -> Key {
        debug_assert_eq!(N, self.labels.len(), "{}", self.name);
        let labels: Vec<Label> =
            self.labels.iter().zip(values).map(|(label, value)| Label::new(*label, value)).collect();
        Key::from_parts(self.name, labels)
    }

    fn describe(&self, to: &impl Recorder) {
        let (name, unit, meaning) = (KeyName::from_const_str(self.name), Some(self.unit), self.meaning.into());
        match self.kind {
            Kind::Counter => to.describe_counter(name, unit, meaning),
            Kind::Gauge => to.describe_gauge(name, unit, meaning),
            Kind::Histogram => to.describe_histogram(name, unit, meaning),
        }
    }
}

const METADATA: Metadata<'static> = Metadata::new("fieldfuze", Level::INFO, None);

/// Where the steps of a distribution lie, in milliseconds or seconds: close enough to tell 200 from 250.
const STEPS: [f64; 16] =
    [1.0, 2.0, 5.0, 10.0, 20.0, 35.0, 50.0, 75.0, 100.0, 150.0, 250.0, 500.0, 1_000.0, 2_500.0, 5_000.0, 20_000.0];

/// How often distributions are folded into their steps, so that they do not wait for somebody who asks.
const FOLD_EVERY: Duration = Duration::from_secs(5);

static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();

/// By which the metrics are read, once they are installed.
pub(super) fn handle() -> Option<&'static PrometheusHandle> {
    HANDLE.get()
}

/// Counts in this process from now on.
pub(super) fn install(service: &'static str, emf: Option<&str>) -> Result<Option<emf::Reporter>, InstallError> {
    let twice = |_: BuildError| InstallError::Twice;
    let scraped = PrometheusBuilder::new().set_buckets(&STEPS).map_err(twice)?.build_recorder();
    let handle = scraped.handle();
    for metric in ALL {
        metric.describe(&scraped);
    }
    let reporter = if let Some(namespace) = emf {
        let (reporter, written) = emf::reporter(service, namespace);
        for metric in ALL {
            metric.describe(&written);
        }
        let both = FanoutBuilder::default().add_recorder(scraped).add_recorder(written).build();
        metrics::set_global_recorder(both).map_err(|_| InstallError::Twice)?;
        Some(reporter)
    } else {
        metrics::set_global_recorder(scraped).map_err(|_| InstallError::Twice)?;
        None
    };
    let folding = handle.clone();
    tokio::spawn(async move {
        let mut tick = tokio::time::interval(FOLD_EVERY);
        loop {
            tick.tick().await;
            folding.run_upkeep();
        }
    });
    let _ = HANDLE.set(handle);
    Ok(reporter)
}
