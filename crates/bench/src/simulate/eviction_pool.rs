//! Redis's pool of candidates for eviction: `evictionPoolPopulate` and the loop around it in `evict.c`.

use super::slots::Slots;
use crate::keys::Random;

/// `EVPOOL_SIZE`.
const POOL_ENTRIES: usize = 16;
/// The default of `maxmemory-samples`.
pub const SAMPLES: usize = 5;

/// The best candidates seen so far, the best one last.
///
/// As in Redis, a candidate keeps the score that it had when it was sampled, and a key may be in the pool twice.
#[derive(Clone, Debug, Default)]
pub struct EvictionPool {
    candidates: Vec<(u64, u32)>,
}

impl EvictionPool {
    /// Samples keys, whose scores are the higher the better they are to evict, and takes the best candidate.
    pub fn pick(&mut self, slots: &Slots, random: &mut Random, score: impl Fn(u32) -> u64) -> u32 {
        loop {
            for _ in 0..SAMPLES {
                let id = slots.sample(random);
                self.offer(score(id), id);
            }
            while let Some((_, id)) = self.candidates.pop() {
                if slots.contains(id) {
                    return id;
                }
            }
        }
    }

    fn offer(&mut self, score: u64, id: u32) {
        let place = self.candidates.partition_point(|&(other, _)| other < score);
        if self.candidates.len() < POOL_ENTRIES {
            self.candidates.insert(place, (score, id));
        } else if place > 0 {
            self.candidates.insert(place, (score, id));
            self.candidates.remove(0);
        }
    }
}
