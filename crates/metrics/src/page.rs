//! The page that Prometheus reads, in the OpenMetrics text format.

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;

/// The page's `Content-Type`.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Labels of a sample with their values. They must come out of a bounded set: names of what exists, or of what the code
/// knows.
pub type Labels = Vec<(&'static str, String)>;

/// A histogram as it is now.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Histogram {
    /// Upper bounds in seconds with how many fell below each and above the one before; the last is infinity.
    pub buckets: Vec<(f64, u64)>,
    /// Sum of all, in seconds.
    pub sum: f64,
}

/// Something that has counted. It is asked at every scrape, on a thread of the control host: it may take a lock, and must
/// not wait.
pub trait Source: Send + Sync + 'static {
    /// Says what it has.
    fn report(&self, report: &mut Report<'_>);
}

impl<F: Fn(&mut Report<'_>) + Send + Sync + 'static> Source for F {
    fn report(&self, report: &mut Report<'_>) {
        self(report);
    }
}

/// Takes what a [`Source`] has. Each family is given once, by one source, and gets `hearth_` before its name.
pub struct Report<'a> {
    encoder: DescriptorEncoder<'a>,
    result: fmt::Result,
}

impl Report<'_> {
    /// What only grows; `_total` follows its name.
    pub fn counters(&mut self, name: &str, help: &str, samples: impl IntoIterator<Item = (Labels, f64)>) {
        self.family(name, help, MetricType::Counter, samples, |value, metric| {
            metric.encode_counter::<NoLabelSet, f64, f64>(&value, None)
        });
    }

    /// What goes up and down.
    pub fn gauges(&mut self, name: &str, help: &str, samples: impl IntoIterator<Item = (Labels, f64)>) {
        self.family(name, help, MetricType::Gauge, samples, |value, metric| metric.encode_gauge(&value));
    }

    /// Durations, or other things that are spread.
    pub fn histograms(
        &mut self,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = (Labels, Histogram)>,
    ) {
        self.family(name, help, MetricType::Histogram, samples, |value, metric| {
            let count = value.buckets.iter().map(|(_, count)| count).sum();
            metric.encode_histogram::<NoLabelSet>(value.sum, count, &value.buckets, None)
        });
    }

    fn family<T>(
        &mut self,
        name: &str,
        help: &str,
        kind: MetricType,
        samples: impl IntoIterator<Item = (Labels, T)>,
        encode: impl Fn(T, &mut MetricEncoder<'_>) -> fmt::Result,
    ) {
        if self.result.is_ok() {
            self.result = (|| {
                let mut family = self.encoder.encode_descriptor(name, help, None, kind)?;
                for (labels, value) in samples {
                    if labels.is_empty() {
                        encode(value, &mut family)?;
                    } else {
                        encode(value, &mut family.encode_family(&labels)?)?;
                    }
                }
                Ok(())
            })();
        }
    }
}

struct Adapter(Arc<dyn Source>);

impl fmt::Debug for Adapter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Adapter")
    }
}

impl Collector for Adapter {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut report = Report { encoder, result: Ok(()) };
        self.0.report(&mut report);
        report.result
    }
}

/// The page.
pub struct Page(Registry);

impl Page {
    /// A page of what these have.
    pub fn new(sources: impl IntoIterator<Item = Arc<dyn Source>>) -> Self {
        let mut registry = Registry::with_prefix("hearth");
        for source in sources {
            registry.register_collector(Box::new(Adapter(source)));
        }
        Self(registry)
    }

    /// The page's text as of now.
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a string does not fail.
        let _ = text::encode(&mut text, &self.0);
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_what_prometheus_reads() {
        let source = |report: &mut Report<'_>| {
            let labels = || vec![("worker", "a\"b\\c\nd".to_owned())];
            report.counters("requests", "Requests", [(labels(), 3.0)]);
            report.gauges("spares", "Spares", [(Vec::new(), 2.0)]);
            let histogram = Histogram { buckets: vec![(0.5, 1), (f64::INFINITY, 2)], sum: 7.25 };
            report.histograms("seconds", "Durations", [(labels(), histogram)]);
        };
        let text = Page::new([Arc::new(source) as Arc<dyn Source>]).text();
        let worker = r#"worker="a\"b\\c\nd""#;
        for line in [
            "# HELP hearth_requests Requests",
            "# TYPE hearth_requests counter",
            &format!("hearth_requests_total{{{worker}}} 3.0"),
            "hearth_spares 2.0",
            &format!("hearth_seconds_bucket{{le=\"0.5\",{worker}}} 1"),
            &format!("hearth_seconds_bucket{{le=\"+Inf\",{worker}}} 3"),
            &format!("hearth_seconds_sum{{{worker}}} 7.25"),
            "# EOF",
        ] {
            assert!(text.lines().any(|known| known == line), "{line} in\n{text}");
        }
    }
}
