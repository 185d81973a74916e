//! `[[prefix]]`: keys of a prefix are counted apart, its limit is kept by its own keys alone, and its lifetimes hold.

use std::fs;

use crate::client::{Client, Reply, encode};
use crate::server::{Launch, Server, Target};

const CAP: u64 = 2 << 20;
const FILE: &str = r#"
[[prefix]]
match = "session:"
max_memory = "2mb"
eviction_policy = "allkeys-lru"

[[prefix]]
match = "kept:"
max_memory = "64kb"
eviction_policy = "noeviction"

[[prefix]]
match = "short:"
default_ttl = 100
max_ttl = 1000

[[prefix]]
match = "user,a=b:"

[server]
workers = 2
"#;

fn for_each_backend(test: impl Fn(&Server)) {
    for target in [Target::Mio, Target::IoUring] {
        if target.is_available() {
            let launch = Launch::new(target);
            fs::write(launch.directory.join("redistill.toml"), FILE).expect("the file is written");
            test(&launch.start());
        }
    }
}

/// A number of a prefix.
fn number(client: &mut Client, prefix: usize, name: &str) -> u64 {
    let text = client.command_words("INFO prefixes").text();
    let start = format!("prefix{prefix}:");
    let line = text.lines().find_map(|line| line.strip_prefix(&start));
    let mut fields = line.expect("the prefix is there").split(',');
    let value = fields.find_map(|field| field.strip_prefix(name)?.strip_prefix('='));
    value
        .expect("the field is there")
        .parse()
        .expect("a number")
}

/// Sets so many keys of 500 bytes in one go; how many were refused.
fn set_all(client: &mut Client, start: &str, count: u64) -> u64 {
    let mut refused = 0;
    for from in (0..count).step_by(500) {
        let keys = from..count.min(from + 500);
        let requests = keys.clone().map(|number| {
            let key = format!("{start}{number}");
            encode(&[b"SET", key.as_bytes(), &[b'v'; 500]])
        });
        let requests: Vec<u8> = requests.flatten().collect();
        client.send(&requests).expect("sent");
        for _ in keys {
            let reply = client.read_reply().expect("a reply");
            if reply.is_error() {
                assert!(
                    reply.to_string().contains("OOM command not allowed"),
                    "{reply}"
                );
                refused += 1;
            }
        }
    }
    refused
}

fn words(client: &mut Client, line: &str) -> Reply {
    client.command_words(line)
}

/// Shows settings: prefix.match, prefix.max_memory
#[test]
fn a_prefix_at_its_limit_makes_room_itself() {
    for_each_backend(|server| {
        let (mut first, mut second) = (server.connect(), server.connect());
        assert_eq!(set_all(&mut first, "user,a=b:", 3000), 0);
        for round in 0..4 {
            let client = if round % 2 == 0 {
                &mut first
            } else {
                &mut second
            };
            assert_eq!(set_all(client, &format!("session:{round}:"), 5000), 0);
            let bytes = number(client, 0, "bytes");
            assert!(bytes > CAP * 94 / 100 && bytes <= CAP + CAP / 50, "{bytes}");
        }
        let client = &mut first;
        assert_eq!(number(client, 0, "cap"), CAP);
        assert_eq!(
            number(client, 0, "keys") + number(client, 0, "evicted"),
            20_000
        );
        assert_eq!(number(client, 3, "keys"), 3000);
        assert_eq!(number(client, 3, "evicted"), 0);
        let text = words(client, "INFO everything").text();
        assert!(
            text.contains("# Prefixes\r\nprefix0:match=session:,keys="),
            "{text}"
        );
        assert!(
            text.contains(r"prefix3:match=user\x2ca\x3db:,keys=3000,"),
            "{text}"
        );
        assert!(!words(client, "INFO").text().contains("# Prefixes"));
        assert!(
            words(client, "MEMORY STATS")
                .to_string()
                .contains("owner.prefixes")
        );
        words(client, "FLUSHALL");
        for name in ["keys", "bytes"] {
            assert_eq!(number(client, 0, name), 0);
            assert_eq!(number(client, 3, name), 0);
        }
    });
}

/// Shows settings: prefix.eviction_policy
#[test]
fn without_eviction_only_writes_to_the_prefix_fail() {
    for_each_backend(|server| {
        let client = &mut server.connect();
        let refused = set_all(client, "kept:", 1000);
        let keys = number(client, 1, "keys");
        assert_eq!(keys + refused, 1000);
        assert!((100..=130).contains(&keys), "{keys}");
        assert!(number(client, 1, "bytes") < (64 << 10) + 1024);
        assert_eq!(set_all(client, "session:", 100), 0);
        for line in [
            "MSET a 1 kept:new 2",
            "APPEND kept:0 x",
            "COPY a kept:new REPLACE",
        ] {
            let reply = words(client, line).to_string();
            assert!(reply.contains("OOM command not allowed"), "{line}: {reply}");
        }
        words(client, "MULTI");
        assert!(words(client, "SET kept:new 1").is_error());
        assert!(words(client, "EXEC").is_error());
        for line in [
            "GET kept:0",
            "COPY kept:0 b",
            "EXPIRE kept:0 100",
            "SET a 1",
            "DEL kept:0 kept:1 kept:2 kept:3",
        ] {
            assert!(!words(client, line).is_error(), "{line}");
        }
        assert_eq!(words(client, "SET kept:new 1").text(), "OK");
        assert_eq!(number(client, 1, "evicted"), 0);
    });
}

#[test]
fn hits_and_misses_are_counted_by_prefix() {
    for_each_backend(|server| {
        let client = &mut server.connect();
        words(client, "MSET session:1 a session:2 b user,a=b:1 c other d");
        for line in [
            "GET session:1",
            "GET session:9",
            "MGET session:1 session:2 session:8 user,a=b:1 user,a=b:2 other",
            "GETRANGE session:1 0 0",
            "EXISTS other",
        ] {
            words(client, line);
        }
        assert_eq!(number(client, 0, "hits"), 4);
        assert_eq!(number(client, 0, "misses"), 2);
        assert_eq!(number(client, 3, "hits"), 1);
        assert_eq!(number(client, 3, "misses"), 1);
        words(client, "SELECT 3");
        words(client, "SET session:1 x");
        words(client, "MOVE session:1 4");
        assert_eq!(number(client, 0, "keys"), 3, "all databases count");
        words(client, "SWAPDB 0 4");
        words(client, "SELECT 0");
        words(client, "FLUSHDB");
        assert_eq!(number(client, 0, "keys"), 2);
        words(client, "CONFIG RESETSTAT");
        assert_eq!(number(client, 0, "hits"), 0);
        assert_eq!(number(client, 0, "keys"), 2);
    });
}

/// Shows settings: prefix.default_ttl, prefix.max_ttl
#[test]
fn lifetimes_hold() {
    for_each_backend(|server| {
        let client = &mut server.connect();
        let mut ttl = |line: &str| {
            assert!(!words(client, line).is_error(), "{line}");
            words(client, "TTL short:1").integer().expect("a number")
        };
        for (line, expected) in [
            ("SET short:1 v", 100),
            ("SET short:1 v EX 50", 50),
            ("SET short:1 v KEEPTTL", 50),
            ("SET short:1 v EX 5000", 1000),
            ("EXPIRE short:1 200", 200),
            ("EXPIRE short:1 2000", 1000),
            ("EXPIRE short:1 20", 20),
            ("PERSIST short:1", 1000),
            ("GETEX short:1 EX 30", 30),
            ("GETEX short:1 PERSIST", 1000),
            ("DEL short:1", -2),
            ("APPEND short:1 v", 100),
            ("DEL short:1", -2),
            ("MSET short:1 2", 100),
            ("INCR short:1", 100),
            ("SET x v", 100),
            ("RENAME x short:1", 100),
        ] {
            let left = ttl(line);
            assert!((expected - 2..=expected).contains(&left), "{line}: {left}");
        }
    });
}

#[test]
fn the_file_keeps_its_prefixes() {
    for_each_backend(|server| {
        let client = &mut server.connect();
        words(client, "CONFIG SET maxmemory-samples 7");
        assert_eq!(words(client, "CONFIG REWRITE").text(), "OK");
        let text = fs::read_to_string(server.directory().join("redistill.toml"));
        let text = text.expect("the file is there");
        assert!(
            text.starts_with(FILE.split("[server]").next().expect("a part")),
            "{text}"
        );
        assert!(text.contains("eviction_sample_size = 7"), "{text}");
    });
}
