//! Prometheus's text format, version 0.0.4: writing it.

use std::fmt::Write;

use super::table::Metric;

/// What a metric is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grows, but for restarts and CONFIG RESETSTAT.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts values by size.
    Histogram,
}

impl Kind {
    /// Its name in the format.
    pub fn word(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// Writes the samples of one metric.
pub struct Samples<'t> {
    text: &'t mut String,
    name: &'static str,
    labels: &'static [&'static str],
}

impl<'t> Samples<'t> {
    /// Begins a metric.
    pub fn begin(text: &'t mut String, metric: &Metric) -> Self {
        let Metric {
            name, kind, labels, ..
        } = *metric;
        let help = metric.help.replace('\\', "\\\\").replace('\n', "\\n");
        // A string takes everything.
        let _ = write!(
            text,
            "# HELP {name} {help}\n# TYPE {name} {}\n",
            kind.word()
        );
        Self { text, name, labels }
    }

    /// The only sample of a metric without labels.
    pub fn value(&mut self, value: f64) {
        self.labelled(&[], value);
    }

    /// The sample that has these values of the metric's labels.
    pub fn labelled(&mut self, labels: &[&str], value: f64) {
        self.sample("", labels, None, value);
    }

    /// A histogram: upper limits in ascending order, each with the number of values that are not above it, without the
    /// last, which has all; how many those are, and their sum.
    pub fn histogram(
        &mut self,
        labels: &[&str],
        buckets: impl IntoIterator<Item = (f64, u64)>,
        count: u64,
        sum: f64,
    ) {
        for (limit, below) in buckets {
            let limit = limit.to_string();
            // What is counted meanwhile may be in one and not yet in the other.
            let below = below.min(count);
            self.sample("_bucket", labels, Some(&limit), below as f64);
        }
        self.sample("_bucket", labels, Some("+Inf"), count as f64);
        self.sample("_sum", labels, None, sum);
        self.sample("_count", labels, None, count as f64);
    }

    fn sample(&mut self, suffix: &str, labels: &[&str], limit: Option<&str>, value: f64) {
        debug_assert_eq!(labels.len(), self.labels.len(), "{}", self.name);
        self.text.push_str(self.name);
        self.text.push_str(suffix);
        let names = self.labels.iter().copied().chain(limit.map(|_| "le"));
        let values = labels.iter().copied().chain(limit);
        let mut open = '{';
        for (name, value) in names.zip(values) {
            let value = escaped(value);
            // A string takes everything.
            let _ = write!(self.text, "{open}{name}=\"{value}\"");
            open = ',';
        }
        if open == ',' {
            self.text.push('}');
        }
        let _ = writeln!(self.text, " {value}");
    }
}

/// A label's value as the format wants it.
fn escaped(value: &str) -> String {
    value
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::{Kind, Metric, Samples};

    const fn metric(kind: Kind, labels: &'static [&'static str]) -> Metric {
        Metric {
            name: "a",
            kind,
            labels,
            help: "x\ny\\",
            read: |_, _| {},
        }
    }

    #[test]
    fn samples_have_their_labels() {
        let mut text = String::new();
        let mut samples = Samples::begin(&mut text, &metric(Kind::Gauge, &["b", "c"]));
        samples.labelled(&["1", "\"\\\n"], 1.5);
        samples.labelled(&["2", ""], 3e10);
        assert_eq!(
            text,
            "# HELP a x\\ny\\\\\n# TYPE a gauge\n\
             a{b=\"1\",c=\"\\\"\\\\\\n\"} 1.5\na{b=\"2\",c=\"\"} 30000000000\n"
        );
    }

    #[test]
    fn histograms_end_with_everything() {
        let mut text = String::new();
        let mut samples = Samples::begin(&mut text, &metric(Kind::Histogram, &["b"]));
        samples.histogram(&["c"], [(0.5, 1), (1.0, 5)], 4, 2.5);
        assert_eq!(
            text.lines().skip(2).collect::<Vec<_>>(),
            [
                "a_bucket{b=\"c\",le=\"0.5\"} 1",
                "a_bucket{b=\"c\",le=\"1\"} 4",
                "a_bucket{b=\"c\",le=\"+Inf\"} 4",
                "a_sum{b=\"c\"} 2.5",
                "a_count{b=\"c\"} 4",
            ]
        );
    }
}
