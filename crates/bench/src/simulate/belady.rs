//! The optimum: knows all requests, evicts what is needed last, and does not store what is needed later than that.
//!
//! L. A. Belady, "A study of replacement algorithms for a virtual-storage computer", IBM Systems Journal 5(2), 1966.

use std::collections::BinaryHeap;

use super::Cache;

/// No further request.
const NEVER: u32 = u32::MAX;

/// Must be given exactly the requests that it was made of.
pub struct Belady {
    entries: usize,
    count: usize,
    /// For each request, the number of the next one for the same key.
    next: Vec<u32>,
    time: usize,
    /// For each key, its next request if it is cached.
    cached: Vec<Option<u32>>,
    /// What is needed last is on top; pairs that `cached` does not confirm are old.
    needed: BinaryHeap<(u32, u32)>,
}

impl Belady {
    /// A cache of that many entries for these requests.
    pub fn new(entries: usize, requests: &[u32]) -> Self {
        let keys = requests.iter().max().map_or(0, |&id| id as usize + 1);
        let mut last = vec![NEVER; keys];
        let mut next = vec![NEVER; requests.len()];
        for (time, &id) in requests.iter().enumerate().rev() {
            next[time] = std::mem::replace(&mut last[id as usize], time as u32);
        }
        Belady {
            entries,
            count: 0,
            next,
            time: 0,
            cached: vec![None; keys],
            needed: BinaryHeap::new(),
        }
    }

    /// Whether there is room for a key with this next request, after evicting one that is needed later.
    fn make_room(&mut self, next: u32) -> bool {
        if self.count < self.entries {
            self.count += 1;
            return true;
        }
        while let Some(&(last, id)) = self.needed.peek() {
            if self.cached[id as usize] != Some(last) {
                self.needed.pop();
                continue;
            }
            if last <= next {
                return false;
            }
            self.needed.pop();
            self.cached[id as usize] = None;
            return true;
        }
        false
    }
}

impl Cache for Belady {
    fn access(&mut self, id: u32) -> bool {
        let next = self.next[self.time];
        self.time += 1;
        let hit = self.cached[id as usize].is_some();
        if hit || self.make_room(next) {
            self.cached[id as usize] = Some(next);
            self.needed.push((next, id));
        }
        hit
    }
}
