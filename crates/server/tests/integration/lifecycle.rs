//! Limits, the start and the end of the process, and what can change while it runs.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::client::{Client, Reply, encode};
use crate::server::{Launch, Server, Target, make_directory};
use crate::waiting::until;

/// How long a test waits for what must come.
const PATIENCE: Duration = Duration::from_secs(20);

/// Makes one test for each backend.
macro_rules! for_each_backend {
    ($($name:ident),* $(,)?) => {$(
        mod $name {
            use crate::server::Target;

            #[test]
            fn mio() {
                super::$name(Target::Mio);
            }

            #[test]
            fn io_uring() {
                if Target::IoUring.is_available() {
                    super::$name(Target::IoUring);
                }
            }
        }
    )*};
}

for_each_backend!(
    max_connections,
    max_connections_at_run_time,
    idle_connections_are_closed,
    connection_rate_limit,
    keepalive_is_set,
    sigterm_finishes_what_was_received,
    sigint_ends_an_idle_server,
    restarts_on_the_same_port,
    second_signal_ends_at_once,
    grace_period_ends,
    shutdown_command,
    unix_socket,
    several_addresses,
    few_descriptors,
    idle_server_is_small_and_quiet,
    connections_are_spread_over_workers,
    configuration_changes_at_run_time,
    configuration_is_rewritten,
);

/// Shows settings: server.max_connections
fn max_connections(target: Target) {
    let server = Server::start_with(target, &["--server.max_connections", "3"]);
    let mut clients = connected(&server, 1);
    // Those connections that have tried whether it listens may still take places.
    until(PATIENCE, "nobody else is connected", || {
        let list = clients[0].command_words("CLIENT LIST").text();
        list.lines().count() == 1
    });
    clients.extend(connected(&server, 2));
    assert_rejected(&server);
    let info = clients[0].command_words("INFO stats").text();
    assert!(info.contains("rejected_connections:1\r\n"), "{info}");
    clients.pop();
    // The place is free as soon as the server has seen the close.
    until(PATIENCE, "it does not come", || {
        let mut client = server.connect();
        client.send(b"PING\r\n").expect("sent");
        client
            .read_reply()
            .is_ok_and(|reply| reply.text() == "PONG")
    });
}

fn max_connections_at_run_time(target: Target) {
    let server = Server::start(target);
    let mut clients = connected(&server, 4);
    ok(&mut clients[0], "CONFIG SET maxclients 4");
    assert_rejected(&server);
    // Those that are there stay, also above a lowered limit.
    ok(&mut clients[0], "CONFIG SET maxclients 2");
    for client in &mut clients {
        assert_eq!(client.command_words("PING").text(), "PONG");
    }
    assert_rejected(&server);
    ok(&mut clients[0], "CONFIG SET maxclients 10");
    connected(&server, 4);
}

/// Clients that have been served.
fn connected(server: &Server, count: usize) -> Vec<Client> {
    let connect = |_| {
        let mut client = server.connect();
        assert_eq!(client.command_words("PING").text(), "PONG");
        client
    };
    (0..count).map(connect).collect()
}

fn assert_rejected(server: &Server) {
    let mut stream = TcpStream::connect(("127.0.0.1", server.port)).expect("a connection");
    stream
        .set_read_timeout(Some(PATIENCE))
        .expect("a time limit");
    let mut reply = String::new();
    stream
        .read_to_string(&mut reply)
        .expect("an error and the end");
    assert_eq!(reply, "-ERR max number of clients reached\r\n");
}

/// Shows settings: server.connection_timeout
fn idle_connections_are_closed(target: Target) {
    let server = Server::start_with(target, &["--server.connection_timeout", "1"]);
    let mut idle = connected(&server, 5);
    // Half a request is not a request.
    idle[4].send(b"*2\r\n$4\r\nECHO\r\n").expect("sent");
    let mut active = server.connect();
    let begin = Instant::now();
    let mut open = idle.len();
    while open > 0 {
        assert_eq!(active.command_words("PING").text(), "PONG");
        open = idle
            .iter_mut()
            .map(|client| {
                client.set_timeout(Duration::from_millis(1));
                !client.is_closed().unwrap_or(false)
            })
            .filter(|open| *open)
            .count();
        assert!(begin.elapsed() < PATIENCE, "{open} idle clients are open");
        thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(active.command_words("PING").text(), "PONG");
}

/// Shows settings: server.connection_rate_limit
fn connection_rate_limit(target: Target) {
    const LIMIT: usize = 5;
    let flags = ["--server.connection_rate_limit", "5"];
    let server = Launch {
        flags: &flags,
        ..Launch::new(target)
    }
    .start();
    let mut streams: Vec<TcpStream> = (0..60)
        .map(|_| TcpStream::connect(("127.0.0.1", server.port)).expect("a connection"))
        .collect();
    let served = streams
        .iter_mut()
        .filter_map(|stream| {
            stream
                .set_read_timeout(Some(PATIENCE))
                .expect("a time limit");
            stream.write_all(b"PING\r\n").ok()?;
            stream.read_exact(&mut [0; 7]).ok()
        })
        .count();
    // The connections may fall into two or, on a slow machine, three seconds.
    assert!((1..=3 * LIMIT).contains(&served), "{served} were served");
    until(PATIENCE, "it does not come", || {
        let mut client = server.connect();
        let sent = client.send(b"PING\r\n");
        sent.is_ok() && client.read_reply().is_ok()
    });
}

/// Shows settings: performance.tcp_keepalive
fn keepalive_is_set(target: Target) {
    let has_ss = Command::new("ss").arg("-V").output();
    if has_ss.is_err() {
        eprintln!("skipped: ss (iproute2) is not installed");
        return;
    }
    let timers = |server: &Server| {
        let filter = format!("sport = :{}", server.port);
        let output = Command::new("ss").args(["-Htno", &filter]).output();
        let output = output.expect("ss runs");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let server = Server::start_with(target, &["--performance.tcp_keepalive", "100"]);
    let _client = connected(&server, 1);
    let shown = timers(&server);
    assert!(shown.contains("timer:(keepalive,1min"), "{shown}");
    let server = Server::start_with(target, &["--performance.tcp_keepalive", "0"]);
    let _client = connected(&server, 1);
    let shown = timers(&server);
    assert!(!shown.contains("keepalive"), "{shown}");
}

/// All that had arrived when the signal came is answered before the connection closes.
fn sigterm_finishes_what_was_received(target: Target) {
    const COMMANDS: usize = 5000;
    let mut server = Server::start(target);
    let mut client = server.connect();
    let mut idle = connected(&server, 1).remove(0);
    let mut bytes = encode(&["DEBUG", "SLEEP", "0.3"]);
    bytes.extend(encode(&["INCR", "k"]).repeat(COMMANDS));
    client.send(&bytes).expect("sent");
    thread::sleep(Duration::from_millis(100));
    server.signal(Signal::TERM);
    assert_eq!(client.read_reply().expect("a reply").text(), "OK");
    for number in 1..=COMMANDS {
        let reply = client.read_reply();
        let reply = reply.unwrap_or_else(|error| panic!("reply {number}: {error}"));
        assert_eq!(reply, Reply::Integer(number as i64));
    }
    assert!(client.is_closed().expect("the end"));
    assert!(idle.is_closed().expect("the end"));
    let status = server.wait_for_end(PATIENCE);
    assert!(status.success(), "{status}:\n{}", server.log());
    assert!(TcpStream::connect(("127.0.0.1", server.port)).is_err());
    assert!(!server.socket().exists(), "the unix socket stays behind");
}

fn sigint_ends_an_idle_server(target: Target) {
    let mut server = Server::start(target);
    let _client = connected(&server, 1);
    server.signal(Signal::INT);
    let status = server.wait_for_end(PATIENCE);
    assert!(status.success(), "{status}:\n{}", server.log());
}

/// A supervisor that starts the server again at once finds its port free, also after a crash.
/// Shows settings: server.port
fn restarts_on_the_same_port(target: Target) {
    let mut first = Server::start(target);
    let _client = connected(&first, 1);
    let port = first.port.to_string();
    for signal in [Signal::TERM, Signal::KILL, Signal::TERM] {
        first.signal(signal);
        first.wait_for_end(PATIENCE);
        let again = Launch {
            port: Some(&port),
            ..Launch::new(target)
        };
        first = again.start();
        // The listener of the process that was killed may still take a connection, and reset it.
        until(PATIENCE, "it does not come", || {
            Client::connect_tcp(first.port).is_ok_and(|mut client| {
                client.send(&encode(&["PING"])).is_ok() && client.read_reply().is_ok()
            })
        });
        connected(&first, 1);
    }
}

/// A client whose replies cannot be sent, because it does not read them.
fn stuck_client(server: &Server) -> TcpStream {
    let mut stream = TcpStream::connect(("127.0.0.1", server.port)).expect("a connection");
    let value = "x".repeat(1 << 20);
    stream
        .write_all(&encode(&["SET", "k", &value]))
        .expect("sent");
    stream
        .write_all(&encode(&["GET", "k"]).repeat(50))
        .expect("sent");
    until(PATIENCE, "it does not come", || {
        let info = server.connect().command_words("INFO commandstats").text();
        info.contains("cmdstat_get:")
    });
    stream
}

fn second_signal_ends_at_once(target: Target) {
    let mut server = Server::start(target);
    let _stuck = stuck_client(&server);
    server.signal(Signal::TERM);
    // The first signal has been taken when nobody is accepted any more.
    until(PATIENCE, "it does not come", || {
        TcpStream::connect(("127.0.0.1", server.port)).is_err()
    });
    assert!(
        server.is_running(),
        "it waits for the client:\n{}",
        server.log()
    );
    server.signal(Signal::TERM);
    let status = server.wait_for_end(PATIENCE);
    assert!(!status.success(), "{status}");
}

/// Shows settings: server.shutdown_grace_period_secs
fn grace_period_ends(target: Target) {
    let flags = ["--server.shutdown_grace_period_secs", "1"];
    let mut server = Server::start_with(target, &flags);
    let _stuck = stuck_client(&server);
    server.signal(Signal::TERM);
    server.wait_for_end(PATIENCE);
}

fn shutdown_command(target: Target) {
    for words in [
        "SHUTDOWN",
        "SHUTDOWN NOSAVE",
        "shutdown nosave now",
        "SHUTDOWN NOW FORCE",
    ] {
        let mut server = Server::start(target);
        let mut client = server.connect();
        ok(&mut client, "SET k v");
        client.send_words(words);
        assert!(client.is_closed().expect("the end"), "{words}");
        let status = server.wait_for_end(PATIENCE);
        assert!(status.success(), "{words}: {status}:\n{}", server.log());
    }
}

/// Shows settings: server.unix_socket, server.unix_socket_permissions
fn unix_socket(target: Target) {
    let flags = ["--server.unix_socket_permissions", "700"];
    let server = Server::start_with(target, &flags);
    let mut client = Client::connect_unix(&server.socket()).expect("a connection");
    ok(&mut client, "SET k v");
    assert_eq!(server.connect().command_words("GET k").text(), "v");
    let info = client.command_words("CLIENT INFO").text();
    assert!(info.contains("socket:0 "), "{info}");
    assert!(info.contains("flags=U"), "{info}");
    let metadata = fs::metadata(server.socket()).expect("the socket's file");
    assert_eq!(metadata.permissions().mode() & 0o777, 0o700);
    // A pipeline, and a large value, over this kind of socket as well.
    let value = "x".repeat(3_000_000);
    assert_eq!(client.command(&["SET", "large", &value]).text(), "OK");
    assert_eq!(client.command_words("GET large").text().len(), value.len());
}

/// A socket that an earlier process left behind does not keep the next one from starting.
#[test]
fn stale_unix_socket_is_replaced() {
    let directory = make_directory();
    drop(std::os::unix::net::UnixListener::bind(directory.join("socket")).expect("a socket"));
    let server = Launch {
        directory,
        ..Launch::new(Target::Mio)
    }
    .start();
    let mut client = Client::connect_unix(&server.socket()).expect("a connection");
    assert_eq!(client.command_words("PING").text(), "PONG");
}

/// Shows settings: server.bind
fn several_addresses(target: Target) {
    let has_ipv6 = std::net::TcpListener::bind("[::1]:0").is_ok();
    let bind = if has_ipv6 {
        "127.0.0.1 127.0.0.2 ::1 -192.0.2.1"
    } else {
        eprintln!("skipped: IPv6, which this machine does not have");
        "127.0.0.1 127.0.0.2 -192.0.2.1"
    };
    let server = Server::start_with(target, &["--server.bind", bind]);
    let mut addresses = vec!["127.0.0.1", "127.0.0.2"];
    addresses.extend(has_ipv6.then_some("::1"));
    for address in addresses {
        let stream = TcpStream::connect((address, server.port)).expect(address);
        let mut client = Client::from_tcp(stream).expect("a client");
        assert_eq!(client.command_words("PING").text(), "PONG");
        let info = client.command_words("CLIENT INFO").text();
        let shown = match address.contains(':') {
            true => format!("laddr=[{address}]:{} ", server.port),
            false => format!("laddr={address}:{} ", server.port),
        };
        assert!(info.contains(&shown), "{info}");
    }
}

/// With too few descriptors some connections are refused, nobody spins, and others are served.
fn few_descriptors(target: Target) {
    if Command::new("prlimit").arg("--version").output().is_err() {
        eprintln!("skipped: prlimit (util-linux) is not installed");
        return;
    }
    let server = Launch {
        wrapper: &["prlimit", "--nofile=150:150"],
        ..Launch::new(target)
    }
    .start();
    let mut first = connected(&server, 1).remove(0);
    let mut streams: Vec<TcpStream> = (0..300)
        .map(|_| TcpStream::connect(("127.0.0.1", server.port)).expect("the backlog takes it"))
        .collect();
    assert_eq!(first.command_words("PING").text(), "PONG");
    let before = server.cpu_ms();
    thread::sleep(Duration::from_millis(500));
    let used = server.cpu_ms() - before;
    assert!(used < 250, "{used} ms of CPU time in 500 ms without work");
    let log_bytes = server.log().len();
    assert!(log_bytes < 64 * 1024, "{log_bytes} bytes of log");
    // Some were served, some were refused or wait.
    let mut served = 0;
    for stream in &mut streams {
        let timeout = Some(Duration::from_millis(20));
        stream.set_read_timeout(timeout).expect("a time limit");
        let mut reply = [0; 7];
        let sent = stream.write_all(b"PING\r\n").is_ok();
        if sent && stream.read_exact(&mut reply).is_ok() && reply == *b"+PONG\r\n" {
            served += 1;
        }
    }
    assert!((10..150).contains(&served), "{served} were served");
    drop(streams);
    until(PATIENCE, "it does not come", || {
        let mut client = server.connect();
        let sent = client.send(b"PING\r\n");
        sent.is_ok()
            && client
                .read_reply()
                .is_ok_and(|reply| reply.text() == "PONG")
    });
    assert_eq!(first.command_words("PING").text(), "PONG");
}

fn idle_server_is_small_and_quiet(target: Target) {
    let server = Server::start(target);
    let _clients = connected(&server, 1);
    let resident = server.resident_bytes();
    assert!(resident < 20 << 20, "{resident} bytes resident");
    let before = server.cpu_ms();
    thread::sleep(Duration::from_secs(2));
    let used = server.cpu_ms() - before;
    // 0.3 % of two seconds are 6 ms; the clock counts in steps of 10 ms.
    assert!(used <= 20, "{used} ms of CPU time in 2 s without work");
}

/// CLIENT LIST names no workers, but each request by itself wakes the worker that has the connection.
fn connections_are_spread_over_workers(target: Target) {
    let server = Server::start(target);
    let mut clients = connected(&server, 8);
    for _ in 0..50 {
        for client in &mut clients {
            assert_eq!(client.command_words("PING").text(), "PONG");
        }
    }
    let threads = fs::read_dir(format!("/proc/{}/task", server.process_id())).expect("threads");
    let busy = threads
        .filter_map(|thread| {
            let path = thread.ok()?.path();
            let name = fs::read_to_string(path.join("comm")).ok()?;
            let switches = fs::read_to_string(path.join("status")).ok()?;
            let line = switches
                .lines()
                .find(|line| line.starts_with("voluntary_ctxt_switches"))?;
            let count: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
            (name.starts_with("worker") && count > 50).then_some(())
        })
        .count();
    assert_eq!(busy, 2, "both workers have work");
}

fn configuration_changes_at_run_time(target: Target) {
    let server = Server::start(target);
    let mut client = server.connect();
    // A password for new connections; those that are there stay.
    ok(&mut client, "CONFIG SET requirepass secret");
    assert_eq!(client.command_words("PING").text(), "PONG");
    let refused = server.connect().command_words("GET k").text();
    assert_eq!(refused, "NOAUTH Authentication required.");
    assert_eq!(server.connect().command_words("AUTH secret").text(), "OK");
    ok(&mut client, "CONFIG SET requirepass \"\"");
    // The level of the log.
    ok(&mut client, "CONFIG SET loglevel debug");
    ok(&mut client, "CONFIG SET loglevel notice");
    // The time after which idle connections are closed.
    let mut idle = server.connect();
    ok(&mut client, "CONFIG SET timeout 1");
    assert!(idle.is_closed().expect("the end"));
    let mut client = server.connect();
    ok(&mut client, "CONFIG SET timeout 0");
    // Both names of a setting mean the same.
    ok(&mut client, "CONFIG SET server.max_connections 77");
    let reply = client.command_words("CONFIG GET maxclients").to_string();
    assert_eq!(reply, "[\"maxclients\", \"77\"]");
    let refused = client.command_words("CONFIG SET port 1");
    assert!(refused.is_error(), "{refused}");
}

fn configuration_is_rewritten(target: Target) {
    let directory = make_directory();
    let text = "# a comment that stays\n[server]\nmax_connections = 50 # many\n";
    fs::write(directory.join("redistill.toml"), text).expect("a file");
    let server = Launch {
        directory,
        ..Launch::new(target)
    }
    .start();
    let mut client = server.connect();
    let reply = client.command_words("CONFIG GET maxclients").to_string();
    assert_eq!(reply, "[\"maxclients\", \"50\"]");
    ok(&mut client, "CONFIG SET maxclients 60 timeout 300");
    ok(&mut client, "CONFIG REWRITE");
    let file = fs::read_to_string(server.directory().join("redistill.toml")).expect("a file");
    assert!(file.contains("# a comment that stays"), "{file}");
    assert!(file.contains("max_connections = 60"), "{file}");
    assert!(file.contains("connection_timeout = 300"), "{file}");

    let without_file = Server::start(target);
    let reply = without_file.connect().command_words("CONFIG REWRITE");
    let expected = "ERR The server is running without a config file";
    assert_eq!(reply.text(), expected);
}

/// Ends the start with a failure and this in what it says.
fn assert_start_fails(launch: Launch<'_>, expected: &[&str]) {
    let mut server = launch.spawn();
    let status = server.wait_for_end(PATIENCE);
    let log = server.log();
    assert!(!status.success(), "{status}:\n{log}");
    for text in expected {
        assert!(log.contains(text), "{text:?} is not in:\n{log}");
    }
}

#[test]
fn wrong_configuration_names_file_line_and_nearest_key() {
    let files = [
        ("[server]\nprot = 1\n", ":2", "'port'"),
        ("\n\n[server]\nport = \"x\"\n", ":4", "port"),
        ("[server]\nport = 70000\n", ":2", "65535"),
        ("[server]\nnum_shards = 3\n", ":2", "power of two"),
        ("[servre]\nport = 1\n", ":1", "[server]"),
        ("[memory]\nmax_memory = \"1gbit\"\n", ":2", "max_memory"),
        ("[server\n", ":1", ""),
    ];
    for (text, line, hint) in files {
        let directory = make_directory();
        fs::write(directory.join("redistill.toml"), text).expect("a file");
        let launch = Launch {
            directory,
            ..Launch::new(Target::Mio)
        };
        assert_start_fails(launch, &[&format!("redistill.toml{line}"), hint]);
    }
}

#[test]
fn wrong_flags_and_variables_stop_the_start() {
    type Case = (
        &'static [&'static str],
        &'static [(&'static str, &'static str)],
        &'static str,
    );
    let cases: &[Case] = &[
        (&["--server.prot", "1"], &[], "server.port"),
        (&["--server.workers", "many"], &[], "workers"),
        (&["--server.batch_size", "0"], &[], "batch_size"),
        (&["--config", "missing.toml"], &[], "missing.toml"),
        (&[], &[("REDIS_NUM_SHARDS", "many")], "REDIS_NUM_SHARDS"),
        (&["--security.tls_enabled", "true"], &[], "tls_enabled"),
    ];
    for (flags, environment, expected) in cases {
        let launch = Launch {
            flags,
            environment,
            ..Launch::new(Target::Mio)
        };
        assert_start_fails(launch, &[expected]);
    }
}

#[test]
fn an_address_in_use_stops_the_start() {
    let first = Server::start(Target::Mio);
    let port = first.port.to_string();
    let launch = Launch {
        port: Some(&port),
        ..Launch::new(Target::Mio)
    };
    assert_start_fails(launch, &["cannot listen on 127.0.0.1", &port]);
    let launch = Launch {
        flags: &["--server.bind", "192.0.2.1"],
        ..Launch::new(Target::Mio)
    };
    assert_start_fails(launch, &["192.0.2.1"]);
}

#[test]
fn a_service_link_of_kubernetes_is_ignored_with_a_line() {
    let server = Launch {
        environment: &[("REDIS_PORT", "tcp://10.0.0.1:6379")],
        ..Launch::new(Target::Mio)
    }
    .start();
    assert_eq!(server.connect().command_words("PING").text(), "PONG");
    let log = server.log();
    assert_eq!(log.matches("REDIS_PORT").count(), 1, "{log}");
}

#[test]
fn flags_go_before_environment_before_file() {
    let directory = make_directory();
    let text = "[server]\nbatch_size = 11\nmax_connections = 22\nconnection_timeout = 33\n";
    fs::write(directory.join("redistill.toml"), text).expect("a file");
    let server = Launch {
        directory,
        flags: &["--server.batch_size", "44"],
        environment: &[("REDIS_BATCH_SIZE", "55"), ("REDIS_MAX_CONNECTIONS", "66")],
        ..Launch::new(Target::Mio)
    }
    .start();
    let mut client = server.connect();
    for (name, expected) in [
        ("server.batch_size", "44"),
        ("maxclients", "66"),
        ("timeout", "33"),
    ] {
        let reply = client.command(&["CONFIG", "GET", name]).to_string();
        assert_eq!(reply, format!("[\"{name}\", \"{expected}\"]"));
    }
}

#[test]
fn check_config_prints_and_does_not_serve() {
    let mut server = Launch {
        flags: &["--check-config"],
        environment: &[("REDIS_BATCH_SIZE", "55")],
        ..Launch::new(Target::Mio)
    }
    .spawn();
    let status = server.wait_for_end(PATIENCE);
    let log = server.log();
    assert!(status.success(), "{status}:\n{log}");
    assert!(log.contains("batch_size = 55"), "{log}");
    assert!(log.contains("REDIS_BATCH_SIZE"), "{log}");
    // What it prints is a configuration file.
    let directory = make_directory();
    fs::write(directory.join("redistill.toml"), &log).expect("a file");
    let again = Launch {
        directory,
        ..Launch::new(Target::Mio)
    }
    .start();
    assert_eq!(again.connect().command_words("PING").text(), "PONG");
}

fn ok(client: &mut Client, words: &str) {
    assert_eq!(client.command_words(words).to_string(), "OK", "{words}");
}
