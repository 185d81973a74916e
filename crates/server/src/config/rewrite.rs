//! CONFIG REWRITE: brings the configuration file up to what the server uses, and keeps everything
//! else in it, comments and layout included.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::Path;

use commands::acl::Acl;
use toml_edit::{DocumentMut, Item, Table};

use super::rewrite_users;
use super::source::Source;
use super::store::Config;
use super::table::ROWS;
use super::value::Value;

impl Config {
    /// Writes the settings that the file, a flag or CONFIG SET gave into the file. Those of the
    /// environment are left to the environment. Without an ACL file the users are written as well.
    /// The error is the whole line for the client.
    pub fn rewrite(&self, acl: &Acl) -> Result<(), String> {
        let Some(path) = self.path() else {
            return Err("ERR The server is running without a config file".to_owned());
        };
        let _one_at_a_time = self.rewriting.lock();
        let (values, sources) = {
            let state = self.state.lock();
            (state.values.clone(), state.sources.clone())
        };
        let failed =
            |reason: &dyn std::fmt::Display| format!("ERR Rewriting config file: {reason}");
        let old = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
            Err(error) => return Err(failed(&error)),
        };
        let mut document: DocumentMut = old.parse().map_err(|error: toml_edit::TomlError| {
            let reason = one_line(error.message());
            failed(&reason)
        })?;
        update(&mut document, &values, &sources)
            .and_then(|()| rewrite_users::update(&mut document, &self.settings(), acl))
            .map_err(|reason| failed(&reason))?;
        let new = document.to_string();
        if new == old {
            return Ok(());
        }
        replace(path, new.as_bytes()).map_err(|error| failed(&error))
    }
}

/// Puts the settings into the document.
fn update(document: &mut DocumentMut, values: &[Value], sources: &[Source]) -> Result<(), String> {
    for ((row, value), source) in ROWS.iter().zip(values).zip(sources) {
        match source {
            Source::Default | Source::Environment(_) => continue,
            Source::File { .. } | Source::Flag(_) | Source::ConfigSet => {}
        }
        let section = document
            .entry(row.section)
            .or_insert_with(|| Item::Table(Table::new()))
            .as_table_like_mut()
            .ok_or_else(|| format!("[{}] is not a section", row.section))?;
        match section.get_mut(row.name) {
            Some(item) if row.kind.from_toml(item).as_ref() == Ok(value) => {}
            Some(Item::Value(old)) => {
                let decor = old.decor().clone();
                *old = value.toml();
                *old.decor_mut() = decor;
            }
            Some(item) => *item = Item::Value(value.toml()),
            None if *value == row.default_value() => {}
            None => {
                section.insert(row.name, Item::Value(value.toml()));
            }
        }
    }
    Ok(())
}

/// Replaces a file by a new one in one step: who reads it sees the old text or the new.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    // A link stays a link: what it points at is replaced.
    let path = match fs::canonicalize(path) {
        Ok(target) => target,
        Err(error) if error.kind() == ErrorKind::NotFound => path.to_owned(),
        Err(error) => return Err(error),
    };
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.new", std::process::id()));
    let new = path.with_file_name(name);
    let written = write_new(&new, &path, bytes).and_then(|()| fs::rename(&new, &path));
    if written.is_err() {
        // The first error is the one to report.
        let _ = fs::remove_file(&new);
    }
    written?;
    match path.parent() {
        Some(directory) => File::open(directory)?.sync_all(),
        None => Ok(()),
    }
}

/// Writes a file with the permissions of the one that it will replace.
fn write_new(new: &Path, old: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).open(new)?;
    if let Ok(metadata) = fs::metadata(old) {
        file.set_permissions(metadata.permissions())?;
    }
    file.write_all(bytes)?;
    file.sync_all()
}

fn one_line(text: &str) -> String {
    text.trim().replace('\n', ", ")
}
