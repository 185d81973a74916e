//! The policy for a part of the keys: a small queue, a main part, a ghost.

use std::collections::VecDeque;

use super::ghost::Ghost;
use super::{Mode, scaled};

/// Where the count of an entry saturates.
const COUNT_MAX: u8 = 2;
/// What a key counts that enters main at once in plain mode: the hand passes it once.
const COUNT_PLAIN: u8 = 1;
/// How many entries of main the hand passes for one eviction; the next one goes, whatever it counts.
const PASSED_MAX: usize = 64;
/// Entries of a bucket, on average.
const BUCKET_ENTRIES: usize = 4;

/// A cached key, and the three bits that the policy has in its entry.
#[derive(Clone, Copy, Debug)]
struct Entry {
    hash: u64,
    /// Requests since it came or was promoted, less the times that the hand has passed.
    count: u8,
    /// Whether it is in main; otherwise it is in the small queue.
    main: bool,
}

/// A cache of its own, which is told its mode.
#[derive(Clone, Debug)]
pub struct Region {
    entries_max: usize,
    entries: usize,
    /// The hash table: entries lie in the order of their hashes.
    buckets: Vec<Vec<Entry>>,
    /// Where main is inspected next: a bucket, and a place in it.
    hand: (usize, usize),
    /// Hashes of the entries that are not in main, the oldest first.
    small: VecDeque<u64>,
    small_max: usize,
    mode: Mode,
    ghost: Ghost,
}

impl Region {
    /// An empty cache of at most that many entries.
    pub fn new(entries_max: usize, mode: Mode) -> Self {
        let mut region = Region {
            entries_max,
            entries: 0,
            buckets: vec![Vec::new(); entries_max.div_ceil(BUCKET_ENTRIES)],
            hand: (0, 0),
            small: VecDeque::new(),
            small_max: 0,
            mode,
            ghost: Ghost::new(entries_max),
        };
        region.set_mode(mode);
        region
    }

    /// From now on. Nothing moves until something has to be evicted.
    pub fn set_mode(&mut self, mode: Mode) {
        self.mode = mode;
        self.small_max = match mode {
            Mode::Queue { share } => ((self.entries_max as f64 * share) as usize).max(1),
            Mode::Plain => 0,
        };
    }

    /// A request; true when the key was cached.
    pub fn access(&mut self, hash: u64) -> bool {
        if let Some(entry) = self.find(hash) {
            entry.count = (entry.count + 1).min(COUNT_MAX);
            return true;
        }
        // Before the eviction, which may overwrite the fingerprint.
        let known = self.ghost.take(hash);
        if self.entries == self.entries_max {
            self.evict();
        }
        self.insert(hash, known);
        false
    }

    fn insert(&mut self, hash: u64, known: bool) {
        let (main, count) = match self.mode {
            Mode::Queue { .. } => (known, 0),
            Mode::Plain => (true, COUNT_PLAIN),
        };
        let bucket = self.bucket(hash);
        self.buckets[bucket].push(Entry { hash, count, main });
        self.entries += 1;
        if !main {
            self.small.push_back(hash);
            // While there is room, main takes what the queue cannot hold, requested or not.
            if self.entries < self.entries_max && self.small.len() > self.small_max {
                self.overflow();
            }
        }
    }

    fn overflow(&mut self) {
        let oldest = self.small.pop_front();
        if let Some(entry) = oldest.and_then(|hash| self.find(hash)) {
            entry.main = true;
        }
    }

    /// Evicts one entry. What is promoted meanwhile may shift the balance between queue and main.
    fn evict(&mut self) {
        let before = self.entries;
        while self.entries == before {
            let main = self.entries - self.small.len();
            if self.small.len() > self.small_max || main == 0 {
                self.leave_small();
            } else {
                self.evict_main();
            }
        }
    }

    /// The oldest of the queue goes to main if it was requested again, otherwise it is evicted.
    fn leave_small(&mut self) {
        let Some(hash) = self.small.pop_front() else {
            return;
        };
        let bucket = self.bucket(hash);
        let entries = &mut self.buckets[bucket];
        let Some(place) = entries.iter().position(|entry| entry.hash == hash) else {
            return;
        };
        let entry = &mut entries[place];
        if entry.count > 0 {
            entry.main = true;
            entry.count = 0;
        } else {
            entries.swap_remove(place);
            self.forget(hash);
        }
    }

    /// The hand goes on to an entry of main that counts nothing.
    fn evict_main(&mut self) {
        let mut passed = 0;
        loop {
            let (bucket, place) = self.hand;
            let Some(entry) = self.buckets[bucket].get_mut(place) else {
                self.hand = ((bucket + 1) % self.buckets.len(), 0);
                continue;
            };
            if entry.main && (entry.count == 0 || passed == PASSED_MAX) {
                let hash = entry.hash;
                self.buckets[bucket].swap_remove(place);
                self.forget(hash);
                return;
            }
            if entry.main {
                passed += 1;
                entry.count = match self.mode {
                    Mode::Queue { .. } => entry.count - 1,
                    Mode::Plain => 0,
                };
            }
            self.hand.1 += 1;
        }
    }

    fn forget(&mut self, hash: u64) {
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
    use super::super::{MODES, mixed};
    use super::{Mode, Region};

    #[test]
    fn it_fills_up_and_never_overflows() {
        for mode in MODES {
            let mut region = Region::new(100, mode);
            for id in 0..1000 {
                region.access(mixed(id));
                region.access(mixed(id / 3));
                let stored: usize = region.buckets.iter().map(Vec::len).sum();
                assert_eq!(stored, region.entries, "{mode:?}");
                assert!(stored <= 100, "{mode:?}");
            }
            assert_eq!(region.entries, 100, "{mode:?}");
        }
    }

    #[test]
    fn what_is_requested_once_leaves_through_the_queue() {
        let mut region = Region::new(100, Mode::Queue { share: 0.1 });
        for id in 0..90 {
            region.access(mixed(id));
            region.access(mixed(id));
        }
        for id in 1000..2000 {
            region.access(mixed(id));
        }
        // A few keys look like remembered ones.
        let kept = (0..80).filter(|&id| region.find(mixed(id)).is_some());
        assert!(kept.count() >= 75);
    }

    #[test]
    fn a_remembered_key_enters_main() {
        let mut region = Region::new(100, Mode::Queue { share: 0.1 });
        for id in 0..111 {
            region.access(mixed(id));
        }
        let evicted = (0..111).find(|&id| region.find(mixed(id)).is_none());
        let evicted = mixed(evicted.unwrap());
        assert!(!region.access(evicted));
        assert!(region.find(evicted).unwrap().main);
    }
}
