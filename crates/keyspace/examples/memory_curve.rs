//! Memory per key while a keyspace grows, entries and tables alone:
//! `cargo run --release -p keyspace --example memory_curve [keys] [points per doubling]`.

use keyspace::{Deadline, HugePages, Keyspace, NewValue, Options};

const KEYS_FIRST: f64 = 100_000.0;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let mut number = |default: usize| {
        let argument = arguments.next();
        argument.map_or(default, |text| text.parse().expect("a number"))
    };
    let (keys, points) = (number(10_000_000), number(8));
    let keyspace = Keyspace::new(Options {
        num_shards: 2048,
        workers_max: 1,
        seed: 1,
        huge_pages: HugePages::Yes,
    });
    let mut worker = keyspace.worker();
    let step = 2f64.powf(1.0 / points as f64);
    let mut next = KEYS_FIRST;
    println!("keys\tbytes a key\ttables\tslab pages\tused");
    for number in 1..=keys {
        let name = format!("key:{number:012}");
        let key = keyspace.key(0, name.as_bytes());
        let mut group = worker.group(1);
        let mut locked = group.lock_one(0, key.hash).expect("one worker");
        locked.set(key, NewValue::Bytes(&[b'x'; 64]), Deadline::None);
        if number as f64 >= next {
            next *= step;
            drop(locked);
            drop(group);
            // As a server does it from time to time.
            (0..2).for_each(|_| worker.collect());
            while worker.give_memory_back() {}
            let stats = keyspace.slab_stats();
            let resident_bytes = stats.mapped_bytes - stats.released_bytes;
            let table_bytes = keyspace.stats(1).databases[0].table_bytes as usize;
            let per_key = |bytes: usize| bytes as f64 / number as f64;
            println!(
                "{number}\t{:.2}\t{:.2}\t{:.2}\t{:.2}",
                per_key(resident_bytes),
                per_key(table_bytes),
                per_key(stats.page_bytes),
                per_key(stats.used_bytes),
            );
        }
    }
}
