//! What is remembered of evicted keys: sets of four fingerprints of 12 bits, 1.5 bytes for an entry.

use super::scaled;

/// Fingerprints of a set.
const WAYS: usize = 4;
const FINGERPRINT_MASK: u64 = 0xFFF;
/// A place that has no fingerprint.
const EMPTY: u16 = 0;

/// Remembers about as many keys as it was made for, and forgets the oldest of a set first.
#[derive(Clone, Debug)]
pub struct Ghost {
    /// The newest fingerprint of a set comes first.
    sets: Vec<[u16; WAYS]>,
}

impl Ghost {
    /// A ghost of that many fingerprints, rounded up to whole sets.
    pub fn new(fingerprints: usize) -> Self {
        Ghost {
            sets: vec![[EMPTY; WAYS]; fingerprints.div_ceil(WAYS)],
        }
    }

    /// Remembers the key in place of the oldest of its set.
    pub fn insert(&mut self, hash: u64) {
        let (set, fingerprint) = self.place(hash);
        set.rotate_right(1);
        set[0] = fingerprint;
    }

    /// Whether the key is remembered; after that it is not.
    pub fn take(&mut self, hash: u64) -> bool {
        let (set, fingerprint) = self.place(hash);
        let Some(way) = set.iter().position(|&other| other == fingerprint) else {
            return false;
        };
        set[way..].rotate_left(1);
        set[WAYS - 1] = EMPTY;
        true
    }

    /// The set of a key by the high bits of its hash, its fingerprint by the low ones.
    fn place(&mut self, hash: u64) -> (&mut [u16; WAYS], u16) {
        let set = scaled(hash, self.sets.len());
        let fingerprint = (hash & FINGERPRINT_MASK) as u16;
        (&mut self.sets[set], fingerprint.max(EMPTY + 1))
    }
}

#[cfg(test)]
mod tests {
    use super::Ghost;

    #[test]
    fn a_set_forgets_its_oldest() {
        let mut ghost = Ghost::new(4);
        for hash in 1..=5 {
            ghost.insert(hash);
        }
        assert!(!ghost.take(1));
        assert!(ghost.take(3));
        assert!(!ghost.take(3));
        ghost.insert(6);
        assert!([2, 4, 5, 6].into_iter().all(|hash| ghost.take(hash)));
    }
}
