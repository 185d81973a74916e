//! The HTTP endpoint as monitors and those that mean harm meet it.

use std::net::TcpListener;
use std::time::Duration;

use rustix::process::Signal;

use crate::client::encode;
use crate::http_client::{Answer, Connection, Site};
use crate::server::{Server, Target, free_port};
use crate::waiting::until;

/// How long something may take that must come.
const PATIENCE: Duration = Duration::from_secs(20);
/// More connections than the endpoint has.
const MANY: usize = 200;

fn for_each_backend(flags: &[&str], test: impl Fn(&Site)) {
    for target in [Target::Mio, Target::IoUring] {
        if target.is_available() {
            test(&Site::start(target, flags));
        }
    }
}

/// The fields of a flat JSON object, in order.
fn fields(answer: &Answer) -> Vec<(String, String)> {
    let inside = answer.body.strip_prefix('{').expect("an object");
    let inside = inside.strip_suffix('}').expect("an object");
    let pair = |field: &str| {
        let (name, value) = field.split_once(':').expect("a field");
        (name.trim_matches('"').to_owned(), value.to_owned())
    };
    inside.split(',').map(pair).collect()
}

#[track_caller]
fn check(answer: &Answer, status: u16, body: &str) {
    assert_eq!((answer.status, answer.body.as_str()), (status, body));
}

#[test]
fn health_has_its_fields_in_their_order() {
    for_each_backend(&["--memory.max_memory", "4294967296"], |site| {
        let mut client = site.server.connect();
        client.pipeline(&["SET k v", "GET k", "GET missing"]);
        let answer = site.get("/health");
        assert_eq!(answer.status, 200);
        assert_eq!(
            answer.header("content-type"),
            "application/json; charset=utf-8"
        );
        let fields = fields(&answer);
        let names: Vec<&str> = fields.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(
            names[..9],
            [
                "status",
                "uptime_seconds",
                "active_connections",
                "total_connections",
                "rejected_connections",
                "memory_used",
                "max_memory",
                "evicted_keys",
                "total_commands",
            ]
        );
        let value = |name: &str| {
            &fields
                .iter()
                .find(|(field, _)| field == name)
                .expect(name)
                .1
        };
        assert_eq!(value("status"), "\"ok\"");
        for (name, expected) in [
            ("max_memory", "4294967296"),
            ("evicted_keys", "0"),
            ("rejected_connections", "0"),
            ("keys", "1"),
            ("hits", "1"),
            ("misses", "1"),
        ] {
            assert_eq!(value(name), expected, "{name}");
        }
        for name in ["active_connections", "total_connections", "memory_used"] {
            let number: u64 = value(name).parse().expect(name);
            assert!(number > 0, "{name}");
        }
        let commands: u64 = value("total_commands").parse().expect("a number");
        assert!(commands >= 3, "{commands}");
    });
}

#[test]
fn probes_tell_the_condition() {
    for_each_backend(&[], |site| {
        check(&site.get("/ready"), 200, "ok\n");
        check(&site.get("/live"), 200, "OK\n");
        check(&site.get("/startup"), 200, "ok\n");
    });
}

#[test]
fn while_it_drains_it_is_not_ready() {
    for_each_backend(&["--server.shutdown_grace_period_secs", "20"], |site| {
        let mut control = site.server.connect();
        control.command(&[b"SET", b"k".as_slice(), &[b'v'; 1 << 20]]);
        // A client that does not read holds the end up.
        let mut lazy = site.server.connect();
        lazy.send(&encode(&["GET", "k"]).repeat(50)).expect("sent");
        until(PATIENCE, "replies wait", || {
            let list = control.command_words("CLIENT LIST").text();
            list.lines()
                .any(|line| line.contains("cmd=get") && !line.contains(" omem=0 "))
        });
        let mut watcher = site.connect();
        site.server.signal(Signal::TERM);
        until(PATIENCE, "it drains", || {
            watcher.send("GET /ready HTTP/1.1\r\nHost: a\r\n\r\n");
            watcher.read().expect("an answer").status == 503
        });
        check(&site.get("/ready"), 503, "draining\n");
        check(&site.get("/live"), 200, "OK\n");
        let health = site.get("/health");
        assert_eq!(health.status, 503);
        assert!(
            health.body.starts_with("{\"status\":\"draining\","),
            "{}",
            health.body
        );
        let ready = "redistill_ready 0\n";
        assert!(site.get("/metrics").body.contains(ready));
        drop(lazy);
    });
}

#[test]
fn head_is_get_without_a_body() {
    for_each_backend(&[], |site| {
        let mut connection = site.connect();
        for path in ["/live", "/nothing", "/cache/curve", "/"] {
            let request = |method: &str| format!("{method} {path} HTTP/1.1\r\nHost: a\r\n\r\n");
            connection.send(&request("HEAD"));
            let head = connection.read_head().expect("an answer");
            connection.send(&request("GET"));
            let get = connection.read().expect("an answer");
            assert_eq!(head.status, get.status, "{path}");
            let length = get.body.len().to_string();
            assert_eq!(head.header("content-length"), length, "{path}");
        }
    });
}

#[test]
fn bad_requests_get_their_status() {
    let host = "HTTP/1.1\r\nHost: a\r\n";
    let long = "a".repeat(20_000);
    let requests = [
        (format!("POST /health {host}\r\n"), 405),
        (
            format!("DELETE / {host}Content-Length: 5\r\n\r\nhello"),
            405,
        ),
        (
            format!("GET /health {host}Content-Length: 5\r\n\r\nhello"),
            413,
        ),
        (format!("GET /nothing {host}\r\n"), 404),
        (format!("GET /cache/hotkeys?count=0 {host}\r\n"), 400),
        (format!("GET /cache/hotkeys?count=x {host}\r\n"), 400),
        ("GET /health HTTP/1.1\r\n\r\n".to_owned(), 400),
        ("GET /health HTTP/3.0\r\n\r\n".to_owned(), 505),
        ("*1\r\n$4\r\nPING\r\n".to_owned(), 400),
        (format!("GET /{long} {host}\r\n"), 414),
        (format!("GET / {host}x: {long}\r\n\r\n"), 431),
        (format!("GET / {host}{}\r\n", "x: y\r\n".repeat(100)), 431),
    ];
    for_each_backend(&[], |site| {
        for (request, status) in &requests {
            let mut connection = site.connect();
            connection.send(request);
            let answer = connection.read().expect("an answer");
            assert_eq!(answer.status, *status, "{request}");
            if *status == 405 {
                assert_eq!(answer.header("allow"), "GET, HEAD");
            }
        }
        check(&site.get("/live"), 200, "OK\n");
    });
}

#[test]
fn connections_are_used_again() {
    for_each_backend(&[], |site| {
        let request = "GET /live HTTP/1.1\r\nHost: a\r\n\r\n";
        let mut connection = site.connect();
        // Several at once, and then one in pieces.
        connection.send(&request.repeat(3));
        for _ in 0..3 {
            check(&connection.read().expect("an answer"), 200, "OK\n");
        }
        for byte in request.chars() {
            connection.send(&byte.to_string());
        }
        let answer = connection.read().expect("an answer");
        assert_eq!(answer.header("connection"), "keep-alive");
        connection.send("GET /live HTTP/1.0\r\n\r\n");
        let answer = connection.read().expect("an answer");
        assert_eq!(answer.header("connection"), "close");
        assert!(connection.is_closed());
    });
}

#[test]
fn slow_clients_hold_nobody_up() {
    for_each_backend(&[], |site| {
        let mut client = site.server.connect();
        let mut slow: Vec<Connection> = Vec::new();
        for number in 0..MANY {
            let mut connection = site.connect();
            connection.send("GET /health HTTP/1.1\r\nHost: a\r\nX-A: ");
            slow.push(connection);
            if number % 20 == 0 {
                check(&site.get("/live"), 200, "OK\n");
                assert_eq!(client.command_words("PING").text(), "PONG");
            }
            for connection in &mut slow {
                connection.send("b");
            }
        }
        check(&site.get("/live"), 200, "OK\n");
        // Those that came first have made room.
        assert!(slow[0].is_closed());
    });
}

#[test]
fn too_many_connections_close_the_oldest() {
    for_each_backend(&[], |site| {
        let mut idle: Vec<Connection> = (0..MANY).map(|_| site.connect()).collect();
        check(&site.get("/live"), 200, "OK\n");
        assert!(idle[0].is_closed());
        let last = &mut idle[MANY - 1];
        last.send("GET /live HTTP/1.1\r\nHost: a\r\n\r\n");
        check(&last.read().expect("an answer"), 200, "OK\n");
        let mut client = site.server.connect();
        assert_eq!(client.command_words("PING").text(), "PONG");
    });
}

#[test]
fn what_shows_keys_needs_the_password() {
    const TRUSTED: [&str; 4] = ["/", "/dashboard.json", "/cache/hotkeys", "/cache/bigkeys"];
    const OPEN: [&str; 6] = [
        "/health",
        "/live",
        "/ready",
        "/startup",
        "/metrics",
        "/cache/curve",
    ];
    for_each_backend(&[], |site| {
        let mut client = site.server.connect();
        let status = |path: &str, header: &str| site.ask(path, header).status;
        for path in TRUSTED {
            assert_eq!(status(path, ""), 200, "{path} without a password");
        }
        client.command_words("CONFIG SET requirepass a:b");
        for path in TRUSTED {
            let refused = site.get(path);
            assert_eq!(refused.status, 401, "{path}");
            let challenge = refused.header("www-authenticate");
            assert!(challenge.starts_with("Basic realm="), "{challenge}");
            for (header, expected) in [
                ("Authorization: Bearer a:b\r\n", 200),
                ("Authorization: Bearer b\r\n", 401),
                // user:a:b
                ("Authorization: Basic dXNlcjphOmI=\r\n", 200),
                // user:b
                ("Authorization: Basic dXNlcjpi\r\n", 401),
            ] {
                assert_eq!(status(path, header), expected, "{path} {header}");
            }
        }
        for path in OPEN {
            assert_eq!(status(path, ""), 200, "{path}");
        }
    });
}

#[test]
fn passwords_cannot_be_tried_forever() {
    for_each_backend(&["--security.password", "secret"], |site| {
        let wrong = "Authorization: Bearer wrong\r\n";
        until(PATIENCE, "it is enough", || {
            site.ask("/cache/hotkeys", wrong).status == 429
        });
        let right = "Authorization: Bearer secret\r\n";
        assert_eq!(site.ask("/cache/hotkeys", right).status, 429);
        assert!(site.server.log().contains("too many wrong passwords"));
    });
}

/// Shows settings: server.dashboard
#[test]
fn the_dashboard_can_be_turned_off() {
    for_each_backend(&["--server.dashboard", "no"], |site| {
        assert_eq!(site.get("/").status, 404);
        assert_eq!(site.get("/dashboard.json").status, 404);
        let mut client = site.server.connect();
        client.command_words("CONFIG SET server.dashboard yes");
        let page = site.get("/");
        assert_eq!(page.status, 200);
        let policy = page.header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'; script-src 'nonce-"));
        let nonce = policy.split(['\'', '-']).find(|part| part.len() == 32);
        let nonce = nonce.expect("a nonce");
        assert!(page.body.contains(&format!("<script nonce=\"{nonce}\">")));
        let again = site.get("/");
        assert!(!again.header("content-security-policy").contains(nonce));
        for other in ["http://", "https://", "{{", "innerHTML"] {
            let found = page.body.replace("http://www.w3.org/2000/svg", "");
            assert!(!found.contains(other), "{other}");
        }
        assert_eq!(site.get("/dashboard.json").status, 200);
    });
}

#[test]
fn the_executable_asks_whether_a_server_is_ready() {
    let site = Site::start(Target::Mio, &[]);
    let ask = |port: u16| {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_redistill"))
            .args(["--check-health", "--server.health_check_port"])
            .arg(port.to_string())
            .output();
        let output = output.expect("the executable runs");
        (
            output.status.code(),
            String::from_utf8_lossy(&output.stderr).into_owned(),
        )
    };
    assert_eq!(ask(site.port), (Some(0), String::new()));
    assert_eq!(ask(0).0, Some(1));
    let unused = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let port = unused.local_addr().expect("its address").port();
    drop(unused);
    let (status, text) = ask(port);
    assert_eq!(status, Some(1));
    assert!(text.contains("refused"), "{text}");
}

#[test]
fn a_port_that_is_taken_holds_no_start_up() {
    let taken = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let port = taken.local_addr().expect("its address").port().to_string();
    let flags = ["--server.health_check_port", &port];
    let server = Server::start_with(Target::Mio, &flags);
    assert_eq!(server.connect().command_words("PING").text(), "PONG");
    until(PATIENCE, "the log says so", || {
        server
            .log()
            .contains("no health checks and metrics over HTTP")
    });
}

/// Shows settings: server.health_check_port, server.health_check_bind
#[test]
fn port_0_is_none_and_addresses_are_those_of_the_setting() {
    let server = Server::start(Target::Mio);
    let log = server.log();
    assert!(!log.contains("over HTTP"), "{log}");
    let flags = ["--server.health_check_bind", "127.0.0.2 127.0.0.1"];
    let site = Site::start(Target::Mio, &flags);
    check(&site.get("/live"), 200, "OK\n");
    assert!(std::net::TcpStream::connect(("127.0.0.2", site.port)).is_ok());
    let port = free_port().to_string();
    let flags = [
        "--server.health_check_bind",
        "127.0.0.2",
        "--server.health_check_port",
        &port,
    ];
    let server = Server::start_with(Target::Mio, &flags);
    let port: u16 = port.parse().expect("a port");
    assert!(std::net::TcpStream::connect(("127.0.0.1", port)).is_err());
    assert_eq!(server.connect().command_words("PING").text(), "PONG");
}

#[test]
fn the_cache_is_told_of() {
    for_each_backend(&[], |site| {
        let mut client = site.server.connect();
        client.command(&[b"SET", b"big\0\xff\"<".as_slice(), &[b'v'; 100_000]]);
        let gets = encode(&["GET", "hot"]).repeat(500);
        until(PATIENCE, "the key is hot", || {
            client.send(&gets).expect("sent");
            for _ in 0..500 {
                client.read_reply().expect("a reply");
            }
            let hot = site.get("/cache/hotkeys?count=1").body;
            hot.starts_with("{\"keys\":[{\"key\":\"hot\",\"db\":0,\"accesses_per_second\":")
        });
        let big = site.get("/cache/bigkeys").body;
        let key = r#"{"keys":[{"key":"big\\x00\\xff\"\u003c","db":0,"bytes":1"#;
        assert!(big.starts_with(key), "{big}");
        let curve = site.get("/cache/curve").body;
        assert!(
            curve.starts_with("{\"points\":[{\"factor\":0.25,\"bytes\":"),
            "{curve}"
        );
        assert_eq!(curve.matches("\"factor\"").count(), 6, "{curve}");
    });
}
