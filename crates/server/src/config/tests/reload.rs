//! Rereading the file while the server runs.

use std::fs;

use super::{Directory, served, start_in};
use crate::config::{Config, Refusal, Reload};

/// A server that was started with a file, and the directory of that file.
fn started(text: &str, arguments: &[&str]) -> (Directory, Config) {
    let directory = Directory::new();
    write(&directory, text);
    let (config, _) = served(start_in(&directory, &[], arguments));
    (directory, config)
}

fn write(directory: &Directory, text: &str) {
    fs::write(directory.0.join("redistill.toml"), text).expect("the file is written");
}

fn reload(config: &Config) -> Reload {
    config.reload().expect("a valid file")
}

fn value(config: &Config, name: &str) -> String {
    let found = config.get(&[name.as_bytes()], |_, _| false);
    found[0].1.clone()
}

#[test]
fn what_has_changed_holds() {
    let (directory, config) = started("[server]\nmax_connections = 50\n", &[]);
    assert_eq!(reload(&config), Reload::default());
    write(
        &directory,
        "[server]\nmax_connections = 60 # more\nport = 7000\n[security]\npassword = \"secret\"\n",
    );
    let expected = Reload {
        changed: vec![
            "server.max_connections = 60, was 50".to_owned(),
            "security.password = \"***\", was \"\"".to_owned(),
        ],
        needs_restart: vec!["server.port = 7000, is 6379".to_owned()],
        overridden: Vec::new(),
    };
    assert_eq!(reload(&config), expected);
    assert_eq!(config.settings().server.max_connections, 60);
    assert_eq!(config.settings().server.port, 6379);
    assert_eq!(config.settings().security.password.as_bytes(), b"secret");
    // What needs a restart still does.
    let again = reload(&config);
    assert_eq!((again.changed.len(), again.needs_restart.len()), (0, 1));
    // What is no longer there has its default.
    write(&directory, "");
    let changed = reload(&config).changed;
    assert!(changed.contains(&"server.max_connections = 10000, was 60".to_owned()));
}

#[test]
fn a_bad_file_changes_nothing() {
    let (directory, config) = started("[server]\nmax_connections = 50\n", &[]);
    for text in [
        "[server]\nmax_connections = 60\nport = \"x\"\n",
        "[server]\nmax_connections = 60\nnosuch = 1\n",
        "[server\n",
        "[server]\nmax_connections = 60\n[memory]\nlfu_decay_time = 3\n",
    ] {
        if text.contains("lfu_decay_time") {
            config.on_change(|_, after| {
                let refusal = || Refusal {
                    path: "memory.lfu_decay_time",
                    reason: "is not liked".to_owned(),
                };
                match after.memory.lfu_decay_time {
                    3 => Err(refusal()),
                    _ => Ok(()),
                }
            });
        }
        write(&directory, text);
        let errors = config.reload().expect_err("it is not valid");
        assert!(!errors.0.is_empty(), "{text}");
        assert_eq!(value(&config, "maxclients"), "50", "{text}");
    }
    write(&directory, "[server]\nmax_connections = 60\n");
    assert_eq!(reload(&config).changed.len(), 1);
    fs::remove_file(directory.0.join("redistill.toml")).expect("it is there");
    assert!(config.reload().is_err());
    assert_eq!(value(&config, "maxclients"), "60");
}

#[test]
fn what_others_have_set_stays() {
    let (directory, config) = started("[server]\nmax_connections = 50\n", &["--timeout", "9"]);
    config.set(&[(b"maxclients", b"70")]).expect("a number");
    write(
        &directory,
        "[server]\nmax_connections = 50\nconnection_timeout = 3\nbatch_size = 7\n",
    );
    let reload_report = reload(&config);
    assert_eq!(reload_report.changed, ["server.batch_size = 7, was 256"]);
    let expected = ["server.connection_timeout = 3, but flag --timeout says 9"];
    assert_eq!(reload_report.overridden, expected);
    assert_eq!(value(&config, "maxclients"), "70");
    assert_eq!(value(&config, "timeout"), "9");
    // Until the file says something new about it.
    write(&directory, "[server]\nmax_connections = 55\n");
    assert!(
        reload(&config)
            .changed
            .contains(&"server.max_connections = 55, was 70".to_owned())
    );
}

#[test]
fn prefixes_need_a_restart() {
    let (directory, config) = started("[[prefix]]\nmatch = \"a:\"\ndefault_ttl = 5\n", &[]);
    write(
        &directory,
        "# moved\n[[prefix]]\nmatch = \"a:\"\ndefault_ttl = 5\n",
    );
    assert_eq!(reload(&config), Reload::default());
    write(&directory, "[[prefix]]\nmatch = \"a:\"\ndefault_ttl = 6\n");
    assert_eq!(reload(&config).needs_restart, ["[[prefix]]"]);
}

#[test]
fn without_a_file_there_is_nothing_to_read() {
    let (config, _) = served(super::start_with(None, &[], &[]));
    assert!(config.reload().is_err());
}
