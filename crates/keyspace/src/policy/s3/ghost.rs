//! What is remembered of evicted keys: sets of four fingerprints of 12 bits, 1.5 bytes for a key.

use super::scaled;

const FINGERPRINT_BITS: u32 = 12;
const FINGERPRINT_MASK: u64 = (1 << FINGERPRINT_BITS) - 1;
/// Fingerprints of a set.
const WAYS: u32 = 4;
const SET_BYTES: usize = (FINGERPRINT_BITS * WAYS) as usize / 8;

/// Remembers about as many keys as it has room for, and forgets the oldest of a set first.
#[derive(Clone, Debug, Default)]
pub(super) struct Ghost {
    /// The newest fingerprint of a set is its lowest 12 bits; 0 is none.
    sets: Vec<[u8; SET_BYTES]>,
}

impl Ghost {
    /// A ghost with room for about so many keys.
    pub fn new(keys: usize) -> Self {
        Self {
            sets: vec![[0; SET_BYTES]; keys.div_ceil(WAYS as usize)],
        }
    }

    /// How many keys there is room for.
    pub fn room(&self) -> usize {
        self.sets.len() * WAYS as usize
    }

    /// Memory, in bytes.
    pub fn bytes(&self) -> usize {
        self.sets.capacity() * SET_BYTES
    }

    /// Makes room for about so many keys instead. Of a smaller one some are forgotten, in a larger one all are found.
    pub fn resize(&mut self, keys: usize) {
        let (old, new) = (self.sets.len(), keys.div_ceil(WAYS as usize));
        if old == 0 {
            *self = Self::new(keys);
        } else {
            self.sets = (0..new).map(|set| self.sets[set * old / new]).collect();
        }
    }

    /// Remembers a key in place of the oldest of its set.
    pub fn insert(&mut self, hash: u64) {
        if let Some((set, fingerprint)) = self.place(hash) {
            write(set, read(set) << FINGERPRINT_BITS | fingerprint);
        }
    }

    /// Whether a key is remembered; after that it is not.
    pub fn take(&mut self, hash: u64) -> bool {
        let Some((set, fingerprint)) = self.place(hash) else {
            return false;
        };
        let word = read(set);
        let way = (0..WAYS)
            .find(|way| word >> (way * FINGERPRINT_BITS) & FINGERPRINT_MASK == fingerprint);
        let Some(way) = way else {
            return false;
        };
        // The older ones move up.
        let newer = (1 << (way * FINGERPRINT_BITS)) - 1;
        write(set, word & newer | word >> FINGERPRINT_BITS & !newer);
        true
    }

    /// The set of a key by the high bits of its hash, its fingerprint by the low ones.
    fn place(&mut self, hash: u64) -> Option<(&mut [u8; SET_BYTES], u64)> {
        if self.sets.is_empty() {
            return None;
        }
        let set = scaled(hash, self.sets.len());
        Some((&mut self.sets[set], (hash & FINGERPRINT_MASK).max(1)))
    }
}

fn read(set: &[u8; SET_BYTES]) -> u64 {
    let mut bytes = [0; 8];
    bytes[..SET_BYTES].copy_from_slice(set);
    u64::from_le_bytes(bytes)
}

fn write(set: &mut [u8; SET_BYTES], word: u64) {
    set.copy_from_slice(&word.to_le_bytes()[..SET_BYTES]);
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
        assert!(!ghost.take(6));
    }

    #[test]
    fn a_larger_one_still_knows_them() {
        let mut ghost = Ghost::new(400);
        let hash = |number: u64| number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        for number in 0..100 {
            ghost.insert(hash(number));
        }
        ghost.resize(1000);
        assert_eq!(ghost.room(), 1000);
        let known = (0..100).filter(|number| ghost.take(hash(*number))).count();
        // Some sets had more than four.
        assert!(known > 85, "{known}");
    }
}
