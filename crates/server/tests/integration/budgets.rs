//! Clients that take too much memory, or for which too much waits, are closed, here as in redis-server; the others and
//! the data are not touched.

use std::io::ErrorKind;
use std::thread;
use std::time::Duration;

use crate::client::{Client, Reply, encode};
use crate::server::{Server, Target, for_each_backend};
use crate::waiting::until;

/// How long something may take that must come.
const PATIENCE: Duration = Duration::from_secs(20);
/// More than the kernel holds of one connection's bytes.
const WAITING_BYTES: usize = 40 << 20;

/// Runs a test against each server that there is. The flags are Redis's.
fn for_each_server(flags: &[&str], test: impl Fn(&Server, Target)) {
    for target in [Target::Mio, Target::IoUring, Target::Redis] {
        if target.is_available() {
            test(&Server::start_with(target, flags), target);
        }
    }
}

#[track_caller]
fn ok(client: &mut Client, line: &str) {
    assert_eq!(client.command_words(line).text(), "OK", "{line}");
}

/// A number in a client's line of CLIENT LIST; none when there is no client of that name.
fn listed(client: &mut Client, name: &str, field: &str) -> Option<u64> {
    let text = client.command_words("CLIENT LIST").text();
    let line = text
        .lines()
        .find(|line| line.contains(&format!(" name={name} ")))?;
    let value = line
        .split(' ')
        .find_map(|pair| pair.strip_prefix(&format!("{field}=")));
    Some(value.expect(field).trim().parse().expect("a number"))
}

/// Asks for so many bytes of values that nobody reads.
fn ask_in_vain(server: &Server, name: &str, key: &str, value_bytes: usize) -> Client {
    let mut client = server.connect();
    ok(&mut client, &format!("CLIENT SETNAME {name}"));
    let requests = encode(&["GET", key]).repeat(WAITING_BYTES / value_bytes);
    // A server that closes the connection at once may not take all of it.
    let _ = client.send(&requests);
    client
}

/// Queues a command of so many bytes; the reply, or none when the connection is closed.
fn queue(client: &mut Client, bytes: usize) -> Option<Reply> {
    let value = vec![b'q'; bytes];
    client
        .send(&encode(&[b"SET", b"queued".as_slice(), &value]))
        .ok()?;
    match client.read_reply() {
        Ok(reply) => Some(reply),
        Err(error) if error.kind() == ErrorKind::WouldBlock => panic!("no reply comes"),
        Err(_) => None,
    }
}

/// Shows settings: server.output_buffer_limits
#[test]
fn too_many_replies_that_wait() {
    let flags = ["--client-output-buffer-limit", "normal 300kb 0 0"];
    for_each_server(&flags, |server, target| {
        let mut control = server.connect();
        for (key, bytes) in [("small", 2_000), ("large", 200_000)] {
            let value = vec![b'v'; bytes];
            control.command(&[b"SET", key.as_bytes(), &value]);
            let lazy = ask_in_vain(server, "lazy", key, bytes);
            until(PATIENCE, "the client that does not read is closed", || {
                listed(&mut control, "lazy", "omem").is_none()
            });
            drop(lazy);
            let reply = control.command(&["GET", key]);
            assert_eq!(reply, Reply::Bulk(value), "who reads is served");
        }
        assert_eq!(control.info("evicted_clients"), 0);
        if target.is_ours() {
            let closed = "client_output_buffer_limit_disconnections";
            assert_eq!(control.info(closed), 2);
            until(PATIENCE, "each has its line in the log", || {
                server.log().matches("a client is closed").count() == 2
            });
        }
    });
}

#[test]
fn a_limit_that_is_set_later_holds_for_those_that_wait() {
    for_each_server(&[], |server, _| {
        let mut control = server.connect();
        control.command(&[b"SET", b"k".as_slice(), &[b'v'; 100_000]]);
        let _lazy = ask_in_vain(server, "lazy", "k", 100_000);
        until(PATIENCE, "replies wait", || {
            listed(&mut control, "lazy", "omem").is_some_and(|bytes| bytes > 500_000)
        });
        ok(
            &mut control,
            "CONFIG SET client-output-buffer-limit \"normal 0 200kb 1\"",
        );
        until(PATIENCE, "the client that does not read is closed", || {
            listed(&mut control, "lazy", "omem").is_none()
        });
    });
}

/// Shows settings: memory.max_memory_clients
#[test]
fn the_client_that_takes_most_is_closed() {
    for_each_server(&["--maxmemory-clients", "3mb"], |server, target| {
        let mut control = server.connect();
        let (mut small, mut large) = (server.connect(), server.connect());
        ok(&mut small, "CLIENT SETNAME small");
        ok(&mut large, "CLIENT SETNAME large");
        ok(&mut small, "MULTI");
        ok(&mut large, "MULTI");
        queue(&mut small, 300_000).expect("little is taken");
        let before = listed(&mut control, "small", "multi-mem").expect("it is there");
        assert!((300_000..600_000).contains(&before), "{before}");
        let total = listed(&mut control, "small", "tot-mem").expect("it is there");
        assert!(total > before, "{total}");
        let queued = (0..40).take_while(|_| queue(&mut large, 200_000).is_some());
        let queued = queued.count();
        assert!((8..20).contains(&queued), "{queued}");
        until(PATIENCE, "it is counted", || {
            control.info("evicted_clients") == 1
        });
        assert!(listed(&mut control, "large", "tot-mem").is_none());
        assert_eq!(small.command_words("EXEC").to_string(), "[OK]");
        if target.is_ours() {
            let log = server.log();
            let lines = log
                .lines()
                .filter(|line| line.contains("a client is closed"));
            assert_eq!(lines.count(), 1, "{log}");
        }
        ok(&mut control, "CONFIG RESETSTAT");
        assert_eq!(control.info("evicted_clients"), 0);
    });
}

#[test]
fn who_is_exempt_stays_and_costs_others_nothing() {
    for_each_server(&["--maxmemory-clients", "2mb"], |server, _| {
        let mut control = server.connect();
        let mut exempt = server.connect();
        ok(&mut exempt, "CLIENT NO-EVICT on");
        ok(&mut exempt, "MULTI");
        for _ in 0..8 {
            queue(&mut exempt, 500_000).expect("it stays");
        }
        assert_eq!(control.info("evicted_clients"), 0);
        ok(&mut exempt, "DISCARD");
        ok(&mut exempt, "CLIENT NO-EVICT off");
        ok(&mut exempt, "MULTI");
        let queued = (0..20).take_while(|_| queue(&mut exempt, 500_000).is_some());
        assert!(queued.count() < 10);
        until(PATIENCE, "it is counted", || {
            control.info("evicted_clients") == 1
        });
    });
}

#[test]
fn requests_that_arrive_slowly_count() {
    for_each_server(&["--maxmemory-clients", "4mb"], |server, target| {
        // Redis takes the room for an announced value at once, and closes such a client before it has sent much.
        if !target.is_ours() {
            return;
        }
        let mut control = server.connect();
        let mut slow = server.connect();
        ok(&mut slow, "CLIENT SETNAME slow");
        let value = vec![b'v'; 10 << 20];
        let request = encode(&[b"SET", b"k".as_slice(), &value]);
        slow.send(&request[..2 << 20]).expect("sent");
        until(PATIENCE, "what has arrived is seen", || {
            listed(&mut control, "slow", "qbuf").is_some_and(|bytes| bytes >= 2 << 20)
        });
        assert_eq!(control.info("evicted_clients"), 0);
        let _ = slow.send(&request[2 << 20..9 << 20]);
        until(PATIENCE, "it is closed", || {
            listed(&mut control, "slow", "qbuf").is_none()
        });
        assert_eq!(control.info("evicted_clients"), 1);
        assert_eq!(control.command_words("EXISTS k").integer(), Some(0));
    });
}

#[test]
fn a_memory_limit_reserves_a_budget_for_clients() {
    for_each_backend(&["--maxmemory", "100mb"], |server| {
        let mut control = server.connect();
        for key in 0..20 {
            control.command(&[b"SET", format!("k{key}").as_bytes(), &vec![b'v'; 1 << 20]]);
        }
        let mut queueing = server.connect();
        ok(&mut queueing, "MULTI");
        let queued = (0..40).take_while(|_| queue(&mut queueing, 1 << 20).is_some());
        assert!((7..10).contains(&queued.count()));
        // Values that are gone, but that slow readers still wait for.
        let slow: Vec<Client> = (0..20)
            .map(|key| {
                let mut client = server.connect();
                ok(&mut client, &format!("CLIENT SETNAME slow{key}"));
                let request = encode(&["GET", &format!("k{key}")]).repeat(16);
                client.send(&request).expect("sent");
                client
            })
            .collect();
        for key in 0..20 {
            until(
                PATIENCE,
                "its replies wait, or it is closed already",
                || {
                    let waiting = listed(&mut control, &format!("slow{key}"), "omem");
                    waiting.is_none_or(|bytes| bytes >= 1_000_000)
                },
            );
        }
        control.command_words("FLUSHALL");
        until(PATIENCE, "those are closed that are too many", || {
            control.info("evicted_clients") > 10
        });
        assert_eq!(control.info("evicted_keys"), 0);
        assert_eq!(control.command_words("PING").text(), "PONG");
        drop(slow);
    });
}

/// What a client has sent ahead lies in receive buffers, of which there are only so many: it costs no client its
/// connection.
#[test]
fn who_sends_much_ahead_stays() {
    const REQUESTS: usize = 400_000;
    for_each_backend(&["--maxmemory", "96mb"], |server| {
        let mut control = server.connect();
        let clients: Vec<Client> = (0..3).map(|_| server.connect()).collect();
        thread::scope(|scope| {
            for mut client in clients {
                let mut sender = client.try_clone().expect("the same connection");
                scope.spawn(move || {
                    let requests = encode(&["SET", "key", "a small value"]).repeat(REQUESTS);
                    assert!(requests.len() > 16 << 20);
                    sender.send(&requests).expect("sent");
                });
                scope.spawn(move || {
                    for _ in 0..REQUESTS {
                        assert_eq!(client.read_reply().expect("a reply").text(), "OK");
                    }
                });
            }
        });
        assert_eq!(control.info("evicted_clients"), 0);
    });
}
