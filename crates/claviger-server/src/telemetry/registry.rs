//! The registry of numbers, in the form that Prometheus reads.
//!
//! What it keeps true: labels come from closed sets, never from a caller; handles are made once and held, so that counting
//! costs some nanoseconds. Every server of a process has a registry of its own: nothing here is global.

use metrics::{Counter, Gauge, Histogram, Key, Label, Level, Metadata, Recorder as _};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusRecorder};

/// Bounds of histograms of durations, in seconds.
const SECONDS: [f64; 15] =
    [0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0];

/// Bounds of histograms of how many.
const COUNTS: [f64; 13] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0, 2048.0, 4096.0];

static METADATA: Metadata<'static> = Metadata::new("claviger", Level::INFO, None);

/// Labels of a number: names and values that the code knows.
pub(crate) type Labels<'a> = &'a [(&'static str, &'static str)];

/// All numbers of a server.
pub struct Registry(PrometheusRecorder);

impl std::fmt::Debug for Registry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Registry(..)")
    }
}

impl Default for Registry {
    fn default() -> Self {
        Self::new()
    }
}

impl Registry {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        let builder = PrometheusBuilder::new();
        // The one error is an empty list of bounds.
        let builder = builder
            .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)
            .and_then(|builder| {
                builder.set_buckets_for_metric(Matcher::Suffix("_entries".to_owned()), &COUNTS)
            })
            .unwrap_or_default();
        Self(builder.build_recorder())
    }

    /// The text that Prometheus reads.
    #[must_use]
    pub fn render(&self) -> String {
        self.0.handle().render()
    }

    /// Sorts what histograms collected since; to be called now and then, or they grow.
    pub fn tidy(&self) {
        self.0.handle().run_upkeep();
    }

    pub(crate) fn counter(&self, name: &'static str, labels: Labels<'_>) -> Counter {
        self.0.register_counter(&key(name, labels), &METADATA)
    }

    pub(crate) fn gauge(&self, name: &'static str, labels: Labels<'_>) -> Gauge {
        self.0.register_gauge(&key(name, labels), &METADATA)
    }

    pub(crate) fn histogram(&self, name: &'static str, labels: Labels<'_>) -> Histogram {
        self.0.register_histogram(&key(name, labels), &METADATA)
    }

    pub(crate) fn describe(&self, name: &'static str, text: &'static str) {
        // A description counts for whatever kind of number has that name.
        let text = || metrics::SharedString::const_str(text);
        match name {
            name if name.ends_with("_total") => self.0.describe_counter(name.into(), None, text()),
            name if name.ends_with("_seconds") || name.ends_with("_entries") => {
                self.0.describe_histogram(name.into(), None, text());
            }
            name => self.0.describe_gauge(name.into(), None, text()),
        }
    }
}

fn key(name: &'static str, labels: Labels<'_>) -> Key {
    let labels: Vec<Label> =
        labels.iter().map(|(name, value)| Label::from_static_parts(name, value)).collect();
    Key::from_parts(name, labels)
}

/// Numbers of Prometheus are floating: above 2^53 the last digits go.
#[expect(clippy::cast_precision_loss, reason = "that is what the format holds")]
pub(crate) const fn to_f64(value: u64) -> f64 {
    value as f64
}

pub(crate) fn count(things: usize) -> f64 {
    to_f64(u64::try_from(things).unwrap_or(u64::MAX))
}
