//! The live miss-ratio curve: what the hit ratio would be with less and with more memory.
//!
//! For each of some sizes, a cache in miniature gets a sample of the keys, and has room for the same share of what the
//! real one would hold (C. Waldspurger, T. Saemundsson, I. Ahmad, N. Park, *Cache modeling and optimization using
//! miniature simulations*, USENIX ATC 2017). Its misses stand for those of all keys.
//!
//! What a client does depends on the real cache, so it is translated. After a miss it may store the key: then a
//! smaller cache has a miss and stores it, a larger one that still has it has a hit. A hit of the real cache that is a
//! miss in a smaller one stores the key there at once: the client would have done it. What is not stored after a miss
//! is not stored in any of them. Deletes and deadlines count for all.
//!
//! How the sample follows the cache: when the keys become more, it becomes smaller, and what does not belong to it any
//! more is forgotten. What is left is what a smaller sample would have been all along, so counting goes on. When they
//! become far fewer, the sample grows, and knows nothing of its new keys; then nothing is counted until it has seen
//! enough to be full.
//!
//! The sample's own luck is taken out where it can be: that the sampled keys miss more often, or less often, in the
//! real cache than all keys do is known, and likely in other sizes, too ([`Size::hit_ratio`]).

use super::miniature::{Access, HashMapByHash, Miniature, miniature};
use super::{Sample, Seen};
use crate::budget::Eviction;
use crate::statistics_bytes::{map_bytes, vec_bytes};

/// The sizes, in parts of the present one.
const FACTORS: [f64; 6] = [0.25, 0.5, 1.0, 2.0, 4.0, 8.0];
/// The most sampled keys for each size.
const KEYS_MAX: f64 = 8192.0;
/// A new sample has room for so much of that, until it has to become smaller again.
const FILLED: f64 = 0.8;
/// The sample becomes larger when it could be so many times as large.
const GROWTH_MIN: f64 = 2.5;
/// It is half as large after so many samples, until it is one key in 128 for each size.
const SAMPLES_PER_RATE: u32 = 256;
const THRESHOLD_LATER: u32 = u32::MAX / 128;
/// Counting begins anew when a size's keys have changed by this.
const KEPT_RATIO: f64 = 1.5;
/// What was counted is worth half after this time.
const HALF_LIFE_MS: f64 = 30.0 * 60.0 * 1000.0;
/// How often it is made to be worth less.
const DECAY_MS: u64 = 1000;
/// From so many sampled misses on it is known how lucky the sample is.
const LUCK_MISSES_MIN: f64 = 64.0;

/// What the hit ratio would be with another amount of memory.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CurvePoint {
    /// The size in parts of the present one.
    pub factor: f64,
    /// The memory of entries, in bytes.
    pub bytes: u64,
    /// The keys for which there would be room.
    pub keys: u64,
    /// The share of reads that would find their key, from 0 to 1. None while there is nothing to tell it from.
    pub hit_ratio: Option<f64>,
    /// The sampled reads that this rests on, older ones counting less.
    pub sampled_reads: u64,
}

/// What the curve is for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Present {
    /// Bytes that entries may take, or do when there is no limit.
    pub bytes: u64,
    /// Keys that these are.
    pub keys: u64,
    pub eviction: Eviction,
    pub now_ms: u64,
}

/// See the head of this file.
#[derive(Debug)]
pub(crate) struct Curve {
    sizes: Vec<Size>,
    eviction: Eviction,
    bytes: u64,
    /// No size samples keys from here on.
    threshold_max: u32,
    samples_until_slower: u32,
    decayed_ms: u64,
}

impl Curve {
    pub fn new() -> Self {
        let eviction = Eviction::default();
        Self {
            sizes: FACTORS.map(|factor| Size::new(factor, eviction)).into(),
            eviction,
            bytes: 0,
            threshold_max: u32::MAX,
            samples_until_slower: SAMPLES_PER_RATE,
            decayed_ms: 0,
        }
    }

    pub fn threshold(&self) -> u32 {
        let thresholds = self.sizes.iter().map(|size| size.threshold);
        thresholds.max().unwrap_or(0)
    }

    /// Takes samples over. `reads` is how many there were of all keys, `misses` how many of those.
    pub fn observe(&mut self, samples: &[Sample], reads: f64, misses: f64) {
        let threshold = self.threshold();
        for sample in samples.iter().filter(|sample| sample.is_below(threshold)) {
            self.samples_until_slower = self.samples_until_slower.saturating_sub(1);
            for size in &mut self.sizes {
                if sample.is_below(size.threshold) {
                    size.observe(sample);
                }
            }
        }
        for size in &mut self.sizes {
            size.count_all(reads, misses);
        }
        if self.samples_until_slower == 0 {
            self.samples_until_slower = SAMPLES_PER_RATE;
            self.threshold_max = (self.threshold_max / 2).max(THRESHOLD_LATER);
        }
    }

    /// Follows the size of the keyspace and the policy.
    pub fn tune(&mut self, present: Present) {
        if self.eviction != present.eviction {
            self.eviction = present.eviction;
            self.sizes = FACTORS
                .map(|factor| Size::new(factor, self.eviction))
                .into();
        }
        self.bytes = present.bytes;
        for size in &mut self.sizes {
            size.tune(present.keys as f64, self.threshold_max);
        }
        if self.decayed_ms == 0 {
            self.decayed_ms = present.now_ms;
        }
        let passed_ms = present.now_ms.saturating_sub(self.decayed_ms);
        if passed_ms >= DECAY_MS {
            self.decayed_ms = present.now_ms;
            let kept = 0.5_f64.powf(passed_ms as f64 / HALF_LIFE_MS);
            self.sizes
                .iter_mut()
                .for_each(|size| size.counts.scale(kept));
        }
    }

    pub fn reset(&mut self) {
        for size in &mut self.sizes {
            size.counts = Counts::default();
        }
    }

    /// All keys are gone, from every size.
    pub fn forget_keys(&mut self) {
        for size in &mut self.sizes {
            size.forget_keys(self.eviction);
        }
    }

    /// Memory, in bytes.
    pub fn memory_bytes(&self) -> usize {
        let of_sizes = self.sizes.iter().map(Size::memory_bytes);
        vec_bytes(&self.sizes) + of_sizes.sum::<usize>()
    }

    pub fn points(&self) -> Vec<CurvePoint> {
        let point = |size: &Size| CurvePoint {
            factor: size.factor,
            bytes: (size.factor * self.bytes as f64) as u64,
            keys: size.keys as u64,
            hit_ratio: size.hit_ratio(),
            sampled_reads: size.counts.sampled_reads as u64,
        };
        self.sizes.iter().map(point).collect()
    }
}

/// One size.
#[derive(Debug)]
struct Size {
    factor: f64,
    /// For which there would be room; 0 while nothing is known.
    keys: f64,
    threshold: u32,
    cache: Box<dyn Miniature>,
    /// Of sampled keys that have one.
    deadlines: HashMapByHash<u64>,
    /// Samples until the cache is taken for filled.
    warming: u32,
    counts: Counts,
    /// The keys when these counts began.
    counted_keys: f64,
}

/// Older ones are worth less.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    /// Of all keys.
    reads: f64,
    misses: f64,
    sampled_reads: f64,
    /// Each for the keys that the sampled one stands for: by the miniature, and by the real cache.
    simulated_misses: f64,
    sampled_misses: f64,
    /// Real misses that were sampled.
    misses_seen: f64,
}

impl Counts {
    fn scale(&mut self, by: f64) {
        for count in [
            &mut self.reads,
            &mut self.misses,
            &mut self.sampled_reads,
            &mut self.simulated_misses,
            &mut self.sampled_misses,
            &mut self.misses_seen,
        ] {
            *count *= by;
        }
    }
}

impl Size {
    fn new(factor: f64, eviction: Eviction) -> Self {
        let mut size = Self {
            factor,
            keys: 0.0,
            threshold: u32::MAX,
            cache: miniature(eviction),
            deadlines: HashMapByHash::default(),
            warming: 0,
            counts: Counts::default(),
            counted_keys: 0.0,
        };
        size.cache.set_keys_max(KEYS_MAX as usize);
        size
    }

    fn forget_keys(&mut self, eviction: Eviction) {
        let keys_max = self.keys_max();
        self.cache = miniature(eviction);
        self.cache.set_keys_max(keys_max);
        self.deadlines = HashMapByHash::default();
    }

    fn memory_bytes(&self) -> usize {
        self.cache.memory_bytes() + map_bytes(&self.deadlines)
    }

    /// How many keys there is room for in the sample.
    fn keys_max(&self) -> usize {
        (self.rate() * self.keys).round().max(1.0) as usize
    }

    /// The share of the keys that is sampled.
    fn rate(&self) -> f64 {
        f64::from(self.threshold) / f64::from(u32::MAX)
    }

    fn observe(&mut self, sample: &Sample) {
        let mut access = Access {
            hash: sample.hash,
            now_ms: sample.now_ms,
            deadline_ms: None,
        };
        self.warming = self.warming.saturating_sub(1);
        match sample.seen {
            Seen::Hit { deadline_ms } => {
                let is_hit = self.read(access);
                self.count(is_hit, true);
                if !is_hit {
                    access.deadline_ms = deadline_ms;
                    self.write(access);
                }
            }
            Seen::Miss => {
                let is_hit = self.read(access);
                self.count(is_hit, false);
            }
            Seen::Written { deadline_ms, .. } => {
                access.deadline_ms = deadline_ms;
                self.write(access);
            }
            Seen::Deadline { deadline_ms } => {
                access.deadline_ms = deadline_ms;
                self.set_deadline(access);
                self.cache.set_deadline(access);
            }
            Seen::Expired | Seen::Deleted => self.remove(sample.hash),
            Seen::Evicted { .. } => {}
        }
    }

    fn read(&mut self, access: Access) -> bool {
        let deadline_ms = self.deadlines.get(&access.hash);
        if deadline_ms.is_some_and(|deadline_ms| *deadline_ms <= access.now_ms) {
            self.remove(access.hash);
            return false;
        }
        self.cache.read(access)
    }

    fn write(&mut self, access: Access) {
        self.set_deadline(access);
        self.cache.write(access);
    }

    fn remove(&mut self, hash: u64) {
        self.deadlines.remove(&hash);
        self.cache.remove(hash);
    }

    fn set_deadline(&mut self, access: Access) {
        let Some(deadline_ms) = access.deadline_ms else {
            self.deadlines.remove(&access.hash);
            return;
        };
        // Evicted keys leave theirs behind.
        if self.deadlines.len() > 2 * KEYS_MAX as usize {
            let cache = &self.cache;
            self.deadlines.retain(|hash, _| cache.contains(*hash));
        }
        self.deadlines.insert(access.hash, deadline_ms);
    }

    fn count(&mut self, is_hit: bool, is_real_hit: bool) {
        if self.warming > 0 {
            return;
        }
        let weight = 1.0 / self.rate();
        self.counts.sampled_reads += 1.0;
        if !is_hit {
            self.counts.simulated_misses += weight;
        }
        if !is_real_hit {
            self.counts.sampled_misses += weight;
            self.counts.misses_seen += 1.0;
        }
    }

    fn count_all(&mut self, reads: f64, misses: f64) {
        if self.warming == 0 {
            self.counts.reads += reads;
            self.counts.misses += misses;
        }
    }

    fn tune(&mut self, present_keys: f64, threshold_max: u32) {
        self.keys = present_keys * self.factor;
        if self.keys < 1.0 {
            return;
        }
        if self.keys.max(self.counted_keys) > KEPT_RATIO * self.keys.min(self.counted_keys) {
            if self.counted_keys > 0.0 {
                self.counts = Counts::default();
            }
            self.counted_keys = self.keys;
        }
        let sampled = |keys: f64| (keys / self.keys * f64::from(u32::MAX)) as u32;
        let wanted = sampled(KEYS_MAX).min(threshold_max);
        if wanted < self.threshold {
            let threshold = sampled(KEYS_MAX * FILLED).min(threshold_max).max(1);
            self.shrink_to(threshold);
        } else if f64::from(wanted) > GROWTH_MIN * f64::from(self.threshold) {
            self.threshold = sampled(KEYS_MAX * FILLED).min(threshold_max).max(1);
            self.warming = 4 * (self.rate() * self.keys) as u32;
        }
        let keys_max = self.keys_max();
        self.cache.set_keys_max(keys_max);
        if self.cache.len() >= keys_max {
            self.warming = 0;
        }
    }

    fn shrink_to(&mut self, threshold: u32) {
        self.threshold = threshold;
        let is_kept = |hash: u64| ((hash >> 32) as u32) < threshold;
        self.cache.retain(&is_kept);
        self.deadlines.retain(|hash, _| is_kept(*hash));
    }

    /// The share of misses is that of the miniature, corrected by the luck of its sample. A size that misses more often
    /// than the real cache misses all that the real one does, so it has the same luck once; of the luck of the real one,
    /// a size that misses less often has its share (control variates).
    fn hit_ratio(&self) -> Option<f64> {
        let counts = &self.counts;
        if self.keys < 1.0 || counts.reads < 1.0 || counts.sampled_reads < 1.0 {
            return None;
        }
        let mut misses = counts.simulated_misses;
        if counts.misses_seen >= LUCK_MISSES_MIN {
            let share = (counts.simulated_misses / counts.sampled_misses).min(1.0);
            misses += share * (counts.misses - counts.sampled_misses);
        }
        Some((1.0 - misses / counts.reads).clamp(0.0, 1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::{Curve, FACTORS, Present, THRESHOLD_LATER};
    use crate::budget::Eviction;
    use crate::random::mixed;
    use crate::samples::{Sample, Seen};

    const NOW_MS: u64 = 1_000_000;

    fn tune(curve: &mut Curve, keys: u64) {
        curve.tune(Present {
            bytes: keys * 100,
            keys,
            eviction: Eviction::default(),
            now_ms: NOW_MS,
        });
    }

    fn see_at(curve: &mut Curve, number: u64, seen: Seen, now_ms: u64) {
        let sample = Sample::new(0, mixed(number + 1), seen, now_ms);
        let (reads, misses) = match seen {
            Seen::Hit { .. } => (1.0, 0.0),
            Seen::Miss => (1.0, 1.0),
            _ => (0.0, 0.0),
        };
        curve.observe(&[sample], reads, misses);
    }

    fn see(curve: &mut Curve, number: u64, seen: Seen) {
        see_at(curve, number, seen, NOW_MS);
    }

    const HIT: Seen = Seen::Hit { deadline_ms: None };
    const WRITTEN: Seen = Seen::Written {
        bytes: 100,
        deadline_ms: None,
    };

    fn ratios(curve: &Curve) -> Vec<f64> {
        let points = curve.points();
        points.iter().filter_map(|point| point.hit_ratio).collect()
    }

    #[test]
    fn after_a_flush_no_size_has_keys_or_memory() {
        let mut curve = Curve::new();
        let empty_bytes = curve.memory_bytes();
        tune(&mut curve, 1000);
        let deadline_ms = Some(NOW_MS + 1000);
        for number in 0..200 {
            let bytes = 100;
            see(&mut curve, number, Seen::Written { bytes, deadline_ms });
        }
        let kept_bytes = curve.memory_bytes() - empty_bytes;
        assert!(kept_bytes > FACTORS.len() * 200 * 2 * 8, "{kept_bytes}");
        see(&mut curve, 1, HIT);
        assert_eq!(ratios(&curve), [1.0; FACTORS.len()]);
        curve.forget_keys();
        assert_eq!(curve.memory_bytes(), empty_bytes);
        see(&mut curve, 1, Seen::Miss);
        assert_eq!(ratios(&curve), [0.5; FACTORS.len()]);
    }

    #[test]
    fn what_is_read_and_not_stored_is_in_no_size() {
        let mut curve = Curve::new();
        tune(&mut curve, 16);
        for _ in 0..10 {
            see(&mut curve, 1, Seen::Miss);
        }
        assert_eq!(ratios(&curve), [0.0; FACTORS.len()]);
        see(&mut curve, 1, WRITTEN);
        for _ in 0..10 {
            see(&mut curve, 1, HIT);
        }
        assert_eq!(ratios(&curve), [0.5; FACTORS.len()]);
        see(&mut curve, 1, Seen::Deleted);
        for _ in 0..20 {
            see(&mut curve, 1, Seen::Miss);
        }
        assert_eq!(ratios(&curve), [0.25; FACTORS.len()]);
    }

    #[test]
    fn a_loop_fits_or_does_not() {
        let mut curve = Curve::new();
        tune(&mut curve, 16);
        // Of 32 keys that are read in turns, the present 16 are never the next ones.
        for turn in 0..10 {
            for number in 0..32 {
                see(&mut curve, number, Seen::Miss);
                see(&mut curve, number, WRITTEN);
            }
            if turn == 0 {
                curve.reset();
            }
        }
        assert_eq!(ratios(&curve), [0.0, 0.0, 0.0, 1.0, 1.0, 1.0]);
        // The present cache has a key that a smaller one has not: the client stores it there, too.
        curve.reset();
        see(&mut curve, 16, HIT);
        see(&mut curve, 16, HIT);
        assert_eq!(ratios(&curve), [0.5, 0.5, 1.0, 1.0, 1.0, 1.0]);
    }

    #[test]
    fn deadlines_hold_in_all_sizes() {
        let mut curve = Curve::new();
        tune(&mut curve, 16);
        let deadline_ms = Some(NOW_MS + 10);
        let expiring = Seen::Written {
            bytes: 100,
            deadline_ms,
        };
        for number in 0..2 {
            see(&mut curve, number, expiring);
        }
        see(&mut curve, 1, Seen::Deadline { deadline_ms: None });
        for number in 0..2 {
            see_at(&mut curve, number, Seen::Miss, NOW_MS + 10);
        }
        assert_eq!(ratios(&curve), [0.5; FACTORS.len()]);
    }

    #[test]
    fn the_sample_follows_the_number_of_keys() {
        let mut curve = Curve::new();
        tune(&mut curve, 1000);
        for number in 0..200_000 {
            see(&mut curve, number, WRITTEN);
            if number % 100 == 0 {
                tune(&mut curve, 1000);
            }
        }
        assert_eq!(curve.threshold(), THRESHOLD_LATER);
        tune(&mut curve, 100_000_000);
        for size in &curve.sizes {
            assert!(size.keys * size.rate() < 8192.0, "{size:?}");
        }
        let threshold = curve.threshold();
        tune(&mut curve, 90_000_000);
        assert_eq!(curve.threshold(), threshold);
        tune(&mut curve, 10_000_000);
        assert!(curve.threshold() > threshold);
    }
}
