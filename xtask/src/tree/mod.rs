//! Checks of the files of the project: rules that no compiler knows.
//!
//! - `text`: headers, marks of unfinished work, traces of one machine, sizes.
//! - `safety`: unsafe code only in the files named for it.
//! - `arrows`: which crate may depend on which, and what its code may not mention.
//! - `documents`: README, ARCHITECTURE, CONTRIBUTING and the tuning guide name what exists.
//! - `settings`: every setting has a test that shows its effect.

mod arrows;
mod documents;
mod safety;
mod settings;
mod text;

use std::fs;
use std::process::Command;

use crate::workspace::{output, root};

/// A file of the project.
pub struct SourceFile {
    /// Its path from the root, with `/`.
    pub path: String,
    /// What is in it.
    pub bytes: Vec<u8>,
}

impl SourceFile {
    /// Its lines with their numbers, counted from 1; none for what is not text.
    pub fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        let text = std::str::from_utf8(&self.bytes).unwrap_or_default();
        text.lines()
            .enumerate()
            .map(|(index, line)| (index + 1, line))
    }

    /// Its lines that are not comments, with their numbers.
    pub fn code_lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.lines()
            .filter(|(_, line)| !line.trim_start().starts_with("//"))
    }

    /// Whether it is Rust.
    pub fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }
}

/// Checks every file that git knows or would add.
pub fn check() -> Result<(), String> {
    let files = read_files()?;
    let mut problems = Vec::new();
    for file in &files {
        text::check(file, &mut problems);
        safety::check(file, &mut problems);
        arrows::check(file, &mut problems);
    }
    safety::check_list(&files, &mut problems);
    documents::check(&files, &mut problems);
    settings::check(&files, &mut problems);
    if problems.is_empty() {
        println!("{} files are in order", files.len());
        return Ok(());
    }
    Err(format!("\n{}", problems.join("\n")))
}

fn read_files() -> Result<Vec<SourceFile>, String> {
    let root = root()?;
    let mut command = Command::new("git");
    command.args(["ls-files", "--cached", "--others", "--exclude-standard"]);
    command.current_dir(&root);
    let paths = output(command)?;
    let mut files = Vec::new();
    for path in paths.lines() {
        match fs::read(root.join(path)) {
            Ok(bytes) => files.push(SourceFile {
                path: path.to_owned(),
                bytes,
            }),
            // Deleted and not yet committed.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(format!("cannot read {path}: {error}")),
        }
    }
    Ok(files)
}

/// Whether `word` stands in `line` with no letter, digit or underscore beside it.
fn has_word(line: &str, word: &str) -> bool {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(start, _)| {
        let before = line[..start].chars().next_back();
        let after = line[start + word.len()..].chars().next();
        !before.is_some_and(is_word) && !after.is_some_and(is_word)
    })
}

#[cfg(test)]
mod tests {
    use super::has_word;

    #[test]
    fn words_stand_alone() {
        assert!(has_word("move { x }", "move"));
        assert!(has_word("(move)", "move"));
        assert!(!has_word("move_code", "move"));
        assert!(!has_word("a_move", "move"));
    }
}
