//! Headers, marks of unfinished work, traces of one machine, sizes.

use super::{SourceFile, has_word};

const FILE_BYTES_MAX: usize = 1_000_000;

/// Marks of work that is not finished. Written in two parts, so that this file is in order.
const MARKS: [&str; 5] = [
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("XX", "X"),
    concat!("todo", "!"),
    concat!("unimplemented", "!"),
];

/// Directories of one machine, and hosts of registries.
const TRACES: [&str; 8] = [
    concat!("/wo", "rk/"),
    concat!("/fa", "rm/"),
    concat!("/ro", "ot/"),
    concat!("deb.", "debian.org"),
    concat!("pypi.", "org"),
    concat!("registry.", "npmjs"),
    concat!("static.", "crates.io"),
    concat!("index.", "crates.io"),
];

/// Adds what is wrong with the text of the file.
pub fn check(file: &SourceFile, problems: &mut Vec<String>) {
    let path = &file.path;
    if file.bytes.len() > FILE_BYTES_MAX {
        problems.push(format!("{path}: larger than {FILE_BYTES_MAX} bytes"));
    }
    if file.is_rust() && !has_header(file) {
        problems.push(format!(
            "{path}:1: no `//!` header that says what the file holds"
        ));
    }
    let is_lock = path.ends_with(".lock") || path.ends_with("package-lock.json");
    for (number, line) in file.lines() {
        for mark in MARKS {
            if has_word(line, mark) {
                problems.push(format!("{path}:{number}: unfinished work: {mark}"));
            }
        }
        for trace in TRACES {
            if !is_lock && has_trace(line, trace) {
                problems.push(format!("{path}:{number}: a trace of one machine: {trace}"));
            }
        }
    }
}

/// Attributes of the whole file may come before the header.
fn has_header(file: &SourceFile) -> bool {
    file.lines()
        .map(|(_, line)| line)
        .find(|line| !line.is_empty() && !line.starts_with("#!["))
        .is_some_and(|line| line.starts_with("//!"))
}

/// Whether the line names the place, and not a longer path that has it in the middle.
fn has_trace(line: &str, trace: &str) -> bool {
    line.match_indices(trace).any(|(start, _)| {
        let before = line[..start].chars().next_back();
        !before.is_some_and(|c| c.is_alphanumeric() || "_.}*".contains(c))
    })
}

#[cfg(test)]
mod tests {
    use super::{SourceFile, check};

    #[track_caller]
    fn check_text(path: &str, text: &str, expected: &[&str]) {
        let mut problems = Vec::new();
        let file = SourceFile {
            path: path.to_owned(),
            bytes: text.as_bytes().to_vec(),
        };
        check(&file, &mut problems);
        assert_eq!(problems, expected);
    }

    #[test]
    fn what_is_in_order_passes() {
        check_text("a.rs", "#![allow(dead_code)]\n\n//! Text.\n", &[]);
        check_text("a.rs", "//! Text of ./work/ and $HOME/bin.\n", &[]);
        check_text("a.md", "# No header\n", &[]);
    }

    #[test]
    fn what_is_not_is_named() {
        let header = "a.rs:1: no `//!` header that says what the file holds";
        check_text("a.rs", "fn main() {}\n", &[header]);
        check_text("a.rs", "", &[header]);
        let mark = concat!("TO", "DO");
        check_text(
            "a.md",
            &format!("\n{mark}: all\n"),
            &[&format!("a.md:2: unfinished work: {mark}")],
        );
        let trace = concat!("/wo", "rk/");
        check_text(
            "a.toml",
            &format!("path = \"{trace}main\"\n"),
            &[&format!("a.toml:1: a trace of one machine: {trace}")],
        );
        check_text("Cargo.lock", concat!("https://index.", "crates.io\n"), &[]);
    }
}
