//! Active expiry against a model of what should be there, with time as it is told: keys go within a tick of their
//! deadline and not before, whatever was done to their deadlines meanwhile, and the index stays in proportion.

use std::collections::BTreeMap;
use std::sync::Arc;

use keyspace::{Deadline, Free, HugePages, Keyspace, Locked, NewValue, Options, Plan, Worker};
use proptest::prelude::{Just, Strategy, prop_assert, prop_assert_eq, prop_oneof, proptest};
use proptest::test_runner::{Config as ProptestConfig, TestCaseError};

/// Keys are gone when so much time has passed after their deadline.
const TICK_MS: u64 = 32;
const START_MS: u64 = 1_700_000_000_000;

struct Server {
    keyspace: Arc<Keyspace>,
    worker: Worker,
    now_ms: u64,
}

impl Server {
    fn new(num_shards: usize) -> Self {
        let keyspace = Keyspace::new(Options {
            num_shards,
            workers_max: 1,
            seed: 11,
            huge_pages: HugePages::No,
        });
        Self {
            worker: keyspace.worker(),
            keyspace,
            now_ms: START_MS,
        }
    }

    fn with<R>(
        &mut self,
        name: &str,
        work: impl FnOnce(&mut Locked<'_>, keyspace::Key<'_>) -> R,
    ) -> R {
        let key = self.keyspace.key(0, name.as_bytes());
        let mut group = self.worker.group(self.now_ms);
        work(&mut group.lock_one(0, key.hash).expect("one worker"), key)
    }

    fn set(&mut self, name: &str, deadline: Deadline) {
        self.with(name, |locked, key| {
            locked.set(key, NewValue::Bytes(b"value"), deadline);
        });
    }

    fn set_deadline(&mut self, name: &str, deadline_ms: Option<u64>) -> bool {
        self.with(name, |locked, key| locked.set_deadline(key, deadline_ms))
    }

    fn remove(&mut self, name: &str) -> bool {
        self.with(name, |locked, key| locked.remove(key))
    }

    /// Sweeps until nothing is due; when something will be.
    fn sweep(&mut self) -> u64 {
        loop {
            let swept = self.worker.sweep(self.now_ms, 0, 1, 50);
            if swept.next_ms > self.now_ms {
                return swept.next_ms;
            }
        }
    }

    fn everything(&mut self, work: impl FnOnce(&mut Locked<'_>)) {
        let mut plan = Plan::default();
        plan.add_everything();
        let mut group = self.worker.group(self.now_ms);
        work(&mut group.lock(&mut plan).expect("the gate waits"));
    }

    fn index_bytes(&self) -> u64 {
        self.keyspace.stats(self.now_ms).databases[0].index_bytes
    }
}

#[derive(Clone, Debug)]
enum Step {
    Set { key: u16, deadline: Deadline },
    SetDeadline { key: u16, deadline_ms: Option<u64> },
    Remove { key: u16 },
    Pass { ms: u64 },
    Churn { key: u16, times: u16 },
    Flush,
    SwapTwice,
}

fn time() -> impl Strategy<Value = u64> {
    prop_oneof![
        4 => (0..300u64).prop_map(|ms| START_MS + ms),
        4 => (0..100_000u64).prop_map(|ms| START_MS + ms),
        2 => (0..1u64 << 36).prop_map(|ms| START_MS + ms),
        1 => prop_oneof![Just(1), Just(1u64 << 52), Just(i64::MAX as u64)],
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let key = 0..300u16;
    let deadline = prop_oneof![
        1 => Just(Deadline::None),
        1 => Just(Deadline::Keep),
        5 => time().prop_map(Deadline::At),
    ];
    prop_oneof![
        12 => (key.clone(), deadline).prop_map(|(key, deadline)| Step::Set { key, deadline }),
        6 => (key.clone(), proptest::option::weighted(0.8, time()))
            .prop_map(|(key, deadline_ms)| Step::SetDeadline { key, deadline_ms }),
        3 => key.clone().prop_map(|key| Step::Remove { key }),
        5 => prop_oneof![1..100u64, 1..50_000u64, 1..1u64 << 33].prop_map(|ms| Step::Pass { ms }),
        1 => (key, 1..100u16).prop_map(|(key, times)| Step::Churn { key, times }),
        1 => Just(Step::Flush),
        1 => Just(Step::SwapTwice),
    ]
}

/// What should be there, with deadlines.
#[derive(Default)]
struct Model(BTreeMap<String, Option<u64>>);

impl Model {
    fn expire(&mut self, now_ms: u64) {
        self.0
            .retain(|_, deadline_ms| deadline_ms.is_none_or(|deadline_ms| now_ms <= deadline_ms));
    }

    fn step(&mut self, server: &mut Server, step: &Step) -> Result<(), TestCaseError> {
        self.expire(server.now_ms);
        match step {
            Step::Set { key, deadline } => {
                let name = format!("key:{key}");
                server.set(&name, *deadline);
                let kept = self.0.get(&name).copied().flatten();
                let deadline_ms = match deadline {
                    Deadline::None => None,
                    Deadline::Keep => kept,
                    Deadline::At(deadline_ms) => Some(*deadline_ms),
                };
                self.0.insert(name, deadline_ms);
            }
            Step::SetDeadline { key, deadline_ms } => {
                let name = format!("key:{key}");
                let is_there = server.set_deadline(&name, *deadline_ms);
                prop_assert_eq!(is_there, self.0.contains_key(&name));
                self.0.entry(name).and_modify(|entry| *entry = *deadline_ms);
                self.0
                    .retain(|name, _| is_there || *name != format!("key:{key}"));
            }
            Step::Remove { key } => {
                let name = format!("key:{key}");
                prop_assert_eq!(server.remove(&name), self.0.remove(&name).is_some());
            }
            Step::Churn { key, times } => {
                let name = format!("churn:{key}");
                for time in 0..u64::from(*times) {
                    server.set(&name, Deadline::At(server.now_ms + 1_000_000 + time));
                    prop_assert!(server.remove(&name));
                }
            }
            Step::Pass { ms } => {
                server.now_ms += ms;
                self.sweep(server)?;
            }
            Step::Flush => {
                server.everything(|locked| locked.flush(0..1, Free::Now));
                self.0.clear();
            }
            Step::SwapTwice => {
                server.everything(|locked| locked.swap_databases(0, 1));
                let next_ms = server.sweep();
                prop_assert!(next_ms > server.now_ms);
                server.everything(|locked| locked.swap_databases(0, 1));
            }
        }
        Ok(())
    }

    /// What was due a tick ago has gone, what is not due is there, and the next to go is announced in time.
    fn sweep(&mut self, server: &mut Server) -> Result<(), TestCaseError> {
        let next_ms = server.sweep();
        self.expire(server.now_ms);
        let stats = server.keyspace.stats(server.now_ms).databases[0];
        prop_assert!(stats.keys >= self.0.len() as u64);
        let deadlines: Vec<u64> = self.0.values().copied().flatten().collect();
        if let Some(first) = deadlines.iter().filter(|first| **first < 1 << 49).min() {
            prop_assert!(next_ms <= first + TICK_MS);
        }
        server.now_ms += TICK_MS;
        server.sweep();
        let left = server.keyspace.stats(server.now_ms).databases[0];
        let late = |deadline_ms: &u64| *deadline_ms + TICK_MS < server.now_ms;
        prop_assert_eq!(deadlines.iter().filter(|at| late(at)).count(), 0);
        self.expire(server.now_ms - TICK_MS);
        prop_assert!(left.keys <= self.0.len() as u64);
        self.expire(server.now_ms);
        prop_assert!(left.keys >= self.0.len() as u64);
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn keys_go_in_time_and_not_before(
        shards in prop_oneof![Just(1usize), Just(4), Just(64)],
        steps in proptest::collection::vec(step(), 0..200),
    ) {
        let mut server = Server::new(shards);
        let mut model = Model::default();
        for step in &steps {
            model.step(&mut server, step)?;
        }
        // In the end all are gone that can go, and nothing is left of the index.
        server.now_ms += 1 << 38;
        model.sweep(&mut server)?;
        prop_assert!(model.0.values().flatten().all(|deadline_ms| *deadline_ms >= 1 << 49));
        prop_assert_eq!(server.index_bytes(), 0);
        prop_assert!(!server.keyspace.has_deadlines());
    }
}

#[test]
fn rewriting_one_key_does_not_grow_the_index() {
    let mut server = Server::new(1);
    server.set("k", Deadline::At(START_MS + 1_000_000));
    let bytes = server.index_bytes();
    for time in 0..10_000 {
        server.now_ms += 1;
        server.set("k", Deadline::At(server.now_ms + 1_000_000));
        server.set_deadline("k", Some(server.now_ms + [500_000, 2_000_000][time % 2]));
        server.set("k", Deadline::Keep);
        server.set_deadline("k", None);
    }
    // One record more, of the first time that its deadline came to be earlier.
    assert!(server.index_bytes() <= bytes + 16);
}

#[test]
fn keys_that_are_removed_leave_little_behind() {
    let mut server = Server::new(1);
    for number in 0..20_000 {
        server.set("stays", Deadline::At(START_MS + 1_000_000));
        let name = format!("key:{}", number % 10);
        server.set(&name, Deadline::At(START_MS + 31_536_000_000));
        assert!(server.remove(&name));
        if number % 100 == 0 {
            server.sweep();
        }
    }
    server.sweep();
    let bytes = server.index_bytes();
    assert!(bytes < 1_000, "{bytes} bytes for one key");
}

#[test]
fn deadlines_take_little_memory() {
    let keys = 200_000;
    let mut server = Server::new(512);
    for number in 0..keys {
        let name = format!("key:{number}");
        server.set(&name, Deadline::At(START_MS + number * 60_000 / keys));
    }
    let bytes = server.index_bytes() as f64 / keys as f64;
    assert!(bytes <= 6.0, "{bytes} bytes for each key");
    // Nor when half of the time has passed.
    while server.now_ms < START_MS + 30_000 {
        server.now_ms = server.sweep();
    }
    let left = server.keyspace.keys(0);
    assert!(left.abs_diff(keys / 2) < keys / 500, "{left}");
    let bytes = server.index_bytes() as f64 / left as f64;
    assert!(bytes <= 6.5, "{bytes} bytes for each key");
    let lag = server.keyspace.stats(server.now_ms).lag;
    assert!(lag.max_ms <= TICK_MS, "{lag:?}");
}
