//! Every setting of docs/configuration.md has a test that shows its effect: one with `/// Shows settings: a.b, c.d` above it.

use super::{SourceFile, has_word};

/// The document, which is written from the tables of settings.
const DOCUMENT: &str = "docs/configuration.md";
/// What the line above a test begins with, which names the settings whose effect it shows.
const MARK: &str = "/// Shows settings: ";

/// A setting of the document.
#[derive(Default)]
struct Setting {
    path: String,
    /// Its names in the text of a test: its key, and Redis's name.
    names: Vec<String>,
    /// Whether it is a key of an array of tables, which tests give in a file and not by name.
    is_in_table: bool,
}

/// A test that shows the effect of settings.
struct Shown<'a> {
    place: String,
    paths: Vec<&'a str>,
    /// The lines from its signature to its end.
    body: Vec<&'a str>,
    is_run: bool,
}

/// Adds the settings whose effect no test shows, and the marks that are wrong.
pub fn check(files: &[SourceFile], problems: &mut Vec<String>) {
    let Some(document) = files.iter().find(|file| file.path == DOCUMENT) else {
        return;
    };
    let settings = settings(document);
    let mut seen = Vec::new();
    for file in files.iter().filter(|file| file.is_rust()) {
        for shown in marks(file) {
            check_mark(file, &shown, &settings, problems);
            seen.extend(shown.paths);
        }
    }
    for setting in settings {
        let path = setting.path;
        if !seen.contains(&path.as_str()) {
            problems.push(format!("{DOCUMENT}: no test shows the effect of {path}"));
        }
    }
}

fn check_mark(
    file: &SourceFile,
    shown: &Shown<'_>,
    settings: &[Setting],
    problems: &mut Vec<String>,
) {
    let place = &shown.place;
    if !shown.is_run {
        problems.push(format!("{place}: this is above no test that runs"));
    }
    for path in &shown.paths {
        let Some(setting) = settings.iter().find(|setting| setting.path == *path) else {
            problems.push(format!("{place}: there is no setting {path}"));
            continue;
        };
        let names = |line: &str| setting.names.iter().any(|name| has_word(line, name));
        let is_named = match setting.is_in_table {
            true => file.code_lines().any(|(_, line)| names(line)),
            false => shown.body.iter().any(|line| names(line)),
        };
        if !is_named {
            problems.push(format!("{place}: the test does not name {path}"));
        }
    }
}

/// The settings: a heading `### section.key` for each, and in the chapter of an array of tables a row for each key.
fn settings(document: &SourceFile) -> Vec<Setting> {
    let mut settings: Vec<Setting> = Vec::new();
    let mut table = None;
    for (_, line) in document.lines() {
        if let Some(chapter) = line.strip_prefix("## ") {
            let name = chapter.strip_prefix("[[");
            table = name.and_then(|name| name.strip_suffix("]]"));
        } else if let Some(path) = line.strip_prefix("### ") {
            let key = path.rsplit('.').next().unwrap_or(path);
            settings.push(Setting {
                path: path.to_owned(),
                names: vec![key.to_owned()],
                is_in_table: false,
            });
        } else if let Some(name) = quoted(line, "- Name in Redis: `") {
            let names = settings.last_mut().map(|setting| &mut setting.names);
            names
                .into_iter()
                .for_each(|names| names.push(name.to_owned()));
        } else if let (Some(table), Some(key)) = (table, quoted(line, "| `")) {
            settings.push(Setting {
                path: format!("{table}.{key}"),
                names: vec![key.to_owned()],
                is_in_table: true,
            });
        }
    }
    settings
}

/// What stands between `start`, which ends with a backtick, and the next one.
fn quoted<'a>(line: &'a str, start: &str) -> Option<&'a str> {
    line.strip_prefix(start)?.split('`').next()
}

/// The tests of a file that say which settings they show.
fn marks(file: &SourceFile) -> Vec<Shown<'_>> {
    let lines: Vec<&str> = file.lines().map(|(_, line)| line).collect();
    let mut all = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        let text = line.trim_start();
        let Some(paths) = text.strip_prefix(MARK) else {
            continue;
        };
        // Further lines above the test are of this kind, or attributes.
        let is_above = |line: &&&str| line.trim_start().starts_with(['/', '#']);
        let above = lines[index..].iter().take_while(is_above).count();
        let test = &lines[index + above..];
        let indent = &line[..line.len() - text.len()];
        let length = test.iter().position(|line| *line == format!("{indent}}}"));
        let body = &test[..length.unwrap_or(0)];
        let is_function = body.first().is_some_and(|line| has_word(line, "fn"));
        let attributes = &lines[index..index + above];
        all.push(Shown {
            place: format!("{}:{}", file.path, index + 1),
            paths: paths.split(", ").collect(),
            body: body.to_vec(),
            // A function of a test program that is neither a test nor called is an error of the compiler.
            is_run: is_function && !attributes.iter().any(|line| line.contains("#[ignore")),
        });
    }
    all
}

#[cfg(test)]
mod tests {
    use super::{MARK, SourceFile, check};

    const DOCUMENT: &str = "## [server]\n### server.port\n- Name in Redis: `tcp`\n### server.bind\n\
                            ## [[prefix]]\n| key |\n| `match` | text |\n## Names\n| `save` | |\n";

    #[track_caller]
    fn check_test(test: &str, expected: &[&str]) {
        let file = |path: &str, text: &str| SourceFile {
            path: path.to_owned(),
            bytes: text.as_bytes().to_vec(),
        };
        let files = [file(super::DOCUMENT, DOCUMENT), file("t.rs", test)];
        let mut problems = Vec::new();
        check(&files, &mut problems);
        assert_eq!(problems, expected);
    }

    #[test]
    fn every_setting_has_a_test() {
        let test = format!(
            "const FILE: &str = \"match = 1\";\n\n{MARK}server.port, server.bind\n{MARK}prefix.match\n\
             #[test]\nfn a() {{\n    set(\"tcp bind\");\n}}\n"
        );
        check_test(&test, &[]);
        let text = "docs/configuration.md: no test shows the effect of";
        let missing = ["server.port", "server.bind", "prefix.match"];
        let missing = missing.map(|path| format!("{text} {path}"));
        check_test("fn a() {}\n", &missing.each_ref().map(String::as_str));
    }

    #[test]
    fn marks_that_are_wrong_are_told() {
        let test = format!(
            "    {MARK}server.port, server.gone, server.bind\n    #[test]\n    #[ignore]\n    fn a() {{\n        \
             port();\n    }}\n    fn b() {{\n        bind(); // match\n    }}\n{MARK}prefix.match\nconst A: u8 = 1;\n"
        );
        check_test(
            &test,
            &[
                "t.rs:1: this is above no test that runs",
                "t.rs:1: there is no setting server.gone",
                "t.rs:1: the test does not name server.bind",
                "t.rs:10: this is above no test that runs",
            ],
        );
    }
}
