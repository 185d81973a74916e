//! HOTKEYS and BIGKEYS over sockets and several workers: the hottest keys are found, and the list of big keys is what a
//! scan would find.

use std::thread;

use crate::client::{Client, Reply, encode};
use crate::random::Random;
use crate::server::{Server, for_each_backend};

const CLIENTS: usize = 4;

fn with_two_workers(flags: &[&str], test: impl Fn(&Server)) {
    for_each_backend(&[&["--server.workers", "2"], flags].concat(), test);
}

/// Runs clients at once, each with its own numbers.
fn with_clients(server: &Server, work: impl Fn(&mut Client, &mut Random) + Sync) {
    thread::scope(|scope| {
        for number in 0..CLIENTS {
            let work = &work;
            scope.spawn(move || work(&mut server.connect(), &mut Random::new(number as u64 + 1)));
        }
    });
}

/// Sends requests in one go and reads their replies.
fn pipeline(client: &mut Client, requests: &[Vec<Vec<u8>>]) -> Vec<Reply> {
    let bytes: Vec<u8> = requests.iter().flat_map(|words| encode(words)).collect();
    client.send(&bytes).expect("sent");
    let replies = requests
        .iter()
        .map(|_| client.read_reply().expect("a reply"));
    replies.collect()
}

fn words(line: &str) -> Vec<Vec<u8>> {
    line.split(' ').map(|word| word.into()).collect()
}

/// Key, database and number of each entry of HOTKEYS GET and BIGKEYS GET in RESP2.
fn entries(reply: &Reply) -> Vec<(String, i64, i64)> {
    let entry = |entry: &Reply| {
        let fields = entry.elements().expect("an array");
        let number = |at: usize| fields[at].integer().expect("an integer");
        (fields[1].text(), number(3), number(5))
    };
    reply
        .elements()
        .expect("an array")
        .iter()
        .map(entry)
        .collect()
}

#[test]
fn the_hottest_keys_are_found() {
    with_two_workers(&[], |server| {
        with_clients(server, |client, random| {
            for _ in 0..200 {
                let requests: Vec<_> = (0..250)
                    .map(|_| match random.below(20) {
                        0..6 => words("GET hottest"),
                        6..10 => words("SET second v"),
                        10..12 => words("MGET third missing"),
                        _ => words(&format!("GET key:{}", random.below(100_000))),
                    })
                    .collect();
                pipeline(client, &requests);
            }
        });
        let mut client = server.connect();
        let hot = entries(&client.command_words("HOTKEYS GET COUNT 4"));
        let names: Vec<&str> = hot.iter().map(|(key, _, _)| key.as_str()).collect();
        assert_eq!(names[..2], ["hottest", "second"], "{hot:?}");
        // Each of these comes as often as the other.
        assert!(
            names.contains(&"third") && names.contains(&"missing"),
            "{hot:?}"
        );
        assert!(
            hot.iter()
                .all(|(_, database, qps)| *database == 0 && *qps > 0)
        );
        assert_eq!(client.command_words("HOTKEYS RESET").text(), "OK");
        assert_eq!(entries(&client.command_words("HOTKEYS GET")), []);
    });
}

/// The bytes of the largest keys of the database by KEYS and MEMORY USAGE, without what a table has of each.
fn largest_by_scan(client: &mut Client, count: usize) -> Vec<i64> {
    let keys = client.command_words("KEYS *");
    let keys = keys.elements().expect("an array");
    let usage = |key: &Reply| words(&format!("MEMORY USAGE {}", key.text()));
    let requests: Vec<_> = keys.iter().map(usage).collect();
    let mut bytes: Vec<i64> = requests
        .chunks(1000)
        .flat_map(|requests| pipeline(client, requests))
        .filter_map(|reply| reply.integer())
        .map(|bytes| (bytes - 8) as usize)
        .map(|bytes| bytes.next_multiple_of(8) as i64)
        .collect();
    bytes.sort_unstable_by_key(|bytes| std::cmp::Reverse(*bytes));
    bytes.truncate(count);
    bytes
}

fn check_big_keys(client: &mut Client) {
    let big = entries(&client.command_words("BIGKEYS GET"));
    for (key, database, bytes) in &big {
        let usage = client.command(&["MEMORY", "USAGE", key]).integer();
        let usage = usage.unwrap_or_else(|| panic!("{key} is listed and not there"));
        assert!(
            *bytes <= usage && usage <= bytes + 8,
            "{key} takes {usage}, listed {bytes}"
        );
        assert_eq!(*database, 0);
    }
    let listed: Vec<i64> = big.iter().map(|(_, _, bytes)| *bytes).collect();
    let rounded: Vec<i64> = listed.iter().map(|bytes| (bytes + 7) / 8 * 8).collect();
    assert_eq!(rounded, largest_by_scan(client, 32));
}

/// A size that is mostly small and sometimes large.
fn size(random: &mut Random) -> usize {
    match random.below(10) {
        0 => 1 + random.below(100_000),
        1..4 => 1 + random.below(20_000),
        _ => 1 + random.below(500),
    }
}

#[test]
fn big_keys_are_those_that_a_scan_finds() {
    with_two_workers(&[], |server| {
        with_clients(server, |client, random| {
            for _ in 0..40 {
                let requests: Vec<_> = (0..100)
                    .map(|_| {
                        let key = format!("key:{}", random.below(2_000));
                        let value = vec![b'v'; size(random)];
                        match random.below(8) {
                            0 => words(&format!("DEL {key}")),
                            1 => words(&format!("SETRANGE {key} {} v", size(random))),
                            2 => words(&format!("RENAME {key} key:{}", random.below(2_000))),
                            3 => vec![b"APPEND".to_vec(), key.into(), value],
                            _ => vec![b"SET".to_vec(), key.into(), value],
                        }
                    })
                    .collect();
                pipeline(client, &requests);
            }
        });
        check_big_keys(&mut server.connect());
    });
}

#[test]
fn big_keys_that_are_evicted_are_not_listed() {
    let flags = [
        "--maxmemory",
        "48mb",
        "--maxmemory-policy",
        "allkeys-random",
    ];
    with_two_workers(&flags, |server| {
        let mut client = server.connect();
        let mut random = Random::new(3);
        for number in 0..3_000 {
            let value = vec![b'v'; 1 + random.below(100_000)];
            let reply = client.command(&[
                b"SET".as_slice(),
                format!("key:{number}").as_bytes(),
                &value,
            ]);
            assert_eq!(reply.text(), "OK");
        }
        for (key, _, bytes) in entries(&client.command_words("BIGKEYS GET COUNT 256")) {
            let usage = client.command(&["MEMORY", "USAGE", &key]).integer();
            // Evicted since.
            let Some(usage) = usage else {
                continue;
            };
            assert!(
                bytes <= usage && usage <= bytes + 8,
                "{key}: {usage}, listed {bytes}"
            );
        }
        client.command_words("CONFIG SET maxmemory 0");
        check_big_keys(&mut client);
    });
}
