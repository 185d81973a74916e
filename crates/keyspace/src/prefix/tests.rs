//! Prefixes as a whole: counts against what is really there after random operations, limits, lifetimes, policies.

use std::sync::Arc;

use proptest::prelude::{Just, Strategy, any, prop_assert_eq, prop_oneof, proptest};
use proptest::test_runner::{Config as ProptestConfig, TestCaseError};

use super::PrefixRule;
use crate::access::{Key, Locked, Plan};
use crate::budget::{Eviction, Limit, Room};
use crate::keyspace::{Keyspace, Options, Worker};
use crate::limits::DATABASES;
use crate::policy::{EvictionPolicy, Order};
use crate::slab::HugePages;
use crate::value::{Deadline, NewValue};
use crate::whole::Free;

const NOW_MS: u64 = 1_000_000;

fn rule(start: &str) -> PrefixRule {
    PrefixRule {
        start: start.as_bytes().to_vec(),
        ..PrefixRule::default()
    }
}

fn keyspace(rules: Vec<PrefixRule>) -> (Arc<Keyspace>, Worker) {
    let options = Options {
        num_shards: 16,
        workers_max: 1,
        seed: 5,
        huge_pages: HugePages::No,
    };
    let keyspace = Keyspace::with_prefixes(options, rules);
    let worker = keyspace.worker();
    (keyspace, worker)
}

/// Runs `work` on a key of database 0.
fn on<R>(
    worker: &mut Worker,
    now_ms: u64,
    key: &str,
    work: impl FnOnce(&mut Locked<'_>, Key<'_>) -> R,
) -> R {
    let key = worker.keyspace().key(0, key.as_bytes());
    let mut group = worker.group(now_ms);
    let mut locked = group.lock_one(0, key.hash).expect("nobody else");
    work(&mut locked, key)
}

fn everything(worker: &mut Worker, now_ms: u64, work: impl FnOnce(&mut Locked<'_>)) {
    let mut plan = Plan::default();
    plan.add_everything();
    let mut group = worker.group(now_ms);
    work(&mut group.lock(&mut plan).expect("nobody else"));
}

/// Sets a key of 100 bytes as a server does; false when there is no room for good.
fn set(worker: &mut Worker, key: &str, deadline: Deadline) -> bool {
    set_at(worker, NOW_MS, key, deadline)
}

fn set_at(worker: &mut Worker, now_ms: u64, key: &str, deadline: Deadline) -> bool {
    loop {
        let group = worker.group(now_ms);
        let room = match group.room() {
            Room::ByPrefix => group.room_of(key.as_bytes()),
            room => room,
        };
        drop(group);
        match room {
            Room::Enough => {
                on(worker, now_ms, key, |locked, key| {
                    locked.set(key, NewValue::Bytes(&[b'v'; 100]), deadline);
                });
                worker.make_room(now_ms, 256);
                return true;
            }
            Room::Soon => {
                worker.make_room(now_ms, 256);
            }
            Room::None => return false,
            Room::ByPrefix => unreachable!("a key's prefix knows"),
        }
    }
}

fn get(worker: &mut Worker, key: &str) -> bool {
    get_at(worker, NOW_MS, key)
}

fn get_at(worker: &mut Worker, now_ms: u64, key: &str) -> bool {
    let key = worker.keyspace().key(0, key.as_bytes());
    let group = worker.group(now_ms);
    group.read(key, true).is_ok_and(|entry| entry.is_some())
}

fn deadline_ms(worker: &mut Worker, key: &str) -> Option<u64> {
    on(worker, NOW_MS, key, |locked, key| {
        locked.peek(key).expect("it is there").deadline_ms()
    })
}

/// Keys and bytes by prefix, as they really are.
fn counted(worker: &mut Worker, starts: &[&str]) -> Vec<(u64, u64)> {
    let mut counts = vec![(0, 0); starts.len()];
    let mut group = worker.group(NOW_MS);
    let locked = group.lock_nothing();
    for database in 0..DATABASES as u8 {
        let mut position = 0;
        loop {
            position = locked.spot(database, position, false, |_, entry| {
                let longest = (0..starts.len())
                    .filter(|id| entry.key().starts_with(starts[*id].as_bytes()))
                    .max_by_key(|id| starts[*id].len());
                if let Some(id) = longest {
                    counts[id].0 += 1;
                    counts[id].1 += entry.memory_bytes().cast_unsigned();
                }
            });
            if position == 0 {
                break;
            }
        }
    }
    counts
}

#[derive(Clone, Debug)]
enum Step {
    Set(u16, Vec<u8>, Deadline),
    SetMany(u16, u16),
    Remove(u16),
    Read(u16),
    Append(u16, Vec<u8>),
    SetInteger(u16, i64),
    SetDeadline(u16, Option<u64>),
    Rename(u16, u16),
    Copy(u16, u16),
    PassTime(u64),
    MakeRoom(bool),
    Flush(bool),
    Swap,
}

const STARTS: [&str; 4] = ["a:", "a:b:", "c", "never"];

fn name(number: u16) -> String {
    let start = ["a:", "a:b:", "c", "a", "", "x:"][usize::from(number) % 6];
    format!("{start}{number}")
}

fn value() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        6 => proptest::collection::vec(any::<u8>(), 0..300),
        2 => any::<i64>().prop_map(|integer| integer.to_string().into_bytes()),
        1 => (16_000..70_000usize).prop_map(|len| vec![b'x'; len]),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let key = 0..300u16;
    let deadline = prop_oneof![
        Just(Deadline::None),
        Just(Deadline::Keep),
        (0..2_000u64).prop_map(Deadline::At)
    ];
    prop_oneof![
        8 => (key.clone(), value(), deadline).prop_map(|(key, value, deadline)| Step::Set(key, value, deadline)),
        2 => (key.clone(), 0..500u16).prop_map(|(from, count)| Step::SetMany(from, count)),
        4 => key.clone().prop_map(Step::Remove),
        4 => key.clone().prop_map(Step::Read),
        3 => (key.clone(), value()).prop_map(|(key, bytes)| Step::Append(key, bytes)),
        2 => (key.clone(), any::<i64>()).prop_map(|(key, integer)| Step::SetInteger(key, integer)),
        2 => (key.clone(), proptest::option::of(0..2_000u64)).prop_map(|(key, ms)| Step::SetDeadline(key, ms)),
        3 => (key.clone(), key.clone()).prop_map(|(from, to)| Step::Rename(from, to)),
        3 => (key.clone(), key).prop_map(|(from, to)| Step::Copy(from, to)),
        2 => (1..300u64).prop_map(Step::PassTime),
        2 => any::<bool>().prop_map(Step::MakeRoom),
        1 => any::<bool>().prop_map(Step::Flush),
        1 => Just(Step::Swap),
    ]
}

/// A keyspace with prefixes, and what reads should have counted.
struct Checked {
    keyspace: Arc<Keyspace>,
    worker: Worker,
    now_ms: u64,
    hits: [u64; STARTS.len()],
    misses: [u64; STARTS.len()],
}

impl Checked {
    fn new() -> Self {
        let mut rules: Vec<PrefixRule> = STARTS.iter().map(|start| rule(start)).collect();
        rules[0].bytes_max = Some(20_000);
        rules[0].policy = Some(EvictionPolicy::AllKeys(Order::Lfu));
        rules[2].bytes_max = Some(50_000);
        let (keyspace, worker) = keyspace(rules);
        keyspace.set_eviction(Eviction {
            policy: EvictionPolicy::AllKeys(Order::Lru),
            ..Eviction::default()
        });
        Self {
            keyspace,
            worker,
            now_ms: 0,
            hits: [0; STARTS.len()],
            misses: [0; STARTS.len()],
        }
    }

    fn on<R>(&mut self, number: u16, work: impl FnOnce(&mut Locked<'_>, Key<'_>) -> R) -> R {
        on(&mut self.worker, self.now_ms, &name(number), work)
    }

    fn on_two(&mut self, from: u16, to: u16, work: impl FnOnce(&mut Locked<'_>, Key<'_>, Key<'_>)) {
        let names = [name(from), name(to)];
        let [from, to] = [0, 1].map(|at| self.keyspace.key(0, names[at].as_bytes()));
        let mut plan = Plan::default();
        plan.add(&self.keyspace, from);
        plan.add(&self.keyspace, to);
        let mut group = self.worker.group(self.now_ms);
        work(&mut group.lock(&mut plan).expect("nobody else"), from, to);
    }

    fn set(&mut self, number: u16, value: &[u8], deadline: Deadline) {
        self.on(number, |locked, key| {
            locked.set(key, NewValue::from_client(value), deadline);
        });
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Set(key, value, deadline) => self.set(*key, value, *deadline),
            Step::SetMany(from, count) => {
                (0..*count).for_each(|at| self.set(from + at, b"many", Deadline::None));
            }
            Step::Remove(key) => {
                self.on(*key, |locked, key| locked.remove(key));
            }
            Step::Read(number) => {
                let there = self.on(*number, |locked, key| locked.read(key).is_some());
                let name = name(*number);
                let longest = (0..STARTS.len())
                    .filter(|id| name.starts_with(STARTS[*id]))
                    .max_by_key(|id| STARTS[*id].len());
                if let Some(id) = longest {
                    let counts = if there {
                        &mut self.hits
                    } else {
                        &mut self.misses
                    };
                    counts[id] += 1;
                }
            }
            Step::Append(key, bytes) => {
                self.on(*key, |locked, key| {
                    locked.change_string(key, |value| value.append(bytes))
                });
            }
            Step::SetInteger(key, integer) => {
                self.on(*key, |locked, key| locked.set_integer(key, *integer));
            }
            Step::SetDeadline(key, deadline_ms) => {
                self.on(*key, |locked, key| locked.set_deadline(key, *deadline_ms));
            }
            Step::Rename(from, to) if from != to => self.on_two(*from, *to, |locked, from, to| {
                locked.rename(from, to);
            }),
            Step::Copy(from, to) if from != to => self.on_two(*from, *to, |locked, from, to| {
                locked.copy(from, to);
            }),
            Step::Rename(..) | Step::Copy(..) => {}
            Step::PassTime(ms) => {
                self.now_ms += ms;
                self.worker.sweep(self.now_ms, 0, 1, 1000);
            }
            Step::MakeRoom(is_short) => {
                let bytes = self.keyspace.used_bytes() / 2;
                let limit = Limit {
                    bytes,
                    low_bytes: bytes,
                };
                self.keyspace.set_limit(is_short.then_some(limit));
                self.worker.make_room(self.now_ms, usize::MAX);
            }
            Step::Flush(all) => {
                let databases = if *all { 0..DATABASES as u8 } else { 0..1 };
                everything(&mut self.worker, self.now_ms, |locked| {
                    locked.flush(databases, Free::Now);
                });
            }
            Step::Swap => {
                everything(&mut self.worker, self.now_ms, |locked| {
                    locked.swap_databases(0, 1);
                });
            }
        }
    }

    fn check(&mut self) -> Result<(), TestCaseError> {
        let stats = self.keyspace.prefix_stats();
        let real = counted(&mut self.worker, &STARTS);
        let counts: Vec<(u64, u64)> = stats.iter().map(|of| (of.keys, of.bytes)).collect();
        prop_assert_eq!(counts, real);
        let hits: Vec<u64> = stats.iter().map(|of| of.hits).collect();
        prop_assert_eq!(&hits, &self.hits);
        let misses: Vec<u64> = stats.iter().map(|of| of.misses).collect();
        prop_assert_eq!(&misses, &self.misses);
        let evicted: u64 = stats.iter().map(|of| of.evicted).sum();
        assert!(evicted <= self.keyspace.stats(self.now_ms).evicted);
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn counts_are_what_is_there(steps in proptest::collection::vec(step(), 0..80)) {
        let mut checked = Checked::new();
        for step in &steps {
            checked.step(step);
            checked.check()?;
        }
        // Every key of a prefix with a limit has been filed: all of them can be evicted.
        checked.worker.make_room(checked.now_ms, usize::MAX);
        let (shared, excess) = (checked.keyspace.prefixes.clone().expect("it has some"), 0);
        for id in [0, 2] {
            let cap = shared.caps[id].as_ref().expect("it has one");
            assert!(cap.excess_bytes() <= excess, "prefix {id}: {} bytes", cap.excess_bytes());
        }
    }
}

fn limited(start: &str, bytes_max: u64, policy: EvictionPolicy) -> PrefixRule {
    PrefixRule {
        bytes_max: Some(bytes_max),
        policy: Some(policy),
        ..rule(start)
    }
}

#[test]
fn a_prefix_at_its_limit_evicts_its_own_keys() {
    let none = EvictionPolicy::NoEviction;
    let s3 = EvictionPolicy::AllKeys(Order::S3Fifo);
    for (of_all, order) in [
        (none, Some(Order::Lru)),
        (none, Some(Order::Lfu)),
        (none, Some(Order::Random)),
        (none, Some(Order::Ttl)),
        (s3, Some(Order::Lru)),
        (s3, Some(Order::Random)),
        (s3, Some(Order::Ttl)),
        (s3, None),
    ] {
        let bytes_max = 1000 * 128;
        let mut limited = limited("s:", bytes_max, none);
        limited.policy = order.map(EvictionPolicy::AllKeys);
        let (keyspace, mut worker) = keyspace(vec![rule("u:"), limited]);
        keyspace.set_eviction(Eviction {
            policy: of_all,
            ..Eviction::default()
        });
        for number in 0..5000 {
            assert!(set(&mut worker, &format!("u:{number}"), Deadline::None));
        }
        for number in 0..10_000u64 {
            let deadline = Deadline::At(NOW_MS + 1_000_000 + number);
            let now_ms = NOW_MS + number;
            assert!(set_at(
                &mut worker,
                now_ms,
                &format!("s:{number}"),
                deadline
            ));
            assert!(keyspace.prefix_stats()[1].bytes <= bytes_max + 256);
            for hot in 0..20.min(number) {
                get_at(&mut worker, now_ms, &format!("s:{hot}"));
            }
        }
        let stats = keyspace.prefix_stats();
        assert!(
            stats[1].bytes > bytes_max * 94 / 100,
            "{order:?}: {stats:?}"
        );
        assert_eq!(stats[1].keys + stats[1].evicted, 10_000);
        assert_eq!((stats[0].keys, stats[0].evicted), (5000, 0));
        assert_eq!(keyspace.stats(NOW_MS).evicted, stats[1].evicted);
        let hot = (0..20).filter(|number| get(&mut worker, &format!("s:{number}")));
        let hot = hot.count();
        match order {
            // Without its own policy, the last access counts.
            None | Some(Order::Lru | Order::Lfu | Order::S3Fifo) => {
                assert!(hot >= 18, "{of_all:?} {order:?}: {hot}");
            }
            Some(Order::Ttl) => assert_eq!(hot, 0),
            Some(Order::Random) => {}
        }
    }
}

#[test]
fn a_limit_spares_what_has_come_where_keys_of_its_prefix_were() {
    let policy = EvictionPolicy::AllKeys(Order::Ttl);
    let (keyspace, mut worker) = keyspace(vec![limited("s:", 40 * 128, policy)]);
    let rounds = 20;
    for round in 0..rounds {
        // Those that have been compared and stay wait for the next time, when they come first.
        for number in 0..100 {
            let deadline = Deadline::At(NOW_MS + 1000 * (round + 1) + number);
            assert!(set(&mut worker, &format!("s:{number:04}"), deadline));
        }
        for number in 0..100 {
            on(
                &mut worker,
                NOW_MS,
                &format!("s:{number:04}"),
                |locked, key| {
                    locked.remove(key);
                },
            );
        }
        // Their memory is used again, in the same buckets, for what would go before them.
        for number in 0..100 {
            let key = format!("u:{round:02}{number:02}");
            assert!(set(&mut worker, &key, Deadline::At(NOW_MS + 500)));
        }
    }
    let of_prefix = keyspace.prefix_stats()[0].evicted;
    assert_eq!(keyspace.stats(NOW_MS).evicted, of_prefix);
    assert_eq!(keyspace.keys(0), rounds * 100);
}

#[test]
fn without_eviction_writes_to_the_prefix_are_refused() {
    let of_all = EvictionPolicy::AllKeys(Order::Lru);
    let kept = limited("s:", 100 * 128, EvictionPolicy::NoEviction);
    let (keyspace, mut worker) = keyspace(vec![kept, rule("s:other:")]);
    keyspace.set_eviction(Eviction {
        policy: of_all,
        ..Eviction::default()
    });
    let written =
        (0..1000).take_while(|number| set(&mut worker, &format!("s:{number}"), Deadline::None));
    let written = written.count();
    let bytes = keyspace.prefix_stats()[0].bytes;
    assert!(
        (12_800..13_000).contains(&bytes),
        "{written} keys, {bytes} bytes"
    );
    for number in 0..1000 {
        assert!(set(&mut worker, &format!("{number}"), Deadline::None));
        assert!(set(
            &mut worker,
            &format!("s:other:{number}"),
            Deadline::None
        ));
    }
    assert!(
        !set(&mut worker, "s:0", Deadline::None),
        "it may need memory"
    );
    // A key goes, and another may come.
    on(&mut worker, NOW_MS, "s:0", |locked, key| locked.remove(key));
    worker.make_room(NOW_MS, 256);
    assert!(set(&mut worker, "s:0", Deadline::None));
    assert!(!set(&mut worker, "s:1001", Deadline::None));
    everything(&mut worker, NOW_MS, |locked| locked.flush(0..1, Free::Now));
    assert!(set(&mut worker, "s:1001", Deadline::None));
}

#[test]
fn a_short_keyspace_keeps_prefixes_that_are_not_to_be_evicted() {
    let kept = PrefixRule {
        policy: Some(EvictionPolicy::NoEviction),
        ..rule("k:")
    };
    let (keyspace, mut worker) = keyspace(vec![kept, rule("o:")]);
    keyspace.set_eviction(Eviction {
        policy: EvictionPolicy::AllKeys(Order::Lru),
        ..Eviction::default()
    });
    for number in 0..500 {
        assert!(set(&mut worker, &format!("k:{number}"), Deadline::None));
    }
    keyspace.set_limit(Some(Limit {
        bytes: 1000 * 128,
        low_bytes: 1000 * 128,
    }));
    for number in 0..5000 {
        assert!(set(&mut worker, &format!("o:{number}"), Deadline::None));
    }
    let stats = keyspace.prefix_stats();
    assert_eq!((stats[0].keys, stats[0].evicted), (500, 0));
    assert_eq!(stats[1].evicted, 5000 - stats[1].keys);
    assert!((300..600).contains(&stats[1].keys));
}

#[test]
fn keys_with_a_deadline_go_where_the_policy_says_so() {
    let policy = EvictionPolicy::Volatile(Order::Lru);
    let (keyspace, mut worker) = keyspace(vec![limited("s:", 500 * 128, policy)]);
    for number in 0..200 {
        assert!(set(&mut worker, &format!("s:{number}"), Deadline::None));
    }
    for number in 1000..3000 {
        assert!(set(
            &mut worker,
            &format!("s:{number}"),
            Deadline::At(NOW_MS * 2)
        ));
    }
    assert!((0..200).all(|number| get(&mut worker, &format!("s:{number}"))));
    let mut number = 10_000;
    while set(&mut worker, &format!("s:{number}"), Deadline::None) {
        number += 1;
        assert!(number < 20_000);
    }
    assert_eq!(keyspace.deadlines(0), 0, "all that may go has gone");
    assert!(set(&mut worker, "elsewhere", Deadline::None));
}

#[test]
fn lifetimes_follow_the_rules() {
    let rules = vec![
        PrefixRule {
            default_ttl_ms: Some(1000),
            ..rule("d:")
        },
        PrefixRule {
            ttl_ms_max: Some(5000),
            ..rule("m:")
        },
        PrefixRule {
            default_ttl_ms: Some(1000),
            ttl_ms_max: Some(5000),
            ..rule("b:")
        },
    ];
    let (_, mut worker) = keyspace(rules);
    let worker = &mut worker;
    let at = |ms: u64| Some(NOW_MS + ms);
    for (key, none, short, long) in [
        ("x:", None, at(70), at(9000)),
        ("d:", at(1000), at(70), at(9000)),
        ("m:", at(5000), at(70), at(5000)),
        ("b:", at(1000), at(70), at(5000)),
    ] {
        let set = |worker: &mut Worker, deadline| {
            on(worker, NOW_MS, key, |locked, key| {
                locked.set(key, NewValue::Bytes(b"v"), deadline);
            });
            deadline_ms(worker, key)
        };
        assert_eq!(set(worker, Deadline::Keep), none, "{key}");
        assert_eq!(set(worker, Deadline::At(NOW_MS + 70)), short, "{key}");
        assert_eq!(set(worker, Deadline::Keep), short, "{key}");
        assert_eq!(set(worker, Deadline::At(NOW_MS + 9000)), long, "{key}");
        assert_eq!(set(worker, Deadline::None), none, "{key}");
        on(worker, NOW_MS, key, |locked, key| {
            locked.set_deadline(key, None)
        });
        let without = if key == "x:" || key == "d:" {
            None
        } else {
            at(5000)
        };
        assert_eq!(deadline_ms(worker, key), without, "{key}");
        assert_eq!(set(worker, Deadline::Keep), without, "{key}");
        on(worker, NOW_MS, key, |locked, key| {
            locked.set_deadline(key, Some(NOW_MS + 7000))
        });
        let cut = if without.is_none() {
            at(7000)
        } else {
            at(5000)
        };
        assert_eq!(deadline_ms(worker, key), cut, "{key}");
    }
}

#[test]
fn lifetimes_by_rule_are_spread() {
    let rules = vec![
        PrefixRule {
            default_ttl_ms: Some(1000),
            ..rule("d:")
        },
        PrefixRule {
            ttl_ms_max: Some(5000),
            ..rule("m:")
        },
    ];
    let (keyspace, mut worker) = keyspace(rules);
    keyspace.set_ttl_jitter(10);
    for (prefix, deadline, expected) in [
        ("d:", Deadline::Keep, 900..=1000),
        ("m:", Deadline::None, 4500..=5000),
        ("m:", Deadline::At(NOW_MS + 9000), 4500..=5000),
        // Who asks for a time has spread it.
        ("d:", Deadline::At(NOW_MS + 700), 700..=700),
        ("m:", Deadline::At(NOW_MS + 700), 700..=700),
    ] {
        let mut seen = std::collections::BTreeSet::new();
        for number in 0..100 {
            let key = format!("{prefix}{number}");
            on(&mut worker, NOW_MS, &key, |locked, key| {
                locked.remove(key);
                locked.set(key, NewValue::Bytes(b"v"), deadline);
            });
            let left = deadline_ms(&mut worker, &key).expect("it has one") - NOW_MS;
            assert!(expected.contains(&left), "{key}: {left}");
            seen.insert(left);
        }
        assert_eq!(seen.len() > 30, *expected.start() != 700, "{seen:?}");
    }
}

#[test]
fn what_comes_under_a_prefix_by_another_name_follows_its_rules() {
    let rules = vec![PrefixRule {
        default_ttl_ms: Some(1000),
        ..rule("d:")
    }];
    let (keyspace, mut worker) = keyspace(rules);
    on(&mut worker, NOW_MS, "x", |locked, key| {
        locked.set(key, NewValue::Bytes(b"v"), Deadline::None);
    });
    let copy = |worker: &mut Worker, from: &str, to: &str| {
        let [from, to] = [from, to].map(|name| keyspace.key(0, name.as_bytes()));
        let mut plan = Plan::default();
        plan.add(&keyspace, from);
        plan.add(&keyspace, to);
        let mut group = worker.group(NOW_MS);
        assert!(group.lock(&mut plan).expect("nobody else").copy(from, to));
    };
    copy(&mut worker, "x", "d:1");
    assert_eq!(deadline_ms(&mut worker, "d:1"), Some(NOW_MS + 1000));
    on(&mut worker, NOW_MS, "d:1", |locked, key| {
        locked.set_deadline(key, None)
    });
    copy(&mut worker, "d:1", "d:2");
    assert_eq!(
        deadline_ms(&mut worker, "d:2"),
        None,
        "it was so on purpose"
    );
}

#[test]
fn a_prefix_has_the_bits_that_its_policy_needs() {
    let policy = EvictionPolicy::AllKeys(Order::Lfu);
    let (_, mut worker) = keyspace(vec![limited("f:", 1 << 20, policy)]);
    for key in ["f:1", "other"] {
        assert!(set(&mut worker, key, Deadline::None));
        for _ in 0..100 {
            get(&mut worker, key);
        }
    }
    let bits = |worker: &mut Worker, key: &str| {
        on(worker, NOW_MS, key, |locked, key| {
            let entry = locked.peek(key).expect("it is there");
            (locked.frequency(entry), locked.idle_seconds(entry))
        })
    };
    let (frequency, idle) = bits(&mut worker, "f:1");
    assert!(
        frequency.is_some_and(|frequency| frequency > 5),
        "{frequency:?}"
    );
    assert_eq!(idle, None);
    assert_eq!(bits(&mut worker, "other"), (None, Some(0)));
}

#[test]
fn a_short_keyspace_compares_entries_of_different_policies() {
    for (of_all, of_prefix) in [(Order::Lru, Order::Lfu), (Order::Lfu, Order::Lru)] {
        let policy = EvictionPolicy::AllKeys(of_prefix);
        let (keyspace, mut worker) = keyspace(vec![limited("p:", 1 << 30, policy), rule("o:")]);
        keyspace.set_eviction(Eviction {
            policy: EvictionPolicy::AllKeys(of_all),
            ..Eviction::default()
        });
        for number in 0..1000 {
            set(&mut worker, &format!("p:{number}"), Deadline::None);
            set(&mut worker, &format!("o:{number}"), Deadline::None);
        }
        // An hour later half of both has been used.
        let later_ms = NOW_MS + 3_600_000;
        for number in 0..500 {
            for start in ["p:", "o:"] {
                on(
                    &mut worker,
                    later_ms,
                    &format!("{start}{number}"),
                    |locked, key| {
                        locked.read(key);
                    },
                );
            }
        }
        let bytes = keyspace.used_bytes() / 2;
        keyspace.set_limit(Some(Limit {
            bytes,
            low_bytes: bytes,
        }));
        worker.make_room(later_ms + 120_000, usize::MAX);
        let stats = keyspace.prefix_stats();
        let [of_p, of_o] = [stats[0].evicted, stats[1].evicted];
        let used = (0..500).filter(|number| get(&mut worker, &format!("p:{number}")));
        let used = used.count();
        assert!((300..700).contains(&of_p), "{of_all:?}: {of_p} and {of_o}");
        assert!(used > 350, "{of_all:?}: {used} of 500");
    }
}
