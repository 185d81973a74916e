//! `memory.ttl_jitter_percent`: deadlines that were meant to be the same are spread, so that they do not all come at
//! once.

use std::sync::atomic::Ordering::Relaxed;

use keyspace::{Key, mixed};

use crate::context::Context;

impl Context<'_, '_> {
    /// A deadline that was given relative to now, moved back by a random part of what is left until then. One that has
    /// passed stays.
    #[inline]
    pub fn with_jitter(&self, deadline_ms: u64, key: Key<'_>) -> u64 {
        match self.shared.ttl_jitter_percent.load(Relaxed) {
            0 => deadline_ms,
            percent => jittered(deadline_ms, self.now_ms(), percent, key.hash),
        }
    }
}

/// Takes off a part of at most `percent` hundredths, but not the last millisecond. The part follows from the key's
/// secret hash and the deadline: equal deadlines of several keys get different parts, and so do several deadlines of
/// one key.
#[cold]
fn jittered(deadline_ms: u64, now_ms: u64, percent: u32, hash: u64) -> u64 {
    let left_ms = deadline_ms.saturating_sub(now_ms);
    let part = mixed(hash ^ mixed(deadline_ms)) >> 32;
    let off_ms = u128::from(left_ms) * u128::from(percent) * u128::from(part) / (100 << 32);
    let off_ms = u64::try_from(off_ms).unwrap_or(u64::MAX);
    deadline_ms - off_ms.min(left_ms.saturating_sub(1))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering::Relaxed;

    use super::jittered;
    use crate::testing::{START_MS, TestServer};

    #[test]
    fn parts_are_spread_evenly() {
        let (now_ms, ttl_ms, keys) = (START_MS, 100_000, 10_000);
        let parts =
            (0..keys).map(|hash| now_ms + ttl_ms - jittered(now_ms + ttl_ms, now_ms, 20, hash));
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
            assert_eq!(jittered(deadline_ms, 100, 100, 7), expected);
        }
        for hash in 0..1000 {
            let deadline_ms = jittered(u64::MAX >> 1, START_MS, 100, hash);
            assert!((START_MS + 1..=u64::MAX >> 1).contains(&deadline_ms));
        }
    }

    #[test]
    fn relative_times_are_shortened_and_absolute_ones_are_not() {
        let mut server = TestServer::new();
        server.shared.ttl_jitter_percent.store(10, Relaxed);
        let mut left = Vec::new();
        for line in [
            "SET k v EX 1000",
            "SET k v PX 1000001",
            "SETEX k 1002 v",
            "PSETEX k 1003000 v",
            "EXPIRE k 1004",
            "PEXPIRE k 1005000",
            "GETEX k EX 1006",
            "GETEX k PX 1007000",
            "MSETEX 1 k v EX 1008",
        ] {
            server.run(line);
            let answer = server.run("PTTL k");
            let pttl: u64 = answer[1..].parse().expect("a time");
            assert!((900_000..=1_008_000).contains(&pttl), "{line}: {pttl}");
            left.push(pttl);
        }
        assert!(left.iter().any(|pttl| *pttl < 1_000_000), "{left:?}");
        for line in [
            "SET k v EXAT 1700001000",
            "EXPIREAT k 1700001000",
            "GETEX k PXAT 1700001000000",
        ] {
            server.run(line);
            assert_eq!(server.run("PTTL k"), ":1000000", "{line}");
        }
        server.run("EXPIRE k -1");
        assert_eq!(server.run("EXISTS k"), ":0");
    }
}
