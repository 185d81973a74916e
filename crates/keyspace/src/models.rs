#![allow(unsafe_code)]
//! The protocols of `quiescence` and `table` under loom, which runs every interleaving and every value that a load may
//! see, as the memory model of the language has it:
//!
//!     RUSTFLAGS="--cfg loom" cargo test --package keyspace --lib --target HOST models::
//!
//! The code that is run is the real one. What stands around it here is as small as can be: a slot is one atomic, an
//! entry is a [`Thing`], which loom watches: freeing it while somebody may still read it fails the model.

use loom::cell::UnsafeCell;
use loom::model::Builder;
use loom::sync::Arc;
use loom::sync::atomic::{AtomicUsize, Ordering::Acquire, Ordering::Relaxed, Ordering::Release};
use loom::thread::{self, yield_now};

use crate::quiescence::{Garbage, Quiescence};
use crate::table::lock::Lock;
use crate::table::version::{Torn, Version};

/// Runs a model with at most so many preemptions, switches of threads that no thread asked for.
fn check(preemptions: Option<usize>, model: impl Fn() + Sync + Send + 'static) {
    let mut builder = Builder::new();
    builder.preemption_bound = preemptions;
    builder.check(model);
}

/// Memory that one may write while nobody else reads.
#[derive(Default)]
struct Thing(UnsafeCell<u32>);

// SAFETY: loom fails the model when it is used as it must not be.
unsafe impl Sync for Thing {}
// SAFETY: a number.
unsafe impl Send for Thing {}

impl Thing {
    fn read(&self) -> u32 {
        // SAFETY: loom checks that nobody writes.
        self.0.with(|value| unsafe { *value })
    }

    fn write(&self, new: u32) {
        // SAFETY: loom checks that nobody else reads or writes.
        self.0.with_mut(|value| unsafe { *value = new });
    }
}

const LIVE: u32 = 1;
const FREED: u32 = 2;

/// A slot and the things that it has named one after the other.
struct Slot {
    quiescence: Quiescence,
    named: AtomicUsize,
    things: [Thing; 3],
}

impl Slot {
    fn new(workers: usize) -> Arc<Self> {
        let slot = Self {
            quiescence: Quiescence::new(workers),
            named: AtomicUsize::new(0),
            things: Default::default(),
        };
        slot.things[0].write(LIVE);
        Arc::new(slot)
    }

    fn read_in_a_group(&self, worker: usize) {
        self.quiescence.pin(worker);
        let named = self.named.load(Acquire);
        assert_eq!(self.things[named].read(), LIVE);
        self.quiescence.unpin(worker);
    }

    /// What the slot named is garbage then.
    fn replace_in_a_group(&self, worker: usize, new: usize, garbage: &mut Garbage<usize>) {
        self.quiescence.pin(worker);
        self.things[new].write(LIVE);
        let old = self.named.load(Relaxed);
        self.named.store(new, Release);
        garbage.retire(old);
        self.quiescence.unpin(worker);
    }

    /// Who collects is in no group.
    fn collect(&self, garbage: &mut Garbage<usize>) {
        garbage.seal_and_free(&self.quiescence, |thing| self.things[thing].write(FREED));
    }
}

#[test]
fn nothing_is_freed_that_a_pinned_worker_reads() {
    check(None, || {
        let slot = Slot::new(2);
        let reader = thread::spawn({
            let slot = Arc::clone(&slot);
            move || slot.read_in_a_group(1)
        });
        let mut garbage = Garbage::default();
        slot.replace_in_a_group(0, 1, &mut garbage);
        slot.collect(&mut garbage);
        reader.join().unwrap();
        slot.collect(&mut garbage);
        assert!(garbage.is_empty(), "all have left, so all is freed");
    });
}

#[test]
fn nothing_is_freed_when_others_advance_the_epoch() {
    check(Some(3), || {
        let slot = Slot::new(3);
        let reader = thread::spawn({
            let slot = Arc::clone(&slot);
            move || slot.read_in_a_group(1)
        });
        let other = thread::spawn({
            let slot = Arc::clone(&slot);
            move || {
                // Its garbage is nothing that anybody could read.
                let mut garbage = Garbage::default();
                garbage.retire(2);
                slot.collect(&mut garbage);
                garbage
            }
        });
        let mut garbage = Garbage::default();
        slot.replace_in_a_group(0, 1, &mut garbage);
        slot.collect(&mut garbage);
        reader.join().unwrap();
        let mut others_garbage = other.join().unwrap();
        slot.collect(&mut garbage);
        slot.collect(&mut others_garbage);
        assert!(garbage.is_empty() && others_garbage.is_empty());
    });
}

#[test]
fn a_reader_that_comes_back_is_waited_for_again() {
    check(None, || {
        let slot = Slot::new(2);
        let reader = thread::spawn({
            let slot = Arc::clone(&slot);
            move || {
                slot.read_in_a_group(1);
                slot.read_in_a_group(1);
            }
        });
        let mut garbage = Garbage::default();
        for new in [1, 2] {
            slot.replace_in_a_group(0, new, &mut garbage);
            slot.collect(&mut garbage);
        }
        reader.join().unwrap();
        slot.collect(&mut garbage);
        assert!(garbage.is_empty());
    });
}

/// What workers do in a group, of which some ask for the whole keyspace.
fn exclude(preemptions: Option<usize>, wants_everything: &'static [bool]) {
    check(preemptions, move || {
        let shared = Arc::new((Quiescence::new(wants_everything.len()), Thing::default()));
        let work = |worker: usize| {
            let shared = Arc::clone(&shared);
            move || {
                let (quiescence, thing) = &*shared;
                quiescence.pin(worker);
                if wants_everything[worker] {
                    let alone = quiescence.exclude_others(worker);
                    thing.write(LIVE);
                    drop(alone);
                } else {
                    thing.read();
                }
                quiescence.unpin(worker);
            }
        };
        let threads: Vec<_> = (1..wants_everything.len())
            .map(|worker| thread::spawn(work(worker)))
            .collect();
        work(0)();
        for thread in threads {
            thread.join().unwrap();
        }
    });
}

#[test]
fn who_excludes_others_is_alone() {
    exclude(None, &[true, false]);
}

#[test]
fn two_that_exclude_each_other_take_turns() {
    exclude(None, &[true, true]);
}

#[test]
fn two_that_exclude_each_other_and_a_third() {
    exclude(Some(3), &[true, true, false]);
}

/// After everything was its own, a worker is in its group again.
#[test]
fn a_group_goes_on_after_it_was_alone() {
    check(None, || {
        let slot = Slot::new(2);
        let reader = thread::spawn({
            let slot = Arc::clone(&slot);
            move || {
                slot.quiescence.pin(1);
                drop(slot.quiescence.exclude_others(1));
                let named = slot.named.load(Acquire);
                assert_eq!(slot.things[named].read(), LIVE);
                slot.quiescence.unpin(1);
            }
        });
        let mut garbage = Garbage::default();
        slot.replace_in_a_group(0, 1, &mut garbage);
        slot.collect(&mut garbage);
        reader.join().unwrap();
    });
}

#[test]
fn the_lock_has_one_holder_who_sees_what_the_last_one_wrote() {
    check(None, || {
        let shared = Arc::new((Lock::default(), Thing::default()));
        let add = |worker: usize| {
            let shared = Arc::clone(&shared);
            move || {
                let (lock, thing) = &*shared;
                while !lock.try_lock(worker) {
                    yield_now();
                }
                assert!(lock.is_locked_by(worker));
                thing.write(thing.read() + 1);
                lock.unlock();
            }
        };
        let other = thread::spawn(add(1));
        add(0)();
        other.join().unwrap();
        assert_eq!(shared.1.read(), 2);
    });
}

/// One shard: its lock and version, and slots that hold values, 0 for none.
#[derive(Default)]
struct Shard {
    lock: Lock,
    version: Version,
    slots: [AtomicUsize; 2],
}

impl Shard {
    fn holding(value: usize) -> Self {
        let shard = Self::default();
        shard.slots[0].store(value, Relaxed);
        shard
    }

    /// As `Table::read`: the tags are a hint and read with no order, what they name is read again.
    fn read(&self) -> Result<Option<usize>, Torn> {
        let begun = self.version.begin_read()?;
        for slot in &self.slots {
            if slot.load(Relaxed) != 0 {
                let value = slot.load(Acquire);
                if value != 0 {
                    return Ok(Some(value));
                }
            }
        }
        self.version.confirm_miss(begun)?;
        Ok(None)
    }

    /// As a worker reads: under the lock when it must.
    fn read_or_lock(&self, worker: usize) -> Option<usize> {
        self.read().unwrap_or_else(|Torn| {
            while !self.lock.try_lock(worker) {
                yield_now();
            }
            let value = self.slots.iter().map(|slot| slot.load(Relaxed));
            let value = value.max().filter(|value| *value != 0);
            self.lock.unlock();
            value
        })
    }
}

const OLD: usize = 1;
const NEW: usize = 2;

#[test]
fn an_entry_that_moves_is_never_missed() {
    // It moves to the front, as in `Buckets::pull_back`, or to the back, which the table has no reason to do.
    for to in [1, 0] {
        check(None, move || {
            let shard = Arc::new(Shard::default());
            shard.slots[1 - to].store(OLD, Relaxed);
            let writer = thread::spawn({
                let shard = Arc::clone(&shard);
                move || {
                    assert!(shard.version.begin_change());
                    assert!(!shard.version.begin_change(), "it has been begun");
                    // Here it is not copied first, so that nothing but the version keeps readers from missing it.
                    shard.slots[1 - to].store(0, Release);
                    shard.slots[to].store(OLD, Release);
                    shard.version.end_change();
                }
            });
            let found = shard.read();
            assert!(matches!(found, Ok(Some(OLD)) | Err(Torn)), "{found:?}");
            writer.join().unwrap();
            assert_eq!(shard.read(), Ok(Some(OLD)));
        });
    }
}

#[test]
fn a_replaced_entry_is_the_old_or_the_new_one() {
    check(None, || {
        // A slot names a thing by its place plus one.
        let shared = Arc::new((Shard::holding(1), [Thing::default(), Thing::default()]));
        shared.1[0].write(LIVE);
        let writer = thread::spawn({
            let shared = Arc::clone(&shared);
            move || {
                let (shard, things) = &*shared;
                things[1].write(LIVE);
                shard.slots[0].store(2, Release);
            }
        });
        let named = shared.0.read().unwrap().expect("it was there all the time");
        assert_eq!(shared.1[named - 1].read(), LIVE);
        writer.join().unwrap();
    });
}

/// A commit turns what is in two shards from one state into another, while a reader looks at both, one after the
/// other: it may see the change happen, and never undone.
fn commit(old: usize, new: usize, reads: [usize; 2]) {
    check(None, move || {
        let shards = Arc::new([Shard::holding(old), Shard::holding(OLD)]);
        let writer = thread::spawn({
            let shards = Arc::clone(&shards);
            move || {
                for shard in shards.iter() {
                    while !shard.lock.try_lock(1) {
                        yield_now();
                    }
                }
                shards.iter().for_each(|shard| {
                    shard.version.begin_change();
                });
                shards[0].slots[0].store(new, Release);
                shards[1].slots[0].store(NEW, Release);
                shards.iter().for_each(|shard| shard.version.end_change());
                shards.iter().for_each(|shard| shard.lock.unlock());
            }
        });
        let is_new = reads.map(|at| {
            let value = shards[at].read_or_lock(0).unwrap_or(0);
            value == if at == 0 { new } else { NEW }
        });
        assert_ne!(is_new, [true, false], "new, then old");
        writer.join().unwrap();
    });
}

#[test]
fn a_commit_on_two_shards_is_seen_whole() {
    commit(OLD, NEW, [0, 1]);
    commit(OLD, NEW, [1, 0]);
    commit(OLD, NEW, [0, 0]);
}

#[test]
fn a_commit_that_removes_or_adds_is_seen_whole() {
    commit(OLD, 0, [0, 1]);
    commit(OLD, 0, [1, 0]);
    commit(0, NEW, [0, 1]);
    commit(0, NEW, [1, 0]);
}

/// Integers and deadlines change inside their entry, which its readers load without order.
#[test]
fn a_commit_in_place_is_seen_whole() {
    check(None, || {
        let shards: Arc<[(Version, AtomicUsize); 2]> = Arc::default();
        let writer = thread::spawn({
            let shards = Arc::clone(&shards);
            move || {
                shards.iter().for_each(|(version, _)| {
                    version.begin_change();
                });
                shards.iter().for_each(|(_, word)| word.store(NEW, Relaxed));
                shards.iter().for_each(|(version, _)| version.end_change());
            }
        });
        let read = |at: usize| {
            let (version, word) = &shards[at];
            version.begin_read().map(|_| word.load(Relaxed))
        };
        let (first, second) = (read(0), read(1));
        assert!(
            first != Ok(NEW) || matches!(second, Ok(NEW) | Err(Torn)),
            "new, then old"
        );
        writer.join().unwrap();
    });
}

/// Reads both shards twice, as `Group::read_all` does; none when it would take the locks.
fn read_together(shards: &[Shard; 2]) -> Option<[usize; 2]> {
    let look = |at: usize| {
        let begun = shards[at].version.begin_read().ok()?;
        Some((begun, shards[at].slots[0].load(Acquire)))
    };
    let first = [look(0)?, look(1)?];
    for (at, (begun, value)) in first.into_iter().enumerate() {
        let (_, again) = look(at)?;
        let is_same =
            value == again && (value != 0 || shards[at].version.confirm_miss(begun).is_ok());
        if !is_same {
            return None;
        }
    }
    Some(first.map(|(_, value)| value))
}

/// Lets a writer change two keys one after the other, without holding readers off; `is_possible` says what there can
/// have been at one moment. A key that holds nothing is not there.
fn two_changes(
    before: [usize; 2],
    changes: &'static [(usize, usize)],
    is_possible: fn([usize; 2]) -> bool,
) {
    check(Some(3), move || {
        let shards = Arc::new(before.map(|value| {
            let shard = Shard::default();
            shard.slots[0].store(value, Relaxed);
            shard
        }));
        let writer = thread::spawn({
            let shards = Arc::clone(&shards);
            move || {
                for (at, value) in changes {
                    let shard = &shards[*at];
                    if *value == 0 {
                        assert!(shard.version.begin_change());
                    }
                    shard.slots[0].store(*value, Release);
                    if *value == 0 {
                        shard.version.end_change();
                    }
                }
            }
        });
        if let Some(seen) = read_together(&shards) {
            assert!(is_possible(seen), "{seen:?}");
        }
        writer.join().unwrap();
    });
}

#[test]
fn keys_that_are_read_together_are_from_one_moment() {
    // Replaced one after the other.
    two_changes([OLD, OLD], &[(0, NEW), (1, NEW)], |seen| seen != [OLD, NEW]);
    two_changes([OLD, OLD], &[(1, NEW), (0, NEW)], |seen| seen != [NEW, OLD]);
    // Added, then the other one replaced.
    two_changes([0, OLD], &[(0, NEW), (1, NEW)], |seen| seen != [0, NEW]);
    // Added and removed again before the other one is replaced back: it is not there only with what was before or after.
    two_changes(
        [0, OLD],
        &[(0, NEW), (1, NEW), (1, OLD + 2), (0, 0)],
        |seen| {
            [
                [0, OLD],
                [0, OLD + 2],
                [NEW, OLD],
                [NEW, NEW],
                [NEW, OLD + 2],
            ]
            .contains(&seen)
        },
    );
    two_changes([OLD, OLD], &[(0, 0), (1, NEW)], |seen| seen != [OLD, NEW]);
}
