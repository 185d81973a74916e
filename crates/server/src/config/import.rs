//! `--import-redis-conf`: a redis.conf as a configuration file of this server, and what of it could not be carried over.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::Path;

use toml_edit::Value as Toml;

use super::declare::Row;
use super::table::{CONSTANTS, ROWS};
use super::value::{Kind, Value};

/// The setting that takes commands away, as a renaming to nothing does.
const DISABLED_COMMANDS: &str = "security.disabled_commands";
/// The most files that are read, because files may include each other.
const FILES_MAX: usize = 100;

/// Settings whose default in Redis is another one: a redis.conf that does not name them means Redis's.
const REDIS_DEFAULTS: [(&str, &str); 3] = [
    ("bind", "* -::*"),
    ("tcp-keepalive", "300"),
    ("maxmemory-policy", "noeviction"),
];

/// Directives that mean nothing here, by how their names begin, and why.
const WITHOUT_MEANING: &[(&[&str], &str)] = &[
    (
        &[
            "daemonize",
            "pidfile",
            "supervised",
            "syslog-",
            "always-show-logo",
            "crash-",
            "proc-title-",
            "set-proc-",
            "server-cpulist",
            "bio-cpulist",
            "locale-",
            "oom-score-",
        ],
        "the service manager does this",
    ),
    (
        &[
            "save",
            "dbfilename",
            "dir",
            "rdb",
            "append",
            "aof-",
            "auto-aof-",
            "no-appendfsync-",
            "stop-writes-on-",
            "sanitize-dump-",
        ],
        "there is no persistence",
    ),
    (
        &[
            "replica",
            "slave",
            "master",
            "repl-",
            "min-replicas-",
            "min-slaves-",
            "cluster-",
            "failover",
        ],
        "there is one server, without replicas and cluster",
    ),
    (&["loadmodule", "enable-module-"], "there are no modules"),
    (&["lua-", "busy-reply-", "script"], "there are no scripts"),
    (
        &["io-threads"],
        "every worker reads, executes and writes: server.workers says how many there are",
    ),
    (
        &[
            "hz",
            "dynamic-hz",
            "active",
            "lazyfree-",
            "lazy-",
            "jemalloc-bg-thread",
            "maxmemory-eviction-tenacity",
            "rehash",
            "disable-thp",
        ],
        "this is always done, in small steps, and has no setting",
    ),
    (
        &["hash-", "list-", "set-", "zset-", "hll-", "stream-"],
        "there are no values of that type",
    ),
];

/// What is read from a redis.conf.
#[derive(Default)]
struct Import {
    /// By the place of the row: the value and where it stood.
    settings: BTreeMap<usize, (Value, String)>,
    /// What could not be carried over, one line each.
    left: Vec<String>,
    /// Users, by name, and their rules.
    users: Vec<(String, String)>,
    /// How many files were read.
    files: usize,
}

/// The text of a configuration file that means what the redis.conf at `path` means.
///
/// # Errors
/// When the file, or one that it includes, cannot be read.
pub fn import(path: &Path) -> Result<String, String> {
    let mut import = Import::default();
    import.read(path)?;
    import.add_defaults();
    Ok(import.text(path))
}

impl Import {
    fn read(&mut self, path: &Path) -> Result<(), String> {
        self.files += 1;
        if self.files > FILES_MAX {
            return Err(format!(
                "{}: more than {FILES_MAX} files are included",
                path.display()
            ));
        }
        let bytes =
            fs::read(path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
        for (index, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
            let line = line.trim_ascii();
            if line.is_empty() || line.starts_with(b"#") {
                continue;
            }
            let place = format!("{}:{}", path.display(), index + 1);
            let words = words(line);
            let Some((name, arguments)) = words.as_deref().and_then(<[String]>::split_first) else {
                self.leave(
                    &place,
                    &String::from_utf8_lossy(line),
                    "the quotes are not balanced",
                );
                continue;
            };
            if name.eq_ignore_ascii_case("include") {
                for included in arguments {
                    self.read(Path::new(included))?;
                }
            } else {
                self.take(&place, name, arguments);
            }
        }
        Ok(())
    }

    /// Takes one directive.
    fn take(&mut self, place: &str, name: &str, arguments: &[String]) {
        let value = arguments.join(" ");
        match arguments {
            [user, rules @ ..] if name.eq_ignore_ascii_case("user") => {
                return self.users.push((user.clone(), rules.join(" ")));
            }
            [command, new] if name.eq_ignore_ascii_case("rename-command") && new.is_empty() => {
                return self.disable(place, command);
            }
            _ => {}
        }
        let is_named = |row: &Row| !row.redis.is_empty() && row.redis.eq_ignore_ascii_case(name);
        if let Some(index) = ROWS.iter().position(is_named) {
            return self.set(index, place, &value);
        }
        let directive = format!("{name} {value}");
        let constant = CONSTANTS
            .iter()
            .find(|constant| constant.name.eq_ignore_ascii_case(name));
        match constant {
            Some(constant) if constant.value.eq_ignore_ascii_case(&value) => {}
            _ => self.leave(place, &directive, reason(name)),
        }
    }

    fn set(&mut self, index: usize, place: &str, text: &str) {
        let row = &ROWS[index];
        match row.kind.parse(text) {
            Ok(value) => {
                let before = self.settings.get(&index).map(|(value, _)| value);
                let before = before.cloned().unwrap_or_else(|| row.default_value());
                self.settings
                    .insert(index, (value.over(&before), place.to_owned()));
            }
            Err(fault) => {
                let text = if matches!(row.kind, Kind::Secret) {
                    "..."
                } else {
                    text
                };
                self.leave(place, &format!("{} {text}", row.redis), &fault.to_string());
            }
        }
    }

    fn disable(&mut self, place: &str, command: &str) {
        let Some(index) = ROWS.iter().position(|row| row.path == DISABLED_COMMANDS) else {
            return;
        };
        let before = self.settings.get(&index).map(|(value, _)| value.plain());
        let names = format!("{} {command}", before.unwrap_or_default());
        self.set(index, place, names.trim());
    }

    fn leave(&mut self, place: &str, directive: &str, reason: &str) {
        self.left
            .push(format!("{place}: {}: {reason}", directive.trim()));
    }

    fn add_defaults(&mut self) {
        for (name, text) in REDIS_DEFAULTS {
            let Some(index) = ROWS.iter().position(|row| row.redis == name) else {
                continue;
            };
            if !self.settings.contains_key(&index) {
                self.set(index, "Redis's default", text);
            }
        }
    }

    fn text(&self, path: &Path) -> String {
        let mut text = format!(
            "# From {}. `redistill --check-config` shows what it comes to.\n",
            path.display()
        );
        if self.left.is_empty() {
            text.push_str("# Everything was carried over.\n");
        } else {
            text.push_str("# Not carried over:\n");
            self.left
                .iter()
                .for_each(|line| push(&mut text, &format!("#   {line}")));
        }
        let mut section = "";
        for (index, (value, place)) in &self.settings {
            let row = &ROWS[*index];
            if *value == row.default_value() {
                continue;
            }
            if row.section != section {
                section = row.section;
                push(&mut text, &format!("\n[{section}]"));
            }
            let value: Toml = value.toml();
            push(&mut text, &format!("{} = {value} # {place}", row.name));
        }
        for (name, rules) in &self.users {
            let [name, rules] = [name, rules].map(|text| Toml::from(text.as_str()));
            push(
                &mut text,
                &format!("\n[[security.users]]\nname = {name}\nrules = {rules}"),
            );
        }
        text
    }
}

/// The words of a line by Redis's rules of quoting.
fn words(line: &[u8]) -> Option<Vec<String>> {
    let words = resp::split_arguments(line)?;
    let words = words.as_args();
    Some(
        words
            .iter()
            .map(|word| String::from_utf8_lossy(word).into_owned())
            .collect(),
    )
}

/// Why there is no such setting here.
fn reason(name: &str) -> &'static str {
    let name = name.to_ascii_lowercase();
    let known = WITHOUT_MEANING.iter().find(|(beginnings, _)| {
        beginnings
            .iter()
            .any(|beginning| name.starts_with(beginning))
    });
    known.map_or("there is no such setting", |(_, reason)| reason)
}

fn push(text: &mut String, line: &str) {
    writeln!(text, "{line}").expect("a String takes every text");
}
