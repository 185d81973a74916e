#![allow(unsafe_code)]
//! Buckets of eight slots, the arrays of buckets that segments have, and how entries are placed in them.

use std::alloc::Layout;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed, Ordering::Release};

use super::{ALIGNED_MASK, DEPTH_MASK, TAG_BITS};
use crate::entry::Entry;
use crate::slab::{LINES, Magazines};

pub(super) const SLOTS: usize = 8;
/// The most buckets of a segment that can be split: eight such arrays fit a page of the slabs.
pub(super) const BUCKETS_MAX: usize = 127;
/// A segment is made anew with at most this many of 32 slots taken.
const FRESH_32NDS: usize = 27;

/// One cache line of slots; 0 is free, and slots fill from the front.
#[repr(align(64))]
pub(super) struct Bucket(pub [AtomicU64; SLOTS]);

impl Bucket {
    #[inline]
    pub fn is_full(&self) -> bool {
        self.0[SLOTS - 1].load(Relaxed) != 0
    }

    /// The slots that have this tag, as bits; free slots have tag 0. A hint for who does not hold the lock: the slot
    /// must be read again. Without branches: which slot it is cannot be predicted.
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    #[inline]
    pub fn matches(&self, wanted: u16) -> u32 {
        use std::arch::x86_64::{__m128i, _mm_set1_epi16};
        let matches: u32;
        // SAFETY: it reads the 64 bytes of `self`, which are aligned, and writes to registers only. Other threads may
        // write them meanwhile; that is why it is not done with intrinsics, whose loads are not atomic to the compiler.
        // The processor's are, for aligned words.
        unsafe {
            let wanted: __m128i = _mm_set1_epi16(wanted.cast_signed());
            std::arch::asm!(
                "movaps {low}, [{slots}]",
                "movaps {high}, [{slots} + 32]",
                // The upper halves of two slots each.
                "shufps {low}, [{slots} + 16], 0xdd",
                "shufps {high}, [{slots} + 48], 0xdd",
                // The tags, as 16-bit words.
                "psrad {low}, 16",
                "psrad {high}, 16",
                "packssdw {low}, {high}",
                "pcmpeqw {low}, {wanted}",
                "packsswb {low}, {low}",
                "pmovmskb {matches:e}, {low}",
                slots = in(reg) self,
                wanted = in(xmm_reg) wanted,
                low = out(xmm_reg) _,
                high = out(xmm_reg) _,
                matches = out(reg) matches,
                options(nostack, readonly, preserves_flags, pure),
            );
        }
        matches & 0xff
    }

    /// The slots that have this tag, as bits; free slots have tag 0.
    #[cfg(not(all(target_arch = "x86_64", not(miri))))]
    #[inline]
    pub fn matches(&self, wanted: u16) -> u32 {
        let mut matches = 0;
        for (at, slot) in self.0.iter().enumerate() {
            matches |= u32::from(tag_of(slot.load(Relaxed)) == wanted) << at;
        }
        matches
    }

    fn used(&self) -> usize {
        self.0
            .iter()
            .take_while(|slot| slot.load(Relaxed) != 0)
            .count()
    }

    /// Appends to the slots in use; false when all are.
    #[inline]
    pub fn push(&self, slot: u64) -> bool {
        for place in &self.0 {
            if place.load(Relaxed) == 0 {
                place.store(slot, Release);
                return true;
            }
        }
        false
    }

    /// Frees slot `at` by moving the last one there.
    pub fn take(&self, at: usize) -> u64 {
        let taken = self.0[at].load(Relaxed);
        let last = self.used() - 1;
        self.0[at].store(self.0[last].load(Relaxed), Release);
        self.0[last].store(0, Release);
        taken
    }
}

/// A slot's content.
#[inline]
pub(super) fn pack(entry: Entry, tag: u16) -> u64 {
    entry.address() | u64::from(tag) << 48
}

/// The tag in a slot's content.
#[inline]
pub(super) fn tag_of(slot: u64) -> u16 {
    (slot >> 48) as u16
}

/// A segment's buckets, unpacked.
#[derive(Clone, Copy)]
pub(super) struct Buckets<'t> {
    pub buckets: &'t [Bucket],
    /// Bits of the hash that the segment has used up.
    pub depth: u32,
}

impl<'t> Buckets<'t> {
    /// # Safety
    /// `word` was read from a segment while its table was locked, or its reader is pinned since before.
    #[inline]
    pub unsafe fn unpack(word: u64) -> Self {
        let count = (word >> 48) as usize;
        let start: *const Bucket = match word & ALIGNED_MASK {
            0 => std::ptr::NonNull::dangling().as_ptr(),
            address => std::ptr::with_exposed_provenance(address as usize),
        };
        // SAFETY: the word describes an array that is retired, at the earliest, after the caller's pin or lock ends.
        let buckets = unsafe { std::slice::from_raw_parts(start, count) };
        let depth = (word & DEPTH_MASK) as u32;
        Self { buckets, depth }
    }

    /// New, empty buckets and the word that describes them.
    pub fn allocate(count: usize, depth: u32, magazines: &mut Magazines) -> (Self, u64) {
        let start = magazines.allocate_zeroed(Self::layout(count));
        let word =
            start.as_ptr().expose_provenance() as u64 | u64::from(depth) | (count as u64) << 48;
        // SAFETY: the array has just been allocated.
        (unsafe { Self::unpack(word) }, word)
    }

    pub fn layout(count: usize) -> Layout {
        Layout::array::<Bucket>(count).expect("a segment is small")
    }

    #[inline]
    pub fn home(self, tag: u16) -> usize {
        (usize::from(tag) * self.buckets.len()) >> TAG_BITS
    }

    #[inline]
    pub fn next(self, bucket: usize) -> usize {
        if bucket + 1 == self.buckets.len() {
            0
        } else {
            bucket + 1
        }
    }

    /// Puts a slot into its home or the next bucket with room. There must be room.
    pub fn place(self, slot: u64) {
        let mut bucket = self.home(tag_of(slot));
        while !self.buckets[bucket].push(slot) {
            bucket = self.next(bucket);
        }
    }

    pub fn slots(self) -> impl Iterator<Item = u64> + 't {
        self.buckets
            .iter()
            .flat_map(|bucket| bucket.0.iter().map(|slot| slot.load(Relaxed)))
            .filter(|slot| *slot != 0)
    }

    /// How many buckets `to` comes after `from`.
    #[inline]
    fn distance(self, from: usize, to: usize) -> usize {
        if to >= from {
            to - from
        } else {
            to + self.buckets.len() - from
        }
    }

    /// Moves displaced entries back after `hole`, a bucket that was full, has lost one.
    pub fn pull_back(self, mut hole: usize) {
        let mut bucket = self.next(hole);
        while bucket != hole {
            let was_full = self.buckets[bucket].is_full();
            let distance = self.distance(hole, bucket);
            let displaced = (0..SLOTS).find(|&at| {
                let slot = self.buckets[bucket].0[at].load(Relaxed);
                slot != 0 && self.distance(self.home(tag_of(slot)), bucket) >= distance
            });
            if let Some(at) = displaced {
                // The copy is visible before the original goes, so a reader may see it twice but not never.
                let slot = self.buckets[bucket].0[at].load(Relaxed);
                self.buckets[hole].push(slot);
                self.buckets[bucket].take(at);
                hole = bucket;
            }
            if !was_full {
                return;
            }
            bucket = self.next(bucket);
        }
    }
}

/// How many buckets to take for so many entries: the smallest size of the growth sequence that is not too full.
pub(super) fn buckets_for(len: usize) -> usize {
    let mut count = 1;
    while len * 32 > count * SLOTS * FRESH_32NDS {
        count = next_size(count);
    }
    count
}

/// The growth sequence: about eight steps per doubling, which are also size classes of the slabs.
pub(super) fn next_size(count: usize) -> usize {
    match count {
        ..8 => count + 1,
        8..16 => count + 2,
        _ => LINES
            .into_iter()
            .find(|lines| *lines > count)
            .unwrap_or(count + count / 8),
    }
}
