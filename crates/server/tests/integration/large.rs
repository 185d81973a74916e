//! Large values: random changes against a model, however the bytes arrive; and what they cost in memory while they come
//! and go slowly.

use std::collections::HashMap;
use std::thread;

use crate::client::{Client, Reply, encode};
use crate::random::Random;
use crate::server::{for_each_backend, is_long_run};

const KEYS: usize = 6;
/// Around the limits between ways of storing, receiving and sending.
const SIZES: &[usize] = &[
    0,
    10,
    1_000,
    16_383,
    16_384,
    20_000,
    65_536,
    98_300,
    98_400,
    300_000,
    1 << 20,
    3 << 20,
];
/// How much a client sends at once.
const PIECES: &[usize] = &[1, 100, 5_000, 70_000, 1 << 20, 1 << 22];

fn random_bytes(random: &mut Random) -> Vec<u8> {
    let size = *random.pick(SIZES);
    let seed = random.next();
    (0..size as u64)
        .map(|at| (at.wrapping_mul(seed) >> 13) as u8)
        .collect()
}

/// One request, and its reply.
fn step(random: &mut Random, model: &mut HashMap<String, Vec<u8>>) -> (Vec<u8>, Reply) {
    let key = format!("k{}", random.below(KEYS));
    let bulk =
        |value: Option<&Vec<u8>>| value.map_or(Reply::NilBulk, |value| Reply::Bulk(value.clone()));
    let length = |value: &Vec<u8>| Reply::Integer(value.len() as i64);
    match random.below(8) {
        0 | 1 => {
            let value = random_bytes(random);
            let mut words = vec![b"SET".to_vec(), key.clone().into_bytes(), value.clone()];
            if random.once_in(2) {
                words.extend([b"EX".to_vec(), b"1000".to_vec()]);
            }
            model.insert(key, value);
            (encode(&words), Reply::Simple(b"OK".to_vec()))
        }
        2 | 3 => (encode(&["GET", &key]), bulk(model.get(&key))),
        4 => {
            let tail = random_bytes(random);
            let request = encode(&[b"APPEND", key.as_bytes(), &tail]);
            let value = model.entry(key).or_default();
            value.extend(tail);
            (request, length(value))
        }
        5 => {
            let part = random_bytes(random);
            let offset: usize = *random.pick(&[0, 7, 100_000]);
            let number = offset.to_string();
            let request = encode(&[b"SETRANGE", key.as_bytes(), number.as_bytes(), &part]);
            if part.is_empty() {
                let before = model.get(&key).map_or(0, Vec::len);
                return (request, Reply::Integer(before as i64));
            }
            let value = model.entry(key).or_default();
            value.resize(value.len().max(offset + part.len()), 0);
            value[offset..offset + part.len()].copy_from_slice(&part);
            (request, length(value))
        }
        6 => {
            let (start, end) = (random.below(50_000), random.below(2_000_000));
            let request = encode(&["GETRANGE", &key, &start.to_string(), &end.to_string()]);
            let value = model.get(&key).map_or(&[][..], Vec::as_slice);
            let part = value.get(start..value.len().min(end + 1));
            (request, Reply::Bulk(part.unwrap_or_default().to_vec()))
        }
        _ => {
            let request = encode(&["MGET", &key, "missing", &key]);
            let value = bulk(model.get(&key));
            let values = vec![value.clone(), Reply::NilBulk, value];
            (request, Reply::Array(values))
        }
    }
}

/// Sends in pieces of random sizes, which is not how the requests end.
fn send_in_pieces(client: &mut Client, random: &mut Random, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        let (piece, rest) = bytes.split_at(bytes.len().min(*random.pick(PIECES)));
        client.send(piece).expect("sent");
        bytes = rest;
    }
}

#[test]
fn random_changes_of_large_values() {
    let rounds = if is_long_run() { 400 } else { 40 };
    let seed = Random::seed_of_run();
    for_each_backend(&[], |server| {
        let mut random = Random::new(seed);
        let mut model = HashMap::new();
        let mut reader = server.connect();
        for round in 0..rounds {
            let steps: Vec<_> = (0..1 + random.below(6))
                .map(|_| step(&mut random, &mut model))
                .collect();
            let requests: Vec<u8> = steps.iter().flat_map(|(bytes, _)| bytes.clone()).collect();
            let mut writer = reader.try_clone().expect("a second handle");
            let mut pieces = Random::new(seed + round);
            thread::scope(|scope| {
                scope.spawn(move || send_in_pieces(&mut writer, &mut pieces, &requests));
                for (request, expected) in &steps {
                    let reply = reader.read_reply().expect("a reply");
                    let name = String::from_utf8_lossy(&request[..request.len().min(40)]);
                    assert!(reply == *expected, "seed {seed}, round {round}: {name:?}");
                }
            });
        }
    });
}

/// A hundred clients that have asked for a value and do not read it hold one copy of it, not a hundred.
#[test]
fn slow_readers_share_one_copy() {
    const READERS: usize = 100;
    const VALUE_BYTES: usize = 10_000_000;
    const GROWTH_BYTES_MAX: u64 = 100_000_000;
    for_each_backend(&[], |server| {
        let mut client = server.connect();
        let value = vec![b'v'; VALUE_BYTES];
        let reply = client.command(&[b"SET".as_slice(), b"large", &value]);
        assert_eq!(reply.to_string(), "OK");
        let before = server.resident_bytes();
        let mut readers: Vec<Client> = (0..READERS).map(|_| server.connect()).collect();
        for reader in &mut readers {
            reader.send(&encode(&["GET", "large"])).expect("sent");
        }
        // The first bytes of each reply: all of them are under way.
        for reader in &mut readers {
            assert!(!reader.is_closed().expect("the beginning of a reply"));
        }
        let growth = server.resident_bytes().saturating_sub(before);
        assert!(growth < GROWTH_BYTES_MAX, "{growth} bytes more");
        // What is being sent is not changed.
        client.command(&["SETRANGE", "large", "0", "new"]);
        for reader in &mut readers {
            let reply = reader.read_reply().expect("a reply");
            assert!(reply == Reply::Bulk(value.clone()), "the old value");
        }
        assert_eq!(
            client.command(&["GETRANGE", "large", "0", "4"]).text(),
            "newvv"
        );
    });
}

/// A large value that is announced and does not come takes no memory.
#[test]
fn announced_values_cost_what_has_arrived() {
    const CLIENTS: usize = 20;
    const GROWTH_BYTES_MAX: u64 = 60_000_000;
    for_each_backend(&[], |server| {
        let before = server.resident_bytes();
        let mut clients: Vec<Client> = (0..CLIENTS).map(|_| server.connect()).collect();
        for client in &mut clients {
            let beginning = b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$500000000\r\n";
            client.send(beginning).expect("sent");
            client.send(&[b'v'; 1_000_000]).expect("sent");
        }
        assert_eq!(
            server.connect().command(&["EXISTS", "k"]).integer(),
            Some(0)
        );
        let growth = server.resident_bytes().saturating_sub(before);
        assert!(growth < GROWTH_BYTES_MAX, "{growth} bytes more");
        drop(clients);
        assert_eq!(
            server.connect().command(&["EXISTS", "k"]).integer(),
            Some(0)
        );
    });
}
