//! What one worker counts of each prefix. Only that worker writes, except while one worker has the whole keyspace to
//! itself.
//!
//! Every change of an entry passes here from `table`: [`Counters::entry_came`], [`Counters::entry_changed`] and
//! [`Counters::entry_went`]. Moving an entry changes nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};

use super::Prefixes;
use super::index::Record;
use crate::entry::EntryRef;
use crate::limits::DATABASES;
use crate::memory::Memory;
use crate::stats::{Counter, Counters};

/// One worker's counts.
pub(crate) struct PrefixCounts {
    pub shared: Arc<Prefixes>,
    counts: Box<[Counts]>,
    /// Prefixes with a limit whose bytes have changed since they were reported, a bit each.
    changed: AtomicU64,
}

#[repr(align(128))]
#[derive(Default)]
struct Counts {
    keys: [AtomicI64; DATABASES],
    bytes: [AtomicI64; DATABASES],
    /// What of `bytes` the limit has not been told yet.
    unreported_bytes: AtomicI64,
    hits: Counter,
    misses: Counter,
    evicted: Counter,
}

#[inline]
fn add(counter: &AtomicI64, by: i64) {
    counter.store(counter.load(Relaxed) + by, Relaxed);
}

fn sum_of(counters: &[AtomicI64]) -> i64 {
    counters.iter().map(|counter| counter.load(Relaxed)).sum()
}

impl PrefixCounts {
    pub fn new(shared: Arc<Prefixes>) -> Self {
        Self {
            counts: (0..shared.len()).map(|_| Counts::default()).collect(),
            shared,
            changed: AtomicU64::new(0),
        }
    }

    pub fn memory_bytes(&self) -> usize {
        size_of::<Self>() + size_of_val::<[Counts]>(&self.counts)
    }

    pub fn keys_in(&self, id: usize, place: usize) -> i64 {
        self.counts[id].keys[place].load(Relaxed)
    }

    pub fn keys(&self, id: usize) -> i64 {
        sum_of(&self.counts[id].keys)
    }

    pub fn bytes(&self, id: usize) -> i64 {
        sum_of(&self.counts[id].bytes)
    }

    pub fn hits(&self, id: usize) -> i64 {
        self.counts[id].hits.get().cast_signed()
    }

    pub fn misses(&self, id: usize) -> i64 {
        self.counts[id].misses.get().cast_signed()
    }

    pub fn evicted(&self, id: usize) -> i64 {
        self.counts[id].evicted.get().cast_signed()
    }

    pub fn count_hit(&self, id: Option<usize>) {
        if let Some(id) = id {
            self.counts[id].hits.increment();
        }
    }

    pub fn count_miss(&self, key: &[u8]) {
        if let Some(id) = self.shared.find(key) {
            self.counts[id].misses.increment();
        }
    }

    pub fn count_evicted(&self, key: &[u8]) {
        if let Some(id) = self.shared.find(key) {
            self.counts[id].evicted.increment();
        }
    }

    /// What this worker has added to a prefix since it reported.
    pub fn unreported_bytes(&self, id: usize) -> i64 {
        self.counts[id].unreported_bytes.load(Relaxed)
    }

    /// Prefixes that have something to report, a bit each.
    #[inline]
    pub fn changed(&self) -> u64 {
        self.changed.load(Relaxed)
    }

    /// Tells the limit of a prefix what this worker has added; how much that was.
    pub fn report(&self, id: usize) -> i64 {
        let changed = self.changed.load(Relaxed);
        self.changed.store(changed & !(1 << id), Relaxed);
        let unreported = &self.counts[id].unreported_bytes;
        let bytes = unreported.load(Relaxed);
        if let Some(cap) = self.shared.caps[id].as_ref().filter(|_| bytes != 0) {
            unreported.store(0, Relaxed);
            cap.report(bytes);
        }
        self.shared.refresh(id);
        bytes
    }

    fn add_bytes(&self, counters: &Counters, id: usize, place: u8, by: i64) {
        let counts = &self.counts[id];
        add(&counts.bytes[usize::from(place)], by);
        if let Some(cap) = &self.shared.caps[id] {
            add(&counts.unreported_bytes, by);
            self.changed
                .store(self.changed.load(Relaxed) | 1 << id, Relaxed);
            if by > 0 && cap.is_reached(counts.unreported_bytes.load(Relaxed)) {
                self.shared.set_full(id);
                counters.room_bytes.store(i64::MIN, Relaxed);
            }
        }
    }

    /// Starts the statistics anew.
    pub fn reset(&self) {
        for counts in &self.counts {
            for counter in [&counts.hits, &counts.misses, &counts.evicted] {
                counter.reset();
            }
        }
    }

    /// Forgets a database that has been emptied. While the keyspace is locked as a whole.
    pub fn clear_database(&self, database: u8) {
        let place = usize::from(self.shared.place(database));
        for counts in &self.counts {
            counts.keys[place].store(0, Relaxed);
            counts.bytes[place].store(0, Relaxed);
        }
    }
}

/// Sums the counts of all workers. One worker may remove what another has added, so a sum taken meanwhile can be below
/// zero.
pub(crate) fn sum(workers: &[Counters], count: impl Fn(&PrefixCounts) -> i64) -> u64 {
    let counts = workers.iter().filter_map(Counters::prefixes);
    counts.map(count).sum::<i64>().max(0).cast_unsigned()
}

/// Begins the limits anew after databases have been emptied. While the keyspace is locked as a whole.
pub(crate) fn recount(prefixes: &Prefixes, workers: &[Counters]) {
    for (id, cap) in prefixes.caps.iter().enumerate() {
        let Some(cap) = cap else {
            continue;
        };
        for counts in workers.iter().filter_map(Counters::prefixes) {
            counts.counts[id].unreported_bytes.store(0, Relaxed);
        }
        cap.recount(sum(workers, |counts| counts.bytes(id)).cast_signed());
        if sum(workers, |counts| counts.keys(id)) == 0 {
            cap.index.clear();
        }
        prefixes.refresh(id);
    }
}

impl Counters {
    /// An entry has come into the table under a key that was not there.
    #[inline]
    pub fn entry_came(&self, database: u8, hash: u64, entry: EntryRef<'_>, memory: &mut Memory) {
        if let Some(prefixes) = self.prefixes() {
            came(self, prefixes, database, hash, entry, memory);
        }
    }

    /// An entry has been replaced or changed, and takes `by` bytes more.
    #[inline]
    pub fn entry_changed(&self, database: u8, entry: EntryRef<'_>, by: i64) {
        if let Some(prefixes) = self.prefixes() {
            changed(self, prefixes, database, entry, by);
        }
    }

    /// An entry leaves the table.
    #[inline]
    pub fn entry_went(&self, database: u8, entry: EntryRef<'_>) {
        if let Some(prefixes) = self.prefixes() {
            went(self, prefixes, database, entry);
        }
    }
}

#[inline(never)]
fn came(
    counters: &Counters,
    prefixes: &PrefixCounts,
    database: u8,
    hash: u64,
    entry: EntryRef<'_>,
    memory: &mut Memory,
) {
    let shared = &prefixes.shared;
    let Some(id) = shared.find(entry.key()) else {
        return;
    };
    let place = shared.place(database);
    add(&prefixes.counts[id].keys[usize::from(place)], 1);
    prefixes.add_bytes(counters, id, place, entry.memory_bytes());
    if shared.caps[id].is_some() {
        memory
            .new_in_prefixes
            .push((id as u8, Record::new(hash, place)));
    }
}

#[inline(never)]
fn changed(
    counters: &Counters,
    prefixes: &PrefixCounts,
    database: u8,
    entry: EntryRef<'_>,
    by: i64,
) {
    let shared = &prefixes.shared;
    if let Some(id) = shared.find(entry.key()).filter(|_| by != 0) {
        prefixes.add_bytes(counters, id, shared.place(database), by);
    }
}

#[inline(never)]
fn went(counters: &Counters, prefixes: &PrefixCounts, database: u8, entry: EntryRef<'_>) {
    let shared = &prefixes.shared;
    let Some(id) = shared.find(entry.key()) else {
        return;
    };
    let place = shared.place(database);
    add(&prefixes.counts[id].keys[usize::from(place)], -1);
    prefixes.add_bytes(counters, id, place, -entry.memory_bytes());
}
