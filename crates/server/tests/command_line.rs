//! The executable as a person starts it: what it prints, where, and its exit status.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Runs the executable in a directory of its own, without this process's environment.
fn redistill(directory: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_redistill"))
        .args(arguments)
        .current_dir(directory)
        .env_clear()
        .output()
        .expect("the executable runs")
}

/// An empty directory for one test.
fn directory(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    // Left over from an earlier run.
    let _ = fs::remove_dir_all(&path);
    fs::create_dir_all(&path).expect("a new directory");
    path
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn a_wrong_configuration_line_stops_the_start() {
    let directory = directory("wrong-line");
    fs::write(directory.join("redistill.toml"), "[server]\nprot = 6380\n").expect("written");
    let output = redistill(&directory, &[]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(text(&output.stdout), "");
    let errors = text(&output.stderr);
    assert!(
        errors.contains(
            "redistill.toml:2: unknown key 'prot' in section [server]; did you mean 'port'?"
        ),
        "{errors}"
    );
}

#[test]
fn check_config_prints_and_ends() {
    let directory = directory("check-config");
    fs::write(directory.join("other.toml"), "[server]\nport = 7000\n").expect("written");
    let output = redistill(
        &directory,
        &["--check-config", "--config", "other.toml", "-w1"],
    );
    assert_eq!(output.status.code(), Some(0));
    let printed = text(&output.stdout);
    for (setting, source) in [
        ("port = 7000", "# other.toml:2"),
        ("workers = 1", "# flag -w"),
        ("bind = \"127.0.0.1\"", "# default"),
    ] {
        let found = printed
            .lines()
            .any(|line| line.starts_with(setting) && line.ends_with(source));
        assert!(found, "{setting}\n{printed}");
    }
}

#[test]
fn version_and_help() {
    let directory = directory("version");
    let version = redistill(&directory, &["--version"]);
    assert_eq!(version.status.code(), Some(0));
    assert_eq!(
        text(&version.stdout),
        format!("redistill {}\n", env!("CARGO_PKG_VERSION"))
    );
    let help = redistill(&directory, &["--help"]);
    assert_eq!(help.status.code(), Some(0));
    assert!(text(&help.stdout).contains("--server.port"));
}
