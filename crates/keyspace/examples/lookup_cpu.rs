//! CPU time of one lookup in groups, without sockets and protocol:
//! `cargo run --release -p keyspace --example lookup_cpu [keys] [group]`.

use std::time::Instant;

use keyspace::{Deadline, HugePages, Keyspace, NewValue, Options};

const ROUNDS: usize = 5;
const LOOKUPS: usize = 4_000_000;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let mut number = |default: usize| {
        let argument = arguments.next();
        argument.map_or(default, |text| text.parse().expect("a number"))
    };
    let (keys, group_size) = (number(1_000_000), number(64));
    let keyspace = Keyspace::new(Options {
        num_shards: 2048,
        workers_max: 1,
        seed: 1,
        huge_pages: HugePages::Yes,
    });
    let mut worker = keyspace.worker();
    for key in 0..keys {
        let name = format!("key:{key:012}");
        let key = keyspace.key(0, name.as_bytes());
        let mut group = worker.group(1);
        let mut locked = group.lock_one(0, key.hash).expect("one worker");
        locked.set(key, NewValue::Bytes(&[b'x'; 64]), Deadline::None);
    }
    let mut random = 1u64;
    let mut draw = move || {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        (random >> 11) as usize % keys
    };
    for _ in 0..ROUNDS {
        let mut names = vec![String::new(); group_size];
        let (mut hits, mut spent) = (0usize, 0u128);
        for turn in 0..LOOKUPS / group_size {
            for name in &mut names {
                *name = format!("key:{:012}", draw());
            }
            let started = Instant::now();
            let mut hashes = Vec::with_capacity(group_size);
            let mut group = worker.group(turn as u64 / 1000);
            for name in &names {
                let hash = keyspace.hash(name.as_bytes());
                keyspace.shards(0).prefetch(hash, true);
                hashes.push(hash);
            }
            group.look_ahead(0, &hashes);
            for (at, name) in names.iter().enumerate() {
                group.advance(at);
                let key = keyspace::Key {
                    database: 0,
                    bytes: name.as_bytes(),
                    hash: hashes[at],
                };
                let found = group.read(key, true).expect("nobody writes");
                hits += usize::from(found.is_some());
            }
            drop(group);
            spent += started.elapsed().as_nanos();
        }
        let lookups = LOOKUPS / group_size * group_size;
        assert_eq!(hits, lookups);
        println!("{:.1} ns per lookup", spent as f64 / lookups as f64);
    }
}
