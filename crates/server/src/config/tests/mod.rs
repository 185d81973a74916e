//! Tests of the configuration as a whole, by what they go through: the table itself, the start, and
//! the running server's CONFIG commands.

mod importing;
mod memory;
mod prefixes;
mod reload;
mod running;
mod starting;
mod table;
mod users;

use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use super::{Config, Errors, Inputs, Start, start};

/// A directory that is removed when it is dropped.
struct Directory(PathBuf);

impl Directory {
    fn new() -> Directory {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("redistill-config-{}-{count}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).expect("a new directory");
        Directory(path)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        // What is left in the directory for temporary files does no harm.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Starts with a redistill.toml of this text, these environment variables and these arguments.
fn start_with(
    file: Option<&str>,
    environment: &[(&str, &str)],
    arguments: &[&str],
) -> Result<Start, Errors> {
    let directory = Directory::new();
    if let Some(text) = file {
        fs::write(directory.0.join("redistill.toml"), text).expect("the file is written");
    }
    start_in(&directory, environment, arguments)
}

fn start_in(
    directory: &Directory,
    environment: &[(&str, &str)],
    arguments: &[&str],
) -> Result<Start, Errors> {
    let variable = |name: &str| {
        let found = environment.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| OsString::from(value))
    };
    start(Inputs {
        arguments: arguments.iter().map(OsString::from).collect(),
        environment: &variable,
        directory: directory.0.clone(),
        available_memory_bytes: 1000 << 20,
    })
}

fn served(start: Result<Start, Errors>) -> (Config, Vec<String>) {
    match start.expect("a valid configuration") {
        Start::Serve { config, notes } => (*config, notes),
        Start::Print(text) => panic!("expected to serve, got text: {text}"),
        Start::CheckHealth(_) => panic!("expected to serve"),
    }
}

fn printed(start: Result<Start, Errors>) -> String {
    match start.expect("a valid configuration") {
        Start::Print(text) => text,
        Start::Serve { .. } | Start::CheckHealth(_) => panic!("expected text"),
    }
}

fn refused(start: Result<Start, Errors>) -> Vec<String> {
    start.expect_err("an invalid configuration").0
}
