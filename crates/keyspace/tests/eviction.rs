//! Workers that evict, read and write the same few keys at once, with all that moves entries and tables: nobody reads
//! what is gone, and at the end everything is counted. Mostly for the address sanitizer.

use std::ops::RangeInclusive;
use std::thread;

use keyspace::{
    Deadline, EntryRef, Eviction, EvictionPolicy, Free, Group, HugePages, Keyspace, Limit,
    NewValue, Number, Options, Order, Plan, PrefixRule, Random, Waste, Worker,
};

const WORKERS: usize = 3;
const KEYS: u64 = 3000;
const GROUPS: usize = 500;
const COMMANDS: usize = 16;
const LIMIT_BYTES: u64 = 200 << 10;
/// A value that lives by itself.
const LARGE_BYTES: usize = 20 << 10;

fn keyspace(policy: EvictionPolicy, rules: Vec<PrefixRule>) -> std::sync::Arc<Keyspace> {
    let options = Options {
        num_shards: 4,
        workers_max: WORKERS,
        seed: 11,
        huge_pages: HugePages::No,
    };
    let keyspace = Keyspace::with_prefixes(options, rules);
    keyspace.set_eviction(Eviction {
        policy,
        ..Eviction::default()
    });
    keyspace.set_limit(Some(Limit {
        bytes: LIMIT_BYTES * 2,
        low_bytes: LIMIT_BYTES,
    }));
    keyspace
}

fn name(number: u64) -> String {
    let start = if number.is_multiple_of(3) { "p:" } else { "k:" };
    format!("{start}{number:05}")
}

/// A value of this length that says whose it is.
fn value(name: &str, len: usize) -> Vec<u8> {
    name.bytes().cycle().take(len).collect()
}

fn check(name: &str, entry: EntryRef<'_>) {
    let mut number = Number::new();
    let value = entry.string().expect("a string");
    let bytes = value.bytes(&mut number);
    assert!(
        bytes
            .chunks(name.len())
            .all(|part| name.as_bytes().starts_with(part)),
        "{name} is {:?}",
        bytes.escape_ascii().to_string()
    );
}

fn random_len(random: &mut Random) -> usize {
    match random.bits() % 256 {
        0 => LARGE_BYTES,
        more => more as usize,
    }
}

/// One command on one key.
fn execute(group: &mut Group<'_>, random: &mut Random, name: &str, hash: u64) {
    let mut key = group.keyspace().key(0, name.as_bytes());
    assert_eq!(key.hash, hash);
    key.database = (random.bits() % 2) as u8;
    match random.bits() % 8 {
        0..3 => {
            if let Ok(Some(entry)) = group.read(key, true) {
                check(name, entry);
            }
        }
        3..6 => {
            let bytes = value(name, random_len(random));
            // Somebody else may have the lock.
            let _ = group.set(key, NewValue::Bytes(&bytes));
        }
        6 => {
            if let Ok(mut locked) = group.lock_one(key.database, hash) {
                let deadline = Deadline::At(1000 + random.bits() % 1000);
                locked.set(key, NewValue::Bytes(&value(name, 30)), deadline);
            }
        }
        _ => {
            if let Ok(mut locked) = group.lock_one(key.database, hash) {
                locked.remove(key);
            }
        }
    }
}

fn play(mut worker: Worker, seed: u64) -> Worker {
    let mut random = Random::new(seed);
    for round in 0..GROUPS {
        let now_ms = 1000 + round as u64 / 4;
        let names: Vec<String> = (0..COMMANDS).map(|_| name(random.bits() % KEYS)).collect();
        let keyspace = std::sync::Arc::clone(worker.keyspace());
        let hashes: Vec<u64> = names
            .iter()
            .map(|name| keyspace.hash(name.as_bytes()))
            .collect();
        let mut group = worker.group(now_ms);
        group.look_ahead(0, &hashes);
        for (at, (name, hash)) in names.iter().zip(&hashes).enumerate() {
            group.advance(at);
            execute(&mut group, &mut random, name, *hash);
        }
        drop(group);
        worker.make_room(now_ms, 64);
        if random.bits().is_multiple_of(64) {
            keyspace.compact_if_worth_it(now_ms, Waste::Little);
        }
        worker.compact(now_ms, 256);
        if random.bits().is_multiple_of(512) {
            let mut plan = Plan::default();
            plan.add_everything();
            let mut group = worker.group(now_ms);
            let mut locked = group.lock(&mut plan).expect("everything is waited for");
            match random.bits() % 2 {
                0 => locked.swap_databases(0, 1),
                _ => locked.flush(0..1, Free::Now),
            }
        }
    }
    // What is too much goes bit by bit.
    let is_behind = |_: &usize| worker.make_room(2000, usize::MAX).is_behind;
    (0..1000).take_while(is_behind).for_each(drop);
    worker
}

fn run(policy: EvictionPolicy, rules: Vec<PrefixRule>, used: RangeInclusive<u64>) {
    let keyspace = keyspace(policy, rules);
    let players = (1..=WORKERS as u64).map(|seed| {
        let worker = keyspace.worker();
        thread::spawn(move || play(worker, seed))
    });
    let players: Vec<_> = players.collect();
    // While others are at work, not all that one has removed can be freed.
    let workers = players
        .into_iter()
        .map(|player| player.join().expect("it plays to the end"));
    drop(workers.collect::<Vec<_>>());
    assert!(keyspace.stats(2000).evicted > 0, "{policy:?}");
    let stats = keyspace.stats(2000);
    let bytes: u64 = stats.databases.iter().map(|database| database.bytes).sum();
    assert_eq!(keyspace.used_bytes(), bytes, "{policy:?}");
    assert!(used.contains(&bytes), "{policy:?}: {bytes}");
}

#[test]
fn by_every_order() {
    for order in [
        Order::Lru,
        Order::Lfu,
        Order::Ttl,
        Order::Random,
        Order::S3Fifo,
    ] {
        run(EvictionPolicy::AllKeys(order), Vec::new(), 0..=LIMIT_BYTES);
        run(EvictionPolicy::Volatile(order), Vec::new(), 0..=u64::MAX);
    }
}

#[test]
fn with_a_prefix_that_has_a_limit() {
    let rule = PrefixRule {
        start: b"p:".to_vec(),
        bytes_max: Some(LIMIT_BYTES / 4),
        policy: Some(EvictionPolicy::AllKeys(Order::Lru)),
        ..PrefixRule::default()
    };
    run(
        EvictionPolicy::AllKeys(Order::Lru),
        vec![rule],
        0..=LIMIT_BYTES,
    );
}
