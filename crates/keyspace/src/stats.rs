//! Counters of the keyspace: one set per worker, on its own cache lines, summed when somebody asks.

use std::array::from_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};

use crate::expiry::lag::{ExpiryLag, LagCounts};
use crate::hot_keys::Interval;
use crate::limits::DATABASES;
use crate::prefix::Prefixes;
use crate::prefix::counts::PrefixCounts;
use crate::random::mixed;

/// What one worker has counted. Only that worker writes, except while one worker has the whole keyspace to itself.
#[repr(align(128))]
#[derive(Default)]
pub(crate) struct Counters {
    keys: [AtomicI64; DATABASES],
    deadlines: [AtomicI64; DATABASES],
    /// All deadlines, summed, modulo 2^64: less their number times now, that is all that is left to live.
    deadline_ms_sums: [AtomicI64; DATABASES],
    /// Memory of the index of deadlines.
    index_bytes: [AtomicI64; DATABASES],
    /// Memory of entries and their values.
    bytes: [AtomicI64; DATABASES],
    /// Memory of buckets and directories.
    table_bytes: [AtomicI64; DATABASES],
    /// What of `bytes` the budget has not been told yet.
    pub unreported_bytes: AtomicI64,
    /// How many of those there may be, as of the beginning of the worker's group.
    pub room_bytes: AtomicI64,
    /// What is counted of prefixes, if there are any.
    prefixes: Option<Box<PrefixCounts>>,
    /// Free objects that the worker keeps, as of its last [`crate::Worker::collect`].
    pub kept_bytes: AtomicU64,
    pub interval: Interval,
    pub hits: Counter,
    pub misses: Counter,
    pub expired: Counter,
    pub expired_fields: Counter,
    pub evicted: Counter,
    pub lag: LagCounts,
}

/// A counter with one writer.
#[derive(Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    #[inline]
    pub fn increment(&self) {
        self.add(1);
    }

    #[inline]
    pub fn add(&self, by: u64) {
        self.0.store(self.0.load(Relaxed) + by, Relaxed);
    }

    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }

    pub fn reset(&self) {
        self.0.store(0, Relaxed);
    }

    /// A number that has nothing to do with the next one.
    pub fn scrambled(&self) -> u64 {
        mixed(self.get())
    }
}

impl Counters {
    /// The counters of a worker of a keyspace that has these prefixes.
    pub fn new(prefixes: Option<&Arc<Prefixes>>) -> Self {
        let counts = |prefixes| Box::new(PrefixCounts::new(Arc::clone(prefixes)));
        Self {
            prefixes: prefixes.map(counts),
            ..Self::default()
        }
    }

    /// What is counted of prefixes, if there are any.
    #[inline]
    pub fn prefixes(&self) -> Option<&PrefixCounts> {
        self.prefixes.as_deref()
    }

    #[inline]
    pub fn add_keys(&self, database: usize, by: i64) {
        let counter = &self.keys[database];
        counter.store(counter.load(Relaxed) + by, Relaxed);
    }

    #[inline]
    pub fn add_deadlines(&self, database: usize, by: i64, ms: i64) {
        if by != 0 {
            let counter = &self.deadlines[database];
            counter.store(counter.load(Relaxed) + by, Relaxed);
        }
        let sum = &self.deadline_ms_sums[database];
        sum.store(sum.load(Relaxed).wrapping_add(ms), Relaxed);
    }

    pub fn add_index_bytes(&self, database: usize, by: i64) {
        let counter = &self.index_bytes[database];
        counter.store(counter.load(Relaxed) + by, Relaxed);
    }

    fn of_databases(&self) -> [&[AtomicI64; DATABASES]; 6] {
        [
            &self.keys,
            &self.deadlines,
            &self.deadline_ms_sums,
            &self.index_bytes,
            &self.bytes,
            &self.table_bytes,
        ]
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

    /// This worker's part of the bytes of a database's tables and deadlines.
    pub fn table_bytes(&self, database: usize) -> i64 {
        self.table_bytes[database].load(Relaxed) + self.index_bytes[database].load(Relaxed)
    }

    /// Whether this worker's count of a database is not zero.
    pub fn has_keys(&self, database: usize) -> bool {
        self.keys[database].load(Relaxed) != 0
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
        for counter in [
            &self.hits,
            &self.misses,
            &self.expired,
            &self.expired_fields,
            &self.evicted,
        ] {
            counter.reset();
        }
        if let Some(prefixes) = &self.prefixes {
            prefixes.reset();
        }
        self.lag.reset();
    }
}

/// The size of one database.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DatabaseStats {
    /// Keys, those that have expired and are not yet removed included.
    pub keys: u64,
    /// Keys that have a deadline.
    pub deadlines: u64,
    /// Mean time to live of the keys with a deadline, in milliseconds; 0 when there are none.
    pub mean_ttl_ms: u64,
    /// Memory of entries and their values, in bytes.
    pub bytes: u64,
    /// Memory of the table, in bytes.
    pub table_bytes: u64,
    /// Memory of the index of deadlines, in bytes.
    pub index_bytes: u64,
}

/// Statistics of the whole keyspace.
#[derive(Clone, Copy, Debug, Default)]
pub struct KeyspaceStats {
    /// Each database.
    pub databases: [DatabaseStats; DATABASES],
    /// Lookups by reading commands that found their key.
    pub hits: u64,
    /// Lookups by reading commands that did not.
    pub misses: u64,
    /// Keys that were removed because their time was up.
    pub expired: u64,
    /// Fields of hashes that were removed because their time was up.
    pub expired_fields: u64,
    /// Keys that were removed because memory was short.
    pub evicted: u64,
    /// How late they were.
    pub lag: ExpiryLag,
    /// Misses that adaptive S3 has saved against LRU, or would have saved, since the limit came near: an estimate from
    /// simulations of a sample of the keys. None under other policies and before.
    pub misses_saved_by_s3: Option<i64>,
}

/// Sums the workers' counters.
pub(crate) fn sum(workers: &[Counters], now_ms: u64) -> KeyspaceStats {
    let total = |counter: fn(&Counters) -> &Counter| {
        workers
            .iter()
            .map(|worker| counter(worker).0.load(Relaxed))
            .sum()
    };
    let database = |at: usize| {
        let (keys, deadlines) = sum_database(workers, at);
        let deadline_ms_sum = workers.iter().fold(0_i64, |sum, worker| {
            sum.wrapping_add(worker.deadline_ms_sums[at].load(Relaxed))
        });
        let now_ms_sum = now_ms.wrapping_mul(deadlines).cast_signed();
        let ttl_ms_sum = deadline_ms_sum.wrapping_sub(now_ms_sum).max(0);
        DatabaseStats {
            keys,
            deadlines,
            mean_ttl_ms: ttl_ms_sum
                .cast_unsigned()
                .checked_div(deadlines)
                .unwrap_or(0),
            index_bytes: sum_signed(workers, |worker| &worker.index_bytes[at]),
            bytes: sum_signed(workers, |worker| &worker.bytes[at]),
            table_bytes: sum_signed(workers, |worker| &worker.table_bytes[at]),
        }
    };
    KeyspaceStats {
        databases: from_fn(database),
        hits: total(|counters| &counters.hits),
        misses: total(|counters| &counters.misses),
        expired: total(|counters| &counters.expired),
        expired_fields: total(|counters| &counters.expired_fields),
        evicted: total(|counters| &counters.evicted),
        lag: ExpiryLag::sum(workers.iter().map(|worker| &worker.lag), now_ms),
        misses_saved_by_s3: None,
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
