//! What `--json` prints: one object a line, as soon as it is known.

use std::io::{self, Write};

use serde::Serialize;

/// How results are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Tables for people.
    Table,
    /// Records for programs.
    Json,
}

/// A policy on a trace with one size.
#[derive(Clone, Debug, Serialize)]
pub struct SimulatedRecord<'a> {
    /// The trace's name.
    pub trace: &'a str,
    /// How many requests it has.
    pub requests: usize,
    /// How many different keys.
    pub keys: usize,
    /// The policy's name.
    pub policy: &'a str,
    /// The cache's size, as it was asked for.
    pub size: String,
    /// The same in entries.
    pub entries: usize,
    /// The share of the requests that missed.
    pub miss_ratio: f64,
}

/// A live server on a trace.
#[derive(Clone, Debug, Serialize)]
pub struct LiveRecord<'a> {
    /// The trace's name.
    pub trace: &'a str,
    /// The server's name.
    pub server: &'a str,
    /// Its memory limit.
    pub limit_bytes: u64,
    /// The part of the limit that is above what it used when it was empty.
    pub data_bytes: u64,
    /// How many keys it had at the end.
    pub keys_held: u64,
    /// Keys that were asked for.
    pub requests: u64,
    /// Those that were not there.
    pub misses: u64,
    /// Replies that were errors.
    pub errors: u64,
    /// How long the replay took.
    pub seconds: f64,
}

/// Writes one line.
///
/// # Errors
/// When that fails.
pub fn write_line(record: &impl Serialize, output: &mut dyn Write) -> io::Result<()> {
    let line = serde_json::to_string(record).map_err(io::Error::from)?;
    writeln!(output, "{line}")?;
    output.flush()
}
