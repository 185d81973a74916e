//! Redis's allkeys-lru with a perfect clock: every request has a time of its own.

use super::Cache;
use super::eviction_pool::EvictionPool;
use super::slots::Slots;
use crate::keys::Random;

/// Evicts the key that was unused for longest among those sampled.
pub struct RedisLru {
    entries: usize,
    slots: Slots,
    pool: EvictionPool,
    /// When each key was last requested.
    used: Vec<u64>,
    time: u64,
    random: Random,
}

impl RedisLru {
    /// A cache of that many entries.
    pub fn new(entries: usize, seed: u64) -> Self {
        RedisLru {
            entries,
            slots: Slots::default(),
            pool: EvictionPool::default(),
            used: Vec::new(),
            time: 0,
            random: Random::new(seed),
        }
    }
}

impl Cache for RedisLru {
    fn access(&mut self, id: u32) -> bool {
        self.time += 1;
        if self.used.len() <= id as usize {
            self.used.resize(id as usize + 1, 0);
        }
        let hit = self.slots.contains(id);
        if !hit {
            if self.slots.len() == self.entries {
                let (used, time) = (&self.used, self.time);
                let idle = |id: u32| time - used[id as usize];
                let evicted = self.pool.pick(&self.slots, &mut self.random, idle);
                self.slots.remove(evicted);
            }
            self.slots.insert(id);
        }
        self.used[id as usize] = self.time;
        hit
    }
}
