//! The keyed hash of keys, and what its bits mean.
//!
//! From the top: shard bits, then the bits that choose a segment of the shard's table, then the 16 bits of the tag,
//! which choose the bucket in the segment and are kept in the slot. So all keys lie in the order of their hashes, and
//! a position in that order survives any growth: it is SCAN's cursor.
//!
//! Hashes are not uniform on purpose. If they were, all segments of all shards would be equally full, would grow and
//! split at the same time, and so all would leave one size of bucket array for the next together: the pages of the old
//! size would stand half empty meanwhile. With a density that doubles from the first shard to the last, there is a
//! segment in every state of its cycle at any time, and what one gives back another one needs. It costs three
//! multiplications, and 10M keys of 16 + 64 bytes take 3 bytes less each (`examples/memory_curve.rs`). The idea is that
//! of spiral storage (G. N. N. Martin, 1979).

use rapidhash::v3::{RapidSecrets, rapidhash_v3_inline};

/// Hashes keys with secrets drawn for this process, so that nobody can prepare keys that collide.
pub(crate) struct KeyHasher {
    secrets: RapidSecrets,
}

impl KeyHasher {
    pub fn new(seed: u64) -> Self {
        Self {
            secrets: RapidSecrets::seed(seed),
        }
    }

    #[inline]
    pub fn hash(&self, key: &[u8]) -> u64 {
        spread(self.uniform_hash(key))
    }

    /// As [`KeyHasher::hash`], but uniform: for the elements of a collection.
    #[inline]
    pub fn uniform_hash(&self, name: &[u8]) -> u64 {
        rapidhash_v3_inline::<true, false, true>(name, &self.secrets)
    }
}

/// Makes a uniform hash one whose density doubles from one end to the other: of u between 0 and 1, u + u(1 - u)/3. It
/// never decreases, and its density goes from 3/4 to 3/2.
#[inline]
pub(crate) fn spread(uniform: u64) -> u64 {
    let times = |left: u64, right: u64| ((u128::from(left) * u128::from(right)) >> 64) as u64;
    const THIRD: u64 = u64::MAX / 3;
    uniform + times(times(uniform, !uniform), THIRD)
}

/// What [`spread`] has made this position of, as a part of all.
pub(crate) fn uniform(position: u64) -> f64 {
    2.0 - (4.0 - 3.0 * (position as f64 / 2f64.powi(64))).sqrt()
}

#[cfg(test)]
mod tests {
    use super::{spread, uniform};

    #[test]
    fn spreading_keeps_the_order_and_reaches_both_ends() {
        let points: Vec<u64> = (0..=1000u64).map(|at| at * (u64::MAX / 1000)).collect();
        assert!(
            points
                .windows(2)
                .all(|pair| spread(pair[0]) < spread(pair[1]))
        );
        assert_eq!(spread(0), 0);
        assert_eq!(spread(u64::MAX), u64::MAX);
        for point in points {
            let part = point as f64 / u64::MAX as f64;
            assert!((uniform(spread(point)) - part).abs() < 1e-9);
        }
    }

    #[test]
    fn the_last_part_has_twice_the_density_of_the_first() {
        let part = u64::MAX / 64;
        let (first, last) = (spread(part), u64::MAX - spread(u64::MAX - part));
        let ratio = first as f64 / last as f64;
        assert!((1.9..2.1).contains(&ratio), "{ratio}");
    }
}
