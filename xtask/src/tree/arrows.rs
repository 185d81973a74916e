//! Which crate of the workspace may depend on which, and what its code may not mention. The parts and
//! their order are described in ARCHITECTURE.md.

use super::{SourceFile, has_word};

/// One part of the project.
struct Part {
    /// Its directory under crates/, or the root's name for the tasks.
    directory: &'static str,
    /// The crates of the workspace that it may depend on.
    may_use: &'static [&'static str],
    /// What its code may not mention, tests included.
    may_not_mention: &'static [&'static str],
}

/// The crates of the workspace, by the names that manifests use for them.
const CRATES: [&str; 7] = [
    "resp",
    "keyspace",
    "commands",
    "net",
    "redistill",
    "redistill-benchmark",
    "xtask",
];

const PARTS: &[Part] = &[
    // Bytes to requests and replies: no input or output, no clock.
    Part {
        directory: "crates/resp/",
        may_use: &[],
        may_not_mention: &[
            "std::net",
            "std::fs",
            "std::thread",
            "SystemTime",
            "Instant",
        ],
    },
    // No sockets, no protocol, no clock: time comes in as an argument.
    Part {
        directory: "crates/keyspace/",
        may_use: &[],
        may_not_mention: &["std::net", "std::fs", "SystemTime", "Instant", "resp"],
    },
    Part {
        directory: "crates/commands/",
        may_use: &["keyspace", "resp"],
        may_not_mention: &["std::fs", "mio", "rustix"],
    },
    // No protocol.
    Part {
        directory: "crates/net/",
        may_use: &[],
        may_not_mention: &["resp", "keyspace", "commands"],
    },
    Part {
        directory: "crates/server/",
        may_use: &["commands", "keyspace", "net", "resp"],
        may_not_mention: &[],
    },
    // The floor server is made of the real network and protocol code, and the simulator runs the policies of the
    // keyspace. The examples run everything behind the sockets; the sources do not mention it.
    Part {
        directory: "crates/bench/",
        may_use: &["commands", "keyspace", "net", "resp"],
        may_not_mention: &["commands"],
    },
    Part {
        directory: "xtask/",
        may_use: &[],
        may_not_mention: &[],
    },
];

/// Adds a problem for each arrow that points the wrong way.
pub fn check(file: &SourceFile, problems: &mut Vec<String>) {
    let path = &file.path;
    let Some(part) = PARTS.iter().find(|part| path.starts_with(part.directory)) else {
        if path.starts_with("crates/") {
            problems.push(format!(
                "{path}: xtask/src/tree/arrows.rs does not know this crate"
            ));
        }
        return;
    };
    if *path == format!("{}Cargo.toml", part.directory) {
        for (number, name) in dependencies(file) {
            if CRATES.contains(&name) && !part.may_use.contains(&name) {
                problems.push(format!(
                    "{path}:{number}: {} may not depend on {name}",
                    part.directory
                ));
            }
        }
    }
    if !file.is_rust() || !path.starts_with(&format!("{}src/", part.directory)) {
        return;
    }
    for (number, line) in file.code_lines() {
        for word in part.may_not_mention {
            if mentions(line, word) {
                problems.push(format!(
                    "{path}:{number}: {} may not mention {word}",
                    part.directory
                ));
            }
        }
    }
}

/// The names in the manifest's tables of dependencies, those of tests included.
fn dependencies(file: &SourceFile) -> impl Iterator<Item = (usize, &str)> {
    let mut inside = false;
    file.lines().filter_map(move |(number, line)| {
        if let Some(table) = line.strip_prefix('[') {
            inside = table.trim_end().ends_with("dependencies]");
            return None;
        }
        let name = line.split(['=', '.']).next()?.trim();
        (inside && !name.is_empty() && !name.starts_with('#')).then_some((number, name))
    })
}

/// A crate is mentioned by its path, a type or module by its word.
fn mentions(line: &str, word: &str) -> bool {
    if CRATES.contains(&word) {
        has_word(line, &format!("{word}::")) || has_word(line, &format!("use {word}"))
    } else {
        has_word(line, word)
    }
}

#[cfg(test)]
mod tests {
    use super::{SourceFile, check};

    #[track_caller]
    fn check_file(path: &str, text: &str, expected: &[&str]) {
        let mut problems = Vec::new();
        let file = SourceFile {
            path: path.to_owned(),
            bytes: text.as_bytes().to_vec(),
        };
        check(&file, &mut problems);
        assert_eq!(problems, expected);
    }

    #[test]
    fn manifests() {
        check_file(
            "crates/commands/Cargo.toml",
            "[package]\nname = \"commands\"\n[dependencies]\nresp = { workspace = true }\nkeyspace.workspace = true\n",
            &[],
        );
        check_file(
            "crates/resp/Cargo.toml",
            "[dependencies]\nitoa = \"1\"\n\n[target.'cfg(unix)'.dev-dependencies]\nkeyspace.workspace = true\n",
            &["crates/resp/Cargo.toml:5: crates/resp/ may not depend on keyspace"],
        );
        check_file(
            "crates/other/Cargo.toml",
            "",
            &["crates/other/Cargo.toml: xtask/src/tree/arrows.rs does not know this crate"],
        );
    }

    #[test]
    fn sources() {
        check_file(
            "crates/keyspace/src/a.rs",
            "// Instant\nfn instantly(response: u8) {}\n",
            &[],
        );
        check_file(
            "crates/keyspace/src/a.rs",
            "use std::time::Instant;\nuse resp::Reply;\n",
            &[
                "crates/keyspace/src/a.rs:1: crates/keyspace/ may not mention Instant",
                "crates/keyspace/src/a.rs:2: crates/keyspace/ may not mention resp",
            ],
        );
    }
}
