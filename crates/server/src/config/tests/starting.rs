//! File, environment and flags at the start.

use std::fs;

use super::{Directory, printed, refused, served, start_in, start_with};
use crate::config::{BindAddress, IoBackend, ROWS};

/// Checks the messages that a file is refused with; none when it is accepted.
#[track_caller]
fn check_file(text: &str, expected: &[&str]) {
    match start_with(Some(text), &[], &["--check-config"]) {
        Ok(_) => assert!(expected.is_empty(), "accepted:\n{text}"),
        Err(errors) => assert_eq!(errors.0, expected, "\n{text}"),
    }
}

#[test]
fn without_anything_the_defaults_hold() {
    let (config, notes) = served(start_with(None, &[], &[]));
    let settings = config.settings();
    assert_eq!(settings.server.port, 6379);
    assert_eq!(settings.server.num_shards, 2048);
    assert_eq!(settings.performance.tcp_keepalive, 60);
    assert!(!settings.security.password.is_set());
    assert!(notes.is_empty());
    assert!(config.path().is_none());
}

#[test]
fn a_later_source_wins() {
    let file = "[server]\nport = 1\nbatch_size = 1\nnum_shards = 1\nmax_connections = 1\n";
    let environment = [
        ("REDIS_PORT", "2"),
        ("REDIS_BATCH_SIZE", "2"),
        ("REDIS_NUM_SHARDS", "2"),
    ];
    let flags = ["-p", "4", "--server.batch_size=4", "--timeout", "4"];
    let (config, _) = served(start_with(Some(file), &environment, &flags));
    let server = &config.settings().server;
    assert_eq!((server.port, server.batch_size), (4, 4));
    assert_eq!((server.num_shards, server.max_connections), (2, 1));
    assert_eq!(server.connection_timeout, 4);
}

#[test]
fn every_way_to_write_a_flag() {
    for flags in [
        &["-p", "7000"][..],
        &["-p7000"],
        &["-p=7000"],
        &["--port", "7000"],
        &["--port=7000"],
        &["--PORT", "7000"],
        &["--server.port", "7000"],
        &["--port", "1", "--server.port", "7000"],
    ] {
        let (config, _) = served(start_with(None, &[], flags));
        assert_eq!(config.settings().server.port, 7000, "{flags:?}");
    }
    let flags = [
        "--save",
        "",
        "--appendonly",
        "no",
        "--bind",
        "-::1,127.0.0.1",
    ];
    let (config, _) = served(start_with(None, &[], &flags));
    let address = |text: &str, optional| BindAddress {
        address: text.parse().expect("an address"),
        optional,
    };
    let expected = [address("::1", true), address("127.0.0.1", false)];
    assert_eq!(config.settings().server.bind, expected);
}

#[test]
fn wrong_flags_are_named() {
    let flags = [
        "--prot",
        "5",
        "--num_shards=3",
        "stray",
        "--appendonly",
        "yes",
        "-x",
        "--help=1",
        "--port",
    ];
    let expected = [
        "unknown flag --prot; did you mean --port?",
        "unknown flag --num_shards; did you mean --server.num_shards?",
        "unexpected argument 'stray'; a configuration file is given by --config FILE",
        "flag --appendonly: 'yes' is not supported, only 'no' is",
        "unknown flag -x; --help lists them",
        "flag --help takes no value",
        "flag --port needs a value",
    ];
    assert_eq!(refused(start_with(None, &[], &flags)), expected);
    assert_eq!(
        refused(start_with(
            None,
            &[("REDIS_PORT", "abc")],
            &["--timeout", "-1", "-a", "x\0"]
        )),
        [
            "environment variable REDIS_PORT: server.port couldn't be parsed into an integer: 'abc'",
            "flag --timeout: server.connection_timeout must be between 0 and 2147483647 inclusive: '-1'",
            "flag -a: security.password must not hold a NUL character",
        ]
    );
}

#[test]
fn the_port_that_kubernetes_sets_is_ignored() {
    let environment = [("REDIS_PORT", "tcp://10.0.0.1:6379")];
    let (config, notes) = served(start_with(None, &environment, &[]));
    assert_eq!(config.settings().server.port, 6379);
    assert_eq!(
        notes,
        [
            "REDIS_PORT is 'tcp://10.0.0.1:6379', which Kubernetes sets for a service of that name: ignored"
        ]
    );
    for value in ["", "10.0.0.1:6379", "70000", "6379 "] {
        assert_eq!(
            refused(start_with(None, &[("REDIS_PORT", value)], &[])).len(),
            1,
            "{value:?}"
        );
    }
    assert_eq!(
        refused(start_with(
            None,
            &[("REDIS_BIND", "tcp://10.0.0.1:6379")],
            &[]
        ))
        .len(),
        1
    );
}

#[test]
fn wrong_files_are_refused_with_line_and_nearest_name() {
    check_file("", &[]);
    check_file("# nothing\n[server]\n", &[]);
    check_file("server.port = 1\n", &[]);
    check_file("server = { port = 1 }\n", &[]);
    check_file(
        "[server]\nprot = 1\n",
        &["redistill.toml:2: unknown key 'prot' in section [server]; did you mean 'port'?"],
    );
    check_file(
        "[sever]\nport = 1\n",
        &["redistill.toml:1: unknown section or key 'sever'; did you mean [server]?"],
    );
    check_file(
        "port = 1\n",
        &["redistill.toml:1: 'port' must stand in section [server]"],
    );
    check_file(
        "[performance]\n\nport = 1\n",
        &[
            "redistill.toml:3: unknown key 'port' in section [performance]; it belongs in section [server]",
        ],
    );
    check_file(
        "[server]\nmaxclients = 1\n",
        &[
            "redistill.toml:2: unknown key 'maxclients' in section [server]; here that setting is server.max_connections",
        ],
    );
    check_file(
        "[server]\ntcp_nodelai = true\n",
        &[
            "redistill.toml:2: unknown key 'tcp_nodelai' in section [server]; did you mean performance.tcp_nodelay?",
        ],
    );
    check_file(
        "server = 1\n",
        &["redistill.toml:1: [server] is a section, not a value"],
    );
    check_file(
        "[server]\nport = \"6379\"\nnum_shards = 3\nbatch_size = 0\n[performance]\ntcp_nodelay = \"yes\"\n",
        &[
            "redistill.toml:2: server.port must be an integer, not a string",
            "redistill.toml:3: server.num_shards must be a power of two between 1 and 65536 inclusive",
            "redistill.toml:4: server.batch_size must be between 1 and 65536 inclusive",
            "redistill.toml:6: performance.tcp_nodelay must be true or false, not a string",
        ],
    );
    check_file(
        "[logging]\nlevel = \"loud\"\n",
        &[
            "redistill.toml:2: logging.level must be one of the following: trace (debug), debug, verbose, info (notice), warn (warning), error (warning), off (nothing)",
        ],
    );
    check_file(
        "[server]\nport = 0\n",
        &["server.port is 0 and server.unix_socket is empty: nothing to listen on"],
    );
}

#[test]
fn broken_toml_is_refused_with_its_line() {
    for (text, line) in [
        ("[server]\nport = \n", 2),
        ("a = 1\n\na = 2\n", 3),
        ("[server\n", 1),
    ] {
        let errors = refused(start_with(Some(text), &[], &[]));
        let place = format!("redistill.toml:{line}: ");
        assert!(errors[0].starts_with(&place), "{errors:?}");
    }
    let directory = Directory::new();
    fs::write(directory.0.join("redistill.toml"), b"\n[server]\n# \xff\n").expect("written");
    assert_eq!(
        refused(start_in(&directory, &[], &[])),
        ["redistill.toml:3: the file is not UTF-8 text"]
    );
}

#[test]
fn a_named_file_must_exist() {
    let errors = refused(start_with(None, &[], &["--config", "missing.toml"]));
    assert!(
        errors[0].starts_with("cannot read missing.toml: "),
        "{errors:?}"
    );
    let directory = Directory::new();
    fs::write(directory.0.join("other.toml"), "[server]\nport = 7\n").expect("written");
    let (config, _) = served(start_in(&directory, &[], &["-c", "other.toml"]));
    assert_eq!(config.settings().server.port, 7);
    assert_eq!(
        config.path(),
        Some(directory.0.join("other.toml").as_path())
    );
}

/// The file of the tuning guide of the versions before this one.
const GUIDE: &str = r#"
[server]
num_shards = 2048        # Best balance
batch_size = 256         # Match your pipeline depth
buffer_size = 16384      # 16KB
buffer_pool_size = 2048  # Optimal for tail latency
max_connections = 10000  # Adjust based on your needs

[performance]
tcp_nodelay = true       # Lower latency
tcp_keepalive = 60       # Connection reuse

[memory]
max_memory = 0                  # Set limit based on available RAM
eviction_policy = "allkeys-lru" # LRU eviction
"#;

/// A file with every key that those versions knew.
const EVERY_KEY: &str = r#"
[server]
bind = "0.0.0.0"
port = 6380
num_shards = 4096
batch_size = 16
buffer_size = 16384
buffer_pool_size = 4096
max_connections = 5000
connection_timeout = 300
connection_rate_limit = 0
health_check_port = 8080
shutdown_grace_period_secs = 30

[performance]
tcp_nodelay = true
tcp_keepalive = 120

[memory]
max_memory = 0
eviction_policy = "allkeys-lru"
eviction_sample_size = 5

[security]
password = ""
tls_enabled = false
tls_cert_path = ""
tls_key_path = ""

[logging]
level = "info"
format = "text"
"#;

#[test]
fn files_of_earlier_versions_work() {
    check_file(GUIDE, &[]);
    let (config, _) = served(start_with(Some(EVERY_KEY), &[], &[]));
    let server = &config.settings().server;
    assert_eq!((server.port, server.num_shards), (6380, 4096));
    assert_eq!(server.connection_timeout, 300);
}

#[test]
fn check_config_prints_every_setting_with_its_source() {
    let file = "[server]\nbind = [\"127.0.0.1\", \"::1\"]\nio_backend = \"mio\"\n";
    let environment = [
        ("REDIS_PASSWORD", "secret"),
        ("REDIS_PORT", "tcp://10.0.0.1:1"),
    ];
    let text = printed(start_with(
        Some(file),
        &environment,
        &["--check-config", "-l", "warning"],
    ));
    for line in [
        "bind = [\"127.0.0.1\", \"::1\"] # redistill.toml:2",
        "port = 6379 # default",
        "io_backend = \"mio\" # redistill.toml:3",
        "password = \"***\" # environment variable REDIS_PASSWORD",
        "level = \"warn\" # flag -l",
        "# REDIS_PORT is 'tcp://10.0.0.1:1', which Kubernetes sets for a service of that name: ignored",
    ] {
        let squeezed = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(
            text.lines().any(|printed| squeezed(printed) == line),
            "{line}\n{text}"
        );
    }
    let (config, _) = served(start_with(Some(&text), &[], &[]));
    assert_eq!(config.settings().server.io_backend, IoBackend::Mio);
}

#[test]
fn help_and_version_need_no_configuration() {
    let help = printed(start_with(Some("broken"), &[], &["--help"]));
    for row in ROWS {
        assert!(help.contains(&format!("--{}", row.path)), "{}", row.path);
    }
    let version = printed(start_with(Some("broken"), &[], &["-v"]));
    assert_eq!(
        version,
        format!("redistill {}\n", env!("CARGO_PKG_VERSION"))
    );
}
