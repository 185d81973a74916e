//! What one worker knows of hot keys: the keys that come most often, counted in little memory.
//!
//! HeavyKeeper (Gong et al., *HeavyKeeper: An Accurate Algorithm for Finding Top-k Elephant Flows*, USENIX ATC 2018):
//! each of two rows has a bucket for the key, with the key's fingerprint and a count. A key that meets another's bucket
//! lowers the count with a probability that falls with the count, and takes the bucket when nothing is left. So keys
//! that come once in a while hold no bucket for long, and those that come often are hardly disturbed: counts are
//! too low, if anything. Keys whose count is among the largest are listed by name.

use std::array::from_fn;
use std::ops::Range;

use crate::access::Key;
use crate::random::Random;
use crate::statistics_bytes::vec_bytes;

/// Keys that are listed.
const LISTED: usize = 64;
/// Keys that are longer than this are not listed.
pub(super) const KEY_BYTES_MAX: usize = 1024;
const ROWS: usize = 2;
const BUCKET_BITS: u32 = 10;
/// The chance to lower a count is this to the power of minus the count (the paper's).
const DECAY_BASE: f64 = 1.08;
/// Larger counts are not lowered: their chance is below 2^-28.
const DECAYING_MAX: usize = 256;
const DECAY: [u32; DECAYING_MAX] = decay_chances();

/// See the module.
pub(super) struct Sketch {
    rows: [[Bucket; 1 << BUCKET_BITS]; ROWS],
    /// The fingerprints and counts of listed keys, apart from their names: they are gone through often.
    fingerprints: [u32; LISTED],
    counts: [u32; LISTED],
    names: Vec<Name>,
    /// The smallest count on a full list, else 0.
    count_min: u32,
    /// The last period for which counts have been halved.
    period: u64,
    random: Random,
}

#[derive(Clone, Copy, Default)]
struct Bucket {
    fingerprint: u32,
    count: u32,
}

struct Name {
    database: u8,
    bytes: Vec<u8>,
    hash: u64,
}

/// Where a key is counted.
struct Places {
    fingerprint: u32,
    buckets: [usize; ROWS],
}

impl Places {
    fn of(key: Key<'_>) -> Self {
        // The highest bits of hashes are not uniform.
        let database = u64::from(key.database) + 1;
        let mixed = (key.hash ^ (key.hash >> 32) ^ database.wrapping_mul(0x9e37_79b9_7f4a_7c15))
            .wrapping_mul(0xd6e8_feb8_6659_fd93);
        let bucket = |row: usize| mixed >> (64 - BUCKET_BITS * (row as u32 + 1));
        Self {
            fingerprint: mixed as u32,
            buckets: from_fn(|row| bucket(row) as usize & ((1 << BUCKET_BITS) - 1)),
        }
    }
}

impl Sketch {
    pub fn new(seed: u64) -> Self {
        Self {
            rows: [[Bucket::default(); 1 << BUCKET_BITS]; ROWS],
            fingerprints: [0; LISTED],
            counts: [0; LISTED],
            names: Vec::new(),
            count_min: 0,
            period: 0,
            random: Random::new(seed + 1),
        }
    }

    /// Memory, in bytes.
    pub fn memory_bytes(&self) -> usize {
        let names = self.names.iter().map(|name| vec_bytes(&name.bytes));
        size_of::<Self>() + vec_bytes(&self.names) + names.sum::<usize>()
    }

    /// Counts an access in this period.
    pub fn record(&mut self, key: Key<'_>, period: u64) {
        self.age(period);
        let places = Places::of(key);
        let mut count = 0;
        for row in 0..ROWS {
            count = count.max(self.count_in_row(row, &places));
        }
        if count > self.count_min && key.bytes.len() <= KEY_BYTES_MAX {
            self.list(key, places.fingerprint, count);
        }
    }

    /// Counts an access in one row; the key's count there.
    fn count_in_row(&mut self, row: usize, places: &Places) -> u32 {
        let bucket = self.rows[row][places.buckets[row]];
        let count = if bucket.count > 0 && bucket.fingerprint != places.fingerprint {
            let chance = DECAY.get(bucket.count as usize).copied().unwrap_or(0);
            if (self.random.bits() >> 32) as u32 >= chance {
                return 0;
            }
            if bucket.count > 1 {
                self.rows[row][places.buckets[row]].count -= 1;
                return 0;
            }
            1
        } else {
            bucket.count + 1
        };
        self.rows[row][places.buckets[row]] = Bucket {
            fingerprint: places.fingerprint,
            count,
        };
        count
    }

    /// Lists a key with its count, if need be instead of the one with the smallest.
    fn list(&mut self, key: Key<'_>, fingerprint: u32, count: u32) {
        let at = match self.place(key, fingerprint) {
            Some(at) => at,
            None => self.place_for_new(key, fingerprint),
        };
        let before = self.counts[at];
        self.counts[at] = before.max(count);
        if before <= self.count_min {
            self.find_min();
        }
    }

    fn place(&self, key: Key<'_>, fingerprint: u32) -> Option<usize> {
        (0..self.names.len()).find(|at| {
            let name = &self.names[*at];
            self.fingerprints[*at] == fingerprint
                && name.database == key.database
                && name.bytes == key.bytes
        })
    }

    fn place_for_new(&mut self, key: Key<'_>, fingerprint: u32) -> usize {
        let at = if self.names.len() < LISTED {
            self.names.push(Name {
                database: 0,
                bytes: Vec::new(),
                hash: 0,
            });
            self.names.len() - 1
        } else {
            let min = self
                .counts
                .iter()
                .enumerate()
                .min_by_key(|(_, count)| **count);
            min.map_or(0, |(at, _)| at)
        };
        let name = &mut self.names[at];
        name.database = key.database;
        name.hash = key.hash;
        name.bytes.clear();
        name.bytes.extend_from_slice(key.bytes);
        self.fingerprints[at] = fingerprint;
        self.counts[at] = 0;
        at
    }

    fn find_min(&mut self) {
        let is_full = self.names.len() == LISTED;
        let min = self.counts.iter().min().filter(|_| is_full);
        self.count_min = min.copied().unwrap_or(0);
    }

    /// Halves the counts once for each period that has begun since the last one. Time that goes back changes nothing.
    pub fn age(&mut self, period: u64) {
        if period <= self.period {
            return;
        }
        let periods = (period - self.period).min(31) as u32;
        self.period = period;
        for bucket in self.rows.iter_mut().flatten() {
            bucket.count >>= periods;
        }
        self.counts.iter_mut().for_each(|count| *count >>= periods);
        self.find_min();
    }

    /// Forgets the keys of databases as far as they are listed.
    pub fn forget(&mut self, databases: &Range<u8>) {
        let mut at = 0;
        while at < self.names.len() {
            if databases.contains(&self.names[at].database) {
                self.unlist(at);
            } else {
                at += 1;
            }
        }
        self.find_min();
    }

    fn unlist(&mut self, at: usize) {
        let last = self.names.len() - 1;
        let name = self.names.swap_remove(at);
        self.fingerprints.swap(at, last);
        self.counts.swap(at, last);
        self.counts[last] = 0;
        let places = Places::of(name.key());
        for (row, bucket) in self.rows.iter_mut().zip(places.buckets) {
            if row[bucket].fingerprint == places.fingerprint {
                row[bucket].count = 0;
            }
        }
    }

    /// The keys that are listed, and how often they have been met.
    pub fn listed(&self) -> impl Iterator<Item = (Key<'_>, u64)> {
        let counts = self.counts.iter().map(|count| u64::from(*count));
        self.names.iter().map(Name::key).zip(counts)
    }

    /// How often a key has been met.
    pub fn count(&self, key: Key<'_>) -> u64 {
        let places = Places::of(key);
        let in_row = |(row, bucket): (&[Bucket; 1 << BUCKET_BITS], usize)| {
            let bucket = row[bucket];
            let is_of_key = bucket.fingerprint == places.fingerprint;
            if is_of_key { bucket.count } else { 0 }
        };
        let counts = self.rows.iter().zip(places.buckets).map(in_row);
        let listed = self.place(key, places.fingerprint);
        let listed = listed.map(|at| self.counts[at]);
        counts.chain(listed).max().unwrap_or(0).into()
    }
}

impl Name {
    fn key(&self) -> Key<'_> {
        Key {
            database: self.database,
            bytes: &self.bytes,
            hash: self.hash,
        }
    }
}

/// 2^32 times the chance for each count.
const fn decay_chances() -> [u32; DECAYING_MAX] {
    let mut chances = [0; DECAYING_MAX];
    let mut chance = u32::MAX as f64;
    let mut count = 0;
    while count < DECAYING_MAX {
        chances[count] = chance as u32;
        chance /= DECAY_BASE;
        count += 1;
    }
    chances
}
