//! Where the value of a setting came from, for messages and for `--check-config`.

use std::fmt;
use std::sync::Arc;

/// Where a value came from, in rising precedence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The table's default.
    Default,
    /// A line of the configuration file.
    File {
        /// The file, as it was named.
        name: Arc<str>,
        /// The line, counted from 1.
        line: usize,
    },
    /// An environment variable.
    Environment(&'static str),
    /// A flag, as it was written.
    Flag(String),
    /// CONFIG SET, while the server runs.
    ConfigSet,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Default => f.write_str("default"),
            Source::File { name, line } => write!(f, "{name}:{line}"),
            Source::Environment(variable) => write!(f, "environment variable {variable}"),
            Source::Flag(flag) => write!(f, "flag {flag}"),
            Source::ConfigSet => f.write_str("CONFIG SET"),
        }
    }
}
