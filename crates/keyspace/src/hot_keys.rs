//! Hot keys: which keys commands name most often, estimated from one command in 128 of each worker.
//!
//! All keys of a sampled command are counted, in a sketch of the worker's own (`hot_keys/sketch.rs`) whose lock nobody
//! else takes except to read the counts. Counts are halved every [`HALF_LIFE_MS`], so they are those of about the last
//! half minute, and keys that have cooled down disappear. A key is what clients name: it need not be there, and what
//! counts for a name stays with it through RENAME and SWAPDB.

mod sketch;

use std::cmp::Reverse;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use parking_lot::Mutex;

use self::sketch::Sketch;
use crate::access::{Group, Key};
use crate::keyspace::Keyspace;
use crate::limits::DATABASES;
use crate::stats::Counter;

/// One command of so many is sampled, on average.
const COMMANDS_FOR_SAMPLE: u64 = 128;
/// After this time, an access counts half.
const HALF_LIFE_MS: u64 = 15_000;
/// A key that has been met less often than this may have been met by chance.
const SAMPLES_MIN: u64 = 4;
/// Rates are never taken over less than this.
const PERIOD_MS_MIN: u64 = 1_000;

/// A key that is used often.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HotKey {
    /// The database.
    pub database: u8,
    /// The key.
    pub key: Box<[u8]>,
    /// Commands that name it, each second: an estimate.
    pub accesses_per_second: u64,
}

/// When the next command of a worker is sampled. Intervals are uniform from 0 to one less than twice their mean, so that
/// no loop of a client escapes.
#[derive(Default)]
pub(crate) struct Interval {
    /// Commands that pass before, between groups.
    left: AtomicU64,
    drawn: Counter,
}

impl Interval {
    /// Passes so many commands; which of them is sampled, of those at most one.
    #[inline]
    fn pass(&self, commands: usize) -> Option<usize> {
        let left = self.left.load(Relaxed);
        if left >= commands as u64 {
            self.left.store(left - commands as u64, Relaxed);
            return None;
        }
        self.drawn.increment();
        let next = left + self.drawn.scrambled() % (2 * COMMANDS_FOR_SAMPLE - 1);
        self.left
            .store(next.saturating_sub(commands as u64), Relaxed);
        Some(left as usize)
    }
}

/// The sketches of all workers.
pub(crate) struct HotKeys {
    sketches: Box<[Mine]>,
    /// Since when accesses are counted; 0 before the first.
    since_ms: AtomicU64,
}

/// A worker's sketch, made when it is needed.
#[repr(align(128))]
#[derive(Default)]
struct Mine(Mutex<Option<Box<Sketch>>>);

/// What the workers together know of a key.
#[derive(Default)]
struct Listed {
    hash: u64,
    samples: u64,
}

impl HotKeys {
    pub fn new(workers_max: usize) -> Self {
        Self {
            sketches: (0..workers_max).map(|_| Mine::default()).collect(),
            since_ms: AtomicU64::new(0),
        }
    }

    /// Memory from the start on, in bytes.
    pub fn bytes_at_start(&self) -> usize {
        size_of_val::<[Mine]>(&self.sketches)
    }

    /// Memory of the sketches that there are, in bytes.
    pub fn bytes_since_start(&self) -> usize {
        let mut bytes = 0;
        self.for_each(|sketch| bytes += sketch.memory_bytes());
        bytes
    }

    /// Counts an access. One that comes while somebody reads the counts is not counted.
    fn record(&self, worker: usize, key: Key<'_>, now_ms: u64) {
        let Some(mut mine) = self.sketches[worker].0.try_lock() else {
            return;
        };
        if self.since_ms.load(Relaxed) == 0 {
            self.since_ms.store(now_ms, Relaxed);
        }
        let sketch = mine.get_or_insert_with(|| Box::new(Sketch::new(worker as u64)));
        sketch.record(key, now_ms / HALF_LIFE_MS);
    }

    /// The hottest keys, hottest first.
    fn hottest(&self, count: usize, now_ms: u64) -> Vec<HotKey> {
        let period = now_ms / HALF_LIFE_MS;
        let mut listed: HashMap<(u8, Box<[u8]>), Listed> = HashMap::new();
        self.for_each(|sketch| {
            sketch.age(period);
            for (key, samples) in sketch.listed() {
                let listed = listed.entry((key.database, key.bytes.into())).or_default();
                listed.hash = key.hash;
                listed.samples += samples;
            }
        });
        // A key may be on some workers' lists only. Of those that it may concern, all workers are asked.
        let mut listed: Vec<_> = listed.into_iter().collect();
        listed.sort_by_key(|(_, listed)| Reverse(listed.samples));
        listed.truncate(count.saturating_mul(2));
        for (_, listed) in &mut listed {
            listed.samples = 0;
        }
        self.for_each(|sketch| {
            for ((database, bytes), listed) in &mut listed {
                listed.samples += sketch.count(Key {
                    database: *database,
                    bytes,
                    hash: listed.hash,
                });
            }
        });
        let period_ms = decayed_ms(self.since_ms.load(Relaxed), now_ms).max(PERIOD_MS_MIN);
        let is_hot = |(_, listed): &(_, Listed)| listed.samples >= SAMPLES_MIN;
        let mut hottest: Vec<HotKey> = listed
            .into_iter()
            .filter(is_hot)
            .map(|((database, key), listed)| HotKey {
                database,
                key,
                accesses_per_second: listed.samples * COMMANDS_FOR_SAMPLE * 1000 / period_ms,
            })
            .collect();
        hottest.sort_by_key(|hot| Reverse(hot.accesses_per_second));
        hottest.truncate(count);
        hottest
    }

    /// Forgets everything.
    fn reset(&self) {
        for mine in &self.sketches {
            *mine.0.lock() = None;
        }
        self.since_ms.store(0, Relaxed);
    }

    /// Forgets the keys of databases that are emptied.
    pub fn forget(&self, databases: &Range<u8>) {
        if databases.len() == DATABASES {
            self.reset();
        } else {
            self.for_each(|sketch| sketch.forget(databases));
        }
    }

    fn for_each(&self, mut work: impl FnMut(&mut Sketch)) {
        for mine in &self.sketches {
            if let Some(sketch) = &mut *mine.0.lock() {
                work(sketch);
            }
        }
    }
}

/// What of the time since `since_ms` is left when it is halved as the counts are.
fn decayed_ms(since_ms: u64, now_ms: u64) -> u64 {
    let (first, last) = (since_ms / HALF_LIFE_MS, now_ms / HALF_LIFE_MS);
    let periods = last.saturating_sub(first);
    if periods == 0 {
        return now_ms.saturating_sub(since_ms);
    }
    let halved = |ms: u64, times: u64| ms.checked_shr(times as u32).unwrap_or(0);
    let whole: u64 = (1..periods.min(64))
        .map(|times| halved(HALF_LIFE_MS, times))
        .sum();
    let first_ms = HALF_LIFE_MS - since_ms % HALF_LIFE_MS;
    now_ms % HALF_LIFE_MS + whole + halved(first_ms, periods.min(64))
}

impl Group<'_> {
    /// Which of the group's commands is sampled, if one of so many is: its keys are told to [`Group::record_access`]. Once
    /// for each group.
    #[inline]
    pub fn sample_one_of(&self, commands: usize) -> Option<usize> {
        self.core.counters.interval.pass(commands)
    }

    /// Counts a sampled access.
    #[cold]
    #[inline(never)]
    pub fn record_access(&self, key: Key<'_>) {
        let core = &self.core;
        core.keyspace.hot_keys.record(core.worker, key, core.now_ms);
    }
}

impl Keyspace {
    /// The keys that most commands name, at most `count` of them, the hottest first. Rates are those of about the last
    /// half minute, or since the counts began.
    pub fn hot_keys(&self, count: usize, now_ms: u64) -> Vec<HotKey> {
        self.hot_keys.hottest(count, now_ms)
    }

    /// Starts to count hot keys anew.
    pub fn reset_hot_keys(&self) {
        self.hot_keys.reset();
    }
}

#[cfg(test)]
mod tests;
