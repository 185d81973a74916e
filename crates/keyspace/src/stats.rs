//! Counters of the keyspace: one set per worker, on its own cache lines, summed when somebody asks.

use std::array::from_fn;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};

use crate::limits::DATABASES;

/// What one worker has counted. Only that worker writes, except while one worker has the whole keyspace to itself.
#[repr(align(128))]
#[derive(Default)]
pub(crate) struct Counters {
    keys: [AtomicI64; DATABASES],
    deadlines: [AtomicI64; DATABASES],
    /// Memory of entries and their values.
    bytes: [AtomicI64; DATABASES],
    /// Memory of buckets and directories.
    table_bytes: [AtomicI64; DATABASES],
    /// What of `bytes` the budget has not been told yet.
    pub unreported_bytes: AtomicI64,
    pub hits: Counter,
    pub misses: Counter,
    pub expired: Counter,
    pub evicted: Counter,
}

/// A counter with one writer.
#[derive(Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    #[inline]
    pub fn increment(&self) {
        self.0.store(self.0.load(Relaxed) + 1, Relaxed);
    }

    /// A number that has nothing to do with the next one (the finalizer of SplitMix64).
    pub fn scrambled(&self) -> u64 {
        let mut number = self.0.load(Relaxed).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        number ^ (number >> 31)
    }
}

impl Counters {
    #[inline]
    pub fn add_keys(&self, database: usize, by: i64) {
        let counter = &self.keys[database];
        counter.store(counter.load(Relaxed) + by, Relaxed);
    }

    #[inline]
    pub fn add_deadlines(&self, database: usize, by: i64) {
        let counter = &self.deadlines[database];
        counter.store(counter.load(Relaxed) + by, Relaxed);
    }

    #[inline]
    pub fn add_bytes(&self, database: usize, by: i64) {
        for counter in [&self.bytes[database], &self.unreported_bytes] {
            counter.store(counter.load(Relaxed) + by, Relaxed);
        }
    }

    pub fn add_table_bytes(&self, database: usize, by: i64) {
        let counter = &self.table_bytes[database];
        counter.store(counter.load(Relaxed) + by, Relaxed);
    }

    /// This worker's part of the bytes of a database's entries.
    pub fn bytes(&self, database: usize) -> i64 {
        self.bytes[database].load(Relaxed)
    }

    /// Whether this worker's count of a database is not zero.
    pub fn has_keys(&self, database: usize) -> bool {
        self.keys[database].load(Relaxed) != 0
    }

    fn of_databases(&self) -> [&[AtomicI64; DATABASES]; 4] {
        [&self.keys, &self.deadlines, &self.bytes, &self.table_bytes]
    }

    /// Forgets a database that has been emptied. While the keyspace is locked as a whole.
    pub fn clear_database(&self, database: usize) {
        for counters in self.of_databases() {
            counters[database].store(0, Relaxed);
        }
    }

    /// Exchanges two databases. While the keyspace is locked as a whole.
    pub fn swap_databases(&self, first: usize, second: usize) {
        for counters in self.of_databases() {
            let old = counters[first].swap(counters[second].load(Relaxed), Relaxed);
            counters[second].store(old, Relaxed);
        }
    }

    /// Starts the statistics anew (CONFIG RESETSTAT).
    pub fn reset(&self) {
        for counter in [&self.hits, &self.misses, &self.expired, &self.evicted] {
            counter.0.store(0, Relaxed);
        }
    }
}

/// The size of one database.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DatabaseStats {
    /// Keys, those that have expired and are not yet removed included.
    pub keys: u64,
    /// Keys that have a deadline.
    pub deadlines: u64,
    /// Mean time to live of the keys with a deadline that were last looked at, in milliseconds; 0 when unknown.
    pub mean_ttl_ms: u64,
    /// Memory of entries and their values, in bytes.
    pub bytes: u64,
    /// Memory of the table, in bytes.
    pub table_bytes: u64,
}

/// Statistics of the whole keyspace.
#[derive(Clone, Debug, Default)]
pub struct KeyspaceStats {
    /// Each database.
    pub databases: [DatabaseStats; DATABASES],
    /// Lookups by reading commands that found their key.
    pub hits: u64,
    /// Lookups by reading commands that did not.
    pub misses: u64,
    /// Keys that were removed because their time was up.
    pub expired: u64,
    /// Keys that were removed because memory was short.
    pub evicted: u64,
}

/// Sums the workers' counters.
pub(crate) fn sum(workers: &[Counters], mean_ttl_ms: &[AtomicU64; DATABASES]) -> KeyspaceStats {
    let total = |counter: fn(&Counters) -> &Counter| {
        workers
            .iter()
            .map(|worker| counter(worker).0.load(Relaxed))
            .sum()
    };
    let database = |at: usize| DatabaseStats {
        keys: sum_signed(workers, |worker| &worker.keys[at]),
        deadlines: sum_signed(workers, |worker| &worker.deadlines[at]),
        mean_ttl_ms: mean_ttl_ms[at].load(Relaxed),
        bytes: sum_signed(workers, |worker| &worker.bytes[at]),
        table_bytes: sum_signed(workers, |worker| &worker.table_bytes[at]),
    };
    KeyspaceStats {
        databases: from_fn(database),
        hits: total(|counters| &counters.hits),
        misses: total(|counters| &counters.misses),
        expired: total(|counters| &counters.expired),
        evicted: total(|counters| &counters.evicted),
    }
}

/// One database's keys and deadlines.
pub(crate) fn sum_database(workers: &[Counters], database: usize) -> (u64, u64) {
    let keys = sum_signed(workers, |worker| &worker.keys[database]);
    (
        keys,
        sum_signed(workers, |worker| &worker.deadlines[database]),
    )
}

/// One worker may remove what another has added, so single counters can be below zero, and a sum taken meanwhile too.
fn sum_signed<'w>(workers: &'w [Counters], counter: impl Fn(&'w Counters) -> &'w AtomicI64) -> u64 {
    let sum: i64 = workers
        .iter()
        .map(|worker| counter(worker).load(Relaxed))
        .sum();
    sum.max(0).cast_unsigned()
}
