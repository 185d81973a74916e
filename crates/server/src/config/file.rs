//! Reads the TOML file. Every key must be a known setting of the right type: one that is not is a
//! fault with its line and, where there is one, the known name that was probably meant.

use std::ops::Range;
use std::sync::Arc;

use toml_edit::{Document, Item, Key, TableLike};

use super::layers::Layers;
use super::nearest::nearest;
use super::prefixes::{self, PREFIX_ROWS, PrefixSettings};
use super::source::Source;
use super::table::{ROWS, SECTIONS};
use super::users::{self, UserSettings};

/// Adds what the file says. `name` is the file's name in messages.
pub fn read(layers: &mut Layers, name: &str, bytes: &[u8]) {
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            let valid = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
            let source = file_line(&name.into(), line_at(&valid, valid.len()));
            return layers.fault(&source, "the file is not UTF-8 text");
        }
    };
    let reader = Reader {
        name: name.into(),
        text,
    };
    match Document::parse(text) {
        Ok(document) => reader.read_document(layers, &document),
        Err(error) => {
            let source = reader.source(error.span());
            let message = error.message().trim().replace('\n', ", ");
            layers.fault(&source, &message);
        }
    }
}

struct Reader<'a> {
    name: Arc<str>,
    text: &'a str,
}

impl Reader<'_> {
    fn read_document(&self, layers: &mut Layers, document: &Document<&str>) {
        for (key, item) in entries(document.as_table()) {
            let source = self.source(key.span());
            let section = key.get();
            if section == prefixes::TABLES {
                self.read_prefixes(layers, item, &source);
            } else if !SECTIONS.iter().any(|(known, _)| *known == section) {
                layers.fault(&source, &unknown_section(section));
            } else if let Some(table) = item.as_table_like() {
                self.read_section(layers, section, table);
            } else {
                let text = format!("[{section}] is a section, not a value");
                layers.fault(&source, &text);
            }
        }
    }

    fn read_section(&self, layers: &mut Layers, section: &str, table: &dyn TableLike) {
        for (key, item) in entries(table) {
            let source = self.source(key.span());
            if section == users::SECTION && key.get() == users::TABLES {
                self.read_users(layers, item, &source);
                continue;
            }
            let row = ROWS
                .iter()
                .position(|row| row.section == section && row.name == key.get());
            match row {
                Some(index) => layers.set(index, ROWS[index].kind.from_toml(item), None, source),
                None => layers.fault(&source, &unknown_key(section, key.get())),
            }
        }
    }

    fn read_users(&self, layers: &mut Layers, item: &Item, source: &Source) {
        match tables(item) {
            Some(tables) => {
                for (table, span) in tables {
                    self.read_user(layers, table, self.source(span));
                }
            }
            None => layers.fault(source, "[[security.users]] is an array of tables"),
        }
    }

    fn read_user(&self, layers: &mut Layers, table: &dyn TableLike, source: Source) {
        let mut user = UserSettings {
            source: Some(source),
            ..UserSettings::default()
        };
        for (key, item) in entries(table) {
            if let Err(fault) = user.set(key.get(), item) {
                layers.fault(&self.source(key.span()), &fault);
            }
        }
        layers.users.push(user);
    }

    fn read_prefixes(&self, layers: &mut Layers, item: &Item, source: &Source) {
        match tables(item) {
            Some(tables) => {
                for (table, span) in tables {
                    self.read_prefix(layers, table, self.source(span));
                }
            }
            None => layers.fault(source, "[[prefix]] is an array of tables"),
        }
    }

    fn read_prefix(&self, layers: &mut Layers, table: &dyn TableLike, source: Source) {
        let mut prefix = PrefixSettings {
            source: Some(source),
            ..PrefixSettings::default()
        };
        for (key, item) in entries(table) {
            let source = self.source(key.span());
            let Some(row) = PREFIX_ROWS.iter().find(|row| row.name == key.get()) else {
                layers.fault(&source, &prefixes::unknown_key(key.get()));
                continue;
            };
            match row.kind.from_toml(item) {
                Ok(value) => {
                    if let Some(reason) = prefixes::refusal(row.name, &value) {
                        layers.fault(&source, &format!("prefix.{} {reason}", row.name));
                    }
                    prefix.set(row.name, &value);
                    if row.name == prefixes::POLICY {
                        prefix.policy_source = Some(source);
                    }
                }
                Err(fault) => layers.fault(&source, &format!("prefix.{} {fault}", row.name)),
            }
        }
        layers.prefixes.push(prefix);
    }

    fn source(&self, span: Option<Range<usize>>) -> Source {
        let start = span.map_or(0, |span| span.start);
        file_line(&self.name, line_at(self.text, start))
    }
}

/// A table and its place in the file.
type PlacedTable<'a> = (&'a dyn TableLike, Option<Range<usize>>);

/// The tables of an array, in either form.
fn tables(item: &Item) -> Option<Vec<PlacedTable<'_>>> {
    if let Some(tables) = item.as_array_of_tables() {
        let tables = tables.iter();
        return Some(
            tables
                .map(|table| (table as &dyn TableLike, table.span()))
                .collect(),
        );
    }
    let tables = item.as_array()?.iter().map(|value| {
        let table: &dyn TableLike = value.as_inline_table()?;
        Some((table, value.span()))
    });
    tables.collect()
}

/// The keys of a table with their items. Keys have spans, which plain iteration does not give.
fn entries(table: &dyn TableLike) -> impl Iterator<Item = (&Key, &Item)> {
    table
        .iter()
        .filter_map(|(name, _)| table.get_key_value(name))
}

fn file_line(name: &Arc<str>, line: usize) -> Source {
    Source::File {
        name: Arc::clone(name),
        line,
    }
}

fn line_at(text: &str, offset: usize) -> usize {
    1 + text.bytes().take(offset).filter(|b| *b == b'\n').count()
}

fn unknown_section(section: &str) -> String {
    if let Some(row) = ROWS.iter().find(|row| row.name == section) {
        return format!("'{section}' must stand in section [{}]", row.section);
    }
    if nearest(section, [prefixes::TABLES]).is_some() {
        return format!("unknown section or key '{section}'; did you mean [[prefix]]?");
    }
    let known = SECTIONS.iter().map(|(name, _)| *name);
    let text = format!("unknown section or key '{section}'");
    match nearest(section, known) {
        Some(name) => format!("{text}; did you mean [{name}]?"),
        None => text,
    }
}

fn unknown_key(section: &str, key: &str) -> String {
    let text = format!("unknown key '{key}' in section [{section}]");
    if let Some(row) = ROWS.iter().find(|row| row.name == key) {
        return format!("{text}; it belongs in section [{}]", row.section);
    }
    if let Some(row) = ROWS.iter().find(|row| row.redis == key) {
        return format!("{text}; here that setting is {}", row.path);
    }
    let in_section = ROWS.iter().filter(|row| row.section == section);
    if let Some(name) = nearest(key, in_section.map(|row| row.name)) {
        return format!("{text}; did you mean '{name}'?");
    }
    let near = nearest(key, ROWS.iter().map(|row| row.name));
    match ROWS.iter().find(|row| Some(row.name) == near) {
        Some(row) => format!("{text}; did you mean {}?", row.path),
        None => text,
    }
}
