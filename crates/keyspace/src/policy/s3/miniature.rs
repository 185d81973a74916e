//! A small cache in one mode, to see how it would do: the rules of the policy over a table of its own.

use std::collections::VecDeque;

use super::ghost::Ghost;
use super::{COUNT_MAX, Mode, PASSED_MAX, scaled};

/// Entries of a bucket, on average.
const BUCKET_ENTRIES: usize = 4;

#[derive(Clone, Copy, Debug)]
struct Entry {
    hash: u64,
    count: u8,
    is_queued: bool,
}

/// A cache of hashes.
#[derive(Debug)]
pub(crate) struct Miniature {
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

impl Miniature {
    /// An empty cache of at most that many entries, from 1 on.
    pub fn new(entries_max: usize, mode: Mode) -> Self {
        Self {
            entries_max,
            entries: 0,
            buckets: vec![Vec::new(); entries_max.div_ceil(BUCKET_ENTRIES)],
            hand: (0, 0),
            queue: VecDeque::new(),
            mode,
            ghost: Ghost::new(entries_max),
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
        let is_known = self.ghost.take(hash);
        if self.entries == self.entries_max {
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
            if self.is_queue_long() || self.queue.len() == self.entries {
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
        self.ghost.insert(hash);
    }

    fn bucket(&self, hash: u64) -> usize {
        scaled(hash, self.buckets.len())
    }

    fn find(&mut self, hash: u64) -> Option<&mut Entry> {
        let bucket = self.bucket(hash);
        self.buckets[bucket]
            .iter_mut()
            .find(|entry| entry.hash == hash)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{MODES, Mode, mixed};
    use super::Miniature;

    #[test]
    fn it_fills_up_and_never_overflows() {
        for mode in MODES {
            let mut cache = Miniature::new(100, mode);
            for id in 0..1000 {
                for id in [id, id / 3] {
                    cache.read(mixed(id));
                    cache.write(mixed(id));
                    assert!(cache.read(mixed(id)), "{mode:?}");
                }
                let stored: usize = cache.buckets.iter().map(Vec::len).sum();
                assert_eq!(stored, cache.entries, "{mode:?}");
                assert!(stored <= 100, "{mode:?}");
            }
            assert_eq!(cache.entries, 100, "{mode:?}");
        }
    }

    #[test]
    fn what_is_requested_once_leaves_through_the_queue() {
        let mut cache = Miniature::new(100, Mode::Queue { percent: 10 });
        for id in 0..90 {
            cache.write(mixed(id));
            cache.read(mixed(id));
        }
        for id in 1000..2000 {
            cache.write(mixed(id));
        }
        // A few keys look like remembered ones.
        assert!((0..80).filter(|id| cache.read(mixed(*id))).count() >= 75);
    }
}
