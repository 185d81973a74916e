//! The keyspace against a `BTreeMap`, in one worker: every operation, and SCAN's guarantee while the tables change.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use keyspace::{
    Deadline, HugePages, Keyspace, NewValue, Number, Options, Plan, ScanCursor, Worker,
};
use proptest::prelude::{Just, Strategy, any, prop_assert, prop_assert_eq, prop_oneof, proptest};
use proptest::test_runner::{Config as ProptestConfig, TestCaseError};

#[derive(Clone, Debug)]
enum Step {
    Set {
        key: u16,
        value: Vec<u8>,
        deadline: Deadline,
    },
    Remove {
        key: u16,
    },
    RemoveMany {
        from: u16,
        count: u16,
    },
    SetMany {
        from: u16,
        count: u16,
    },
    Append {
        key: u16,
        bytes: Vec<u8>,
    },
    SetInteger {
        key: u16,
        integer: i64,
    },
    SetDeadline {
        key: u16,
        deadline_ms: Option<u64>,
    },
    Rename {
        from: u16,
        to: u16,
    },
    Copy {
        from: u16,
        to: u16,
    },
    PassTime {
        ms: u64,
    },
    Sweep,
    Flush,
    Swap,
}

fn deadline() -> impl Strategy<Value = Deadline> {
    prop_oneof![
        Just(Deadline::None),
        Just(Deadline::Keep),
        (0..2_000u64).prop_map(Deadline::At)
    ]
}

fn value() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        6 => proptest::collection::vec(any::<u8>(), 0..100),
        2 => any::<i64>().prop_map(|integer| integer.to_string().into_bytes()),
        1 => (16_000..70_000usize).prop_map(|len| vec![b'x'; len]),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let key = 0..400u16;
    prop_oneof![
        8 => (key.clone(), value(), deadline()).prop_map(|(key, value, deadline)| Step::Set { key, value, deadline }),
        4 => key.clone().prop_map(|key| Step::Remove { key }),
        2 => (any::<u16>(), 0..3_000u16).prop_map(|(from, count)| Step::SetMany { from, count }),
        2 => (any::<u16>(), 0..3_000u16).prop_map(|(from, count)| Step::RemoveMany { from, count }),
        3 => (key.clone(), value()).prop_map(|(key, bytes)| Step::Append { key, bytes }),
        2 => (key.clone(), any::<i64>()).prop_map(|(key, integer)| Step::SetInteger { key, integer }),
        2 => (key.clone(), proptest::option::of(0..2_000u64))
            .prop_map(|(key, deadline_ms)| Step::SetDeadline { key, deadline_ms }),
        2 => (key.clone(), key.clone()).prop_map(|(from, to)| Step::Rename { from, to }),
        2 => (key.clone(), key).prop_map(|(from, to)| Step::Copy { from, to }),
        2 => (1..300u64).prop_map(|ms| Step::PassTime { ms }),
        1 => Just(Step::Sweep),
        1 => Just(Step::Flush),
        1 => Just(Step::Swap),
    ]
}

type Model = BTreeMap<Vec<u8>, (Vec<u8>, Option<u64>)>;

/// The real keyspace and its model, side by side.
struct Pair {
    keyspace: Arc<Keyspace>,
    worker: Worker,
    models: [Model; 2],
    now_ms: u64,
}

fn name(key: u16) -> Vec<u8> {
    format!("key:{key}").into_bytes()
}

impl Pair {
    fn new(num_shards: usize) -> Self {
        let keyspace = Keyspace::new(Options {
            num_shards,
            workers_max: 1,
            seed: 7,
            huge_pages: HugePages::No,
        });
        let worker = keyspace.worker();
        Self {
            keyspace,
            worker,
            models: [Model::new(), Model::new()],
            now_ms: 0,
        }
    }

    /// Runs `work` with the shards of two keys locked, and the keys.
    fn with_keys<R>(
        &mut self,
        keys: [u16; 2],
        work: impl FnOnce(&mut keyspace::Locked<'_>, [keyspace::Key<'_>; 2]) -> R,
    ) -> R {
        let names = keys.map(name);
        let keys = [
            self.keyspace.key(0, &names[0]),
            self.keyspace.key(0, &names[1]),
        ];
        let mut plan = Plan::default();
        keys.iter().for_each(|key| plan.add(&self.keyspace, *key));
        let mut group = self.worker.group(self.now_ms);
        let mut locked = group.lock(&mut plan).expect("there is one worker");
        work(&mut locked, keys)
    }

    fn set(&mut self, key: u16, value: &[u8], deadline: Deadline) {
        self.with_keys([key, key], |locked, [key, _]| {
            locked.set(key, NewValue::from_client(value), deadline);
        });
        let kept = self.models[0]
            .get(&name(key))
            .and_then(|(_, deadline_ms)| *deadline_ms);
        let deadline_ms = match deadline {
            Deadline::None => None,
            Deadline::Keep => kept,
            Deadline::At(deadline_ms) => Some(deadline_ms),
        };
        self.models[0].insert(name(key), (value.to_vec(), deadline_ms));
        self.expire_model();
    }

    fn remove(&mut self, key: u16) -> Result<(), TestCaseError> {
        let removed = self.with_keys([key, key], |locked, [key, _]| locked.remove(key));
        prop_assert_eq!(removed, self.models[0].remove(&name(key)).is_some());
        Ok(())
    }

    fn expire_model(&mut self) {
        let now_ms = self.now_ms;
        for model in &mut self.models {
            model.retain(|_, (_, deadline_ms)| {
                deadline_ms.is_none_or(|deadline_ms| now_ms <= deadline_ms)
            });
        }
    }

    /// Keys go at the end of a tick of 32 ms.
    fn pass_ticks(&mut self) {
        self.now_ms += 32;
        self.expire_model();
    }

    /// After a sweep.
    fn check_stats(&self) -> Result<(), TestCaseError> {
        let stats = self.keyspace.stats(self.now_ms);
        for (database, model) in self.models.iter().enumerate() {
            let stats = stats.databases[database];
            let deadlines = model.values().filter_map(|(_, deadline_ms)| *deadline_ms);
            // What is left of the last tick may still be there.
            let young = deadlines.clone().count() as u64;
            prop_assert!(stats.keys >= model.len() as u64);
            prop_assert!(stats.deadlines >= young);
            prop_assert!(stats.deadlines - young == stats.keys - model.len() as u64);
            if stats.deadlines == young && young > 0 {
                let ttl_ms_sum: u64 = deadlines.map(|deadline_ms| deadline_ms - self.now_ms).sum();
                prop_assert_eq!(stats.mean_ttl_ms, ttl_ms_sum / young);
            }
            prop_assert!(young > 0 || stats.deadlines > 0 || stats.mean_ttl_ms == 0);
        }
        Ok(())
    }

    fn everything(&mut self, work: impl FnOnce(&mut keyspace::Locked<'_>)) {
        let mut plan = Plan::default();
        plan.add_everything();
        let mut group = self.worker.group(self.now_ms);
        work(&mut group.lock(&mut plan).expect("the gate waits"));
    }

    fn step(&mut self, step: &Step) -> Result<(), TestCaseError> {
        match step {
            Step::Set {
                key,
                value,
                deadline,
            } => self.set(*key, value, *deadline),
            Step::Remove { key } => self.remove(*key)?,
            Step::SetMany { from, count } => {
                (0..*count).for_each(|at| self.set(from.wrapping_add(at), b"many", Deadline::None));
            }
            Step::RemoveMany { from, count } => {
                (0..*count).try_for_each(|at| self.remove(from.wrapping_add(at)))?;
            }
            Step::Append { key, bytes } => {
                let len = self.with_keys([*key; 2], |locked, [key, _]| {
                    locked.change_string(key, |value| value.append(bytes))
                });
                let (value, _) = self.models[0].entry(name(*key)).or_default();
                value.extend_from_slice(bytes);
                prop_assert_eq!(len, value.len());
            }
            Step::SetInteger { key, integer } => {
                self.with_keys([*key; 2], |locked, [key, _]| {
                    locked.set_integer(key, *integer);
                });
                self.models[0].entry(name(*key)).or_default().0 = integer.to_string().into_bytes();
            }
            Step::SetDeadline { key, deadline_ms } => {
                let there = self.with_keys([*key; 2], |locked, [key, _]| {
                    locked.set_deadline(key, *deadline_ms)
                });
                let entry = self.models[0].get_mut(&name(*key));
                prop_assert_eq!(there, entry.is_some());
                if let Some(entry) = entry {
                    entry.1 = *deadline_ms;
                }
                self.expire_model();
            }
            Step::Rename { from, to } if from != to => {
                let there =
                    self.with_keys([*from, *to], |locked, [from, to]| locked.rename(from, to));
                let value = self.models[0].remove(&name(*from));
                prop_assert_eq!(there, value.is_some());
                value.map(|value| self.models[0].insert(name(*to), value));
            }
            Step::Copy { from, to } if from != to => {
                let there =
                    self.with_keys([*from, *to], |locked, [from, to]| locked.copy(from, to));
                let value = self.models[0].get(&name(*from)).cloned();
                prop_assert_eq!(there, value.is_some());
                value.map(|value| self.models[0].insert(name(*to), value));
            }
            Step::Rename { .. } | Step::Copy { .. } => {}
            Step::PassTime { ms } => {
                self.now_ms += ms;
                self.expire_model();
            }
            Step::Sweep => {
                self.pass_ticks();
                while self.worker.sweep(self.now_ms, 0, 1, 100).next_ms <= self.now_ms {}
                self.check_stats()?;
            }
            Step::Flush => {
                self.everything(|locked| locked.flush(0..1, keyspace::Free::Now));
                self.models[0].clear();
            }
            Step::Swap => {
                self.everything(|locked| locked.swap_databases(0, 1));
                self.models.swap(0, 1);
            }
        }
        Ok(())
    }

    /// Every key of the model is there with its value, and nothing else.
    fn check(&mut self) -> Result<(), TestCaseError> {
        let mut seen = Model::new();
        let mut group = self.worker.group(self.now_ms);
        group.lock_nothing().for_each(0, |entry| {
            let value = entry
                .string()
                .expect("a string")
                .bytes(&mut Number::new())
                .to_vec();
            seen.insert(entry.key().to_vec(), (value, entry.deadline_ms()));
        });
        drop(group);
        prop_assert_eq!(&seen, &self.models[0]);
        for (key, (value, _)) in &self.models[0] {
            let key = self.keyspace.key(0, key);
            let mut group = self.worker.group(self.now_ms);
            let mut locked = group.lock_one(0, key.hash).expect("there is one worker");
            let found = locked.read(key).map(|entry| {
                entry
                    .string()
                    .expect("a string")
                    .bytes(&mut Number::new())
                    .to_vec()
            });
            prop_assert_eq!(found.as_ref(), Some(value));
        }
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_operation_does_what_the_model_does(
        shards in prop_oneof![Just(1usize), Just(2), Just(16)],
        steps in proptest::collection::vec(step(), 0..60),
    ) {
        let mut pair = Pair::new(shards);
        for step in &steps {
            pair.step(step)?;
        }
        pair.check()?;
    }

    #[test]
    fn a_scan_meets_every_key_that_stays(
        shards in prop_oneof![Just(1usize), Just(4)],
        before in proptest::collection::vec(step(), 0..20),
        during in proptest::collection::vec(step(), 0..40),
        count in 1..50usize,
    ) {
        let mut pair = Pair::new(shards);
        for step in &before {
            pair.step(step)?;
        }
        let mut stays: BTreeSet<Vec<u8>> = pair.models[0].keys().cloned().collect();
        let mut seen = BTreeSet::new();
        let mut cursor = ScanCursor::default();
        let mut during = during.iter().filter(|step| !matches!(step, Step::Swap | Step::Flush)).cycle();
        let mut calls = 0;
        loop {
            let mut group = pair.worker.group(pair.now_ms);
            cursor = group.lock_nothing().scan(0, cursor, count, |entry| {
                seen.insert(entry.key().to_vec());
            });
            drop(group);
            if cursor == ScanCursor::default() {
                break;
            }
            prop_assert!(cursor.0 < 1 << 53);
            calls += 1;
            if calls < 200 && let Some(step) = during.next() {
                pair.step(step)?;
            }
            stays.retain(|key| pair.models[0].contains_key(key));
        }
        let missed: Vec<_> = stays.difference(&seen).collect();
        prop_assert!(missed.is_empty(), "missed {:?}", missed);
    }
}
