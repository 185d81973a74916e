//! `/metrics`: everything that the server counts, in Prometheus's text format.
//!
//! A metric is declared once, as a row of `table`. The answer and docs/metrics.md derive from it. `read` has how the rows
//! that need more than a line read their numbers, `text` the format.

mod read;
mod table;
mod text;

pub use self::read::total_steps;
use self::table::GROUPS;
use self::text::Samples;
use super::numbers::Numbers;
use super::response::{METRICS, Response};
use super::routes::Asked;

/// All metrics, now.
pub fn metrics(asked: &Asked<'_>) -> Response {
    let numbers = Numbers::of(asked.process, asked.shared);
    let mut text = String::with_capacity(64 << 10);
    for metric in GROUPS.iter().flat_map(|(_, metrics)| *metrics) {
        let mut samples = Samples::begin(&mut text, metric);
        (metric.read)(&numbers, &mut samples);
    }
    Response::new(METRICS, text)
}

const INTRODUCTION: &str = "\
<!-- Generated from the table of metrics by `cargo xtask docs`. Do not edit. -->
# Metrics

What `http://127.0.0.1:8080/metrics` answers, in Prometheus's text format. How to collect, show and watch it is told in
[monitoring.md](monitoring.md).

Times are in seconds, sizes in bytes. Counters begin with the process, and `CONFIG RESETSTAT` sets most of them to zero;
`rate()` and `increase()` expect that. A command, an error or a prefix appears when it has been counted for the first time.
Prefixes that are configured appear by what their keys begin with, so that whoever can read the metrics knows these names;
no other part of a key and nothing of a client appears.
";

/// The page docs/metrics.md.
pub fn documentation() -> String {
    let mut text = INTRODUCTION.to_owned();
    for (title, metrics) in GROUPS {
        text += &format!(
            "\n## {title}\n\n| Metric | Type | Labels | What it tells |\n|---|---|---|---|\n"
        );
        for metric in *metrics {
            let labels: Vec<String> = metric.labels.iter().map(|it| format!("`{it}`")).collect();
            let (labels, kind) = (labels.join(", "), metric.kind.word());
            text += &format!(
                "| `{}` | {kind} | {labels} | {} |\n",
                metric.name, metric.help
            );
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::table::GROUPS;
    use super::text::Kind;

    #[test]
    fn names_follow_the_conventions() {
        let mut names = HashSet::new();
        let is_word = |text: &str| {
            let mut bytes = text.bytes();
            bytes.all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
        };
        for metric in GROUPS.iter().flat_map(|(_, metrics)| *metrics) {
            let name = metric.name;
            assert!(names.insert(name), "{name}");
            assert!(name.starts_with("redistill_") && is_word(name), "{name}");
            assert_eq!(
                name.ends_with("_total"),
                metric.kind == Kind::Counter,
                "{name}"
            );
            assert!(
                metric.help.ends_with('.') && !metric.help.contains('|'),
                "{name}"
            );
            for label in metric.labels {
                assert!(is_word(label) && *label != "le", "{name}: {label}");
            }
        }
    }
}
