//! The settings while they are put together: defaults first, then what each source says, the later
//! source over the earlier one. Faults are collected, so that a start shows all of them at once.

use std::fmt;

use super::prefixes::PrefixSettings;
use super::source::Source;
use super::table::ROWS;
use super::users::UserSettings;
use super::value::{Fault, Kind, Value};

/// Everything that is wrong with the configuration, one line each.
#[derive(Debug, PartialEq, Eq)]
pub struct Errors(pub Vec<String>);

impl fmt::Display for Errors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("\n"))
    }
}

impl std::error::Error for Errors {}

/// The value of each row so far and where it came from.
pub struct Layers {
    /// In the order of the rows.
    pub values: Vec<Value>,
    /// In the order of the rows.
    pub sources: Vec<Source>,
    /// The prefixes of keys, as the file says.
    pub prefixes: Vec<PrefixSettings>,
    /// The users, as the file says.
    pub users: Vec<UserSettings>,
    /// What is wrong so far.
    pub errors: Vec<String>,
    /// What the log should say once it is open.
    pub notes: Vec<String>,
}

impl Layers {
    /// The defaults.
    pub fn new() -> Layers {
        Layers {
            values: ROWS.iter().map(|row| row.default_value()).collect(),
            sources: vec![Source::Default; ROWS.len()],
            prefixes: Vec::new(),
            users: Vec::new(),
            errors: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// Sets the row at `index` from text, as the environment and flags give it.
    pub fn set_text(&mut self, index: usize, text: &str, source: Source) {
        let value = ROWS[index].kind.parse(text);
        self.set(index, value, Some(text), source);
    }

    /// Sets the row at `index` to a value that was read, or notes why it could not be. `text` is the
    /// value as it was written, where the message should repeat it.
    pub fn set(
        &mut self,
        index: usize,
        value: Result<Value, Fault>,
        text: Option<&str>,
        source: Source,
    ) {
        let row = &ROWS[index];
        match value {
            Err(fault) => {
                let given = match (text, row.kind) {
                    (None, _) | (_, Kind::Secret) => String::new(),
                    (Some(text), _) => format!(": '{text}'"),
                };
                let path = row.path;
                self.errors.push(format!("{source}: {path} {fault}{given}"));
            }
            Ok(value) => {
                self.values[index] = value.over(&self.values[index]);
                self.sources[index] = source;
            }
        }
    }

    /// Notes a fault that belongs to no single value.
    pub fn fault(&mut self, source: &Source, text: &str) {
        self.errors.push(format!("{source}: {text}"));
    }
}
