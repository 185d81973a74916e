//! What commands do to a sample of the keys, for whoever wants to know how the cache does.
//!
//! Keys are sampled by a hash of their own (SHARDS: Waldspurger, Park, Garthwaite, Ahmad, *Efficient MRC construction
//! with SHARDS*, FAST 2015): whatever happens to a sampled key is seen, and nothing of the others. A command pays for a
//! multiplication and a comparison ([`Core::sample_use`], [`Core::sample_loss`]). What is sampled goes into a buffer of
//! the worker, and from there in batches, between groups, to the [`Observers`] of the whole keyspace. Each of them has a
//! threshold of its own; that of the feed is the highest.
//!
//! | file | what it holds |
//! |---|---|
//! | `observers` | who is told |
//! | `misses` | the reasons of misses |
//! | `curve` | the live miss-ratio curve |
//! | `miniature` | eviction policies in miniature, for the curve |

pub(crate) mod curve;
mod miniature;
pub(crate) mod misses;
mod observers;

use std::cell::{Cell, RefCell};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use parking_lot::{Mutex, MutexGuard};

use self::observers::{Batch, Observers};
use crate::access::{Core, Key};
use crate::keyspace::Keyspace;
use crate::policy::s3::shadows::Shadows;
use crate::random::mixed;
use crate::stats::Counters;

/// Samples that a worker hands over together.
const BATCH_SAMPLES: usize = 256;
/// Samples that wait at most, while another worker hands over its own; further ones are lost.
const WAITING_MAX: usize = 2 * BATCH_SAMPLES;

/// What has happened to a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    /// It was read and there.
    Hit { deadline_ms: Option<u64> },
    /// It was read and not there.
    Miss,
    /// It was stored, new or over what was there. `bytes` is the memory of the entry with its value.
    Written {
        bytes: u64,
        deadline_ms: Option<u64>,
    },
    /// It has another deadline, or none any more.
    Deadline { deadline_ms: Option<u64> },
    /// Its time was up.
    Expired,
    /// It made room, so long after its last access, as far as the policy knows: the access clock of the policies that
    /// keep a time is as fine as the evictions need, a frequency is dated in minutes, and other policies keep nothing.
    Evicted { idle_ms: Option<u64> },
    /// A command removed it. Flushing a database is not seen, but when none has keys left all are forgotten.
    Deleted,
}

/// Something that has happened to a sampled key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sample {
    /// The upper half is the key's rank: it is sampled below a threshold, see [`Sample::is_below`]. The lower half has
    /// nothing to do with the rank, nor with the key's place in the tables, and differs between databases.
    pub hash: u64,
    pub seen: Seen,
    /// When, in milliseconds of the Unix epoch.
    pub now_ms: u64,
}

impl Sample {
    fn new(database: u8, hash: u64, seen: Seen, now_ms: u64) -> Self {
        let low = mixed(hash ^ u64::from(database) << 56) as u32;
        Self {
            hash: u64::from(rank(hash)) << 32 | u64::from(low),
            seen,
            now_ms,
        }
    }

    /// Whether the key is in the sample of this threshold: a share of `threshold / 2^32` of all keys.
    pub fn is_below(&self, threshold: u32) -> bool {
        ((self.hash >> 32) as u32) < threshold
    }
}

/// The order in which keys are sampled. Of the key's hash, low bits do not choose shards and segments; here they choose.
#[inline(always)]
fn rank(hash: u64) -> u32 {
    (hash.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as u32
}

/// Ranks below which keys are sampled; 0 for none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Thresholds {
    /// When they are found or written.
    pub uses: u32,
    /// When they are not found, or go. Not below that of the uses.
    pub losses: u32,
}

/// The part of the feed that all workers share.
pub(crate) struct Samples {
    uses_below: AtomicU32,
    losses_below: AtomicU32,
    observers: Mutex<Observers>,
}

impl Samples {
    pub fn new() -> Self {
        let observers = Observers::new();
        let thresholds = observers.thresholds();
        Self {
            uses_below: AtomicU32::new(thresholds.uses),
            losses_below: AtomicU32::new(thresholds.losses),
            observers: Mutex::new(observers),
        }
    }

    /// What is sampled; the same for a whole group.
    #[inline]
    pub fn thresholds(&self) -> Thresholds {
        Thresholds {
            uses: self.uses_below.load(Relaxed),
            losses: self.losses_below.load(Relaxed),
        }
    }

    /// To ask them, or to start them anew. Workers do not wait for it.
    pub fn observers(&self) -> MutexGuard<'_, Observers> {
        self.observers.lock()
    }

    /// Has these shadows, or none.
    pub fn set_shadows(&self, shadows: Option<Shadows>) {
        let mut observers = self.observers();
        observers.shadows = shadows;
        self.publish(observers.thresholds());
    }

    /// After the observers have changed their minds.
    fn publish(&self, thresholds: Thresholds) {
        if thresholds != self.thresholds() {
            self.uses_below.store(thresholds.uses, Relaxed);
            self.losses_below.store(thresholds.losses, Relaxed);
        }
    }
}

/// What one worker has sampled and not yet handed over.
pub(crate) struct Buffer {
    samples: RefCell<Vec<Sample>>,
    lost: Cell<u64>,
    /// The worker's counts when it last handed over.
    hits: Cell<u64>,
    misses: Cell<u64>,
}

impl Buffer {
    /// The memory that it takes, always.
    pub const MEMORY_BYTES: usize = WAITING_MAX * size_of::<Sample>();

    pub fn new() -> Self {
        Self {
            samples: RefCell::new(Vec::with_capacity(WAITING_MAX)),
            lost: Cell::default(),
            hits: Cell::default(),
            misses: Cell::default(),
        }
    }

    /// Whether a batch has come together.
    #[inline]
    pub fn is_due(&mut self) -> bool {
        self.samples.get_mut().len() >= BATCH_SAMPLES
    }

    #[cold]
    #[inline(never)]
    fn push(&self, sample: Sample) {
        let mut samples = self.samples.borrow_mut();
        if samples.len() < WAITING_MAX {
            samples.push(sample);
        } else {
            self.lost.set(self.lost.get() + 1);
        }
    }

    /// Hands over what there is, unless another worker is doing so.
    #[cold]
    pub fn hand_over(&self, keyspace: &Keyspace, counters: &Counters) {
        if let Some(mut observers) = keyspace.samples.observers.try_lock() {
            self.give(&mut observers, keyspace, counters);
        }
    }

    fn give(&self, observers: &mut Observers, keyspace: &Keyspace, counters: &Counters) {
        let mut samples = self.samples.borrow_mut();
        let Some(last) = samples.last() else {
            return;
        };
        let now_ms = last.now_ms;
        let batch = Batch {
            samples: &samples,
            lost: self.lost.take(),
            hits: since(&self.hits, counters.hits.get()),
            misses: since(&self.misses, counters.misses.get()),
        };
        if let Some(mode) = observers.observe(batch) {
            keyspace.s3.set_mode(mode);
        }
        samples.clear();
        observers.tune(keyspace, now_ms);
        keyspace.samples.publish(observers.thresholds());
    }
}

/// By how much a count has grown since the last time. It may have been set to zero since.
fn since(last: &Cell<u64>, count: u64) -> u64 {
    count.checked_sub(last.replace(count)).unwrap_or(count)
}

impl Core<'_> {
    /// A key was found, or written.
    #[inline(always)]
    pub fn sample_use(&self, key: Key<'_>, seen: impl FnOnce() -> Seen) {
        if rank(key.hash) < self.sampled.uses {
            self.sample(key.database, key.hash, seen());
        }
    }

    /// A key was not found, or is gone.
    #[inline(always)]
    pub fn sample_loss(&self, database: u8, hash: u64, seen: impl FnOnce() -> Seen) {
        if rank(hash) < self.sampled.losses {
            self.sample(database, hash, seen());
        }
    }

    #[cold]
    #[inline(never)]
    fn sample(&self, database: u8, hash: u64, seen: Seen) {
        let sample = Sample::new(database, hash, seen, self.now_ms);
        self.samples.push(sample);
    }

    /// The observers, with what this worker has sampled until now.
    pub fn observers(&self) -> MutexGuard<'_, Observers> {
        let mut observers = self.keyspace.samples.observers();
        self.samples
            .give(&mut observers, self.keyspace, self.counters);
        observers
    }
}
