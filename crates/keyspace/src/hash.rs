//! The keyed hash of keys, and what its bits mean.
//!
//! From the top: shard bits, then the bits that choose a segment of the shard's table, then the 16 bits of the tag,
//! which choose the bucket in the segment and are kept in the slot. So all keys lie in the order of their hashes, and
//! a position in that order survives any growth: it is SCAN's cursor.

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
        rapidhash_v3_inline::<true, false, true>(key, &self.secrets)
    }
}
