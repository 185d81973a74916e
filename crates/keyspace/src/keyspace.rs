//! The keyspace as a whole: databases, workers, statistics.

use std::cell::RefCell;
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed, Ordering::SeqCst};

use crate::access::{Group, Key};
use crate::background::Background;
use crate::big_keys::BigKeys;
use crate::budget::{Budget, Eviction, Limit, Room};
use crate::collections::Collections;
use crate::compact::{Compaction, Mover};
use crate::evict::Evictor;
use crate::expiry::SweepPosition;
use crate::hash::KeyHasher;
use crate::hot_keys::HotKeys;
use crate::jitter::Jitter;
use crate::limits::{DATABASES, SHARDS_MAX, WORKERS_MAX};
use crate::memory::Memory;
use crate::policy::EvictionPolicy;
use crate::policy::s3::AdaptiveS3;
use crate::policy::s3::shadows::Shadows;
use crate::prefix::{PrefixRule, PrefixStats, Prefixes};
use crate::quiescence::Quiescence;
use crate::samples::curve::CurvePoint;
use crate::samples::misses::MissReasons;
use crate::samples::{Buffer, Samples};
use crate::slab::{HugePages, SlabStats, Slabs, local};
use crate::stats::{Counters, KeyspaceStats, sum, sum_database};
use crate::table::{self, Databases, Table};
use crate::watch::Watches;

/// Pages of 64 KB that are given back at once: some hundred microseconds.
const PAGES_GIVEN_BACK: usize = 16;

/// How a keyspace is made.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Shards, a power of two from 1 to [`SHARDS_MAX`]. More shards let more workers write at once.
    pub num_shards: usize,
    /// The most workers, from 1 to [`WORKERS_MAX`].
    pub workers_max: usize,
    /// The seed of the hash, drawn at random for each process.
    pub seed: u64,
    /// Whether memory for entries asks the system for huge pages.
    pub huge_pages: HugePages,
}

/// All databases, shared by all workers.
pub struct Keyspace {
    pub(crate) hasher: KeyHasher,
    pub(crate) collections: Collections,
    pub(crate) quiescence: Quiescence,
    pub(crate) databases: Databases,
    slabs: Arc<Slabs>,
    huge_pages: HugePages,
    pub(crate) background: Arc<Background>,
    pub(crate) counters: Box<[Counters]>,
    pub(crate) watches: Watches,
    pub(crate) budget: Budget,
    pub(crate) s3: AdaptiveS3,
    pub(crate) compaction: Compaction,
    pub(crate) samples: Samples,
    pub(crate) hot_keys: HotKeys,
    pub(crate) big_keys: BigKeys,
    pub(crate) prefixes: Option<Arc<Prefixes>>,
    pub(crate) jitter: Jitter,
    pub(crate) shard_bits: u32,
    workers: AtomicUsize,
}

impl Keyspace {
    /// Makes an empty keyspace.
    ///
    /// # Panics
    /// When the options are out of their limits.
    pub fn new(options: Options) -> Arc<Self> {
        Self::with_prefixes(options, Vec::new())
    }

    /// Makes an empty keyspace that has rules for prefixes of keys.
    ///
    /// # Panics
    /// When the options are out of their limits, or there are more than [`crate::limits::PREFIXES_MAX`] prefixes, an empty one, or two
    /// that are the same.
    pub fn with_prefixes(options: Options, rules: Vec<PrefixRule>) -> Arc<Self> {
        let prefixes = Prefixes::new(rules);
        let Options {
            num_shards,
            workers_max,
            seed,
            huge_pages,
        } = options;
        assert!(
            num_shards.is_power_of_two() && num_shards <= SHARDS_MAX,
            "num_shards is checked before"
        );
        assert!(
            (1..=WORKERS_MAX).contains(&workers_max),
            "workers_max is checked before"
        );
        let slabs = Slabs::new(huge_pages);
        local::set_huge_pages(huge_pages);
        Arc::new(Self {
            hasher: KeyHasher::new(seed),
            collections: Collections::new(seed),
            quiescence: Quiescence::new(workers_max),
            databases: Databases::new(num_shards, Arc::clone(&slabs)),
            slabs,
            huge_pages,
            background: Arc::default(),
            counters: (0..workers_max)
                .map(|_| Counters::new(prefixes.as_ref()))
                .collect(),
            prefixes,
            jitter: Jitter::default(),
            watches: Watches::new(),
            budget: Budget::new(),
            s3: AdaptiveS3::default(),
            compaction: Compaction::default(),
            samples: Samples::new(),
            hot_keys: HotKeys::new(workers_max),
            big_keys: BigKeys::new(),
            shard_bits: num_shards.ilog2(),
            workers: AtomicUsize::new(0),
        })
    }

    /// Registers one more worker.
    ///
    /// # Panics
    /// When there are `workers_max` already.
    pub fn worker(self: &Arc<Self>) -> Worker {
        let id = self.workers.fetch_add(1, SeqCst);
        assert!(
            id < self.counters.len(),
            "more workers than the keyspace was made for"
        );
        Worker {
            keyspace: Arc::clone(self),
            id,
            memory: RefCell::new(Memory::new(
                Arc::clone(&self.slabs),
                Arc::clone(&self.background),
            )),
            samples: Buffer::new(),
            sweep: SweepPosition::default(),
            evictor: Evictor::new(id),
            mover: Mover::default(),
        }
    }

    /// The hash of a key; the same in all databases.
    #[inline]
    pub fn hash(&self, key: &[u8]) -> u64 {
        self.hasher.hash(key)
    }

    /// The shards of a database, to ask for some of them.
    #[inline]
    pub fn shards(&self, database: u8) -> Shards<'_> {
        Shards {
            tables: self.databases.tables(usize::from(database)).as_ptr(),
            bits: self.shard_bits,
            keyspace: PhantomData,
        }
    }

    /// A key with its hash.
    #[inline]
    pub fn key<'k>(&self, database: u8, bytes: &'k [u8]) -> Key<'k> {
        Key {
            database,
            bytes,
            hash: self.hash(bytes),
        }
    }

    /// Statistics, summed at `now_ms`. Costs a few hundred nanoseconds per worker.
    pub fn stats(&self, now_ms: u64) -> KeyspaceStats {
        let mut stats = sum(&self.counters, now_ms);
        for database in &mut stats.databases {
            if database.keys > 0 {
                database.table_bytes += self.databases.array_bytes();
            }
        }
        let observers = self.samples.observers();
        stats.misses_saved_by_s3 = observers.shadows.as_ref().map(Shadows::saved_misses);
        stats
    }

    /// Why reads have found nothing, as far as workers have handed over what they have sampled: at most a second ago.
    pub fn miss_reasons(&self, now_ms: u64) -> MissReasons {
        let misses = self.stats(now_ms).misses;
        self.samples.observers().misses.reasons(misses)
    }

    /// What the hit ratio would be with less and with more memory, from the smallest to the largest, as far as workers
    /// have handed over what they have sampled.
    pub fn curve(&self) -> Vec<CurvePoint> {
        self.samples.observers().curve.points()
    }

    /// The numbers of all prefixes, in the order of their rules.
    pub fn prefix_stats(&self) -> Vec<PrefixStats> {
        let stats = |prefixes: &Arc<Prefixes>| prefixes.stats(&self.counters);
        self.prefixes.as_ref().map_or_else(Vec::new, stats)
    }

    /// Memory of the indexes of prefixes that have a limit, in bytes.
    pub fn prefix_index_bytes(&self) -> u64 {
        let prefixes = self.prefixes.as_ref();
        prefixes.map_or(0, |prefixes| prefixes.index_bytes())
    }

    /// What of [`Keyspace::prefix_index_bytes`] they take while they are empty, as they are at the start.
    pub fn empty_prefix_index_bytes(&self) -> u64 {
        let prefixes = self.prefixes.as_ref();
        prefixes.map_or(0, |prefixes| prefixes.empty_index_bytes())
    }

    /// Starts the counts of hits, misses and expired keys anew.
    pub fn reset_stats(&self) {
        self.counters.iter().for_each(Counters::reset);
        self.samples.observers().reset();
    }

    /// Sets how keys are chosen for eviction.
    pub fn set_eviction(&self, eviction: Eviction) {
        if eviction != self.budget.eviction() {
            self.budget.set_eviction(eviction);
            self.s3.forget();
            self.samples.set_shadows(None);
        }
    }

    /// How keys are chosen for eviction.
    pub fn eviction(&self) -> Eviction {
        self.budget.eviction()
    }

    /// Sets the most bytes that entries and their values may take, as [`Keyspace::used_bytes`] counts them; None for no
    /// limit.
    pub fn set_limit(&self, limit: Option<Limit>) {
        self.budget.set_limit(limit);
    }

    /// Whether keys are to be evicted.
    pub fn is_short_of_memory(&self) -> bool {
        self.budget.excess_bytes() > 0 && self.eviction().policy != EvictionPolicy::NoEviction
    }

    /// Whether entries use about as much as they may before some have to go.
    pub fn is_at_limit(&self) -> bool {
        let low_bytes = self.budget.low_bytes();
        low_bytes.is_some_and(|low_bytes| self.used_bytes() >= low_bytes - low_bytes / 32)
    }

    /// Memory of all entries and their values, in bytes. What a command that is being executed adds may be missing.
    pub fn used_bytes(&self) -> u64 {
        let unreported: i64 = self
            .counters
            .iter()
            .map(|counters| counters.unreported_bytes.load(Relaxed))
            .sum();
        (self.budget.used_bytes() + unreported)
            .max(0)
            .cast_unsigned()
    }

    /// Gives memory back that is ready for what comes, if nothing has needed more since the last call. To be called every
    /// few seconds.
    pub fn give_idle_memory_back(&self) {
        self.slabs.give_idle_spare_back();
        local::give_idle_spare_back();
    }

    /// The memory of entries and tables. Costs a lock per size class that is in use.
    pub fn slab_stats(&self) -> SlabStats {
        self.slabs.stats() + local::stats()
    }

    /// Whether memory for entries asks the system for huge pages.
    pub fn huge_pages(&self) -> HugePages {
        self.huge_pages
    }

    /// The number of shards.
    pub fn num_shards(&self) -> usize {
        1 << self.shard_bits
    }

    /// Keys in one database, those that have expired and are not yet removed included.
    pub fn keys(&self, database: u8) -> u64 {
        sum_database(&self.counters, usize::from(database)).0
    }

    /// Bytes of the entries of one database, with all that is behind them.
    pub fn database_bytes(&self, database: u8) -> u64 {
        let bytes = self.counters.iter();
        let bytes: i64 = bytes
            .map(|counters| counters.bytes(usize::from(database)))
            .sum();
        bytes.max(0).cast_unsigned()
    }

    /// Keys in all databases.
    pub(crate) fn keys_of_all(&self) -> u64 {
        (0..DATABASES as u8)
            .map(|database| self.keys(database))
            .sum()
    }

    /// Keys in one database that are of no prefix that keeps them.
    pub(crate) fn keys_to_evict(&self, database: u8) -> u64 {
        let kept = |prefixes: &Arc<Prefixes>| prefixes.kept_keys(&self.counters, database);
        let kept = self.prefixes.as_ref().map_or(0, kept);
        self.keys(database).saturating_sub(kept)
    }

    /// Keys that have a deadline, in one database.
    pub fn deadlines(&self, database: u8) -> u64 {
        sum_database(&self.counters, usize::from(database)).1
    }

    /// How many bytes may be added: what waits to be freed still takes memory.
    #[inline]
    pub(crate) fn room_bytes(&self) -> i64 {
        let room_bytes = self.budget.room_bytes();
        room_bytes.saturating_sub_unsigned(self.background.waiting_bytes())
    }

    /// As [`Keyspace::room_bytes`], but none while a prefix is at its limit, so that writes look whether it is theirs.
    #[inline]
    pub(crate) fn room_bytes_of_all(&self) -> i64 {
        match &self.prefixes {
            Some(prefixes) if prefixes.some_is_full() => i64::MIN,
            _ => self.room_bytes(),
        }
    }

    /// Whether a write waits for memory or is refused.
    #[cold]
    pub(crate) fn when_short(&self, unreported: i64) -> Room {
        if self.prefixes.is_some() && unreported <= self.room_bytes() {
            return Room::ByPrefix;
        }
        if self.background.waiting_bytes() > 0 {
            Room::Soon
        } else {
            self.budget.when_full()
        }
    }

    /// Memory that the workers keep for what comes next, in bytes, as of about a second ago.
    pub fn kept_bytes(&self) -> u64 {
        let kept = |counters: &Counters| counters.kept_bytes.load(Relaxed);
        self.counters.iter().map(kept).sum()
    }

    /// Memory of what the eviction policy remembers besides the entries' bits, in bytes.
    pub fn policy_bytes(&self) -> u64 {
        self.s3.bytes() as u64
    }

    /// Bytes of what was removed and waits to be freed in the background.
    pub fn waiting_bytes(&self) -> u64 {
        self.background.waiting_bytes()
    }

    pub(crate) fn registered_workers(&self) -> usize {
        self.workers.load(Relaxed)
    }

    pub(crate) fn slabs(&self) -> &Slabs {
        &self.slabs
    }

    #[inline]
    pub(crate) fn shard(&self, hash: u64) -> usize {
        table::shard(hash, self.shard_bits)
    }

    /// The first position of a shard.
    #[inline]
    pub(crate) fn start_of(&self, shard: usize) -> u64 {
        // A shift by 64 is not one by 0.
        (shard as u64)
            .checked_shl(64 - self.shard_bits)
            .unwrap_or(0)
    }

    #[inline]
    pub(crate) fn table(&self, database: u8, shard: usize) -> &Table {
        &self.databases.tables(usize::from(database))[shard]
    }
}

/// Where the shards of one database lie, see [`Keyspace::shards`]. They are not looked at: they may be gone.
pub struct Shards<'k> {
    tables: *const Table,
    bits: u32,
    keyspace: PhantomData<&'k Keyspace>,
}

impl Shards<'_> {
    /// Asks the processor for the shard of a key, the first of what looking it up reads; for what its lock takes, too,
    /// unless it `is_read` without. A hint.
    #[inline]
    pub fn prefetch(&self, hash: u64, is_read: bool) {
        let table = self.tables.wrapping_add(table::shard(hash, self.bits));
        Table::prefetch(table);
        if !is_read {
            Table::prefetch_lock(table);
        }
    }
}

/// One thread's access to the keyspace.
pub struct Worker {
    pub(crate) keyspace: Arc<Keyspace>,
    pub(crate) id: usize,
    pub(crate) memory: RefCell<Memory>,
    samples: Buffer,
    pub(crate) sweep: SweepPosition,
    pub(crate) evictor: Evictor,
    pub(crate) mover: Mover,
}

impl Worker {
    /// The keyspace.
    pub fn keyspace(&self) -> &Arc<Keyspace> {
        &self.keyspace
    }

    /// Begins a group of commands that all happen at `now_ms` (milliseconds of the Unix epoch). While a group lives,
    /// memory that other workers retire is not freed, so groups are short. Waits while another worker has the whole
    /// keyspace to itself.
    #[inline]
    pub fn group(&mut self, now_ms: u64) -> Group<'_> {
        if self.samples.is_due() {
            let counters = &self.keyspace.counters[self.id];
            self.samples.hand_over(&self.keyspace, counters);
        }
        Group::new(&self.keyspace, self.id, &self.memory, &self.samples, now_ms)
    }

    /// Gives a little memory back to the system that this worker's commands have freed; whether there is more, so that
    /// it should be called again soon. Between groups.
    pub fn give_memory_back(&mut self) -> bool {
        let magazines = &mut self.memory.get_mut().magazines;
        magazines.give_pages_back(PAGES_GIVEN_BACK) | local::give_pages_back(PAGES_GIVEN_BACK)
    }

    /// Frees what this worker has retired, as far as nobody can read it any more, and gives back free memory that it
    /// has not touched since the last call. Hands over what has been sampled. To be called from time to time: a group frees only when much has come
    /// together.
    pub fn collect(&mut self) {
        let counters = &self.keyspace.counters[self.id];
        self.samples.hand_over(&self.keyspace, counters);
        let memory = self.memory.get_mut();
        memory.collect(&self.keyspace.quiescence, true);
        memory.magazines.give_idle_back();
        let kept_of_elements = local::give_idle_back();
        let kept_bytes = &self.keyspace.counters[self.id].kept_bytes;
        let kept = memory.magazines.kept_bytes() + kept_of_elements;
        kept_bytes.store(kept as u64, Relaxed);
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.collect();
    }
}
