//! Least recently used, exactly: a list in the order of use.

use super::Cache;

/// The list's end, and a key that is not cached.
const NONE: u32 = u32::MAX;

#[derive(Clone, Copy)]
struct Link {
    older: u32,
    newer: u32,
    cached: bool,
}

/// Evicts the key that was unused for longest.
pub struct ExactLru {
    entries: usize,
    count: usize,
    links: Vec<Link>,
    oldest: u32,
    newest: u32,
}

impl ExactLru {
    /// A cache of that many entries.
    pub fn new(entries: usize) -> Self {
        ExactLru {
            entries,
            count: 0,
            links: Vec::new(),
            oldest: NONE,
            newest: NONE,
        }
    }

    fn unlink(&mut self, id: u32) {
        let Link { older, newer, .. } = self.links[id as usize];
        match self.links.get_mut(older as usize) {
            Some(link) => link.newer = newer,
            None => self.oldest = newer,
        }
        match self.links.get_mut(newer as usize) {
            Some(link) => link.older = older,
            None => self.newest = older,
        }
        self.links[id as usize].cached = false;
    }

    fn push_newest(&mut self, id: u32) {
        let older = std::mem::replace(&mut self.newest, id);
        match self.links.get_mut(older as usize) {
            Some(link) => link.newer = id,
            None => self.oldest = id,
        }
        self.links[id as usize] = Link {
            older,
            newer: NONE,
            cached: true,
        };
    }
}

impl Cache for ExactLru {
    fn access(&mut self, id: u32) -> bool {
        if self.links.len() <= id as usize {
            let none = Link {
                older: NONE,
                newer: NONE,
                cached: false,
            };
            self.links.resize(id as usize + 1, none);
        }
        let hit = self.links[id as usize].cached;
        if hit {
            self.unlink(id);
        } else if self.count == self.entries {
            self.unlink(self.oldest);
        } else {
            self.count += 1;
        }
        self.push_newest(id);
        hit
    }
}

#[cfg(test)]
mod tests {
    use super::{Cache, ExactLru};

    #[test]
    fn the_oldest_goes() {
        let mut cache = ExactLru::new(2);
        let hits: Vec<bool> = [1, 2, 1, 3, 1, 2, 3].map(|id| cache.access(id)).to_vec();
        assert_eq!(hits, [false, false, true, false, true, false, false]);
    }
}
