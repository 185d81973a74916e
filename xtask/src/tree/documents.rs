//! README, ARCHITECTURE, CONTRIBUTING and the tuning guide name paths that exist, and every dependency with its reason.

use std::collections::BTreeSet;

use super::SourceFile;

const DOCUMENTS: [&str; 5] = [
    "README.md",
    "ARCHITECTURE.md",
    "CONTRIBUTING.md",
    "docs/performance-tuning.md",
    "docs/monitoring.md",
];
/// The document with the table of dependencies.
const DEPENDENCIES: &str = "CONTRIBUTING.md";
/// What a path of this project begins with.
const TOPS: [&str; 8] = [
    "crates/", "xtask/", "fuzz/", "docs/", "bench/", "deploy/", ".ci/", ".cargo/",
];

/// Adds what the documents say and is not so.
pub fn check(files: &[SourceFile], problems: &mut Vec<String>) {
    for document in files.iter().filter(|file| is_document(file)) {
        for (number, path) in paths(document) {
            let is_there = |file: &SourceFile| is_or_is_in(&file.path, &path);
            if !files.iter().any(is_there) {
                problems.push(format!("{}:{number}: {path} does not exist", document.path));
            }
        }
    }
    if let Some(document) = files.iter().find(|file| file.path == DEPENDENCIES) {
        check_dependencies(document, files, problems);
    }
}

fn is_document(file: &SourceFile) -> bool {
    DOCUMENTS.contains(&file.path.as_str())
}

/// Whether the file has this path, or lies in the directory that has it.
fn is_or_is_in(file: &str, path: &str) -> bool {
    let rest = file.strip_prefix(path.trim_end_matches('/'));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The paths that a document names, from the root: the first words in backticks that begin as ours do, and the targets
/// of links, which are relative to the document.
fn paths(document: &SourceFile) -> impl Iterator<Item = (usize, String)> {
    let directory = document
        .path
        .rsplit_once('/')
        .map(|(directory, _)| directory);
    document.lines().flat_map(move |(number, line)| {
        let quoted = line.split('`').skip(1).step_by(2);
        let quoted = quoted.filter(|text| TOPS.iter().any(|top| text.starts_with(top)));
        let linked = line.split("](").skip(1);
        let linked = linked.filter_map(|rest| rest.split([')', '#']).next());
        let linked = linked.filter(|target| !target.is_empty() && !target.contains("://"));
        let quoted = quoted.map(|text| first_word(text).to_owned());
        let linked = linked.map(move |target| from_root(directory, target));
        quoted.chain(linked).map(move |path| (number, path))
    })
}

fn first_word(text: &str) -> &str {
    text.split(' ').next().unwrap_or(text)
}

/// A path that is relative to a directory of the project, from the root.
fn from_root(directory: Option<&str>, target: &str) -> String {
    let mut parts: Vec<&str> = directory
        .into_iter()
        .flat_map(|path| path.split('/'))
        .collect();
    for part in target.split('/') {
        if part == ".." {
            parts.pop();
        } else {
            parts.push(part);
        }
    }
    parts.join("/")
}

/// Compares the rows `| name | version | ...` with what the manifests ask for.
fn check_dependencies(document: &SourceFile, files: &[SourceFile], problems: &mut Vec<String>) {
    let rows: BTreeSet<(&str, &str)> = document.lines().filter_map(|(_, line)| row(line)).collect();
    let manifests = files
        .iter()
        .filter(|file| file.path.ends_with("Cargo.toml"));
    let asked: BTreeSet<(&str, &str)> = manifests.flat_map(requirements).collect();
    for (name, version) in &asked {
        if !rows.iter().any(|(other, _)| other == name) {
            problems.push(format!(
                "{DEPENDENCIES}: no row for the dependency {name} {version}"
            ));
        }
    }
    for (name, version) in rows.difference(&asked) {
        problems.push(format!(
            "{DEPENDENCIES}: no manifest asks for {name} {version}"
        ));
    }
}

/// The name and version of a row of the table: the second cell is a version.
fn row(line: &str) -> Option<(&str, &str)> {
    let mut cells = line.strip_prefix("| ")?.split(" | ");
    let (name, version) = (cells.next()?, cells.next()?);
    let number = version.trim_start_matches('=');
    let is_version = !number.is_empty() && number.chars().all(|c| c.is_ascii_digit() || c == '.');
    is_version.then_some((name, version))
}

/// The names and versions of what a manifest depends on, those of this workspace left out.
fn requirements(manifest: &SourceFile) -> impl Iterator<Item = (&str, &str)> {
    let mut inside = false;
    manifest.lines().filter_map(move |(_, line)| {
        if let Some(table) = line.strip_prefix('[') {
            inside = table.trim_end().ends_with("dependencies]");
            return None;
        }
        let (name, value) = line.split_once(" = ")?;
        let version = match value.strip_prefix('"') {
            Some(version) => version,
            None => value.split_once("version = \"")?.1,
        };
        inside.then_some((name, version.split('"').next()?))
    })
}

#[cfg(test)]
mod tests {
    use super::{SourceFile, check};

    fn file(path: &str, text: &str) -> SourceFile {
        SourceFile {
            path: path.to_owned(),
            bytes: text.as_bytes().to_vec(),
        }
    }

    #[track_caller]
    fn check_files(files: &[(&str, &str)], expected: &[&str]) {
        let files: Vec<SourceFile> = files.iter().map(|(path, text)| file(path, text)).collect();
        let mut problems = Vec::new();
        check(&files, &mut problems);
        assert_eq!(problems, expected);
    }

    #[test]
    fn paths_exist() {
        let text = "`crates/a`, `crates/b.rs`, `x/y`\n[c](C.md#part), [d](D.md), [e](https://e)\n";
        check_files(
            &[("README.md", text), ("crates/a/lib.rs", ""), ("C.md", "")],
            &[
                "README.md:1: crates/b.rs does not exist",
                "README.md:2: D.md does not exist",
            ],
        );
    }

    #[test]
    fn links_are_relative_to_the_document() {
        let text = "[a](a.md), [b](../b.md), [c](c.md), `bench/run.sh N`\n";
        check_files(
            &[
                ("docs/performance-tuning.md", text),
                ("docs/a.md", ""),
                ("b.md", ""),
                ("bench/run.sh", ""),
            ],
            &["docs/performance-tuning.md:1: docs/c.md does not exist"],
        );
    }

    #[test]
    fn dependencies_have_a_row() {
        let manifest = "[dependencies]\na = \"1\"\nb = { version = \"=2.0\", optional = true }\n\
                        own = { path = \"own\" }\n[lints]\nc = \"3\"\n";
        let table = "| crate | version | why |\n|---|---|---|\n| a | 1 | speed |\n| d | 4 | no |\n";
        check_files(
            &[("Cargo.toml", manifest), ("CONTRIBUTING.md", table)],
            &[
                "CONTRIBUTING.md: no row for the dependency b =2.0",
                "CONTRIBUTING.md: no manifest asks for d 4",
            ],
        );
    }
}
