//! What docs/performance-tuning.md promises: the profiles are accepted and served with, the scripts that it calls
//! work, and the fields of INFO that it names are there.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::client::Reply;
use crate::server::{Launch, Target, make_directory};

const PROFILES: [&str; 5] = [
    "read-heavy",
    "balanced",
    "write-heavy",
    "low-latency",
    "high-connections",
];

fn guide() -> String {
    fs::read_to_string(file("docs/performance-tuning.md")).expect("the guide")
}

/// A file of the project by its path from the root.
fn file(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .join(path)
}

fn profile(name: &str) -> PathBuf {
    file(&format!("docs/profiles/{name}.toml"))
}

#[test]
fn profiles_are_served_with() {
    let backends = [Target::IoUring, Target::Mio];
    for target in backends
        .into_iter()
        .filter(|backend| backend.is_available())
    {
        for name in PROFILES {
            let path = profile(name);
            let path = path.to_str().expect("the path is text");
            let server = Launch {
                flags: &["--config", path],
                ..Launch::new(target)
            }
            .start();
            let mut client = server.connect();
            assert_eq!(
                client.command_words("PING"),
                Reply::Simple(b"PONG".to_vec())
            );
            let info = client.command_words("INFO server").text();
            assert!(
                info.contains(&format!("config_file:{path}")),
                "{name}: {info}"
            );
        }
    }
}

#[test]
fn profiles_are_checked_by_the_command_that_the_guide_names() {
    for name in PROFILES {
        let output = Command::new(env!("CARGO_BIN_EXE_redistill"))
            .arg("--check-config")
            .arg("--config")
            .arg(profile(name))
            .env_clear()
            .output()
            .expect("the executable runs");
        assert!(output.status.success(), "{name}: {}", text(&output.stderr));
        let printed = text(&output.stdout);
        let from_file = printed
            .lines()
            .filter(|line| line.contains(&format!("{name}.toml:")));
        assert!(from_file.count() >= 4, "{name}: {printed}");
    }
}

#[test]
fn the_guide_s_default_is_the_default() {
    let guide = guide();
    let block = guide.split("```toml\n").nth(1).expect("a configuration");
    let block = block.split("```").next().unwrap_or_default();
    let directory = make_directory();
    fs::write(directory.join("redistill.toml"), block).expect("the file is written");
    let check = |path: &Path| {
        let output = Command::new(env!("CARGO_BIN_EXE_redistill"))
            .arg("--check-config")
            .current_dir(path)
            .env_clear()
            .output()
            .expect("the executable runs");
        assert!(output.status.success(), "{}", text(&output.stderr));
        let printed = text(&output.stdout);
        let without_source = |line: &str| line.split(" #").next().unwrap_or(line).trim().to_owned();
        let settings = printed.lines().filter(|line| line.contains(" = "));
        settings.map(without_source).collect::<Vec<_>>()
    };
    let (with, without) = (check(&directory), check(&make_directory()));
    assert_eq!(with, without);
}

#[test]
fn info_has_the_fields_that_the_guide_names() {
    let server = Launch::new(Target::Mio).start();
    let info = server.connect().command_words("INFO everything").text();
    let guide = guide();
    let mut fields = 0;
    for line in guide.lines().filter(|line| line.contains("INFO ")) {
        // Fields of INFO are the words in backticks that are written as such.
        let quoted = line.split('`').skip(1).step_by(2);
        let is_field = |word: &&str| {
            word.contains('_') && !word.contains([' ', '.', '/']) && *word != "io_uring"
        };
        for word in quoted.filter(is_field) {
            let name = word.split(':').next().unwrap_or(word);
            let is_there = info.contains(&format!("{name}:")) || info.contains(&format!("{name}="));
            assert!(is_there, "{line}: no {name} in\n{info}");
            fields += 1;
        }
    }
    assert!(fields >= 15, "only {fields} fields were found");
}

#[test]
fn no_profile_is_left_out() {
    let listed = fs::read_dir(file("docs/profiles")).expect("the directory of the profiles");
    let mut found: Vec<String> = listed
        .map(|entry| {
            let name = entry.expect("a file").file_name();
            name.to_string_lossy().trim_end_matches(".toml").to_owned()
        })
        .collect();
    found.sort_unstable();
    let mut expected = PROFILES;
    expected.sort_unstable();
    assert_eq!(found, expected);
}

/// Runs a script with the executables beside ours; `None` where the load generator has not been built.
fn script(path: &str, arguments: &[&str], environment: &[(&str, &str)]) -> Option<Output> {
    let executable = Path::new(env!("CARGO_BIN_EXE_redistill"));
    let binaries = executable.parent().expect("a directory");
    if !binaries.join("redistill-benchmark").exists() {
        eprintln!("skipped: {path}: redistill-benchmark is not built");
        return None;
    }
    let output = Command::new(file(path))
        .args(arguments)
        .env("REDISTILL_BIN_DIR", binaries)
        .env("REDISTILL_SECONDS", "0.1")
        .env("REDISTILL_KEYS", "1000")
        .env("TMPDIR", make_directory())
        .envs(environment.iter().copied())
        .output();
    Some(output.expect("bash runs the script"))
}

#[test]
fn scripts_measure_and_leave_nothing_behind() {
    for (path, shards) in [
        ("test_config.sh", "2048"),
        ("bench/benchmark_config.sh", "256"),
    ] {
        let Some(output) = script(path, &[shards], &[("REDISTILL_REQUESTS", "1000")]) else {
            return;
        };
        let printed = text(&output.stdout);
        assert!(
            output.status.success(),
            "{path}: {}{printed}",
            text(&output.stderr)
        );
        let expected = [
            format!("shards {shards}, port "),
            "empty server ".to_owned(),
            "SET: ".to_owned(),
            "GET: ".to_owned(),
            "requests/s".to_owned(),
            "hit ratio    100.00 %".to_owned(),
            "server CPU ".to_owned(),
        ];
        for part in expected {
            assert!(printed.contains(&part), "{path}: no '{part}' in\n{printed}");
        }
        let port = printed.split("port ").nth(1).expect("a port");
        let port: u16 = port
            .split(',')
            .next()
            .and_then(|port| port.parse().ok())
            .expect("a number");
        assert!(
            std::net::TcpListener::bind(("127.0.0.1", port)).is_ok(),
            "{path}: the server still runs"
        );
    }
}

#[test]
fn scripts_name_what_is_wrong() {
    let directory = make_directory();
    let empty = directory.to_str().expect("the path is text");
    for (arguments, environment, status, part) in [
        (&[][..], ("A", "b"), 2, "Usage: "),
        (&["1", "2"], ("A", "b"), 2, "Usage: "),
        (&["many"], ("A", "b"), 2, "a whole number, not 'many'"),
        (&["3"], ("A", "b"), 2, "a power of two"),
        (&["0"], ("A", "b"), 2, "a power of two"),
        (&["131072"], ("A", "b"), 2, "a power of two"),
        (&["8"], ("REDISTILL_KEYS", "x"), 2, "REDISTILL_KEYS must be"),
        (&["8"], ("REDISTILL_BIN_DIR", empty), 1, "there is no "),
    ] {
        for path in ["test_config.sh", "bench/benchmark_config.sh"] {
            let Some(output) = script(path, arguments, &[environment]) else {
                return;
            };
            let errors = text(&output.stderr);
            assert_eq!(output.status.code(), Some(status), "{path}: {errors}");
            assert!(errors.contains(part), "{path}: {errors}");
        }
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
