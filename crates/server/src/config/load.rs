//! Puts the configuration together at the start: defaults, file, environment, flags.

use std::ffi::OsString;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::arguments::{self, Arguments};
use super::layers::{Errors, Layers};
use super::portion::Portion;
use super::source::Source;
use super::store::Config;
use super::table::Settings;
use super::{environment, file, help, import, prefixes, users};
use crate::available_memory::AvailableMemory;
use crate::tls;

/// The file that is read when no flag names one.
const DEFAULT_FILE: &str = "redistill.toml";

/// What the configuration is made from.
pub struct Inputs<'a> {
    /// The command line, without the program's name.
    pub arguments: Vec<OsString>,
    /// Looks up an environment variable.
    pub environment: &'a dyn Fn(&str) -> Option<OsString>,
    /// The working directory.
    pub directory: PathBuf,
    /// The memory that this process may use, in bytes; 0 when that is not known.
    pub available_memory_bytes: u64,
}

/// What the command line asks the program to do.
#[derive(Debug)]
pub enum Start {
    /// To serve.
    Serve {
        /// With these settings.
        config: Box<Config>,
        /// What the log should say about them once it is open.
        notes: Vec<String>,
    },
    /// To ask the server that has these settings whether it is ready, and end.
    CheckHealth(Box<Settings>),
    /// To print this text and end.
    Print(String),
}

/// Reads the configuration of this process.
pub fn from_process() -> Result<Start, Errors> {
    let directory = std::env::current_dir()
        .map_err(|error| Errors(vec![format!("cannot find the working directory: {error}")]))?;
    start(Inputs {
        arguments: std::env::args_os().skip(1).collect(),
        environment: &|name| std::env::var_os(name),
        directory,
        available_memory_bytes: AvailableMemory::find().bytes(),
    })
}

/// Reads the configuration from `inputs`.
pub fn start(inputs: Inputs<'_>) -> Result<Start, Errors> {
    let arguments = arguments::parse(inputs.arguments)?;
    if arguments.help {
        return Ok(Start::Print(help::help()));
    }
    if arguments.version {
        return Ok(Start::Print(help::version()));
    }
    if let Some(name) = &arguments.import {
        let text = import::import(&inputs.directory.join(name));
        return text.map(Start::Print).map_err(|error| Errors(vec![error]));
    }
    let mut layers = Layers::new();
    let path = read_file(&mut layers, &arguments, &inputs.directory);
    let file_values = layers.values.clone();
    environment::read(&mut layers, inputs.environment);
    arguments.read(&mut layers);
    prefixes::check(&mut layers);
    users::check(&mut layers);
    check_together(&mut layers, inputs.available_memory_bytes);
    if !layers.errors.is_empty() {
        return Err(Errors(layers.errors));
    }
    if arguments.check_health {
        let settings = Settings::from_values(&layers.values, inputs.available_memory_bytes);
        return Ok(Start::CheckHealth(Box::new(settings)));
    }
    if arguments.check_config {
        return Ok(Start::Print(help::effective(&layers, path.as_deref())));
    }
    Ok(Start::Serve {
        config: Box::new(
            Config::new(
                layers.values,
                layers.sources,
                path,
                inputs.available_memory_bytes,
            )
            .with_file_values(file_values)
            .with_prefixes(layers.prefixes)
            .with_users(layers.users),
        ),
        notes: layers.notes,
    })
}

/// Reads the file that there is, and answers its absolute path.
fn read_file(layers: &mut Layers, arguments: &Arguments, directory: &Path) -> Option<PathBuf> {
    let name = arguments.config.as_deref().unwrap_or(DEFAULT_FILE);
    let path = directory.join(name);
    match fs::read(&path) {
        Ok(bytes) => file::read(layers, name, &bytes),
        Err(error) if error.kind() == ErrorKind::NotFound && arguments.config.is_none() => {
            return None;
        }
        Err(error) => layers.errors.push(format!("cannot read {name}: {error}")),
    }
    Some(path)
}

/// Checks what no setting shows alone.
pub(super) fn check_together(layers: &mut Layers, available_memory_bytes: u64) {
    if !layers.errors.is_empty() {
        return;
    }
    let settings = Settings::from_values(&layers.values, available_memory_bytes);
    if tls::ports(&settings).is_empty() && settings.server.unix_socket.is_none() {
        layers.errors.push(
            "server.port is 0 and server.unix_socket is empty: nothing to listen on".to_owned(),
        );
    }
    if let (Some(user), Some(_)) = (layers.users.first(), &settings.security.acl_file) {
        let source = user.source.clone().unwrap_or(Source::Default);
        let text =
            "[[security.users]]: with security.acl_file the users must all stand in that file";
        layers.fault(&source, text);
    }
    let security = &settings.security;
    if security.tls_port != 0 && security.tls_port == settings.server.port {
        layers.errors.push(
            "security.tls_port and server.port are the same; one of them may be 0".to_owned(),
        );
    }
    let has_certificate = security.tls_cert_path.is_some() && security.tls_key_path.is_some();
    if tls::is_wanted(&settings) && !has_certificate {
        layers.errors.push(
            "TLS needs a certificate and its key: set security.tls_cert_path and security.tls_key_path, or \
             security.tls_enabled to false and security.tls_port to 0"
                .to_owned(),
        );
    }
    let policy = settings.memory.eviction_policy;
    let conflict = prefixes::conflict(&layers.prefixes, policy)
        .map(|(prefix, text)| (prefix.policy_source.clone(), text));
    if let Some((source, text)) = conflict {
        layers.fault(&source.unwrap_or(Source::Default), &text);
    }
    let max_memory = settings.memory.max_memory;
    if available_memory_bytes == 0 && !matches!(max_memory, Portion::Bytes(_)) {
        layers.errors.push(format!(
            "memory.max_memory is '{}', but how much memory there is cannot be found out: give it in bytes",
            max_memory.plain()
        ));
    }
}
