//! What the program prints about its settings: `--help`, `--version`, `--check-config`, and the
//! generated page of the documents.

use std::fmt::Write;
use std::path::Path;

use super::arguments::OWN_FLAGS;
use super::declare::Row;
use super::layers::Layers;
use super::prefixes::{PREFIX_ROWS, PrefixSettings};
use super::table::{CONSTANTS, ROWS, SECTIONS};
use super::users::{USER_ROWS, UserSettings};
use super::value::Value;

/// The width of the lines of `--help`.
const HELP_COLUMNS: usize = 100;
/// Where the comments of `--check-config` begin.
const COMMENT_COLUMN: usize = 44;

/// The answer of `--version`.
pub fn version() -> String {
    format!("redistill {}\n", env!("CARGO_PKG_VERSION"))
}

/// The answer of `--help`.
pub fn help() -> String {
    let mut text = version();
    text.push_str(
        "A Redis-compatible in-memory cache server.\n\n\
         Usage: redistill [FLAG VALUE]...\n\n\
         A setting is taken from its flag, else from its environment variable, else from the\n\
         configuration file, else it has its default. A value may also be joined to its flag by '='.\n\n",
    );
    for own in OWN_FLAGS {
        let short = own
            .short
            .map_or(String::new(), |letter| format!("-{letter}, "));
        let line = format!("  {short}{}  {}", own.name, own.value);
        push(&mut text, format_args!("{}", line.trim_end()));
        push_wrapped(&mut text, own.text);
    }
    for (section, about) in SECTIONS {
        push(&mut text, format_args!("\n[{section}]{about}"));
        for row in rows_of(section) {
            push(
                &mut text,
                format_args!("  {}  {}", flags(row), row.kind.describe()),
            );
            push_wrapped(&mut text, row.text);
            push_wrapped(&mut text, &facts(row));
        }
    }
    text
}

/// The answer of `--check-config`: a TOML file of every setting, with its source beside it.
pub fn effective(layers: &Layers, path: Option<&Path>) -> String {
    let mut text = match path {
        Some(path) => format!("# The configuration is valid. File: {}\n", path.display()),
        None => "# The configuration is valid. There is no configuration file.\n".to_owned(),
    };
    for note in &layers.notes {
        push(&mut text, format_args!("# {note}"));
    }
    let mut section = "";
    for ((row, value), source) in ROWS.iter().zip(&layers.values).zip(&layers.sources) {
        if row.section != section {
            section = row.section;
            push(&mut text, format_args!("\n[{section}]"));
        }
        let setting = format!("{} = {}", row.name, row.shown(value));
        push(
            &mut text,
            format_args!("{setting:COMMENT_COLUMN$} # {source}"),
        );
    }
    layers
        .prefixes
        .iter()
        .for_each(|prefix| push_prefix(&mut text, prefix));
    layers
        .users
        .iter()
        .for_each(|user| push_user(&mut text, user));
    text
}

/// The page docs/configuration.md.
pub fn documentation() -> String {
    let mut text = INTRODUCTION.to_owned();
    for (section, about) in SECTIONS {
        push(
            &mut text,
            format_args!("\n## [{section}]\n\n{}", about.trim()),
        );
        for row in rows_of(section) {
            push(
                &mut text,
                format_args!("\n### {}\n\n{}\n", row.path, row.text.trim()),
            );
            document_row(&mut text, row);
        }
    }
    text.push_str(PREFIXES_INTRODUCTION);
    for row in PREFIX_ROWS {
        let (name, kind) = (row.name, row.kind.describe());
        push(
            &mut text,
            format_args!("| `{name}` | {kind} | {} |", row.text),
        );
    }
    text.push_str(USERS_INTRODUCTION);
    for (name, kind, about) in USER_ROWS {
        push(&mut text, format_args!("| `{name}` | {kind} | {about} |"));
    }
    text.push_str(CONSTANTS_INTRODUCTION);
    for constant in CONSTANTS {
        push(
            &mut text,
            format_args!("| `{}` | `\"{}\"` |", constant.name, constant.value),
        );
    }
    text
}

const INTRODUCTION: &str = "\
<!-- Generated from the table of settings by `cargo xtask docs`. Do not edit. -->
# Configuration

Every setting has a place in a TOML file, a flag and a name in CONFIG GET; many have an environment
variable, and those that Redis knows have Redis's name as well. Where several sources set the same
setting, the last of these wins:

1. the default;
2. the file: `--config FILE`, else `redistill.toml` in the working directory if there is one;
3. the environment variable;
4. the flag: `--server.port 6380` or `--server.port=6380`, or by Redis's name `--port 6380`.

`redistill --check-config` reads all of them, prints every setting and where it came from, and
serves nothing. A key that is unknown, of the wrong type or out of range stops the start with its
file and line.

`CONFIG SET` changes the settings marked so while the server runs, several at a time, all or none.
`CONFIG REWRITE` writes what was changed, and what flags set, into the file and keeps its comments;
what the environment sets stays there.

Sizes are bytes, or text with a unit: `kb`, `mb` and `gb` are powers of 1024; `k`, `m` and `g` are
powers of 1000.

A `REDIS_PORT` (or another variable of a port) that begins with `tcp://` is ignored with a line in
the log: Kubernetes sets such variables for a service called redis.
";

const PREFIXES_INTRODUCTION: &str = "
## [[prefix]]

Keys that begin with certain bytes are counted apart, and may have a memory limit, an eviction policy and lifetimes of
their own: [prefixes.md](prefixes.md). There may be up to 64 of these tables. They stand in the file only, and a change takes a
restart: they have no flags, no environment variables and no names in `CONFIG GET` and `SET`.

| key | type | what it does |
|---|---|---|
";

const USERS_INTRODUCTION: &str = "
## [[security.users]]

Users and what they may do: [security.md](security.md). They stand in the file only, and a change there takes a restart. `ACL SETUSER`
changes users of the running server, and `CONFIG REWRITE` writes them into the file.

| key | type | what it does |
|---|---|---|
";

const CONSTANTS_INTRODUCTION: &str = "
## Names that have one value

Clients ask for these names of every server. `CONFIG GET` answers them; `CONFIG SET` and the flags
accept no other value.

| name | value |
|---|---|
";

fn document_row(text: &mut String, row: &Row) {
    let list = |text: &mut String, name: &str, value: &str| {
        if !value.is_empty() {
            push(text, format_args!("- {name}: {value}"));
        }
    };
    let code = |value: &str| match value {
        "" => String::new(),
        value => format!("`{value}`"),
    };
    list(text, "Type", &row.kind.describe());
    list(
        text,
        "Default",
        &format!("`{}`", row.shown(&row.default_value())),
    );
    list(text, "Name in Redis", &code(row.redis));
    list(text, "Environment", &code(row.env));
    list(text, "Flags", &code(&flags(row)));
    list(text, "CONFIG SET", if row.runtime { "yes" } else { "no" });
}

fn rows_of(section: &str) -> impl Iterator<Item = &'static Row> {
    ROWS.iter().filter(move |row| row.section == section)
}

/// One table of `[[prefix]]`, as the file may have it.
fn push_prefix(text: &mut String, prefix: &PrefixSettings) {
    let source = prefix
        .source
        .as_ref()
        .map_or(String::new(), |source| source.to_string());
    push(
        text,
        format_args!("\n{:COMMENT_COLUMN$} # {source}", "[[prefix]]"),
    );
    let start = toml_edit::Value::from(prefix.start.as_str());
    push(text, format_args!("match = {start}"));
    if let Some(bytes) = prefix.max_memory_bytes {
        push(
            text,
            format_args!("max_memory = {}", Value::Bytes(bytes).toml()),
        );
    }
    if let Some(policy) = prefix.policy {
        push(
            text,
            format_args!("eviction_policy = \"{}\"", policy.name()),
        );
    }
    for (name, seconds) in [
        ("default_ttl", prefix.default_ttl),
        ("max_ttl", prefix.max_ttl),
    ] {
        if let Some(seconds) = seconds {
            push(text, format_args!("{name} = {seconds}"));
        }
    }
}

/// One table of `[[security.users]]`, without its rules, which may have passwords.
fn push_user(text: &mut String, user: &UserSettings) {
    let source = user
        .source
        .as_ref()
        .map_or(String::new(), |source| source.to_string());
    push(
        text,
        format_args!("\n{:COMMENT_COLUMN$} # {source}", "[[security.users]]"),
    );
    let name = toml_edit::Value::from(user.name.as_str());
    push(text, format_args!("name = {name}"));
    push(text, format_args!("rules = \"***\""));
}

/// The flags of a setting, the shortest first.
fn flags(row: &Row) -> String {
    let mut flags = Vec::new();
    flags.extend(row.short.map(|letter| format!("-{letter}")));
    if !row.redis.is_empty() {
        flags.push(format!("--{}", row.redis));
    }
    flags.push(format!("--{}", row.path));
    flags.join(", ")
}

/// What `--help` says of a setting besides its text.
fn facts(row: &Row) -> String {
    let mut facts = match row.default {
        "" => String::new(),
        default => format!("Default {default}. "),
    };
    if !row.env.is_empty() {
        facts.push_str(&format!("Environment {}. ", row.env));
    }
    facts
}

fn push(text: &mut String, line: std::fmt::Arguments<'_>) {
    writeln!(text, "{line}").expect("a String takes every text");
}

/// Adds a paragraph in lines of limited width, indented.
fn push_wrapped(text: &mut String, paragraph: &str) {
    const INDENT: &str = "       ";
    let mut line = INDENT.to_owned();
    for word in paragraph.split_whitespace() {
        if line.len() + 1 + word.len() > HELP_COLUMNS {
            push(text, format_args!("{line}"));
            line = INDENT.to_owned();
        }
        line.push(' ');
        line.push_str(word);
    }
    if line != INDENT {
        push(text, format_args!("{line}"));
    }
}
