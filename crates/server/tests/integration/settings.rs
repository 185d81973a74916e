//! What settings do that no other test is about. That every setting has a test is a check of `xtask/src/tree`.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::thread;
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::sockopt::tcp_nodelay;
use rustix::process::{Pid, PidfdFlags, PidfdGetfdFlags, Signal, pidfd_getfd, pidfd_open};

use crate::client::{Client, Reply, encode};
use crate::server::{Launch, Server, Target, for_each_backend};
use crate::waiting::until;

/// How long a test waits for what must come.
const PATIENCE: Duration = Duration::from_secs(20);
const MB: u64 = 1 << 20;

#[track_caller]
fn ok(client: &mut Client, line: &str) {
    assert_eq!(client.command_words(line).to_string(), "OK", "{line}");
}

/// What a test finds out on each backend that there is.
fn on_each_backend<T>(flags: &[&str], look: impl Fn(&Server) -> T) -> Vec<T> {
    let targets = [Target::Mio, Target::IoUring].into_iter();
    let targets = targets.filter(|target| target.is_available());
    targets
        .map(|target| look(&Server::start_with(target, flags)))
        .collect()
}

/// Sends these requests in one go and reads their replies.
fn all(client: &mut Client, requests: impl Iterator<Item = Vec<u8>>) -> Vec<Reply> {
    let requests: Vec<Vec<u8>> = requests.collect();
    let mut sender = client.try_clone().expect("the same connection");
    thread::scope(|scope| {
        scope.spawn(|| sender.send(&requests.concat()).expect("sent"));
        let replies = requests
            .iter()
            .map(|_| client.read_reply().expect("a reply"));
        replies.collect()
    })
}

/// The line of INFO that begins with this.
fn info_line(client: &mut Client, section: &str, start: &str) -> Option<String> {
    let text = client.command_words(&format!("INFO {section}")).text();
    let line = text.lines().find(|line| line.starts_with(start));
    line.map(str::to_owned)
}

/// The state of each thread of the server, as in `/proc`.
fn states(server: &Server) -> BTreeSet<char> {
    let tasks = fs::read_dir(format!("/proc/{}/task", server.process_id())).expect("threads");
    let state = |task: std::io::Result<fs::DirEntry>| {
        let stat = fs::read_to_string(task.ok()?.path().join("stat")).ok()?;
        stat.rsplit_once(") ")?.1.chars().next()
    };
    tasks.filter_map(state).collect()
}

/// Shows settings: server.tcp_backlog
#[test]
fn the_kernel_holds_as_many_connections_as_are_set() {
    let held = |flags: &[&str]| {
        on_each_backend(flags, |server| {
            // Those that have tried whether it listens are accepted before this one.
            assert_eq!(server.connect().command_words("PING").text(), "PONG");
            server.signal(Signal::STOP);
            until(PATIENCE, "it stands still", || {
                states(server) == BTreeSet::from(['T'])
            });
            let address = SocketAddr::from(([127, 0, 0, 1], server.port));
            let connect = |_| TcpStream::connect_timeout(&address, Duration::from_millis(200)).ok();
            let connections: Vec<TcpStream> = (0..50).map_while(connect).collect();
            connections.len()
        })
    };
    let few = held(&["--server.tcp_backlog", "3"]);
    assert!(few.iter().all(|count| (3..=4).contains(count)), "{few:?}");
    let many = held(&["--server.tcp_backlog", "100"]);
    assert!(many.iter().all(|count| *count == 50), "{many:?}");
}

/// Shows settings: server.workers
#[test]
fn there_are_as_many_workers_as_are_set() {
    let count = |server: &Server| {
        let tasks = fs::read_dir(format!("/proc/{}/task", server.process_id()));
        let tasks = tasks.expect("threads").filter_map(Result::ok);
        let names = tasks.filter_map(|task| fs::read_to_string(task.path().join("comm")).ok());
        names.filter(|name| name.starts_with("worker-")).count()
    };
    let cores = thread::available_parallelism().expect("a number").get();
    for (workers, expected) in [("1", 1), ("3", 3), ("0", cores)] {
        for_each_backend(&["--server.workers", workers], |server| {
            // A thread gives itself its name.
            until(PATIENCE, "they have their names", || {
                count(server) == expected
            });
            until(PATIENCE, "a line", || {
                server.log().contains("ready to accept")
            });
            assert_eq!(server.connect().command_words("PING").text(), "PONG");
            assert_eq!(count(server), expected);
        });
    }
}

/// Shows settings: server.io_backend
#[test]
fn sockets_are_driven_as_is_set() {
    let backend = |name: &str| {
        let server = Server::start_with(Target::Mio, &["--server.io_backend", name]);
        let mut client = server.connect();
        let line = info_line(&mut client, "server", "multiplexing_api:").expect("a line");
        let has_ring = fs::read_dir(format!("/proc/{}/fd", server.process_id()))
            .expect("descriptors")
            .filter_map(|entry| fs::read_link(entry.ok()?.path()).ok())
            .any(|target| target.to_string_lossy().contains("io_uring"));
        (line, has_ring)
    };
    let mio = ("multiplexing_api:mio".to_owned(), false);
    let uring = ("multiplexing_api:io_uring".to_owned(), true);
    assert_eq!(backend("mio"), mio);
    if Target::IoUring.is_available() {
        assert_eq!(backend("io_uring"), uring);
        assert_eq!(backend("auto"), uring);
    }
}

/// Shows settings: server.databases
#[test]
fn there_are_sixteen_databases() {
    for_each_backend(&["--databases", "16"], |server| {
        let mut client = server.connect();
        ok(&mut client, "SELECT 15");
        let refused = client.command_words("SELECT 16").text();
        assert_eq!(refused, "ERR DB index is out of range");
    });
    let mut server = Server::spawn(Target::Mio, &["--databases", "17"]);
    assert!(!server.wait_for_end(PATIENCE).success());
}

/// Shows settings: server.num_shards
#[test]
fn more_shards_have_more_tables() {
    for_each_backend(&[], |few| {
        let flags = ["--server.num_shards", "65536"];
        let many = Server::start_with(few.target, &flags);
        let table_bytes = |server: &Server| {
            let mut client = server.connect();
            let keys = (0..1_000).map(|key| encode(&["SET", &format!("key:{key}"), "value"]));
            all(&mut client, keys);
            owner(&mut client, "tables")
        };
        let (few, many) = (table_bytes(few), table_bytes(&many));
        assert!(many > few + MB, "{few} {many}");
    });
}

/// What an owner takes of the memory, in bytes.
fn owner(client: &mut Client, name: &str) -> u64 {
    let reply = client.command_words("MEMORY STATS");
    let fields = reply.elements().expect("an array").chunks_exact(2);
    let name = format!("owner.{name}");
    let mut numbers = fields.filter_map(|pair| Some((pair[0].text(), pair[1].integer()?)));
    let (_, bytes) = numbers.find(|(owner, _)| *owner == name).expect("an owner");
    bytes.unsigned_abs()
}

/// Shows settings: server.batch_size
#[test]
fn others_have_their_turn_after_a_batch() {
    const REQUESTS: i64 = 1_000;
    let executed = |batch_size: &str| {
        let flags = ["--server.workers", "1", "--server.batch_size", batch_size];
        on_each_backend(&flags, |server| {
            let (mut first, mut long, mut short) =
                (server.connect(), server.connect(), server.connect());
            for client in [&mut long, &mut short] {
                assert_eq!(client.command_words("PING").text(), "PONG");
            }
            // While the worker is held up, the requests of both arrive.
            first.send_words("DEBUG SLEEP 0.3");
            thread::sleep(Duration::from_millis(100));
            long.send(&b"INCR n\r\n".repeat(REQUESTS as usize))
                .expect("sent");
            short.send_words("GET n");
            let seen = short.read_reply().expect("a reply").text();
            seen.parse().unwrap_or(0)
        })
    };
    let after_few: Vec<i64> = executed("10");
    assert!(after_few.iter().all(|count| *count <= 50), "{after_few:?}");
    let after_all = executed("65536");
    assert!(
        after_all.iter().all(|count| *count == REQUESTS),
        "{after_all:?}"
    );
}

/// Shows settings: server.buffer_size, server.buffer_pool_size
#[test]
fn buffers_are_of_the_size_and_number_that_are_set() {
    // A worker has at least 16 of them.
    for (size, pool, expected) in [
        ("1kb", "0", 20_000..150_000),
        ("16kb", "0", 300_000..600_000),
        ("16kb", "2048", 2_000_000..40_000_000),
    ] {
        let flags = [
            "--server.buffer_size",
            size,
            "--server.buffer_pool_size",
            pool,
        ];
        for_each_backend(&flags, |server| {
            let mut control = server.connect();
            send_much_at_once(server);
            let mut bytes = 0;
            until(PATIENCE, &format!("{size} {pool}: {expected:?}"), || {
                bytes = owner(&mut control, "receive-buffers");
                expected.contains(&bytes)
            });
        });
    }
}

/// Has a worker find requests of many clients when it comes to them.
fn send_much_at_once(server: &Server) {
    let mut control = server.connect();
    let mut clients: Vec<Client> = (0..200).map(|_| server.connect()).collect();
    let requests = encode(&["SET", "key", &"v".repeat(1_000)]).repeat(60);
    control.send_words("DEBUG SLEEP 0.2");
    for client in &mut clients {
        client.send(&requests).expect("sent");
    }
    for client in &mut clients {
        for _ in 0..60 {
            assert_eq!(client.read_reply().expect("a reply").text(), "OK");
        }
    }
    assert_eq!(control.read_reply().expect("a reply").text(), "OK");
}

/// Shows settings: server.proto_max_bulk_bytes
#[test]
fn larger_bulk_strings_are_refused() {
    for_each_backend(&["--server.proto_max_bulk_bytes", "2mb"], |server| {
        let mut client = server.connect();
        let value = "v".repeat(2 << 20);
        assert_eq!(client.command(&["SET", "key", &value]).text(), "OK");
        let reply = client.command_words("APPEND key v").text();
        assert_eq!(
            reply,
            "ERR string exceeds maximum allowed size (proto-max-bulk-len)"
        );
        let request = b"*3\r\n$3\r\nSET\r\n$3\r\nkey\r\n$2097153\r\n";
        client.send(request).expect("sent");
        let reply = client.read_reply().expect("a reply").text();
        assert_eq!(reply, "ERR Protocol error: invalid bulk length");
        assert!(client.is_closed().expect("the end"));
        ok(&mut server.connect(), "CONFIG SET proto-max-bulk-len 3mb");
        let value = "v".repeat(3 << 20);
        assert_eq!(
            server.connect().command(&["SET", "key", &value]).text(),
            "OK"
        );
    });
}

/// Shows settings: server.query_buffer_limit
#[test]
fn who_sends_too_large_a_request_is_closed() {
    let request = encode(&["MSET", "a", &"v".repeat(900_000), "b", &"v".repeat(900_000)]);
    for (limit, is_served) in [("1mb", false), ("3mb", true)] {
        for_each_backend(&["--server.query_buffer_limit", limit], |server| {
            let mut client = server.connect();
            // It may be closed before it has sent everything.
            let _ = client.send(&request);
            let reply = client.read_reply().map(|reply| reply.text());
            assert_eq!(reply.is_ok_and(|text| text == "OK"), is_served, "{limit}");
            assert_eq!(server.connect().command_words("PING").text(), "PONG");
        });
    }
}

/// The server's end of a client's connection; none where one process may not look into the other.
fn server_end(server: &Server, client: &TcpStream) -> Option<OwnedFd> {
    let id = i32::try_from(server.process_id()).expect("a process id");
    let pid = Pid::from_raw(id).expect("a process id");
    let process = pidfd_open(pid, PidfdFlags::empty()).expect("a process");
    let local = client.local_addr().expect("an address");
    for entry in fs::read_dir(format!("/proc/{id}/fd")).expect("descriptors") {
        let name = entry.expect("a descriptor").file_name();
        let number = name.to_str().and_then(|name| name.parse().ok());
        let number = number.expect("a number");
        match pidfd_getfd(&process, number, PidfdGetfdFlags::empty()) {
            Ok(descriptor) => {
                let peer = rustix::net::getpeername(&descriptor).ok();
                let peer = peer
                    .flatten()
                    .and_then(|peer| SocketAddr::try_from(peer).ok());
                if peer == Some(local) {
                    return Some(descriptor);
                }
            }
            Err(Errno::PERM) => return None,
            Err(_) => {}
        }
    }
    panic!("the server has no such connection");
}

/// Shows settings: performance.tcp_nodelay
#[test]
fn small_replies_may_wait_for_more() {
    for (value, expected) in [("yes", true), ("no", false)] {
        for_each_backend(&["--performance.tcp_nodelay", value], |server| {
            let mut stream = TcpStream::connect(("127.0.0.1", server.port)).expect("connected");
            stream.write_all(b"PING\r\n").expect("sent");
            std::io::Read::read_exact(&mut stream, &mut [0; 7]).expect("a reply");
            match server_end(server, &stream) {
                Some(end) => assert_eq!(tcp_nodelay(end), Ok(expected)),
                None => eprintln!("skipped: this process may not look into others"),
            }
        });
    }
}

/// Shows settings: memory.eviction_sample_size
#[test]
fn more_samples_find_better_keys_to_evict() {
    const KEYS: u64 = 60_000;
    // The keys that should have gone and are there, as a percentage of what chance would leave.
    let wrong = |samples: &str| {
        let flags = [
            "--maxmemory-policy",
            "volatile-ttl",
            "--maxmemory-samples",
            samples,
        ];
        on_each_backend(&flags, |server| {
            let mut client = server.connect();
            let value = "v".repeat(800);
            let sets = (0..KEYS).map(|key| {
                let seconds = (1_000 + key).to_string();
                encode(&["SET", &format!("key:{key}"), &value, "EX", &seconds])
            });
            all(&mut client, sets);
            ok(&mut client, "CONFIG SET maxmemory 40mb");
            until(PATIENCE, "much is evicted", || {
                client.info("evicted_keys") > KEYS / 4
            });
            ok(&mut client, "CONFIG SET maxmemory 0");
            let gone = KEYS - client.command_words("DBSIZE").integer().expect("keys") as u64;
            let asked = (0..gone).map(|key| encode(&["EXISTS", &format!("key:{key}")]));
            let there = all(&mut client, asked);
            let there = there.iter().filter(|reply| reply.integer() == Some(1));
            there.count() as u64 * 100 * KEYS / (gone * (KEYS - gone))
        })
    };
    let (one, many) = (wrong("1"), wrong("50"));
    assert!(one.iter().all(|percent| *percent > 15), "{one:?}");
    assert!(many.iter().all(|percent| *percent < 8), "{many:?}");
}

/// Shows settings: memory.lfu_log_factor
#[test]
fn frequencies_grow_as_slowly_as_is_set() {
    let frequency = |factor: &str| {
        let flags = [
            "--maxmemory-policy",
            "allkeys-lfu",
            "--lfu-log-factor",
            factor,
        ];
        on_each_backend(&flags, |server| {
            let mut client = server.connect();
            ok(&mut client, "SET key value");
            all(&mut client, (0..2_000).map(|_| encode(&["GET", "key"])));

            client
                .command_words("OBJECT FREQ key")
                .integer()
                .expect("a number")
        })
    };
    let (each, few) = (frequency("0"), frequency("1000000"));
    assert!(each.iter().all(|count| *count == 255), "{each:?}");
    assert!(few.iter().all(|count| *count < 20), "{few:?}");
}

/// Shows settings: memory.ttl_jitter_percent
#[test]
fn times_to_live_are_spread() {
    for_each_backend(&["--memory.ttl_jitter_percent", "40"], |server| {
        let mut client = server.connect();
        let mut times = BTreeSet::new();
        for key in 0..200 {
            ok(&mut client, &format!("SET key:{key} v EX 10000"));
            times.insert(client.command_words(&format!("TTL key:{key}")).integer());
        }
        let (least, most) = (
            times.first().copied().flatten(),
            times.last().copied().flatten(),
        );
        assert!(
            least.is_some_and(|least| (5_990..7_000).contains(&least)),
            "{times:?}"
        );
        assert!(
            most.is_some_and(|most| (9_000..=10_000).contains(&most)),
            "{times:?}"
        );
    });
}

/// Shows settings: monitoring.slowlog_slower_than_us, monitoring.slowlog_max_len
#[test]
fn slow_commands_are_kept() {
    for_each_backend(&[], |server| {
        let mut client = server.connect();
        let kept = |client: &mut Client, threshold: &str| {
            ok(
                client,
                &format!("CONFIG SET slowlog-log-slower-than {threshold}"),
            );
            ok(client, "SLOWLOG RESET");
            client.command_words("DEBUG SLEEP 0.02");
            client.command_words("GET key");
            ok(client, "CONFIG SET slowlog-log-slower-than -1");
            let reply = client.command_words("SLOWLOG GET -1").to_string();
            (
                reply.contains("\"SLEEP\""),
                reply.contains("\"GET\", \"key\""),
            )
        };
        assert_eq!(kept(&mut client, "10000"), (true, false));
        assert_eq!(kept(&mut client, "0"), (true, true));
        assert_eq!(kept(&mut client, "10000000"), (false, false));
        assert_eq!(kept(&mut client, "-1"), (false, false));
        ok(
            &mut client,
            "CONFIG SET slowlog-log-slower-than 0 slowlog-max-len 2",
        );
        for _ in 0..10 {
            client.command_words("GET key");
        }
        assert_eq!(client.command_words("SLOWLOG LEN").integer(), Some(2));
    });
}

/// Shows settings: monitoring.large_reply_max_len
#[test]
fn so_many_large_replies_are_kept() {
    let flags = [
        "--monitoring.large_reply_bytes",
        "100",
        "--monitoring.large_reply_max_len",
        "3",
    ];
    for_each_backend(&flags, |server| {
        let mut client = server.connect();
        client.command(&["SET", "key", &"v".repeat(200)]);
        for _ in 0..10 {
            client.command_words("GET key");
        }
        let kept = client.command_words("COMMANDLOG LEN large-reply");
        assert_eq!(kept.integer(), Some(3));
    });
}

/// Shows settings: monitoring.latency_tracking, monitoring.latency_tracking_percentiles
#[test]
fn times_of_commands_are_counted() {
    for_each_backend(&[], |server| {
        let mut client = server.connect();
        let line = |client: &mut Client| {
            client.command_words("GET key");
            info_line(client, "latencystats", "latency_percentiles_usec_get:")
        };
        let names = |line: Option<String>| {
            let line = line.expect("a line");
            let (_, pairs) = line.split_once(':').expect("a colon");
            let names = pairs.split(',').filter_map(|pair| pair.split('=').next());
            names.map(str::to_owned).collect::<Vec<String>>()
        };
        assert_eq!(names(line(&mut client)), ["p50", "p99", "p99.9"]);
        ok(
            &mut client,
            "CONFIG SET latency-tracking-info-percentiles \"10 75.5\"",
        );
        assert_eq!(names(line(&mut client)), ["p10", "p75.5"]);
        ok(&mut client, "CONFIG SET latency-tracking no");
        ok(&mut client, "CONFIG RESETSTAT");
        assert_eq!(line(&mut client), None);
        let histogram = client.command_words("LATENCY HISTOGRAM get").to_string();
        assert_eq!(histogram, "[]");
    });
}

/// Shows settings: logging.level
#[test]
fn less_is_logged_from_a_level_on() {
    let logged = |level: &str, then: &str| {
        let mut server = Server::start_with(Target::Mio, &["--loglevel", level]);
        let mut client = server.connect();
        ok(&mut client, &format!("CONFIG SET logging.level {then}"));
        client.send_words("SHUTDOWN");
        server.wait_for_end(PATIENCE);
        server.log().contains("shutting down")
    };
    assert!(logged("info", "info"));
    assert!(!logged("error", "error"));
    assert!(logged("error", "info"));
    assert!(!logged("info", "error"));
}

/// Shows settings: logging.format
#[test]
fn lines_of_the_log_may_be_json() {
    for (format, is_json) in [("text", false), ("json", true)] {
        let mut server = Launch {
            flags: &["--logging.format", format],
            ..Launch::new(Target::Mio)
        }
        .start();
        assert_eq!(server.connect().command_words("PING").text(), "PONG");
        server.signal(Signal::TERM);
        server.wait_for_end(PATIENCE);
        let log = server.log();
        assert!(!log.is_empty());
        for line in log.lines() {
            let has_form = line.starts_with("{\"timestamp\":") && line.ends_with('}');
            assert_eq!(has_form, is_json, "{line}");
        }
    }
}

/// What a collection becomes when a setting is small, and what it stays when it is large.
fn encoding_changes(setting: &str, fill: &str, small: &str, large: &str) {
    let server = Server::start_with(Target::Mio, &[]);
    let mut client = server.connect();
    for (value, encoding) in [("1000", small), ("1", large)] {
        ok(&mut client, &format!("CONFIG SET {setting} {value}"));
        ok(&mut client, "FLUSHALL");
        client.command_words(fill);
        let reply = client.command_words("OBJECT ENCODING k");
        assert_eq!(reply.text(), encoding, "{setting} {value}");
    }
}

/// Shows settings: encoding.hash_entries_max, encoding.hash_value_bytes_max
#[test]
fn hashes_are_small_up_to_what_is_set() {
    encoding_changes(
        "hash-max-listpack-entries",
        "HSET k a 1 b 2",
        "listpack",
        "hashtable",
    );
    encoding_changes(
        "hash-max-listpack-value",
        "HSET k a 22",
        "listpack",
        "hashtable",
    );
}

/// Shows settings: encoding.set_intset_entries_max, encoding.set_entries_max, encoding.set_value_bytes_max
#[test]
fn sets_are_small_up_to_what_is_set() {
    encoding_changes(
        "set-max-intset-entries",
        "SADD k 1 2 3",
        "intset",
        "listpack",
    );
    encoding_changes(
        "set-max-listpack-entries",
        "SADD k a b",
        "listpack",
        "hashtable",
    );
    encoding_changes(
        "set-max-listpack-value",
        "SADD k aa",
        "listpack",
        "hashtable",
    );
}

/// Shows settings: encoding.sparse_hyperloglog_bytes_max
#[test]
fn a_hyperloglog_is_sparse_up_to_what_is_set() {
    let server = Server::start_with(Target::Mio, &["--hll-sparse-max-bytes", "24"]);
    let mut client = server.connect();
    let mut forms = || {
        client.command_words("PFADD k a");
        let before = client.command_words("PFDEBUG ENCODING k").text();
        client.command_words("PFADD k b c d");
        let after = client.command_words("PFDEBUG ENCODING k").text();
        ok(&mut client, "CONFIG SET hll-sparse-max-bytes 3kb");
        ok(&mut client, "FLUSHALL");
        (before, after)
    };
    let sparse = "sparse".to_owned();
    assert_eq!(forms(), (sparse.clone(), "dense".to_owned()));
    assert_eq!(forms(), (sparse.clone(), sparse));
}

/// Shows settings: encoding.list_listpack_size_max
#[test]
fn lists_are_listpacks_up_to_what_is_set() {
    encoding_changes(
        "list-max-listpack-size",
        "RPUSH k a b",
        "listpack",
        "quicklist",
    );
    let server = Server::start_with(Target::Mio, &["--list-max-listpack-size", "-1"]);
    let mut client = server.connect();
    for (bytes, encoding) in [(4000, "listpack"), (4100, "quicklist")] {
        ok(&mut client, "FLUSHALL");
        client.command(&["RPUSH", "k", &"x".repeat(bytes)]);
        let reply = client.command_words("OBJECT ENCODING k");
        assert_eq!(reply.text(), encoding, "{bytes}");
    }
}

/// Shows settings: encoding.sorted_set_entries_max, encoding.sorted_set_value_bytes_max
#[test]
fn sorted_sets_are_small_up_to_what_is_set() {
    encoding_changes(
        "zset-max-listpack-entries",
        "ZADD k 1 a 2 b",
        "listpack",
        "skiplist",
    );
    encoding_changes(
        "zset-max-listpack-value",
        "ZADD k 1 aa",
        "listpack",
        "skiplist",
    );
}
