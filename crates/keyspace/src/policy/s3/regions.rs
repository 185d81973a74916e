//! The regions of one database: one while there are few keys, more with more keys, so that workers seldom meet.
//!
//! A region is what begins with the same bits of the hash, so it is some shards in a row.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

use parking_lot::{Mutex, MutexGuard};

use super::region::Region;

/// The most regions of a database, as a power of two.
const REGION_BITS_MAX: u32 = 6;
/// No region is to have fewer keys, its part would be too uneven, ...
const REGION_KEYS_MIN: u64 = 1000;
/// ... and where they have more, there should be more of them.
const REGION_KEYS_MAX: u64 = 4000;

/// See the head of this file.
pub(crate) struct Regions {
    /// How many bits of the hash tell the region.
    bits: AtomicU32,
    /// A bit for each region whose queue may be too long.
    long: AtomicU64,
    regions: [Mutex<Region>; 1 << REGION_BITS_MAX],
}

impl Default for Regions {
    fn default() -> Self {
        Self {
            bits: AtomicU32::new(0),
            long: AtomicU64::new(0),
            regions: std::array::from_fn(|_| Mutex::default()),
        }
    }
}

/// A region, for as long as nobody else may have it.
pub(crate) struct RegionGuard<'r> {
    pub region: MutexGuard<'r, Region>,
    pub number: usize,
    pub bits: u32,
}

impl Regions {
    /// The region of a hash.
    pub fn lock(&self, hash: u64) -> RegionGuard<'_> {
        loop {
            let bits = self.bits.load(Relaxed);
            let number = number(hash, bits);
            let region = self.regions[number].lock();
            // Bits change under all locks.
            if self.bits.load(Relaxed) == bits {
                return RegionGuard {
                    region,
                    number,
                    bits,
                };
            }
        }
    }

    /// Notes that a queue may be too long.
    pub fn note_long(&self, number: usize) {
        let bit = 1 << number;
        if self.long.load(Relaxed) & bit == 0 {
            self.long.fetch_or(bit, Relaxed);
        }
    }

    /// The first position of a region whose queue may be too long, and was not taken by somebody else.
    pub fn take_long(&self) -> Option<u64> {
        let long = self.long.load(Relaxed);
        if long == 0 {
            return None;
        }
        let number = long.trailing_zeros();
        let before = self.long.fetch_and(!(1 << number), Relaxed);
        (before & 1 << number != 0).then(|| start(number as usize, self.bits.load(Relaxed)))
    }

    /// Has as many regions as so many keys want; no more than a power of two.
    pub fn fit(&self, keys: u64, bits_max: u32) {
        let bits = self.bits.load(Relaxed);
        let is_right =
            keys < REGION_KEYS_MAX << bits && (bits == 0 || keys >= REGION_KEYS_MIN << bits);
        let wanted = (keys / REGION_KEYS_MIN)
            .checked_ilog2()
            .unwrap_or(0)
            .min(bits_max)
            .min(REGION_BITS_MAX);
        if !is_right && wanted != bits {
            self.divide(wanted);
        }
    }

    #[cold]
    fn divide(&self, wanted: u32) {
        let mut regions: Vec<_> = self.regions.iter().map(Mutex::lock).collect();
        let bits = self.bits.load(Relaxed);
        if regions.iter().any(|region| region.is_claimed) || bits == wanted {
            return;
        }
        if wanted > bits {
            let parts = 1 << (wanted - bits);
            for old in (0..1 << bits).rev() {
                let part_of = |hash| number(hash, wanted) % parts;
                let new = regions[old].split(parts, part_of);
                for (part, region) in new.into_iter().enumerate() {
                    *regions[old * parts + part] = region;
                }
            }
        } else {
            let parts = 1 << (bits - wanted);
            for old in 0..1 << bits {
                if old % parts == 0 {
                    let region = std::mem::take(&mut *regions[old]);
                    *regions[old / parts] = region;
                    regions[old / parts].hand.position = start(old / parts, wanted);
                } else {
                    let mut region = std::mem::take(&mut *regions[old]);
                    regions[old / parts].merge(&mut region);
                }
            }
        }
        for (number, region) in regions.iter_mut().enumerate().take(1 << wanted) {
            region.hand.position = start(number, wanted);
            region.hand.address = 0;
        }
        self.long.store(0, Relaxed);
        self.bits.store(wanted, Relaxed);
    }

    /// Forgets all.
    pub fn forget(&self) {
        let mut regions: Vec<_> = self.regions.iter().map(Mutex::lock).collect();
        self.bits.store(0, Relaxed);
        self.long.store(0, Relaxed);
        for region in &mut regions {
            **region = Region::default();
        }
    }

    /// Memory, in bytes.
    pub fn bytes(&self) -> usize {
        self.regions
            .iter()
            .map(|region| region.lock().bytes())
            .sum()
    }
}

/// The region that a hash belongs to.
fn number(hash: u64, bits: u32) -> usize {
    hash.checked_shr(64 - bits).unwrap_or(0) as usize
}

/// The first hash of a region.
pub(crate) fn start(number: usize, bits: u32) -> u64 {
    (number as u64).checked_shl(64 - bits).unwrap_or(0)
}
