//! Who looks at a server: MONITOR, the logs of slow and large commands, the log file, and the service manager.

use std::fs;
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use rustix::process::Signal;

use crate::client::Client;
use crate::server::{Launch, Server, Target, for_each_backend, make_directory};
use crate::waiting::until;

/// How long a test waits for what must come.
const PATIENCE: Duration = Duration::from_secs(20);

/// The next line of a monitor, without the time and the port.
fn line(monitor: &mut Client) -> String {
    let text = monitor.read_reply().expect("a line").text();
    let (time, rest) = text.split_once(' ').expect("a time");
    assert!(time.parse::<f64>().is_ok(), "{text}");
    match rest.split_once("127.0.0.1:") {
        Some((before, after)) => {
            let after = after.trim_start_matches(|digit: char| digit.is_ascii_digit());
            format!("{before}client{after}")
        }
        None => rest.to_owned(),
    }
}

/// What a monitor is shown of commands of two connections, until the last one.
fn shown(target: Target) -> Vec<String> {
    let server = Server::start(target);
    let mut monitor = server.connect();
    assert_eq!(monitor.command_words("MONITOR").text(), "OK");
    let (mut first, mut second) = (server.connect(), server.connect());
    for command in [
        "GET a",
        "set \"a b\" \"\\x00\\xff\\r\\n\\t\\\"\\\\\"",
        "MSET a 1 b 2",
        "mget a b",
        "NOSUCH",
        "GET",
        "INCR \"a b\"",
        "SELECT 3",
        "GET a",
        "CONFIG GET maxmemory",
        "CLIENT LIST",
        "CLIENT SETNAME me",
        "AUTH user secret",
        "HELLO 2 AUTH user secret",
        "INFO server",
        "SLOWLOG GET",
        "DBSIZE",
    ] {
        first.command_words(command);
    }
    for command in [
        "MULTI", "SET k v", "GET k", "EXEC", "MULTI", "GET k", "DISCARD",
    ] {
        second.command_words(command);
    }
    second.pipeline(&["GET x", "GET y", "SET z 1", "ECHO end"]);
    let mut lines = Vec::new();
    loop {
        let line = line(&mut monitor);
        let is_end = line.ends_with("\"ECHO\" \"end\"");
        lines.push(line);
        if is_end {
            return lines;
        }
    }
}

#[test]
fn monitor_shows_what_redis_shows() {
    if !Target::Redis.is_available() {
        return;
    }
    let expected = shown(Target::Redis);
    for target in [Target::Mio, Target::IoUring] {
        if target.is_available() {
            assert_eq!(shown(target), expected);
        }
    }
}

#[test]
fn monitors_are_on_every_worker() {
    for_each_backend(&["--server.workers", "2"], |server| {
        let mut monitors: Vec<Client> = (0..4).map(|_| server.connect()).collect();
        for monitor in &mut monitors {
            assert_eq!(monitor.command_words("MONITOR").text(), "OK");
        }
        let mut writers: Vec<Client> = (0..4).map(|_| server.connect()).collect();
        for (number, writer) in writers.iter_mut().enumerate() {
            writer.command_words(&format!("SET k {number}"));
        }
        for monitor in &mut monitors {
            for number in 0..4 {
                let expected = format!("[0 client] \"SET\" \"k\" \"{number}\"");
                assert_eq!(line(monitor), expected);
            }
        }
        let list = writers[0].command_words("CLIENT LIST").text();
        assert_eq!(list.matches(" flags=O ").count(), 4, "{list}");
        assert_eq!(monitors[0].command_words("RESET").text(), "RESET");
        writers[0].command_words("GET k");
        assert_eq!(monitors[0].command_words("PING").text(), "PONG");
        assert_eq!(line(&mut monitors[1]), "[0 client] \"RESET\"");
    });
}

#[test]
fn a_monitor_that_does_not_read_is_closed() {
    for_each_backend(&["--server.workers", "2"], |server| {
        let mut writer = server.connect();
        // As in Redis, the limit of normal clients holds, and not that of pubsub.
        writer
            .command_words("CONFIG SET client-output-buffer-limit \"normal 1mb 0 0 pubsub 0 0 0\"");
        let mut monitor = server.connect();
        assert_eq!(monitor.command_words("MONITOR").text(), "OK");
        let request = format!("SET k {}", "x".repeat(100_000));
        until(PATIENCE, "the monitor is closed", || {
            writer.command_words(&request);
            writer.info("client_output_buffer_limit_disconnections") > 0
        });
        assert_eq!(writer.info("connected_clients"), 1);
    });
}

/// Shows settings: monitoring.large_request_bytes, monitoring.large_request_max_len, monitoring.large_reply_bytes
#[test]
fn large_commands_are_logged() {
    for_each_backend(&[], |server| {
        let mut client = server.connect();
        let large = "x".repeat(2 << 20);
        client.command(&["SET", "k", &large]);
        client.command(&["SET", "other", "small"]);
        assert_eq!(client.command(&["GET", "k"]).text().len(), 2 << 20);
        for log in ["large-request", "large-reply"] {
            let len = client.command_words(&format!("COMMANDLOG LEN {log}"));
            assert_eq!(len.integer(), Some(1), "{log}");
            let reply = client.command_words(&format!("COMMANDLOG GET -1 {log}"));
            assert!(reply.to_string().contains(", 20971"), "{reply}");
        }
        for (name, value) in [
            ("commandlog-request-larger-than", "100"),
            ("commandlog-reply-larger-than", "-1"),
            ("commandlog-large-request-max-len", "1"),
            ("commandlog-execution-slower-than", "0"),
            ("commandlog-slow-execution-max-len", "3"),
        ] {
            client.command(&["CONFIG", "SET", name, value]);
            let reply = client.command(&["CONFIG", "GET", name]).to_string();
            assert_eq!(reply, format!("[\"{name}\", \"{value}\"]"));
        }
        client.command(&["SET", "k", &large[..200]]);
        client.command(&["GET", "k"]);
        let reply = client
            .command_words("COMMANDLOG GET -1 large-request")
            .to_string();
        assert!(
            reply.contains("[\"SET\", \"k\", ") && reply.matches("SET").count() == 1,
            "{reply}"
        );
        let len = client.command_words("COMMANDLOG LEN large-reply");
        assert_eq!(len.integer(), Some(1));
        assert_eq!(client.command_words("SLOWLOG LEN").integer(), Some(3));
        let same = client.command_words("CONFIG GET slowlog-log-slower-than");
        assert_eq!(same.to_string(), "[\"slowlog-log-slower-than\", \"0\"]");
    });
}

/// Shows settings: monitoring.latency_monitor_threshold_ms
#[test]
fn held_up_workers_are_noted() {
    for_each_backend(&["--latency-monitor-threshold", "5"], |server| {
        let mut client = server.connect();
        client.command_words("DEBUG SLEEP 0.02");
        let events = client.command_words("LATENCY LATEST").to_string();
        assert!(events.contains("[\"command\", "), "{events}");
        let events = client.command_words("LATENCY LATEST").to_string();
        assert!(events.contains("[\"event-loop\", "), "{events}");
        let text = client.command_words("LATENCY DOCTOR").text();
        assert!(text.contains("event-loop: A worker took long"), "{text}");
    });
}

#[test]
fn a_hangup_rereads_the_configuration() {
    let directory = make_directory();
    let file = directory.join("redistill.toml");
    let begin = "# mine\n[server]\nmax_connections = 50 # many\n";
    fs::write(&file, begin).expect("a file");
    let server = Launch {
        directory,
        ..Launch::new(Target::Mio)
    }
    .start();
    let mut client = server.connect();
    let connections =
        |client: &mut Client| client.command_words("CONFIG GET maxclients").to_string();
    client.command_words("CONFIG SET timeout 300");
    fs::write(&file, "[server]\nmax_connections = 60\ntcp_backlog = 7\n").expect("a file");
    server.signal(Signal::HUP);
    until(PATIENCE, "the new value", || {
        connections(&mut client).contains("60")
    });
    until(PATIENCE, "the lines of the log", || {
        let log = server.log();
        log.contains("server.max_connections = 60, was 50")
            && log.contains("server.tcp_backlog = 7, is 511")
            && log.contains("was read again")
    });
    let kept = client.command_words("CONFIG GET timeout").to_string();
    assert_eq!(kept, "[\"timeout\", \"300\"]");
    fs::write(&file, "[server]\nmax_connections = 70\nport = \"x\"\n").expect("a file");
    server.signal(Signal::HUP);
    until(PATIENCE, "a line about the fault", || {
        server
            .log()
            .contains("nothing of the configuration has changed")
    });
    assert!(connections(&mut client).contains("60"));
    assert!(
        server
            .log()
            .contains("redistill.toml:3: server.port must be"),
        "{}",
        server.log()
    );
}

/// Shows settings: logging.file
#[test]
fn the_log_file_is_opened_anew() {
    let directory = make_directory();
    let path = directory.join("server.log");
    let server = Launch {
        directory: directory.clone(),
        flags: &["--logfile", "server.log"],
        ..Launch::new(Target::Mio)
    }
    .start();
    let has = |path: &std::path::Path, text: &str| {
        fs::read_to_string(path).is_ok_and(|log| log.contains(text))
    };
    until(PATIENCE, "a line", || has(&path, "ready to accept"));
    let moved = directory.join("server.log.1");
    for signal in [Signal::USR1, Signal::HUP] {
        fs::rename(&path, &moved).expect("it is there");
        server.signal(signal);
        until(PATIENCE, "a new file", || path.exists());
    }
    // Without a configuration file there is nothing to read.
    until(PATIENCE, "a line in it", || {
        has(&path, "there is no configuration file")
    });
    assert!(
        !server.log().contains("ready to accept"),
        "{}",
        server.log()
    );
    let mut client = server.connect();
    let reply = client.command_words("CONFIG GET logfile").to_string();
    assert_eq!(reply, "[\"logfile\", \"server.log\"]");
}

#[test]
fn the_service_manager_is_told() {
    let directory = make_directory();
    let path = directory.join("notify");
    let manager = UnixDatagram::bind(&path).expect("a socket");
    manager.set_read_timeout(Some(PATIENCE)).expect("a time");
    let next = |wanted: &str| loop {
        let mut bytes = [0; 1024];
        let len = manager.recv(&mut bytes).expect("a message");
        let text = String::from_utf8_lossy(&bytes[..len]).into_owned();
        if text.contains(wanted) {
            return text;
        }
        assert_eq!(text, "WATCHDOG=1", "before {wanted}");
    };
    let path = path.display().to_string();
    let mut server = Launch {
        directory,
        environment: &[("NOTIFY_SOCKET", &path), ("WATCHDOG_USEC", "100000")],
        ..Launch::new(Target::Mio)
    }
    .start();
    let ready = next("READY=1");
    assert!(ready.contains(&format!("port {}", server.port)), "{ready}");
    next("WATCHDOG=1");
    next("WATCHDOG=1");
    server.signal(Signal::HUP);
    let reloading = next("RELOADING=1");
    assert!(reloading.contains("MONOTONIC_USEC="), "{reloading}");
    next("READY=1");
    server.signal(Signal::TERM);
    next("STOPPING=1");
    server.wait_for_end(PATIENCE);
}
