//! The table, and its place in a document.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use crate::Measured;
use crate::load::{Configuration, Keys};

/// The lines between which a document has the table.
const BEGIN: &str = "<!-- keyspace_scale begins -->\n";
const END: &str = "<!-- keyspace_scale ends -->\n";

/// The table of all configurations.
pub fn table(measured: &[Measured]) -> String {
    let mut text =
        "| keys | writes | 1 thread, M/s | 2 threads, M/s | ratio | its range | at least |\n\
         |---|---|---|---|---|---|---|\n"
            .to_owned();
    for one in measured {
        let configuration = one.configuration;
        let ratios: Vec<f64> = one
            .together
            .iter()
            .zip(lone_pairs(&one.alone))
            .map(|(together, alone)| together / alone)
            .collect();
        let (ratio, least, most) = spread(&ratios);
        let keys = configuration.keys.text();
        let place = if configuration.is_apart {
            ", a keyspace each"
        } else {
            ""
        };
        let target = target(configuration).map_or_else(|| "-".to_owned(), |at| format!("{at}"));
        let _ = writeln!(
            text,
            "| {keys}{place} | {} % | {:.1} | {:.1} | {ratio:.2} | {least:.2} to {most:.2} | {target} |",
            configuration.writes_percent,
            spread(&one.alone).0 / 1e6,
            spread(&one.together).0 / 1e6,
        );
    }
    text
}

/// The lone thread of each round, as the mean of this round's core and that of the one beside it.
fn lone_pairs(alone: &[f64]) -> impl Iterator<Item = f64> {
    (0..alone.len()).map(|round| {
        let beside = round ^ 1;
        let other = alone.get(beside).copied().unwrap_or(alone[round]);
        f64::midpoint(alone[round], other)
    })
}

/// What two threads must reach, where something is promised.
fn target(configuration: Configuration) -> Option<f64> {
    match (configuration.keys, configuration.writes_percent) {
        _ if configuration.is_apart => None,
        (Keys::Uniform | Keys::Zipf | Keys::One, 0) => Some(1.9),
        (Keys::One, 5) => Some(1.3),
        (Keys::Uniform | Keys::Zipf | Keys::One, _) => None,
    }
}

/// The median, the smallest and the largest.
fn spread(numbers: &[f64]) -> (f64, f64, f64) {
    let mut sorted = numbers.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN);
    let end = |at: Option<&f64>| at.copied().unwrap_or(f64::NAN);
    (middle, end(sorted.first()), end(sorted.last()))
}

/// Puts the table into its place in the document.
pub fn write(file: &Path, table: &str) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("{}: {error}", file.display());
    let text = fs::read_to_string(file).map_err(failed)?;
    let place = text
        .split_once(BEGIN)
        .and_then(|(before, rest)| Some((before, rest.split_once(END)?.1)));
    let Some((before, after)) = place else {
        let lines = format!("{BEGIN}{END}");
        return Err(format!("{} has not the lines\n{lines}", file.display()));
    };
    let text = format!("{before}{BEGIN}{table}{END}{after}");
    fs::write(file, text).map_err(failed)
}
