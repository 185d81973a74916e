//! Why keys were not there: a table of the sampled keys that have gone, with the reason.
//!
//! It begins with every key and counts exactly, until there is more to count; then fewer and fewer keys are sampled, so
//! that it costs little however many requests there are, and the table remembers some times as many keys as are there.

use super::{Sample, Seen};
use crate::random::mixed;
use crate::statistics_bytes::vec_bytes;

/// Sets of the table, of four keys each: 128 KB.
const SETS: usize = 4096;
const WAYS: usize = 4;
/// How many times the present keys the table can remember.
const REMEMBERED_RATIO: u64 = 4;
/// Keys are sampled half as often after so many samples, until it is one in 128.
const SAMPLES_PER_RATE: u32 = 256;
const THRESHOLD_LATER: u32 = u32::MAX / 128;
/// The sample is drawn anew when there are so many times fewer keys.
const RESTART_RATIO: u64 = 4;
/// Ages are counted by powers of two of milliseconds.
const AGES: usize = 48;

/// Why a key was not there when it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reason {
    NeverSeen,
    Expired,
    Evicted,
    Deleted,
}

const REASONS: [Reason; 4] = [
    Reason::NeverSeen,
    Reason::Expired,
    Reason::Evicted,
    Reason::Deleted,
];

/// Misses by reason. They add up to all misses; those that were sampled are scaled up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MissReasons {
    /// The key was not there before, or so long ago that it is forgotten, or its database was flushed.
    pub never_seen: u64,
    /// Its time was up.
    pub expired: u64,
    /// It was evicted.
    pub evicted: u64,
    /// A command removed it.
    pub deleted: u64,
    /// The misses that this rests on.
    pub sampled: u64,
    /// Median of the time that evicted keys had not been used, in milliseconds; 0 when it is not known.
    pub evicted_age_ms_p50: u64,
    /// The same of those evicted keys that were then read, each time that they were.
    pub missed_age_ms_p50: u64,
}

/// A key that has gone. Empty when the reason is that it was never there.
#[derive(Clone, Copy, Debug)]
struct Gone {
    fingerprint: u32,
    reason: Reason,
    age: Option<u8>,
}

const EMPTY: Gone = Gone {
    fingerprint: 0,
    reason: Reason::NeverSeen,
    age: None,
};

/// See the head of this file.
#[derive(Debug)]
pub(crate) struct Misses {
    /// Each set with the last that has gone first. Without sets until the first has gone.
    sets: Vec<[Gone; WAYS]>,
    threshold: u32,
    samples_until_slower: u32,
    /// Each sample stands for so many keys.
    weight: f64,
    counts: Counts,
}

/// What CONFIG RESETSTAT sets to zero.
#[derive(Debug, Default)]
struct Counts {
    sampled: u64,
    misses: [f64; REASONS.len()],
    evicted_ages: Ages,
    missed_ages: Ages,
}

#[derive(Debug)]
struct Ages([f64; AGES]);

impl Misses {
    pub fn new() -> Self {
        Self {
            sets: Vec::new(),
            threshold: u32::MAX,
            samples_until_slower: SAMPLES_PER_RATE,
            weight: 1.0,
            counts: Counts::default(),
        }
    }

    pub fn threshold(&self) -> u32 {
        self.threshold
    }

    pub fn observe(&mut self, sample: &Sample) {
        if !sample.is_below(self.threshold) {
            return;
        }
        let hash = sample.hash;
        match sample.seen {
            Seen::Hit { .. } | Seen::Written { .. } | Seen::Deadline { .. } => return,
            Seen::Miss => self.count(hash),
            Seen::Expired => self.remember(hash, Reason::Expired, None),
            Seen::Deleted => self.remember(hash, Reason::Deleted, None),
            Seen::Evicted { idle_ms } => {
                let age = idle_ms.map(Ages::of);
                self.counts.evicted_ages.add(age, self.weight);
                self.remember(hash, Reason::Evicted, age);
            }
        }
        self.samples_until_slower -= 1;
        if self.samples_until_slower == 0 {
            self.samples_until_slower = SAMPLES_PER_RATE;
            if self.threshold > THRESHOLD_LATER {
                self.set_threshold((self.threshold / 2).max(THRESHOLD_LATER));
            }
        }
    }

    /// Follows the number of keys.
    pub fn tune(&mut self, keys: u64) {
        let remembered = (SETS * WAYS) as u64;
        let wanted = (remembered << 32) / (REMEMBERED_RATIO * keys).max(1);
        if wanted < self.threshold.into() {
            // Some keys more come before it is next.
            self.set_threshold((wanted - wanted / 4) as u32);
            return;
        }
        let wanted = wanted.min(THRESHOLD_LATER.into());
        if wanted / RESTART_RATIO > self.threshold.into() {
            self.sets.clear();
            self.set_threshold(wanted as u32);
        }
    }

    fn set_threshold(&mut self, threshold: u32) {
        self.threshold = threshold.max(1);
        self.weight = f64::from(u32::MAX) / f64::from(self.threshold);
    }

    pub fn reset(&mut self) {
        self.counts = Counts::default();
    }

    /// Memory, in bytes.
    pub fn memory_bytes(&self) -> usize {
        vec_bytes(&self.sets)
    }

    /// The reasons of that many misses.
    pub fn reasons(&self, misses: u64) -> MissReasons {
        let counts = &self.counts;
        let sum: f64 = counts.misses.iter().sum();
        let part = |reason: Reason| match sum {
            0.0 => 0,
            _ => (counts.misses[reason as usize] / sum * misses as f64) as u64,
        };
        let (expired, evicted, deleted) = (
            part(Reason::Expired),
            part(Reason::Evicted),
            part(Reason::Deleted),
        );
        MissReasons {
            never_seen: misses.saturating_sub(expired + evicted + deleted),
            expired,
            evicted,
            deleted,
            sampled: counts.sampled,
            evicted_age_ms_p50: counts.evicted_ages.median_ms(),
            missed_age_ms_p50: counts.missed_ages.median_ms(),
        }
    }

    fn set(hash: u64) -> usize {
        mixed(hash) as usize % SETS
    }

    fn remember(&mut self, hash: u64, reason: Reason, age: Option<u8>) {
        if self.sets.is_empty() {
            self.sets = vec![[EMPTY; WAYS]; SETS];
        }
        let set = &mut self.sets[Self::set(hash)];
        let fingerprint = hash as u32;
        let is_it = |gone: &Gone| gone.fingerprint == fingerprint;
        let place = set.iter().position(is_it).unwrap_or(WAYS - 1);
        set[..=place].rotate_right(1);
        set[0] = Gone {
            fingerprint,
            reason,
            age,
        };
    }

    fn count(&mut self, hash: u64) {
        let set = self.sets.get(Self::set(hash));
        let is_it = |gone: &&Gone| gone.fingerprint == hash as u32;
        let gone = set.and_then(|set| set.iter().find(is_it)).unwrap_or(&EMPTY);
        self.counts.sampled += 1;
        self.counts.misses[gone.reason as usize] += self.weight;
        self.counts.missed_ages.add(gone.age, self.weight);
    }
}

impl Default for Ages {
    fn default() -> Self {
        Self([0.0; AGES])
    }
}

impl Ages {
    /// Where an age is counted: 0 for 0, else one more than its logarithm.
    fn of(age_ms: u64) -> u8 {
        (u64::BITS - age_ms.leading_zeros()).min(AGES as u32 - 1) as u8
    }

    fn add(&mut self, age: Option<u8>, weight: f64) {
        if let Some(age) = age {
            self.0[usize::from(age)] += weight;
        }
    }

    /// Between two powers of two, ages are taken for evenly spread.
    fn median_ms(&self) -> u64 {
        let half = self.0.iter().sum::<f64>() / 2.0;
        let mut below = 0.0;
        for (at, &count) in self.0.iter().enumerate().skip(1) {
            below += self.0[at - 1];
            if half > below && half <= below + count {
                let from = 1_u64 << (at - 1);
                return from + (from as f64 * (half - below) / count) as u64;
            }
        }
        0
    }
}

#[cfg(test)]
mod tests {
    use super::{Ages, Misses, Sample, Seen, THRESHOLD_LATER};
    use crate::random::mixed;

    fn see(misses: &mut Misses, number: u64, seen: Seen) {
        misses.observe(&Sample::new(0, mixed(number + 1), seen, 0));
    }

    #[test]
    fn few_misses_are_counted_exactly() {
        let mut misses = Misses::new();
        see(&mut misses, 1, Seen::Miss);
        for (number, seen) in [
            (1, Seen::Deleted),
            (2, Seen::Expired),
            (3, Seen::Deleted),
            (3, Seen::Evicted { idle_ms: Some(100) }),
            (4, Seen::Evicted { idle_ms: Some(0) }),
            (5, Seen::Evicted { idle_ms: None }),
        ] {
            see(&mut misses, number, seen);
        }
        for number in [1, 2, 2, 3, 3, 5, 6] {
            see(&mut misses, number, Seen::Miss);
        }
        let reasons = misses.reasons(8);
        assert_eq!((reasons.never_seen, reasons.expired), (2, 2));
        assert_eq!((reasons.evicted, reasons.deleted), (3, 1));
        assert_eq!(reasons.sampled, 8);
        assert_eq!(reasons.missed_age_ms_p50, 96);
        misses.reset();
        assert_eq!(misses.reasons(0), super::MissReasons::default());
        see(&mut misses, 2, Seen::Miss);
        assert_eq!(misses.reasons(1).expired, 1);
    }

    #[test]
    fn many_are_sampled_and_add_up() {
        let mut misses = Misses::new();
        const KEYS: u64 = 400_000;
        for number in 0..KEYS {
            if number % 10_000 == 0 {
                misses.tune(KEYS / 8);
            }
            // Of four keys one has expired and one was deleted.
            match number % 4 {
                0 => see(&mut misses, number, Seen::Expired),
                1 => see(&mut misses, number, Seen::Deleted),
                _ => {}
            }
            // Some time later it is read.
            if number >= KEYS / 8 {
                see(&mut misses, number - KEYS / 8, Seen::Miss);
            }
        }
        assert!(misses.threshold() <= THRESHOLD_LATER);
        let reasons = misses.reasons(1_000_000);
        let sum = reasons.never_seen + reasons.expired + reasons.evicted + reasons.deleted;
        assert_eq!(sum, 1_000_000);
        for (part, expected) in [
            (reasons.expired, 250_000),
            (reasons.deleted, 250_000),
            (reasons.never_seen, 500_000),
        ] {
            assert!(part.abs_diff(expected) < 40_000, "{reasons:?}");
        }
    }

    #[test]
    fn fewer_keys_are_a_new_sample() {
        let mut misses = Misses::new();
        misses.tune(100_000_000);
        let threshold = misses.threshold();
        assert!(threshold < u32::MAX / 20_000);
        misses.tune(70_000_000);
        assert_eq!(misses.threshold(), threshold);
        misses.tune(1_000_000);
        assert!(misses.threshold() > threshold * 50);
    }

    #[test]
    fn medians() {
        let median = |ages: &[u64]| {
            let mut counted = Ages::default();
            for age in ages {
                counted.add(Some(Ages::of(*age)), 1.0);
            }
            counted.median_ms()
        };
        assert_eq!(median(&[]), 0);
        assert_eq!(median(&[0, 0, 0, 5]), 0);
        assert_eq!(median(&[1, 5, 1000]), 6);
        assert!(median(&[u64::MAX]) >= 1 << 46);
    }
}
