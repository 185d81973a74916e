//! Redis's allkeys-lfu with a log factor of 10 and without decay.

use super::Cache;
use super::eviction_pool::EvictionPool;
use super::slots::Slots;
use crate::keys::Random;

/// `LFU_INIT_VAL`: what a new key counts.
const COUNT_FIRST: u8 = 5;
/// The default of `lfu-log-factor`.
const LOG_FACTOR: f64 = 10.0;

/// Evicts the key with the lowest logarithmic count among those sampled.
pub struct RedisLfu {
    entries: usize,
    slots: Slots,
    pool: EvictionPool,
    counts: Vec<u8>,
    random: Random,
}

impl RedisLfu {
    /// A cache of that many entries.
    pub fn new(entries: usize, seed: u64) -> Self {
        RedisLfu {
            entries,
            slots: Slots::default(),
            pool: EvictionPool::default(),
            counts: Vec::new(),
            random: Random::new(seed),
        }
    }

    /// `LFULogIncr`.
    fn count(&mut self, id: u32) {
        let count = &mut self.counts[id as usize];
        let base = f64::from(count.saturating_sub(COUNT_FIRST));
        if *count < u8::MAX && self.random.unit() < 1.0 / (base * LOG_FACTOR + 1.0) {
            *count += 1;
        }
    }
}

impl Cache for RedisLfu {
    fn access(&mut self, id: u32) -> bool {
        if self.slots.contains(id) {
            self.count(id);
            return true;
        }
        if self.slots.len() == self.entries {
            let counts = &self.counts;
            let score = |id: u32| u64::from(u8::MAX - counts[id as usize]);
            let evicted = self.pool.pick(&self.slots, &mut self.random, score);
            self.slots.remove(evicted);
        }
        if self.counts.len() <= id as usize {
            self.counts.resize(id as usize + 1, 0);
        }
        self.slots.insert(id);
        self.counts[id as usize] = COUNT_FIRST;
        false
    }
}
