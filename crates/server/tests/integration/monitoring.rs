//! The dashboard for Grafana and the alerts for Prometheus name metrics that exist, and docs/monitoring.md as well.

use std::collections::BTreeSet;

const METRICS: &str = include_str!("../../../../docs/metrics.md");
const FILES: [(&str, &str); 3] = [
    (
        "deploy/grafana/redistill.json",
        include_str!("../../../../deploy/grafana/redistill.json"),
    ),
    (
        "deploy/prometheus/alerts.yml",
        include_str!("../../../../deploy/prometheus/alerts.yml"),
    ),
    (
        "docs/monitoring.md",
        include_str!("../../../../docs/monitoring.md"),
    ),
];

/// The names of metrics in a text.
fn names(text: &str) -> BTreeSet<&str> {
    let is_part = |character: char| character.is_ascii_alphanumeric() || character == '_';
    let words = text.split(|character| !is_part(character));
    words
        .filter(|word| word.starts_with("redistill_"))
        .collect()
}

/// The names of samples: those of histograms have suffixes.
fn samples() -> BTreeSet<String> {
    let rows = METRICS
        .lines()
        .filter(|line| line.starts_with("| `redistill_"));
    let mut samples = BTreeSet::new();
    for row in rows {
        let mut cells = row.trim_start_matches("| ").split(" | ");
        let name = cells.next().expect("a name").trim_matches('`');
        if cells.next() == Some("histogram") {
            let suffixes = ["_bucket", "_sum", "_count"];
            samples.extend(suffixes.map(|suffix| format!("{name}{suffix}")));
        } else {
            samples.insert(name.to_owned());
        }
    }
    samples
}

#[test]
fn every_metric_that_is_named_exists() {
    let samples = samples();
    assert!(samples.len() > 40, "{samples:?}");
    for (file, text) in FILES {
        let names = names(text);
        assert!(!names.is_empty(), "{file}");
        for name in names {
            // Texts may name a histogram as a whole.
            let is_whole = samples.contains(&format!("{name}_count"));
            assert!(is_whole || samples.contains(name), "{file}: {name}");
        }
    }
}
