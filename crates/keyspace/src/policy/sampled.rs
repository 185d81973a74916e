//! The policies of Redis: some entries at random positions, of which the one that is to go first goes. The best of
//! those that did not go wait in a pool for the next time (Redis, evict.c), so that a few samples come close to the
//! exact order.

use crate::ahead::Spot;

/// How many entries wait: some batches of those that go.
const POOL_MAX: usize = 32;

/// An entry that may go. Only its slot holds its address, so it is named by its hash.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Candidate {
    pub hash: u64,
    pub database: u8,
    /// The higher, the sooner it goes.
    pub score: u64,
}

impl Candidate {
    /// Where it is.
    pub fn place(&self) -> Spot {
        Spot {
            database: self.database,
            position: self.hash,
        }
    }
}

/// The candidates of one worker, in the order of their scores.
#[derive(Debug, Default)]
pub(crate) struct Pool {
    candidates: Vec<Candidate>,
}

impl Pool {
    /// Takes a candidate in, if it is better than one that is there or there is room.
    pub fn offer(&mut self, candidate: Candidate) {
        let is_full = self.candidates.len() == POOL_MAX;
        if is_full && self.candidates[0].score >= candidate.score {
            return;
        }
        if self
            .candidates
            .iter()
            .any(|other| other.hash == candidate.hash)
        {
            return;
        }
        if is_full {
            self.candidates.remove(0);
        }
        let at = self
            .candidates
            .partition_point(|other| other.score <= candidate.score);
        self.candidates.insert(at, candidate);
    }

    /// The first `count` that will go.
    pub fn first(&self, count: usize) -> impl Iterator<Item = &Candidate> {
        self.candidates.iter().rev().take(count)
    }

    /// Takes out the one that goes first.
    pub fn take(&mut self) -> Option<Candidate> {
        self.candidates.pop()
    }

    /// Forgets all: their scores mean nothing under another policy.
    pub fn clear(&mut self) {
        self.candidates.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::{Candidate, POOL_MAX, Pool};

    #[test]
    fn the_highest_scores_stay_and_come_first() {
        let mut pool = Pool::default();
        for score in (0..40).chain(10..20) {
            pool.offer(Candidate {
                hash: score,
                database: 0,
                score,
            });
        }
        let scores: Vec<u64> = std::iter::from_fn(|| pool.take())
            .map(|candidate| candidate.score)
            .collect();
        assert_eq!(scores, (40 - POOL_MAX as u64..40).rev().collect::<Vec<_>>());
    }
}
