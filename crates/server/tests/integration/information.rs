//! The fields of INFO that redis-server has and monitors look for: each must be there, of the same
//! form, in the same section, unless the table of differences says why not.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::client::Reply;
use crate::differences::Differences;
use crate::server::{Server, Target};

/// Sections, each with its fields.
type Sections = BTreeMap<String, BTreeMap<String, String>>;

#[test]
fn info_has_the_fields_of_redis() {
    if !Target::Redis.is_available() {
        return;
    }
    let redis = sections(&Server::start(Target::Redis));
    let ours = sections(&Server::start(Target::Mio));
    let differences = Differences::load();
    let mut failures = String::new();
    for (section, fields) in &redis {
        let empty = BTreeMap::new();
        let found = ours.get(section).unwrap_or(&empty);
        for (name, value) in fields {
            let is_same = found
                .get(name)
                .is_some_and(|our_value| form(our_value) == form(value));
            let shown = found.get(name).map_or("missing", String::as_str);
            let words = ["INFO", section, name].map(|word| word.as_bytes().to_vec());
            let simple = |text: &str| Reply::Simple(text.as_bytes().to_vec());
            if !is_same && !differences.allow(&words.to_vec(), &simple(value), &simple(shown)) {
                writeln!(failures, "{section}: {name}: redis {value}, ours {shown}")
                    .expect("a string grows");
            }
        }
    }
    assert!(failures.is_empty(), "\n{failures}");
}

fn sections(server: &Server) -> Sections {
    let mut client = server.connect();
    client.command_words("SET k v EX 100");
    client.command_words("NOSUCH");
    let text = client.command_words("INFO everything").text();
    let mut sections = Sections::new();
    let mut section = String::new();
    for line in text.lines() {
        if let Some(name) = line.strip_prefix("# ") {
            section = name.to_lowercase();
        } else if let Some((name, value)) = line.split_once(':') {
            let fields = sections.entry(section.clone()).or_default();
            fields.insert(name.to_owned(), value.to_owned());
        }
    }
    sections
}

/// What kind of value a monitor can read it as.
fn form(value: &str) -> &'static str {
    let number = value.strip_suffix('%').unwrap_or(value);
    let unit = number.trim_end_matches(['B', 'K', 'M', 'G']);
    match () {
        () if value.is_empty() => "nothing",
        () if value.parse::<i64>().is_ok() => "integer",
        () if number.parse::<f64>().is_ok() => "decimal number",
        () if unit != number && unit.parse::<f64>().is_ok() => "size with a unit",
        () if value.contains('=') => "fields",
        () => "text",
    }
}
