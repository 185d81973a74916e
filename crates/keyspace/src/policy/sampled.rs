//! The policies of Redis: some entries at random positions, of which the one that is to go first goes. The best of
//! those that did not go wait in a pool for the next time (Redis, evict.c), so that a few samples come close to the
//! exact order.

use crate::table::Spotted;

/// How many entries wait: some batches of those that go.
const POOL_MAX: usize = 32;

/// The most candidates that come in between two calls of [`Pool::sort`]; more are passed over, so it is no use to look for
/// them.
pub(crate) const NEW_MAX: usize = 1 << 12;
/// Bits of a [`Rank`] that say which candidate it is of.
const PLACE_BITS: u32 = 16;
const _: () = assert!(NEW_MAX + POOL_MAX < 1 << PLACE_BITS);

/// The highest score there is.
pub(crate) const SCORE_MAX: u64 = u64::MAX >> PLACE_BITS;

/// An entry that may go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Candidate {
    pub spotted: Spotted,
    pub database: u8,
    /// The higher, the sooner it goes; at most [`SCORE_MAX`].
    pub score: u64,
}

/// A score, and below it the place of its candidate, mixed: of equal ones, neighbours go no more often than others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Rank(u64);

impl Rank {
    const PLACE_MASK: u64 = (1 << PLACE_BITS) - 1;
    /// Odd, so that multiplying by it loses nothing, and the number that undoes it, both modulo 2^16.
    const MIXER: u64 = 0x9e37;
    const UNMIXER: u64 = 0x7787;

    fn new(score: u64, place: usize) -> Self {
        let mixed = (place as u64).wrapping_mul(Self::MIXER) & Self::PLACE_MASK;
        Self(score << PLACE_BITS | mixed)
    }

    fn place(self) -> usize {
        (self.0.wrapping_mul(Self::UNMIXER) & Self::PLACE_MASK) as usize
    }
}

const _: () = assert!(Rank::MIXER.wrapping_mul(Rank::UNMIXER) & Rank::PLACE_MASK == 1);

/// The candidates of one worker.
#[derive(Debug, Default)]
pub(crate) struct Pool {
    candidates: Vec<Candidate>,
    /// Room for [`Pool::sort`]: the ranks, and what stays.
    ranks: Vec<Rank>,
    spare: Vec<Candidate>,
}

impl Pool {
    /// Takes a candidate in.
    #[inline]
    pub fn offer(&mut self, candidate: Candidate) {
        if self.candidates.len() < NEW_MAX + POOL_MAX {
            self.candidates.push(candidate);
        }
    }

    /// Puts the best in their order, and forgets the others.
    pub fn sort(&mut self) {
        let candidates = self.candidates.iter().enumerate();
        let ranks = &mut self.ranks;
        ranks.clear();
        ranks.extend(candidates.map(|(place, candidate)| Rank::new(candidate.score, place)));
        if let Some(worse) = ranks.len().checked_sub(POOL_MAX)
            && worse > 0
        {
            ranks.select_nth_unstable(worse);
            ranks.drain(..worse);
        }
        ranks.sort_unstable();
        self.spare.clear();
        let best = ranks.iter().map(|rank| self.candidates[rank.place()]);
        self.spare.extend(best);
        std::mem::swap(&mut self.candidates, &mut self.spare);
    }

    /// The first `count` that will go, as of [`Pool::sort`].
    pub fn first(&self, count: usize) -> impl Iterator<Item = &Candidate> {
        self.candidates.iter().rev().take(count)
    }

    /// Takes out the one that goes first, as of [`Pool::sort`].
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
    use crate::table::Spotted;

    #[test]
    fn the_highest_scores_stay_and_come_first() {
        let mut pool = Pool::default();
        for score in 0..40 {
            let spotted = Spotted {
                position: 0,
                address: 16 * score,
            };
            pool.offer(Candidate {
                spotted,
                database: 0,
                score,
            });
        }
        pool.sort();
        let scores: Vec<u64> = std::iter::from_fn(|| pool.take())
            .map(|candidate| candidate.score)
            .collect();
        assert_eq!(scores, (40 - POOL_MAX as u64..40).rev().collect::<Vec<_>>());
    }

    #[test]
    fn of_equal_scores_those_that_came_late_go_no_more_often() {
        let mut pool = Pool::default();
        for number in 0..80 {
            let spotted = Spotted {
                position: 0,
                address: 16 * number,
            };
            pool.offer(Candidate {
                spotted,
                database: 0,
                score: 7,
            });
        }
        pool.sort();
        let late = std::iter::from_fn(|| pool.take())
            .filter(|candidate| candidate.spotted.address >= 16 * 40)
            .count();
        assert!((POOL_MAX / 4..POOL_MAX * 3 / 4).contains(&late), "{late}");
    }
}
