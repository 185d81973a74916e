#![allow(unsafe_code)]
//! How a table grows and shrinks: segments get more or fewer buckets, split in two, and the directory doubles.

use std::alloc::Layout;
use std::sync::atomic::Ordering::{Relaxed, Release};

use super::bucket::{BUCKETS_MAX, Buckets, SLOTS, buckets_for, next_size, pack};
use super::walk::address;
use super::{ADDRESS_MASK, ALIGNED_MASK, CURSOR_BITS, DEPTH_MASK, Held, Segment, TAG_BITS, tag};
use crate::entry::Entry;
use crate::memory::Memory;
use crate::prefetch::prefetch_line;

/// A segment grows when more than this many of 16 slots are taken.
const FULL_SIXTEENTHS: usize = 14;
/// A segment shrinks when fewer than this many of 16 slots are taken.
const SPARSE_SIXTEENTHS: usize = 9;

impl<'t> Held<'t> {
    /// Grows or splits the segment of `hash` until there is room for one more.
    pub(super) fn make_room(&mut self, hash: u64, memory: &mut Memory) {
        loop {
            let buckets = self.buckets(self.table.segment(hash, self.shard_bits()));
            let count = buckets.buckets.len();
            let len = self.counting_segment(hash, buckets.depth).len.load(Relaxed) as usize;
            if (len + 1) * 16 <= count * SLOTS * FULL_SIXTEENTHS {
                return;
            }
            let can_split = self.shard_bits() + buckets.depth + TAG_BITS < CURSOR_BITS;
            if count >= BUCKETS_MAX && can_split {
                self.split(hash, memory);
            } else {
                self.resize(hash, if count == 0 { 1 } else { next_size(count) }, memory);
            }
        }
    }

    /// Gives buckets back after a removal, when few are in use.
    pub(super) fn give_room_back(&mut self, hash: u64, memory: &mut Memory) {
        let buckets = self.buckets(self.table.segment(hash, self.shard_bits()));
        let count = buckets.buckets.len();
        let len = self.counting_segment(hash, buckets.depth).len.load(Relaxed) as usize;
        if count > 1 && len * 16 < count * SLOTS * SPARSE_SIXTEENTHS {
            let fewer = buckets_for(len);
            if fewer < count {
                self.resize(hash, fewer, memory);
            }
        }
    }

    /// Moves a segment's slots into another number of buckets.
    fn resize(&mut self, hash: u64, count: usize, memory: &mut Memory) {
        let old_word = self
            .table
            .segment(hash, self.shard_bits())
            .word
            .load(Relaxed);
        // SAFETY: read under the lock.
        let old = unsafe { Buckets::unpack(old_word) };
        let (new, word) = self.allocate_buckets(count, old.depth, memory);
        for slot in old.slots() {
            new.place(slot);
        }
        for segment in self.aliases(hash, old.depth) {
            segment.word.store(word, Release);
        }
        self.retire_buckets(old_word, memory);
    }

    /// Moves the buckets of a segment to another place.
    pub(super) fn move_buckets(&mut self, hash: u64, memory: &mut Memory) {
        let buckets = self.buckets(self.table.segment(hash, self.shard_bits()));
        self.resize(hash, buckets.buckets.len(), memory);
    }

    fn count_table_bytes(&self, by: i64) {
        self.counters.add_table_bytes(self.database.into(), by);
    }

    fn allocate_buckets(
        &self,
        count: usize,
        depth: u32,
        memory: &mut Memory,
    ) -> (Buckets<'t>, u64) {
        self.count_table_bytes(Buckets::layout(count).size() as i64);
        Buckets::allocate(count, depth, &mut memory.magazines)
    }

    fn retire_buckets(&self, word: u64, memory: &mut Memory) {
        if word & ALIGNED_MASK != 0 {
            let start = address(word);
            let layout = Buckets::layout((word >> 48) as usize);
            self.count_table_bytes(-(layout.size() as i64));
            // SAFETY: allocated by `Buckets::allocate` with this layout, and no longer in any segment.
            unsafe { memory.garbage.retire_memory(start, layout) };
        }
    }

    /// Splits the segment of `hash` in two by one more bit of the hash. Every entry's key is hashed again.
    fn split(&mut self, hash: u64, memory: &mut Memory) {
        let segment = self.table.segment(hash, self.shard_bits());
        let old_word = segment.word.load(Relaxed);
        let old = self.buckets(segment);
        let depth = old.depth + 1;
        let hashes: Vec<(u64, Entry)> = self.rehash(old);
        let upper = |hash: u64| (hash << (self.shard_bits() + old.depth)) >> 63 == 1;
        let upper_len = hashes.iter().filter(|(hash, _)| upper(*hash)).count();
        let lens = [hashes.len() - upper_len, upper_len];
        let halves = lens.map(|len| self.allocate_buckets(buckets_for(len), depth, memory));
        for (hash, entry) in hashes {
            halves[usize::from(upper(hash))]
                .0
                .place(pack(entry, tag(hash, self.shard_bits() + depth)));
        }
        self.deepen_directory(depth, memory);
        self.point_to_halves(
            hash,
            depth,
            [(halves[0].1, lens[0]), (halves[1].1, lens[1])],
        );
        self.retire_buckets(old_word, memory);
    }

    fn rehash(&self, buckets: Buckets<'_>) -> Vec<(u64, Entry)> {
        const AHEAD: usize = 12;
        let slots: Vec<u64> = buckets.slots().collect();
        let hash_slot = |(at, slot): (usize, &u64)| {
            if let Some(later) = slots.get(at + AHEAD) {
                prefetch_line(std::ptr::without_provenance(
                    (later & ADDRESS_MASK) as usize,
                ));
            }
            // SAFETY: slots hold live entries, and we hold the lock.
            let entry = unsafe { Entry::from_address(slot & ADDRESS_MASK) };
            // SAFETY: as above.
            (
                self.keyspace.hasher.hash(unsafe { entry.as_ref() }.key()),
                entry,
            )
        };
        slots.iter().enumerate().map(hash_slot).collect()
    }

    /// Doubles the directory until it is at least `depth` deep.
    fn deepen_directory(&self, depth: u32, memory: &mut Memory) {
        loop {
            let old = self.table.directory.load(Relaxed);
            let old_depth = (old & DEPTH_MASK) as u32;
            if old_depth >= depth {
                return;
            }
            let layout = directory_layout(old_depth + 1);
            self.count_table_bytes(layout.size() as i64);
            let start = memory.magazines.allocate_zeroed(layout).cast::<Segment>();
            let start = start.as_ptr().cast_const();
            // SAFETY: the array has just been allocated, with this length, and is not yet published.
            let new = unsafe { std::slice::from_raw_parts(start, 2 << old_depth) };
            for (pair, from) in new.chunks_exact(2).zip(self.table.segments()) {
                for to in pair {
                    to.word.store(from.word.load(Relaxed), Relaxed);
                }
                // The upper entry counts nothing until its segment is split.
                pair[0].len.store(from.len.load(Relaxed), Relaxed);
            }
            let packed = start.expose_provenance() as u64 | u64::from(old_depth + 1);
            self.table.directory.store(packed, Release);
            if old != 0 {
                let start = address(old);
                let layout = directory_layout(old_depth);
                self.count_table_bytes(-(layout.size() as i64));
                // SAFETY: allocated here with this layout, and no longer published.
                unsafe { memory.garbage.retire_memory(start, layout) };
            }
        }
    }

    /// All directory entries that name the segment of `hash`, which has used up `depth` bits.
    fn aliases(&self, hash: u64, depth: u32) -> &'t [Segment] {
        let directory = self.table.directory.load(Relaxed);
        if directory == 0 {
            return std::slice::from_ref(&self.table.root);
        }
        let directory_depth = (directory & DEPTH_MASK) as u32;
        let span = 1usize << (directory_depth - depth);
        let index = ((hash << self.shard_bits()) >> (64 - directory_depth)) as usize;
        let start: *const Segment =
            std::ptr::with_exposed_provenance((directory & ALIGNED_MASK) as usize);
        // SAFETY: the range is inside the directory of 2^depth entries, which does not change under the lock.
        unsafe { std::slice::from_raw_parts(start.add(index & !(span - 1)), span) }
    }

    /// The directory entry that counts the entries of the segment of `hash`: the first of its aliases.
    #[inline]
    pub(super) fn counting_segment(&self, hash: u64, depth: u32) -> &'t Segment {
        &self.aliases(hash, depth)[0]
    }

    /// Lets the directory entries of a segment that was split name its halves, `depth` bits deep.
    fn point_to_halves(&self, hash: u64, depth: u32, halves: [(u64, usize); 2]) {
        let whole = self.aliases(hash, depth - 1);
        let (lower, upper) = whole.split_at(whole.len() / 2);
        for (aliases, (word, len)) in [lower, upper].into_iter().zip(halves) {
            for segment in aliases {
                segment.word.store(word, Release);
            }
            aliases[0].len.store(len as u64, Relaxed);
        }
    }
}

pub(super) fn directory_layout(depth: u32) -> Layout {
    let bytes = size_of::<Segment>() << depth;
    Layout::from_size_align(bytes, 64).expect("a directory is small")
}
