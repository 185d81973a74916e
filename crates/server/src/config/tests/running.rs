//! CONFIG GET, SET and REWRITE. The error lines are those of redis-server 7.0.15.

use std::fs;
use std::sync::{Arc, Mutex};

use commands::acl::Acl;

use super::{Directory, served, start_in, start_with};
use crate::access::configured;
use crate::config::{Config, Refusal};

fn config() -> Config {
    served(start_with(None, &[], &[])).0
}

/// A glob that knows `*` at the end only.
fn glob(pattern: &[u8], name: &[u8]) -> bool {
    pattern
        .strip_suffix(b"*")
        .is_some_and(|start| name.starts_with(start))
}

#[track_caller]
fn check_get(config: &Config, patterns: &[&str], expected: &[(&str, &str)]) {
    let patterns: Vec<&[u8]> = patterns.iter().map(|pattern| pattern.as_bytes()).collect();
    let found = config.get(&patterns, glob);
    let found: Vec<(&str, &str)> = found
        .iter()
        .map(|(name, value)| (&**name, &**value))
        .collect();
    assert_eq!(found, expected);
}

fn set(config: &Config, pairs: &[(&str, &str)]) -> Result<(), String> {
    let pairs: Vec<(&[u8], &[u8])> = pairs
        .iter()
        .map(|(name, value)| (name.as_bytes(), value.as_bytes()))
        .collect();
    config.set(&pairs)
}

#[track_caller]
fn check_refused(pairs: &[(&str, &str)], expected: &str) {
    let config = config();
    let before = config.settings();
    assert_eq!(set(&config, pairs), Err(expected.to_owned()), "{pairs:?}");
    assert_eq!(config.settings(), before, "{pairs:?}");
}

#[test]
fn get_answers_redis_names_and_paths() {
    let config = config();
    check_get(&config, &["maxclients"], &[("maxclients", "10000")]);
    check_get(
        &config,
        &["server.max_connections"],
        &[("server.max_connections", "10000")],
    );
    check_get(&config, &["TimeOut"], &[("TimeOut", "0")]);
    check_get(
        &config,
        &["loglevel", "logging.level"],
        &[("loglevel", "notice"), ("logging.level", "info")],
    );
    check_get(
        &config,
        &["save", "appendonly"],
        &[("save", ""), ("appendonly", "no")],
    );
    check_get(
        &config,
        &["proto-max-bulk-len", "bind"],
        &[("proto-max-bulk-len", "536870912"), ("bind", "127.0.0.1")],
    );
    check_get(
        &config,
        &["tcp-k*", "tcp-*", "tcp-backlog"],
        &[("tcp-keepalive", "60"), ("tcp-backlog", "511")],
    );
    check_get(
        &config,
        &["performance*"],
        &[
            ("performance.tcp_nodelay", "true"),
            ("performance.tcp_keepalive", "60"),
        ],
    );
    check_get(&config, &["nosuch", "no*such"], &[]);
    assert!(config.get(&[b"*"], glob).len() > 60);
}

#[test]
fn set_changes_several_settings_at_once() {
    let config = Arc::new(config());
    let mut watch = config.watch();
    assert!(!watch.refresh());
    let pairs = [
        ("MaxClients", "77"),
        ("server.batch_size", "8"),
        ("client-query-buffer-limit", "2mb"),
    ];
    assert_eq!(set(&config, &pairs), Ok(()));
    check_get(
        &config,
        &["maxclients", "client-query-buffer-limit"],
        &[
            ("maxclients", "77"),
            ("client-query-buffer-limit", "2097152"),
        ],
    );
    assert_eq!(watch.settings().server.max_connections, 10000);
    assert!(watch.refresh() && !watch.refresh());
    assert_eq!(watch.settings().server.max_connections, 77);
    assert_eq!(watch.settings().server.batch_size, 8);
    assert_eq!(set(&config, &pairs), Ok(()));
    assert!(!watch.refresh(), "nothing has changed");
}

#[test]
fn constants_take_their_own_value_only() {
    let config = config();
    assert_eq!(set(&config, &[("save", ""), ("appendonly", "NO")]), Ok(()));
    check_refused(
        &[("save", "3600 1")],
        "ERR CONFIG SET failed (possibly related to argument 'save') - is not supported: its only value is ''",
    );
    check_refused(
        &[("cluster-enabled", "no")],
        "ERR CONFIG SET failed (possibly related to argument 'cluster-enabled') - can't set immutable config",
    );
}

#[test]
fn set_refuses_with_the_lines_of_redis() {
    let failed = |name: &str, reason: &str| {
        format!("ERR CONFIG SET failed (possibly related to argument '{name}') - {reason}")
    };
    check_refused(
        &[("nosuch", "1")],
        "ERR Unknown option or number of arguments for CONFIG SET - 'nosuch'",
    );
    check_refused(
        &[("maxclients", "10"), ("nosuch", "1"), ("alsono", "1")],
        "ERR Unknown option or number of arguments for CONFIG SET - 'nosuch'",
    );
    check_refused(
        &[("maxclients", "10"), ("maxclients", "11")],
        &failed("maxclients", "duplicate parameter"),
    );
    check_refused(
        &[("timeout", "10"), ("timeout", "11"), ("nosuch", "1")],
        &failed("timeout", "duplicate parameter"),
    );
    check_refused(
        &[("databases", "16")],
        &failed("databases", "can't set immutable config"),
    );
    check_refused(
        &[("MaxClients", "0")],
        &failed(
            "maxclients",
            "argument must be between 1 and 4294967295 inclusive",
        ),
    );
    for number in ["abc", "1.5", "007", "+7", ""] {
        check_refused(
            &[("timeout", number), ("maxclients", "0")],
            &failed("timeout", "argument couldn't be parsed into an integer"),
        );
    }
    check_refused(
        &[("tcp-keepalive", "-1")],
        &failed(
            "tcp-keepalive",
            "argument must be between 0 and 2147483647 inclusive",
        ),
    );
    check_refused(
        &[("client-query-buffer-limit", "5")],
        &failed(
            "client-query-buffer-limit",
            "argument must be between 1048576 and 9223372036854775807 inclusive",
        ),
    );
    for size in ["x", "-5", "%5"] {
        check_refused(
            &[("maxmemory", size)],
            &failed("maxmemory", "argument must be a memory value"),
        );
    }
    check_refused(
        &[("maxmemory-policy", "foo")],
        &failed(
            "maxmemory-policy",
            "argument(s) must be one of the following: volatile-lru, volatile-lfu, volatile-random, volatile-ttl, allkeys-lru, allkeys-lfu, allkeys-random, noeviction",
        ),
    );
    check_refused(
        &[("performance.tcp_nodelay", "maybe")],
        &failed("performance.tcp_nodelay", "argument must be 'yes' or 'no'"),
    );
}

#[test]
fn a_hook_that_refuses_leaves_everything_as_it_was() {
    let config = config();
    let calls: Arc<Mutex<Vec<(u32, u32)>>> = Arc::default();
    let log = Arc::clone(&calls);
    config.on_change(move |before, after| {
        let timeouts = (
            before.server.connection_timeout,
            after.server.connection_timeout,
        );
        log.lock().expect("no panic").push(timeouts);
        Ok(())
    });
    config.on_change(|_, after| match after.server.max_connections {
        0..=100 => Ok(()),
        _ => Err(Refusal {
            path: "server.max_connections",
            reason: "too many".to_owned(),
        }),
    });
    assert_eq!(
        set(&config, &[("timeout", "5"), ("maxclients", "101")]),
        Err(
            "ERR CONFIG SET failed (possibly related to argument 'maxclients') - too many"
                .to_owned()
        )
    );
    assert_eq!(config.settings().server.connection_timeout, 0);
    assert_eq!(
        set(&config, &[("timeout", "5"), ("maxclients", "100")]),
        Ok(())
    );
    assert_eq!(*calls.lock().expect("no panic"), [(0, 5), (5, 0), (0, 5)]);
}

#[test]
fn rewrite_keeps_the_file_and_writes_what_changed() {
    let directory = Directory::new();
    let path = directory.0.join("redistill.toml");
    let text = "# mine\n[server]\nport = 6390 # the port\nmax_connections = 5\nproto_max_bulk_bytes = \"2mb\"\n\n[logging]\n# quiet\nlevel = \"warn\"\n";
    fs::write(&path, text).expect("written");
    let environment = [("REDIS_PASSWORD", "secret")];
    let (config, _) = served(start_in(&directory, &environment, &["--timeout", "9"]));
    assert_eq!(
        set(
            &config,
            &[
                ("maxclients", "7"),
                ("tcp-keepalive", "30"),
                ("loglevel", "debug")
            ]
        ),
        Ok(())
    );
    assert_eq!(set(&config, &[("server.batch_size", "256")]), Ok(()));
    assert_eq!(config.rewrite(&configured(&config.settings())), Ok(()));
    let expected = "# mine\n[server]\nport = 6390 # the port\nmax_connections = 7\nproto_max_bulk_bytes = \"2mb\"\nconnection_timeout = 9\n\n[logging]\n# quiet\nlevel = \"debug\"\n\n[performance]\ntcp_keepalive = 30\n";
    assert_eq!(fs::read_to_string(&path).expect("read"), expected);
    assert_eq!(config.rewrite(&configured(&config.settings())), Ok(()));
    assert_eq!(fs::read_dir(&directory.0).expect("read").count(), 1);
    let (again, _) = served(start_in(&directory, &environment, &[]));
    assert_eq!(again.settings(), config.settings());
}

#[test]
fn rewrite_needs_a_file_that_it_understands() {
    assert_eq!(
        config().rewrite(&Acl::default()),
        Err("ERR The server is running without a config file".to_owned())
    );
    let directory = Directory::new();
    let path = directory.0.join("redistill.toml");
    fs::write(&path, "[server]\n").expect("written");
    let (config, _) = served(start_in(&directory, &[], &[]));
    assert_eq!(set(&config, &[("maxclients", "7")]), Ok(()));
    fs::write(&path, "[server\n").expect("written");
    let error = config
        .rewrite(&configured(&config.settings()))
        .expect_err("a broken file");
    assert!(error.starts_with("ERR Rewriting config file: "), "{error}");
    assert_eq!(fs::read_to_string(&path).expect("read"), "[server\n");
    fs::remove_file(&path).expect("removed");
    assert_eq!(config.rewrite(&configured(&config.settings())), Ok(()));
    assert_eq!(
        fs::read_to_string(&path).expect("read"),
        "[server]\nmax_connections = 7\n"
    );
}
