//! Which key the next request uses: uniform, sequential or Zipf distributed numbers below a range.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::zipf::Zipf;

/// SplitMix64 (Steele, Lea and Flood 2014): fast, and good enough to pick keys. Not for secrets.
#[derive(Clone, Debug)]
pub struct Random {
    state: u64,
}

impl Random {
    /// A generator whose sequence depends on `seed` only.
    pub fn new(seed: u64) -> Self {
        Random { state: seed }
    }

    /// The next 64 random bits.
    #[inline]
    pub fn bits(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `range`. The bias is below `range / 2^64` and does not matter here.
    #[inline]
    pub fn below(&mut self, range: u64) -> u64 {
        ((u128::from(self.bits()) * u128::from(range)) >> 64) as u64
    }

    /// A number in [0, 1).
    #[inline]
    pub fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
    }
}

/// In which order keys are picked.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum KeyOrder {
    /// Each key with the same probability.
    Uniform,
    /// 0, 1, 2, ... and again from 0, all threads together.
    Sequential,
    /// Each key once in a fixed random order, all threads together, and then again.
    Shuffled,
    /// Key number k with a probability proportional to 1 / (k + 1)^exponent.
    Zipf(f64),
}

/// Picks key numbers below a range for one thread.
#[derive(Debug)]
pub struct KeyPicker<'a> {
    range: u64,
    random: Random,
    source: Source<'a>,
}

#[derive(Debug)]
enum Source<'a> {
    Uniform,
    Sequential {
        cursor: &'a AtomicU64,
        next: u64,
    },
    Shuffled {
        cursor: &'a AtomicU64,
        next: u64,
        permutation: Permutation,
    },
    Zipf(Zipf),
}

impl<'a> KeyPicker<'a> {
    /// A picker of numbers below `range` (at least 1); `cursor` is shared by the threads of a run in order.
    pub fn new(order: KeyOrder, range: u64, cursor: &'a AtomicU64, seed: u64) -> Self {
        let range = range.max(1);
        let source = match order {
            KeyOrder::Uniform => Source::Uniform,
            KeyOrder::Sequential => Source::Sequential { cursor, next: 0 },
            KeyOrder::Shuffled => Source::Shuffled {
                cursor,
                next: 0,
                permutation: Permutation::new(range),
            },
            KeyOrder::Zipf(exponent) => Source::Zipf(Zipf::new(range, exponent)),
        };
        KeyPicker {
            range,
            random: Random::new(seed),
            source,
        }
    }

    /// Announces that `count` keys will be picked: a picker in order claims them here, so that the shared cursor
    /// is touched once for each pipeline.
    pub fn claim(&mut self, count: u64) {
        match &mut self.source {
            Source::Sequential { cursor, next } | Source::Shuffled { cursor, next, .. } => {
                *next = cursor.fetch_add(count, Ordering::Relaxed);
            }
            Source::Uniform | Source::Zipf(_) => {}
        }
    }

    /// The next key's number.
    #[inline]
    pub fn pick(&mut self) -> u64 {
        match &mut self.source {
            Source::Uniform => self.random.below(self.range),
            Source::Sequential { next, .. } => {
                let key = *next % self.range;
                *next += 1;
                key
            }
            Source::Shuffled {
                next, permutation, ..
            } => {
                let key = permutation.at(*next % self.range);
                *next += 1;
                key
            }
            Source::Zipf(zipf) => zipf.sample(&mut self.random) - 1,
        }
    }

    /// The generator behind the picker, for other random choices of the same thread.
    #[inline]
    pub fn random(&mut self) -> &mut Random {
        &mut self.random
    }
}

/// A fixed bijection of the numbers below a range: invertible steps modulo a power of two, repeated until the
/// result is below the range ("cycle walking"; less than two rounds on average).
#[derive(Debug)]
struct Permutation {
    range: u64,
    mask: u64,
    shift: u32,
}

impl Permutation {
    fn new(range: u64) -> Self {
        let bits = (64 - (range - 1).leading_zeros()).max(2);
        Permutation {
            range,
            mask: u64::MAX >> (64 - bits),
            shift: bits / 2,
        }
    }

    fn at(&self, index: u64) -> u64 {
        let mut number = index;
        loop {
            for multiplier in [0x9E37_79B9_7F4A_7C15_u64, 0xBF58_476D_1CE4_E5B9] {
                number = number.wrapping_add(1).wrapping_mul(multiplier) & self.mask;
                number ^= number >> self.shift;
            }
            if number < self.range {
                return number;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uniform_keys_cover_the_range_evenly() {
        let cursor = AtomicU64::new(0);
        let mut picker = KeyPicker::new(KeyOrder::Uniform, 16, &cursor, 1);
        let mut counts = [0u32; 16];
        for _ in 0..160_000 {
            counts[picker.pick() as usize] += 1;
        }
        assert!(
            counts.iter().all(|&count| (9_500..10_500).contains(&count)),
            "{counts:?}"
        );
    }

    #[test]
    fn keys_in_order_come_once_each_across_pickers() {
        for order in [KeyOrder::Sequential, KeyOrder::Shuffled] {
            let cursor = AtomicU64::new(0);
            let mut pickers = [1, 2].map(|seed| KeyPicker::new(order, 100, &cursor, seed));
            let mut seen = [0u32; 100];
            for _ in 0..5 {
                for picker in &mut pickers {
                    picker.claim(10);
                    for _ in 0..10 {
                        seen[picker.pick() as usize] += 1;
                    }
                }
            }
            assert_eq!(seen, [1; 100], "{order:?}");
        }
    }

    #[test]
    fn a_permutation_meets_every_number_once() {
        for range in [1, 2, 3, 7, 64, 1000, 65_537] {
            let permutation = Permutation::new(range);
            let mut numbers: Vec<u64> = (0..range).map(|index| permutation.at(index)).collect();
            let in_place = numbers
                .iter()
                .zip(0..)
                .filter(|&(&number, index)| number == index)
                .count();
            assert!(
                range < 1000 || in_place < 20,
                "{in_place} of {range} stay in their place"
            );
            numbers.sort_unstable();
            assert!(numbers.into_iter().eq(0..range), "{range}");
        }
    }
}
