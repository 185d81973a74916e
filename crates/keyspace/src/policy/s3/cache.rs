//! A cache of hashes in one mode, to see how it would do: the rules of the policy over a table of its own.

use std::collections::VecDeque;

use super::ghost::Ghost;
use super::{COUNT_MAX, Mode, PASSED_MAX, scaled};
use crate::random::mixed;
use crate::statistics_bytes::vec_bytes;

/// Entries of a bucket, on average.
const BUCKET_ENTRIES: usize = 4;

#[derive(Clone, Copy, Debug)]
struct Entry {
    hash: u64,
    count: u8,
    is_queued: bool,
}

/// See the head of this file.
#[derive(Debug)]
pub(crate) struct S3Cache {
    entries_max: usize,
    entries: usize,
    /// Entries lie in the order of their hashes.
    buckets: Vec<Vec<Entry>>,
    /// The bucket and the place in it where main is inspected next.
    hand: (usize, usize),
    /// The oldest first.
    queue: VecDeque<u64>,
    mode: Mode,
    ghost: Ghost,
}

impl S3Cache {
    /// An empty cache of at most that many entries, from 1 on.
    pub fn new(entries_max: usize, mode: Mode) -> Self {
        Self {
            entries_max,
            entries: 0,
            buckets: buckets(entries_max),
            hand: (0, 0),
            queue: VecDeque::new(),
            mode,
            ghost: Ghost::new(entries_max),
        }
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.entries
    }

    /// Memory besides its own size, in bytes.
    pub fn memory_bytes(&self) -> usize {
        let entries: usize = self.buckets.iter().map(vec_bytes).sum();
        vec_bytes(&self.buckets)
            + entries
            + self.queue.capacity() * size_of::<u64>()
            + self.ghost.bytes()
    }

    /// From now on. Nothing moves until something has to be evicted.
    pub fn set_mode(&mut self, mode: Mode) {
        self.mode = mode;
    }

    /// How many entries there may be, from 1 on; evicts if there are more.
    pub fn set_entries_max(&mut self, entries_max: usize) {
        if entries_max == self.entries_max {
            return;
        }
        self.entries_max = entries_max;
        while self.entries > entries_max {
            self.evict();
        }
        let old = std::mem::replace(&mut self.buckets, buckets(entries_max));
        self.hand.0 = self.hand.0 * self.buckets.len() / old.len();
        self.hand.1 = 0;
        for entry in old.into_iter().flatten() {
            let bucket = self.bucket(entry.hash);
            self.buckets[bucket].push(entry);
        }
        self.ghost.resize(entries_max);
    }

    /// The key is gone, if it was there. It stays in the queue until its turn comes.
    pub fn remove(&mut self, hash: u64) {
        let bucket = self.bucket(hash);
        let before = self.buckets[bucket].len();
        self.buckets[bucket].retain(|entry| entry.hash != hash);
        self.entries -= before - self.buckets[bucket].len();
        self.bound_queue();
    }

    /// Forgets keys, which are not evicted.
    pub fn retain(&mut self, is_kept: &dyn Fn(u64) -> bool) {
        for bucket in &mut self.buckets {
            bucket.retain(|entry| is_kept(entry.hash));
        }
        self.queue.retain(|hash| is_kept(*hash));
        self.entries = self.buckets.iter().map(Vec::len).sum();
    }

    /// Whether the key is there, without using it.
    pub fn contains(&self, hash: u64) -> bool {
        let mut entries = self.buckets[self.bucket(hash)].iter();
        entries.any(|entry| entry.hash == hash)
    }

    /// Those that are gone leave the queue when it is longer than the entries could make it.
    fn bound_queue(&mut self) {
        if self.queue.len() > 2 * self.entries_max {
            let queue = std::mem::take(&mut self.queue);
            self.queue = queue
                .into_iter()
                .filter(|hash| self.contains(*hash))
                .collect();
        }
    }

    /// A read; whether the key is there.
    pub fn read(&mut self, hash: u64) -> bool {
        let found = self.find(hash);
        if let Some(entry) = found {
            entry.count = (entry.count + 1).min(COUNT_MAX);
            return true;
        }
        false
    }

    /// A write, which makes the key be there.
    pub fn write(&mut self, hash: u64) {
        if self.find(hash).is_some() {
            return;
        }
        // Before the eviction, which may overwrite the fingerprint.
        let is_known = self.ghost.take(mixed(hash));
        if self.entries >= self.entries_max {
            self.evict();
        }
        let (is_queued, count) = self.mode.place(is_known);
        let bucket = self.bucket(hash);
        self.buckets[bucket].push(Entry {
            hash,
            count,
            is_queued,
        });
        self.entries += 1;
        if is_queued {
            self.queue.push_back(hash);
            if self.entries < self.entries_max && self.is_queue_long() {
                let oldest = self.queue.pop_front();
                if let Some(entry) = oldest.and_then(|hash| self.find(hash)) {
                    entry.is_queued = false;
                }
            }
        }
    }

    fn is_queue_long(&self) -> bool {
        self.queue.len() > self.mode.target(self.entries_max)
    }

    fn evict(&mut self) {
        let before = self.entries;
        while self.entries == before {
            let is_main_empty = self.queue.len() >= self.entries;
            if (self.is_queue_long() || is_main_empty) && !self.queue.is_empty() {
                self.leave_queue();
            } else {
                self.evict_main();
            }
        }
    }

    fn leave_queue(&mut self) {
        let Some(hash) = self.queue.pop_front() else {
            return;
        };
        let bucket = self.bucket(hash);
        let entries = &mut self.buckets[bucket];
        let Some(place) = entries.iter().position(|entry| entry.hash == hash) else {
            return;
        };
        let entry = &mut entries[place];
        if entry.count > 0 {
            (entry.is_queued, entry.count) = (false, 0);
        } else {
            entries.swap_remove(place);
            self.gone(hash);
        }
    }

    fn evict_main(&mut self) {
        let mut passed = 0;
        loop {
            let (bucket, place) = self.hand;
            let Some(entry) = self.buckets[bucket].get_mut(place) else {
                self.hand = ((bucket + 1) % self.buckets.len(), 0);
                continue;
            };
            if !entry.is_queued {
                if entry.count == 0 || passed == PASSED_MAX {
                    let hash = entry.hash;
                    self.buckets[bucket].swap_remove(place);
                    return self.gone(hash);
                }
                passed += 1;
                entry.count = self.mode.passed(entry.count);
            }
            self.hand.1 += 1;
        }
    }

    fn gone(&mut self, hash: u64) {
        self.entries -= 1;
        self.ghost.insert(mixed(hash));
    }

    fn bucket(&self, hash: u64) -> usize {
        scaled(mixed(hash), self.buckets.len())
    }

    fn find(&mut self, hash: u64) -> Option<&mut Entry> {
        let bucket = self.bucket(hash);
        self.buckets[bucket]
            .iter_mut()
            .find(|entry| entry.hash == hash)
    }
}

fn buckets(entries_max: usize) -> Vec<Vec<Entry>> {
    vec![Vec::new(); entries_max.div_ceil(BUCKET_ENTRIES)]
}

#[cfg(test)]
mod tests {
    use super::super::{MODES, Mode};
    use super::S3Cache;

    #[test]
    fn it_fills_up_and_never_overflows() {
        for mode in MODES {
            let mut cache = S3Cache::new(100, mode);
            for id in 0..1000 {
                for id in [id, id / 3] {
                    cache.read(id);
                    cache.write(id);
                    assert!(cache.read(id), "{mode:?}");
                }
                let stored: usize = cache.buckets.iter().map(Vec::len).sum();
                assert_eq!(stored, cache.entries, "{mode:?}");
                assert!(stored <= 100, "{mode:?}");
            }
            assert_eq!(cache.entries, 100, "{mode:?}");
        }
    }

    #[test]
    fn keys_go_and_sizes_change() {
        for mode in MODES {
            let mut cache = S3Cache::new(200, mode);
            for id in 0..5000 {
                cache.write(id);
                cache.remove(id / 2);
                if id % 500 == 0 {
                    cache.set_entries_max(50 + id as usize % 300);
                    cache.retain(&|hash| hash % 5 > 0);
                }
                let stored: usize = cache.buckets.iter().map(Vec::len).sum();
                assert_eq!(stored, cache.len(), "{mode:?}");
                assert!(stored <= cache.entries_max, "{mode:?}");
                assert!(cache.queue.len() <= 3 * cache.entries_max, "{mode:?}");
            }
        }
    }

    #[test]
    fn what_is_requested_once_leaves_through_the_queue() {
        let mut cache = S3Cache::new(100, Mode::Queue { percent: 10 });
        for id in 0..90 {
            cache.write(id);
            cache.read(id);
        }
        for id in 1000..2000 {
            cache.write(id);
        }
        // A few keys look like remembered ones.
        assert!((0..80).filter(|id| cache.read(*id)).count() >= 75);
    }
}
