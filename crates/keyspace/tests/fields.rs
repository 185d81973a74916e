//! Active expiry of fields against a model of what should be there, with time as it is told: fields go within a tick of
//! their deadline and not before, the hash with its last one, whatever was done to it meanwhile, and in steps.

use std::collections::BTreeMap;
use std::sync::Arc;

use keyspace::{Deadline, Hash, HugePages, Key, Keyspace, Locked, NewValue, Options, Worker};
use proptest::prelude::{Just, Strategy, prop_assert, prop_assert_eq, prop_oneof, proptest};
use proptest::test_runner::{Config as ProptestConfig, TestCaseError};

/// Fields are gone when so much time has passed after their deadline.
const TICK_MS: u64 = 32;
const START_MS: u64 = 1_700_000_000_000;
/// Hashes with so many fields are packed.
const PACKED_MAX: usize = 12;
/// Records that one call of the sweep looks at.
const STEP: usize = 50;

struct Server {
    keyspace: Arc<Keyspace>,
    worker: Worker,
    now_ms: u64,
}

impl Server {
    fn new() -> Self {
        let keyspace = Keyspace::new(Options {
            num_shards: 2,
            workers_max: 1,
            seed: 11,
            huge_pages: HugePages::No,
        });
        let entries = &keyspace.thresholds().hash_entries;
        entries.store(PACKED_MAX, std::sync::atomic::Ordering::Relaxed);
        Self {
            worker: keyspace.worker(),
            keyspace,
            now_ms: START_MS,
        }
    }

    /// Something with two keys.
    fn with<R>(
        &mut self,
        [first, second]: [&str; 2],
        work: impl FnOnce(&mut Locked<'_>, [Key<'_>; 2]) -> R,
    ) -> R {
        let mut plan = keyspace::Plan::default();
        let keys = [first, second].map(|name| self.keyspace.key(0, name.as_bytes()));
        for key in keys {
            plan.add(&self.keyspace, key);
        }
        let mut group = self.worker.group(self.now_ms);
        work(&mut group.lock(&mut plan).expect("one worker"), keys)
    }

    fn set(&mut self, name: &str, field: &str, deadline: Deadline) {
        let now_ms = self.now_ms;
        self.with([name, name], |locked, [key, _]| {
            let set = |hash: &mut keyspace::Draft<'_, Hash>| {
                hash.set(field.as_bytes(), b"value", deadline, now_ms);
            };
            locked.change_collection(key, set).expect("it is a hash");
        });
    }

    fn fill(&mut self, name: &str, fields: usize, deadline: impl Fn(usize) -> Deadline) {
        let now_ms = self.now_ms;
        self.with([name, name], |locked, [key, _]| {
            let set = |hash: &mut keyspace::Draft<'_, Hash>| {
                for field in 0..fields {
                    let name = format!("field:{field}");
                    hash.set(name.as_bytes(), b"value", deadline(field), now_ms);
                }
            };
            locked.change_collection(key, set).expect("it is a hash");
        });
    }

    /// The fields that are shown, and how many there are with those that are not; None when there is no key.
    fn look(&mut self, name: &str) -> Option<(Fields, usize)> {
        let now_ms = self.now_ms;
        self.with([name, name], |locked, [key, _]| {
            let all = locked.peek(key)?.size();
            let hash = locked.peek_collection::<Hash>(key).expect("a hash")?;
            let mut fields = Fields::new();
            hash.for_each(now_ms, |field| {
                let mut number = keyspace::Number::new();
                let name = String::from_utf8_lossy(field.name.bytes(&mut number));
                fields.insert(name.into_owned(), field.deadline_ms);
                true
            });
            Some((fields, all))
        })
    }

    /// Sweeps once; whether something is due still.
    fn sweep_once(&mut self) -> bool {
        self.worker.sweep(self.now_ms, 0, 1, STEP).next_ms <= self.now_ms
    }

    fn sweep(&mut self) {
        while self.sweep_once() {}
    }

    fn keys(&self) -> u64 {
        self.keyspace.keys(0)
    }

    fn expired(&self) -> (u64, u64) {
        let stats = self.keyspace.stats(self.now_ms);
        (stats.expired, stats.expired_fields)
    }

    fn bytes(&self) -> (u64, u64) {
        let database = self.keyspace.stats(self.now_ms).databases[0];
        (database.bytes, database.index_bytes)
    }
}

#[derive(Clone, Debug)]
enum Step {
    Set { key: u8, field: u8, at: Deadline },
    SetField { key: u8, field: u8, at: Option<u64> },
    RemoveField { key: u8, field: u8 },
    SetKey { key: u8, at: Option<u64> },
    Overwrite { key: u8, at: Deadline },
    Remove { key: u8 },
    Rename { from: u8, to: u8 },
    Copy { from: u8, to: u8 },
    Read { key: u8 },
    Pass { ms: u64 },
}

/// A time after the beginning; what it is added to goes on.
fn time() -> impl Strategy<Value = u64> {
    prop_oneof![5 => 0..300u64, 4 => 0..20_000u64, 1 => 0..1u64 << 33]
}

fn step() -> impl Strategy<Value = Step> {
    let key = || 0..6u8;
    let field = || 0..30u8;
    let at = || {
        prop_oneof![
            1 => Just(Deadline::None),
            1 => Just(Deadline::Keep),
            4 => time().prop_map(Deadline::At),
        ]
    };
    let maybe = || proptest::option::weighted(0.7, time());
    prop_oneof![
        20 => (key(), field(), at()).prop_map(|(key, field, at)| Step::Set { key, field, at }),
        8 => (key(), field(), maybe())
            .prop_map(|(key, field, at)| Step::SetField { key, field, at }),
        4 => (key(), field()).prop_map(|(key, field)| Step::RemoveField { key, field }),
        3 => (key(), maybe()).prop_map(|(key, at)| Step::SetKey { key, at }),
        1 => (key(), at()).prop_map(|(key, at)| Step::Overwrite { key, at }),
        1 => key().prop_map(|key| Step::Remove { key }),
        1 => (key(), key()).prop_map(|(from, to)| Step::Rename { from, to }),
        1 => (key(), key()).prop_map(|(from, to)| Step::Copy { from, to }),
        3 => key().prop_map(|key| Step::Read { key }),
        6 => prop_oneof![4 => 1..100u64, 3 => 1..10_000u64, 1 => 1..1u64 << 33]
            .prop_map(|ms| Step::Pass { ms }),
    ]
}

type Fields = BTreeMap<String, Option<u64>>;

/// A hash, or a string.
#[derive(Clone, Debug)]
struct Value {
    deadline_ms: Option<u64>,
    /// None for a string.
    fields: Option<Fields>,
}

#[derive(Default)]
struct Model(BTreeMap<String, Value>);

fn is_over(deadline_ms: Option<u64>, now_ms: u64) -> bool {
    deadline_ms.is_some_and(|deadline_ms| deadline_ms < now_ms)
}

fn name(key: u8) -> String {
    format!("key:{key}")
}

impl Model {
    fn expire(&mut self, now_ms: u64) {
        self.0.retain(|_, value| {
            if let Some(fields) = &mut value.fields {
                fields.retain(|_, deadline_ms| !is_over(*deadline_ms, now_ms));
            }
            let is_empty = value.fields.as_ref().is_some_and(Fields::is_empty);
            !is_empty && !is_over(value.deadline_ms, now_ms)
        });
    }

    fn hash(&mut self, key: u8) -> Option<&mut Fields> {
        self.0.get_mut(&name(key))?.fields.as_mut()
    }

    fn is_string(&self, key: u8) -> bool {
        let value = self.0.get(&name(key));
        value.is_some_and(|value| value.fields.is_none())
    }

    fn step(&mut self, server: &mut Server, step: &Step) -> Result<(), TestCaseError> {
        let now_ms = server.now_ms;
        self.expire(now_ms);
        match *step {
            Step::Set { key, field, at } if !self.is_string(key) => {
                self.set(server, key, field, at);
            }
            Step::SetField { key, field, at } if !self.is_string(key) => {
                let (name, field) = (name(key), format!("field:{field}"));
                let at = at.map(|ms| now_ms + ms);
                let is_there = server.with([&name, &name], |locked, [key, _]| {
                    let set = |hash: &mut keyspace::Draft<'_, Hash>| {
                        hash.set_deadline(field.as_bytes(), at, now_ms)
                    };
                    locked.change_collection(key, set).expect("a hash")
                });
                let found = self.hash(key).and_then(|fields| fields.get_mut(&field));
                prop_assert_eq!(is_there, found.is_some());
                found.into_iter().for_each(|deadline_ms| *deadline_ms = at);
            }
            Step::RemoveField { key, field } if !self.is_string(key) => {
                let (name, field) = (name(key), format!("field:{field}"));
                let was_there = server.with([&name, &name], |locked, [key, _]| {
                    let remove = |hash: &mut keyspace::Draft<'_, Hash>| {
                        hash.remove(field.as_bytes(), now_ms)
                    };
                    locked.change_collection(key, remove).expect("a hash")
                });
                let removed = self.hash(key).and_then(|fields| fields.remove(&field));
                prop_assert_eq!(was_there, removed.is_some());
                self.expire(now_ms);
            }
            Step::Read { key } if !self.is_string(key) => {
                let name = name(key);
                let len = server.with([&name, &name], |locked, [key, _]| {
                    let hash = locked.read_collection::<Hash>(key).expect("a hash");
                    hash.map_or(0, |hash| hash.count(now_ms))
                });
                let fields = self.hash(key).map_or(0, |fields| fields.len());
                prop_assert_eq!(len, fields);
                prop_assert_eq!(server.look(&name).is_some(), fields > 0);
            }
            Step::Pass { ms } => {
                server.now_ms += ms;
                self.sweep(server)?;
            }
            _ => self.step_of_key(server, step),
        }
        Ok(())
    }

    fn set(&mut self, server: &mut Server, key: u8, field: u8, at: Deadline) {
        let (name, field) = (name(key), format!("field:{field}"));
        let at = match at {
            Deadline::At(ms) => Deadline::At(server.now_ms + ms),
            Deadline::None | Deadline::Keep => at,
        };
        server.set(&name, &field, at);
        let new = Value {
            deadline_ms: None,
            fields: Some(Fields::new()),
        };
        let fields = &mut self.0.entry(name).or_insert(new).fields;
        let deadline_ms = fields.iter_mut().next().expect("a hash");
        let deadline_ms = deadline_ms.entry(field).or_default();
        match at {
            Deadline::None => *deadline_ms = None,
            Deadline::Keep => {}
            Deadline::At(at) => *deadline_ms = Some(at),
        }
    }

    /// What is done to keys as a whole. A hash all of whose fields are over is a key for a moment more, so those are
    /// removed first.
    fn step_of_key(&mut self, server: &mut Server, step: &Step) {
        server.sweep();
        let now_ms = server.now_ms;
        for key in 0..6 {
            let name = name(key);
            server.with([&name, &name], |locked, [key, _]| locked.expire_fields(key));
        }
        match *step {
            Step::SetKey { key, at } => {
                let (name, at) = (name(key), at.map(|ms| now_ms + ms));
                server.with([&name, &name], |locked, [key, _]| {
                    locked.set_deadline(key, at);
                });
                let value = self.0.get_mut(&name);
                value.into_iter().for_each(|value| value.deadline_ms = at);
            }
            Step::Overwrite {
                key,
                at: Deadline::At(ms),
            } => {
                let (name, at) = (name(key), now_ms + ms);
                server.with([&name, &name], |locked, [key, _]| {
                    locked.set(key, NewValue::Bytes(b"string"), Deadline::At(at));
                });
                let (deadline_ms, fields) = (Some(at), None);
                self.0.insert(
                    name,
                    Value {
                        deadline_ms,
                        fields,
                    },
                );
            }
            Step::Remove { key } => {
                let name = name(key);
                server.with([&name, &name], |locked, [key, _]| locked.remove(key));
                self.0.remove(&name);
            }
            Step::Rename { from, to } if from != to => {
                let names = [name(from), name(to)];
                server.with([&names[0], &names[1]], |locked, [from, to]| {
                    locked.rename(from, to);
                });
                if let Some(value) = self.0.remove(&names[0]) {
                    self.0.insert(names[1].clone(), value);
                }
            }
            Step::Copy { from, to } if from != to => {
                let names = [name(from), name(to)];
                server.with([&names[0], &names[1]], |locked, [from, to]| {
                    locked.copy(from, to);
                });
                if let Some(value) = self.0.get(&names[0]).cloned() {
                    self.0.insert(names[1].clone(), value);
                }
            }
            _ => {}
        }
    }

    /// What is not due is there, and a tick later what was due has gone.
    fn sweep(&mut self, server: &mut Server) -> Result<(), TestCaseError> {
        server.sweep();
        self.expire(server.now_ms);
        self.check_shown(server)?;
        server.now_ms += TICK_MS;
        server.sweep();
        prop_assert!(server.keys() <= self.0.len() as u64);
        for (name, value) in &self.0 {
            if let Some(fields) = &value.fields
                && let Some((_, all)) = server.look(name)
            {
                prop_assert!(all <= fields.len(), "{} fields of {}", all, fields.len());
            }
        }
        self.expire(server.now_ms);
        self.check_shown(server)
    }

    fn check_shown(&self, server: &mut Server) -> Result<(), TestCaseError> {
        prop_assert!(server.keys() >= self.0.len() as u64);
        let mut deadlines = 0;
        for (name, value) in &self.0 {
            deadlines += u64::from(value.deadline_ms.is_some());
            if let Some(fields) = &value.fields {
                let (shown, _) = server.look(name).expect("it is there");
                prop_assert_eq!(&shown, fields);
            }
            let deadline_ms = server.with([name, name], |locked, [key, _]| {
                locked.peek(key).and_then(|entry| entry.deadline_ms())
            });
            prop_assert_eq!(deadline_ms, value.deadline_ms);
        }
        let counted = server.keyspace.stats(server.now_ms).databases[0].deadlines;
        prop_assert!(counted >= deadlines);
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn fields_go_in_time_and_not_before(steps in proptest::collection::vec(step(), 0..200)) {
        let mut server = Server::new();
        let mut model = Model::default();
        for step in &steps {
            model.step(&mut server, step)?;
        }
        // In the end all are gone that can go, and nothing is left of the index.
        for _ in 0..2 {
            server.now_ms += 1 << 38;
            model.sweep(&mut server)?;
        }
        prop_assert_eq!(server.keys(), model.0.len() as u64);
        prop_assert_eq!(server.bytes().1, 0);
        prop_assert!(!server.keyspace.has_deadlines());
        for key in 0..6 {
            let name = name(key);
            server.with([&name, &name], |locked, [key, _]| locked.remove(key));
        }
        prop_assert_eq!(server.bytes(), (0, 0));
    }
}

#[test]
fn a_hash_goes_with_its_last_field() {
    for fields in [3, 1_000] {
        let mut server = Server::new();
        server.fill("h", fields, |field| {
            Deadline::At(START_MS + 100 + field as u64 % 2 * 1_000)
        });
        assert!(server.keyspace.has_deadlines());
        server.now_ms += 500;
        server.sweep();
        let (shown, all) = server.look("h").expect("it is there");
        assert_eq!((shown.len(), all), (fields / 2, fields / 2));
        assert_eq!(server.expired(), (0, fields.div_ceil(2) as u64));
        server.now_ms += 1_000;
        server.sweep();
        assert_eq!(server.keys(), 0);
        assert_eq!(server.expired(), (0, fields as u64));
        assert_eq!(server.bytes(), (0, 0));
    }
}

#[test]
fn many_fields_go_in_steps() {
    let mut server = Server::new();
    // One stays, so that the hash does not go as a whole.
    let at = |field| match field {
        0 => Deadline::None,
        _ => Deadline::At(START_MS + 100),
    };
    for name in ["a", "b", "c"] {
        server.fill(name, 5_000, at);
    }
    server.fill("small", 10, at);
    server.now_ms += 1_000;
    let mut steps = 0;
    let mut expired = 0;
    loop {
        let is_due = server.sweep_once();
        let now = server.expired().1;
        assert!(
            now - expired <= STEP as u64 + 9,
            "{} at once",
            now - expired
        );
        expired = now;
        if !is_due {
            break;
        }
        steps += 1;
    }
    assert!(steps >= 15_000 / STEP);
    assert_eq!(expired, 3 * 4_999 + 9);
    for name in ["a", "b", "c", "small"] {
        assert_eq!(server.look(name).expect("it is there").1, 1);
    }
    assert!(!server.keyspace.has_deadlines());
}

#[test]
fn a_hash_whose_fields_are_all_over_goes_at_once() {
    let mut server = Server::new();
    server.fill("h", 50_000, |_| Deadline::At(START_MS + 100));
    server.now_ms += 1_000;
    while server.expired().1 == 0 {
        server.sweep_once();
    }
    assert_eq!(server.expired(), (0, 50_000));
    assert_eq!(server.keys(), 0);
}

#[test]
fn whoever_uses_a_hash_removes_what_is_over() {
    let mut server = Server::new();
    server.fill("h", 3, |_| Deadline::At(START_MS + 100));
    server.with(["h", "h"], |locked, [key, _]| {
        locked.set_deadline(key, Some(START_MS + 100_000));
    });
    server.now_ms += 101;
    // It is made anew.
    server.set("h", "a", Deadline::None);
    assert_eq!(server.expired(), (0, 3));
    let deadline_ms = server.with(["h", "h"], |locked, [key, _]| {
        locked.peek(key).and_then(|entry| entry.deadline_ms())
    });
    assert_eq!(deadline_ms, None);
    assert_eq!(server.look("h").expect("it is there").1, 1);
}

#[test]
fn moving_deadlines_about_does_not_grow_the_index() {
    let mut server = Server::new();
    server.set("h", "a", Deadline::At(START_MS + 1_000_000));
    let bytes = server.bytes().1;
    for turn in 0..20_000u64 {
        server.now_ms += 1;
        let ms = [900_000 - turn, 2_000_000][turn as usize % 2];
        server.set("h", "a", Deadline::At(server.now_ms + ms));
        if turn % 100 == 0 {
            server.sweep();
        }
    }
    server.sweep();
    let now = server.bytes().1;
    assert!(now <= bytes + 256, "{bytes} bytes, then {now}");
}
