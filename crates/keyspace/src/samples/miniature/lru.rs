//! Least recently used, exactly: a list in the order of use.

use super::{Access, HashMapByHash, Miniature, gone};
use crate::statistics_bytes::{map_bytes, vec_bytes};

/// The list's ends.
const NONE: u32 = u32::MAX;

#[derive(Clone, Copy, Debug)]
struct Link {
    hash: u64,
    older: u32,
    newer: u32,
}

/// See the head of this file.
#[derive(Debug)]
pub(super) struct Lru {
    keys_max: usize,
    places: HashMapByHash<u32>,
    links: Vec<Link>,
    free: Vec<u32>,
    oldest: u32,
    newest: u32,
}

impl Default for Lru {
    fn default() -> Self {
        Self {
            keys_max: 1,
            places: HashMapByHash::default(),
            links: Vec::new(),
            free: Vec::new(),
            oldest: NONE,
            newest: NONE,
        }
    }
}

impl Lru {
    fn unlink(&mut self, place: u32) {
        let Link { older, newer, .. } = self.links[place as usize];
        match self.links.get_mut(older as usize) {
            Some(link) => link.newer = newer,
            None => self.oldest = newer,
        }
        match self.links.get_mut(newer as usize) {
            Some(link) => link.older = older,
            None => self.newest = older,
        }
    }

    fn push_newest(&mut self, place: u32) {
        let older = std::mem::replace(&mut self.newest, place);
        match self.links.get_mut(older as usize) {
            Some(link) => link.newer = place,
            None => self.oldest = place,
        }
        let link = &mut self.links[place as usize];
        (link.older, link.newer) = (older, NONE);
    }

    fn evict_down_to(&mut self, keys_max: usize) {
        while self.places.len() > keys_max {
            self.remove(self.links[self.oldest as usize].hash);
        }
    }
}

impl Miniature for Lru {
    fn read(&mut self, access: Access) -> bool {
        let Some(&place) = self.places.get(&access.hash) else {
            return false;
        };
        if place != self.newest {
            self.unlink(place);
            self.push_newest(place);
        }
        true
    }

    fn write(&mut self, access: Access) {
        if self.read(access) {
            return;
        }
        self.evict_down_to(self.keys_max - 1);
        let link = Link {
            hash: access.hash,
            older: NONE,
            newer: NONE,
        };
        let place = match self.free.pop() {
            Some(place) => {
                self.links[place as usize] = link;
                place
            }
            None => {
                self.links.push(link);
                (self.links.len() - 1) as u32
            }
        };
        self.places.insert(access.hash, place);
        self.push_newest(place);
    }

    fn remove(&mut self, hash: u64) {
        if let Some(place) = self.places.remove(&hash) {
            self.unlink(place);
            self.free.push(place);
        }
    }

    fn contains(&self, hash: u64) -> bool {
        self.places.contains_key(&hash)
    }

    fn len(&self) -> usize {
        self.places.len()
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
        size_of::<Self>() + map_bytes(&self.places) + vec_bytes(&self.links) + vec_bytes(&self.free)
    }
}

#[cfg(test)]
mod tests {
    use super::{Access, Lru, Miniature};
    use crate::random::Random;

    fn access(hash: u64) -> Access {
        Access {
            hash,
            now_ms: 0,
            deadline_ms: None,
        }
    }

    /// A list of hashes, the oldest first.
    #[derive(Default)]
    struct Model(Vec<u64>, usize);

    impl Model {
        fn read(&mut self, hash: u64) -> bool {
            let is_there = self.remove(hash);
            if is_there {
                self.0.push(hash);
            }
            is_there
        }

        fn remove(&mut self, hash: u64) -> bool {
            let before = self.0.len();
            self.0.retain(|other| *other != hash);
            self.0.len() < before
        }

        fn write(&mut self, hash: u64) {
            self.remove(hash);
            self.0.push(hash);
            self.shrink();
        }

        fn shrink(&mut self) {
            self.0.drain(..self.0.len().saturating_sub(self.1));
        }
    }

    #[test]
    fn it_is_a_list_in_the_order_of_use() {
        let (mut lru, mut model) = (Lru::default(), Model(Vec::new(), 1));
        let mut random = Random::default();
        for _ in 0..20_000 {
            let hash = random.bits() % 50;
            match random.bits() % 64 {
                0..30 => assert_eq!(lru.read(access(hash)), model.read(hash)),
                30..58 => {
                    lru.write(access(hash));
                    model.write(hash);
                }
                58..62 => {
                    lru.remove(hash);
                    model.remove(hash);
                }
                62 => {
                    lru.retain(&|other| other % 7 != hash % 7);
                    model.0.retain(|other| other % 7 != hash % 7);
                }
                _ => {
                    lru.set_keys_max(hash as usize + 1);
                    model.1 = hash as usize + 1;
                    model.shrink();
                }
            }
            assert_eq!(lru.len(), model.0.len());
            assert!(model.0.iter().all(|hash| lru.contains(*hash)));
        }
    }
}
