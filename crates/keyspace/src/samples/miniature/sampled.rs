//! The policies that choose among some entries at random.

use super::{Access, HashMapByHash, Miniature, gone};
use crate::budget::Eviction;
use crate::policy::Order;
use crate::policy::bits::{Frequency, Touch, Use};
use crate::random::Random;
use crate::statistics_bytes::{map_bytes, vec_bytes};

/// Entries that are looked at for each that goes. The server looks at fewer at a time and keeps the best; so many are
/// as good.
const LOOKED_AT: usize = 16;

#[derive(Clone, Copy, Debug)]
struct Entry {
    hash: u64,
    /// When it was last used, counted in accesses.
    used: u64,
    /// As those of the server's entries.
    frequency_bits: u32,
    deadline_ms: Option<u64>,
}

/// See the head of this file.
#[derive(Debug)]
pub(super) struct Sampled {
    order: Order,
    is_volatile: bool,
    frequency: Frequency,
    keys_max: usize,
    entries: Vec<Entry>,
    places: HashMapByHash<u32>,
    /// Counts accesses.
    time: u64,
    /// Of the last access.
    now_ms: u64,
    random: Random,
}

impl Sampled {
    /// An empty cache. Policies that evict nothing count as least recently used.
    pub fn new(eviction: Eviction) -> Self {
        Self {
            order: eviction.policy.order().unwrap_or(Order::Lru),
            is_volatile: eviction.policy.is_volatile(),
            frequency: Frequency {
                log_factor: eviction.lfu_log_factor,
                decay_minutes: eviction.lfu_decay_minutes,
            },
            keys_max: 1,
            entries: Vec::new(),
            places: HashMapByHash::default(),
            time: 0,
            now_ms: 0,
            random: Random::default(),
        }
    }

    fn touch(&self) -> Touch {
        Touch::new(Use::Frequency, 0, self.now_ms, self.frequency)
    }

    /// The higher, the sooner it goes; None when it may not go.
    fn score(&self, entry: &Entry, touch: &Touch) -> Option<u64> {
        if self.is_volatile && entry.deadline_ms.is_none() {
            return None;
        }
        Some(match self.order {
            // Adaptive S3 among keys with a deadline is taken for LRU, which it is in plain mode.
            Order::Lru | Order::S3Fifo => u64::MAX - entry.used,
            Order::Lfu => u64::from(u8::MAX) - u64::from(touch.counter(entry.frequency_bits)),
            Order::Ttl => u64::MAX - entry.deadline_ms.unwrap_or(u64::MAX),
            Order::Random => 0,
        })
    }

    fn evict_down_to(&mut self, keys_max: usize) {
        let touch = self.touch();
        while self.entries.len() > keys_max {
            let looked_at = match (self.order, self.is_volatile) {
                (Order::Random, false) => 1,
                _ => LOOKED_AT,
            };
            let mut best = None;
            // Where nothing may go, the server refuses writes, and it does not matter what goes here.
            let mut goes = 0;
            for _ in 0..looked_at {
                let random = self.random.bits() >> 32;
                let place = ((random * self.entries.len() as u64) >> 32) as usize;
                let score = self.score(&self.entries[place], &touch);
                if score > best {
                    (best, goes) = (score, place);
                }
            }
            self.remove(self.entries[goes].hash);
        }
    }
}

impl Miniature for Sampled {
    fn read(&mut self, access: Access) -> bool {
        let Some(&place) = self.places.get(&access.hash) else {
            return false;
        };
        self.time += 1;
        self.now_ms = access.now_ms;
        let (time, touch, random) = (self.time, self.touch(), self.random.bits());
        let entry = &mut self.entries[place as usize];
        entry.used = time;
        if self.order == Order::Lfu {
            entry.frequency_bits = touch.used(entry.frequency_bits, || random >> 16);
        }
        true
    }

    fn write(&mut self, access: Access) {
        self.time += 1;
        self.now_ms = access.now_ms;
        if let Some(&place) = self.places.get(&access.hash) {
            let entry = &mut self.entries[place as usize];
            entry.used = self.time;
            entry.deadline_ms = access.deadline_ms;
            return;
        }
        self.evict_down_to(self.keys_max - 1);
        self.places.insert(access.hash, self.entries.len() as u32);
        self.entries.push(Entry {
            hash: access.hash,
            used: self.time,
            frequency_bits: self.touch().at_first(),
            deadline_ms: access.deadline_ms,
        });
    }

    fn set_deadline(&mut self, access: Access) {
        if let Some(&place) = self.places.get(&access.hash) {
            self.entries[place as usize].deadline_ms = access.deadline_ms;
        }
    }

    fn remove(&mut self, hash: u64) {
        if let Some(place) = self.places.remove(&hash) {
            self.entries.swap_remove(place as usize);
            if let Some(moved) = self.entries.get(place as usize) {
                self.places.insert(moved.hash, place);
            }
        }
    }

    fn contains(&self, hash: u64) -> bool {
        self.places.contains_key(&hash)
    }

    fn len(&self) -> usize {
        self.entries.len()
    }

    fn set_keys_max(&mut self, keys_max: usize) {
        self.keys_max = keys_max.max(1);
        self.evict_down_to(self.keys_max);
    }

    fn retain(&mut self, is_kept: &dyn Fn(u64) -> bool) {
        for hash in gone(&self.places, is_kept) {
            self.remove(hash);
        }
    }

    fn memory_bytes(&self) -> usize {
        size_of::<Self>() + map_bytes(&self.places) + vec_bytes(&self.entries)
    }
}

#[cfg(test)]
mod tests {
    use super::{Access, Eviction, Miniature, Order, Sampled};
    use crate::policy::EvictionPolicy;

    fn access(hash: u64, deadline_ms: Option<u64>) -> Access {
        Access {
            hash,
            now_ms: 60_000,
            deadline_ms,
        }
    }

    fn full(policy: EvictionPolicy) -> Sampled {
        let mut cache = Sampled::new(Eviction {
            policy,
            ..Eviction::default()
        });
        cache.set_keys_max(1000);
        for hash in 0..1000 {
            cache.write(access(hash, Some(1000 + hash)));
        }
        cache
    }

    fn kept(cache: &Sampled, hashes: std::ops::Range<u64>) -> usize {
        hashes.filter(|hash| cache.contains(*hash)).count()
    }

    #[test]
    fn what_each_policy_keeps() {
        for order in [Order::Lru, Order::Lfu] {
            let mut cache = full(EvictionPolicy::AllKeys(order));
            for hash in (0..200).cycle().take(20_000) {
                assert!(cache.read(access(hash, None)));
            }
            for hash in 1000..1700 {
                cache.write(access(hash, None));
            }
            assert_eq!(cache.len(), 1000);
            let kept = kept(&cache, 0..200);
            assert!(kept > 175, "{order:?}: {kept}");
        }
        let mut cache = full(EvictionPolicy::Volatile(Order::Ttl));
        for hash in 1000..1500 {
            cache.write(access(hash, None));
        }
        assert_eq!(kept(&cache, 1000..1500), 500);
        assert!(kept(&cache, 0..500) < 100);
        let mut cache = full(EvictionPolicy::AllKeys(Order::Random));
        cache.set_keys_max(500);
        assert!((200..300).contains(&kept(&cache, 0..500)));
        cache.retain(&|hash| hash < 500);
        assert_eq!(cache.len(), kept(&cache, 0..500));
    }
}
