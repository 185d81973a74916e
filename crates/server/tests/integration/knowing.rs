//! What the server tells of how well the cache does: misses by reason in INFO, and CACHE CURVE.

use std::time::Duration;

use crate::client::{Client, Reply, encode};
use crate::random::Random;
use crate::server::{Server, for_each_backend};
use crate::waiting::until;

/// How long something may take that must come.
const PATIENCE: Duration = Duration::from_secs(60);

/// With one worker: what others have sampled comes up to a second later.
fn with_one_worker(flags: &[&str], test: impl Fn(&Server)) {
    for_each_backend(&[&["--server.workers", "1"], flags].concat(), test);
}

/// Misses: never seen, expired, evicted, deleted.
fn reasons(client: &mut Client) -> [u64; 4] {
    ["never_seen", "expired", "evicted", "deleted"]
        .map(|reason| client.info(&format!("keyspace_misses_{reason}")))
}

/// SETs of as many keys, in pieces.
fn fill(client: &mut Client, keys: usize, value_bytes: usize) {
    let value = vec![b'v'; value_bytes];
    for first in (0..keys).step_by(500) {
        let names = (first..(first + 500).min(keys)).map(|number| format!("key:{number}"));
        let names: Vec<String> = names.collect();
        let bytes: Vec<u8> = names
            .iter()
            .flat_map(|name| encode(&[b"SET", name.as_bytes(), &value]))
            .collect();
        client.send(&bytes).expect("sent");
        for _ in &names {
            assert_eq!(client.read_reply().expect("a reply").text(), "OK");
        }
    }
}

#[test]
fn few_misses_have_their_exact_reasons() {
    with_one_worker(&[], |server| {
        let mut client = server.connect();
        for line in [
            "SET deleted 1",
            "SET unlinked 1",
            "SET renamed 1",
            "SET short 1 PX 1",
            "DEL deleted",
            "UNLINK unlinked",
            "RENAME renamed new",
        ] {
            client.command_words(line);
        }
        until(PATIENCE, "the key expires", || {
            client.info("expired_keys") == 1
        });
        client.command_words("MGET deleted unlinked renamed never");
        client.command_words("GET never");
        client.command_words("GET short");
        client.command_words("GET new");
        // The same name in another database is another key.
        client.command_words("SELECT 1");
        client.command_words("EXISTS deleted short");
        assert_eq!(client.info("keyspace_misses"), 8);
        assert_eq!(client.info("keyspace_misses_sampled"), 8);
        assert_eq!(reasons(&mut client), [4, 1, 0, 3]);
        client.command_words("CONFIG RESETSTAT");
        assert_eq!(reasons(&mut client), [0; 4]);
        assert_eq!(client.info("keyspace_misses_sampled"), 0);
        client.command_words("SELECT 0");
        client.command_words("GET short");
        assert_eq!(reasons(&mut client), [0, 1, 0, 0]);
    });
}

#[test]
fn evicted_keys_are_missed() {
    const KEYS: usize = 60_000;
    let flags = ["--maxmemory", "40mb", "--maxmemory-policy", "allkeys-lru"];
    with_one_worker(&flags, |server| {
        let mut client = server.connect();
        fill(&mut client, KEYS, 1000);
        until(PATIENCE, "keys are evicted", || {
            client.info("evicted_keys") > 20_000
        });
        client.command_words("CONFIG RESETSTAT");
        for number in 0..KEYS {
            client.command_words(&format!("STRLEN key:{number}"));
        }
        let misses = client.info("keyspace_misses");
        assert!(misses > 20_000, "{misses}");
        let [never_seen, expired, evicted, deleted] = reasons(&mut client);
        assert_eq!(never_seen + expired + evicted + deleted, misses);
        assert!(evicted > misses / 10 * 9, "{evicted} of {misses}");
        assert!(client.info("keyspace_misses_sampled") > 100);
    });
}

/// The rows of CACHE CURVE in RESP3: factor, keys, hit ratio, sampled reads.
fn curve(client: &mut Client) -> Vec<(f64, i64, f64, i64)> {
    let reply = client.command_words("CACHE CURVE");
    let rows = reply.elements().expect("an array");
    let row = |row: &Reply| {
        let Reply::Map(pairs) = row else {
            panic!("{row} is no map");
        };
        let value = |name: &str| {
            let pair = pairs.iter().find(|(key, _)| key.text() == name);
            pair.map(|(_, value)| value.clone()).expect(name)
        };
        let double = |name: &str| match value(name) {
            Reply::Double(text) => String::from_utf8_lossy(&text).parse().expect("a number"),
            Reply::Null => f64::NAN,
            other => panic!("{name}: {other}"),
        };
        let integer = |name: &str| value(name).integer().expect("an integer");
        assert!(integer("bytes") > 0);
        (
            double("factor"),
            integer("keys"),
            double("hit_ratio"),
            integer("sampled_reads"),
        )
    };
    rows.iter().map(row).collect()
}

#[test]
fn the_curve_tells_of_other_sizes() {
    const KEYS: usize = 50_000;
    with_one_worker(&[], |server| {
        let mut client = server.connect_protocol(3);
        fill(&mut client, KEYS, 8);
        client.command_words("CONFIG RESETSTAT");
        // A fifth of the keys gets nine tenths of the reads.
        let mut random = Random::new(3);
        for _ in 0..400 {
            let mut bytes = Vec::new();
            for _ in 0..500 {
                let all = if random.below(10) == 0 {
                    KEYS
                } else {
                    KEYS / 5
                };
                let key = format!("key:{}", random.below(all));
                bytes.extend(encode(&["GET", &key]));
            }
            client.send(&bytes).expect("sent");
            for _ in 0..500 {
                assert_eq!(client.read_reply().expect("a reply").text(), "vvvvvvvv");
            }
        }
        let rows = curve(&mut client);
        let factors: Vec<f64> = rows.iter().map(|row| row.0).collect();
        assert_eq!(factors, [0.25, 0.5, 1.0, 2.0, 4.0, 8.0]);
        for (factor, keys, hit_ratio, sampled_reads) in &rows {
            assert!(
                (*keys as f64 - KEYS as f64 * factor).abs() < 2.0,
                "{rows:?}"
            );
            assert!(*sampled_reads > 500, "{rows:?}");
            // A quarter holds most of the fifth; with all keys there, more memory brings nothing.
            let expected = if *factor < 1.0 { 0.7..0.99 } else { 0.9..1.01 };
            assert!(expected.contains(hit_ratio), "{rows:?}");
        }
        assert!(rows[0].2 < rows[5].2, "{rows:?}");
        client.command_words("CONFIG RESETSTAT");
        assert!(
            curve(&mut client)
                .iter()
                .all(|row| row.3 == 0 && row.2.is_nan())
        );
    });
}
