//! Deadlines that were meant to be the same are spread, so that they do not all come at once.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use crate::access::Key;
use crate::keyspace::Keyspace;
use crate::random::mixed;

/// How much of a time to live may be taken off at random, in hundredths.
#[derive(Debug, Default)]
pub(crate) struct Jitter {
    percent: AtomicU32,
}

impl Jitter {
    /// A deadline moved back by a random part of what is left until then. One that has passed stays.
    #[inline]
    pub fn spread(&self, deadline_ms: u64, hash: u64, now_ms: u64) -> u64 {
        match self.percent.load(Relaxed) {
            0 => deadline_ms,
            percent => spread(deadline_ms, now_ms, percent, hash),
        }
    }
}

impl Keyspace {
    /// How much of a time to live is taken off at random at most, in hundredths up to 100: of deadlines that the rule of
    /// a prefix makes, and by [`Keyspace::spread_deadline`].
    pub fn set_ttl_jitter(&self, percent: u32) {
        self.jitter.percent.store(percent.min(100), Relaxed);
    }

    /// A deadline, moved back by a random part of what is left until then, as [`Keyspace::set_ttl_jitter`] says. Equal
    /// deadlines of several keys get different parts, and so do several deadlines of one key.
    #[inline]
    pub fn spread_deadline(&self, deadline_ms: u64, key: Key<'_>, now_ms: u64) -> u64 {
        self.jitter.spread(deadline_ms, key.hash, now_ms)
    }
}

/// Takes off a part of at most `percent` hundredths, but not the last millisecond. The part follows from the key's
/// secret hash and the deadline.
#[cold]
fn spread(deadline_ms: u64, now_ms: u64, percent: u32, hash: u64) -> u64 {
    let left_ms = deadline_ms.saturating_sub(now_ms);
    let part = mixed(hash ^ mixed(deadline_ms)) >> 32;
    let off_ms = u128::from(left_ms) * u128::from(percent) * u128::from(part) / (100 << 32);
    let off_ms = u64::try_from(off_ms).unwrap_or(u64::MAX);
    deadline_ms - off_ms.min(left_ms.saturating_sub(1))
}

#[cfg(test)]
mod tests {
    use super::spread;

    const NOW_MS: u64 = 1_700_000_000_000;

    #[test]
    fn parts_are_spread_evenly() {
        let (ttl_ms, keys) = (100_000, 10_000);
        let parts =
            (0..keys).map(|hash| NOW_MS + ttl_ms - spread(NOW_MS + ttl_ms, NOW_MS, 20, hash));
        let parts: Vec<u64> = parts.collect();
        assert!(parts.iter().all(|part| *part <= ttl_ms / 5));
        let mean = parts.iter().sum::<u64>() / keys;
        assert!((9_500..10_500).contains(&mean), "{mean}");
        let of_first_tenth = parts.iter().filter(|part| **part < ttl_ms / 50).count();
        assert!((900..1_100).contains(&of_first_tenth), "{of_first_tenth}");
    }

    #[test]
    fn short_and_past_deadlines_are_kept() {
        for (deadline_ms, expected) in [(99, 99), (100, 100), (101, 101)] {
            assert_eq!(spread(deadline_ms, 100, 100, 7), expected);
        }
        for hash in 0..1000 {
            let deadline_ms = spread(u64::MAX >> 1, NOW_MS, 100, hash);
            assert!((NOW_MS + 1..=u64::MAX >> 1).contains(&deadline_ms));
        }
    }
}
