//! The cached keys as an array, so that one of them can be picked at random.

use crate::keys::Random;

/// Where a key is not.
const NOWHERE: u32 = u32::MAX;

/// A set of key ids that can be sampled.
#[derive(Clone, Debug, Default)]
pub struct Slots {
    cached: Vec<u32>,
    /// The place of each key id in `cached`.
    places: Vec<u32>,
}

impl Slots {
    /// Whether the key is cached.
    pub fn contains(&self, id: u32) -> bool {
        self.places
            .get(id as usize)
            .is_some_and(|&place| place != NOWHERE)
    }

    /// How many keys are cached.
    pub fn len(&self) -> usize {
        self.cached.len()
    }

    /// Whether nothing is cached.
    pub fn is_empty(&self) -> bool {
        self.cached.is_empty()
    }

    /// Adds a key that is not cached.
    pub fn insert(&mut self, id: u32) {
        if self.places.len() <= id as usize {
            self.places.resize(id as usize + 1, NOWHERE);
        }
        self.places[id as usize] = self.cached.len() as u32;
        self.cached.push(id);
    }

    /// Removes a cached key.
    pub fn remove(&mut self, id: u32) {
        let place = std::mem::replace(&mut self.places[id as usize], NOWHERE);
        self.cached.swap_remove(place as usize);
        if let Some(&moved) = self.cached.get(place as usize) {
            self.places[moved as usize] = place;
        }
    }

    /// A cached key, each with the same probability. There must be one.
    pub fn sample(&self, random: &mut Random) -> u32 {
        self.cached[random.below(self.cached.len() as u64) as usize]
    }
}
