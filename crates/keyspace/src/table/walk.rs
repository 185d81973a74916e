#![allow(unsafe_code)]
//! Going through a table: in hash order for SCAN, at random, and for the last time.
//!
//! A position is a hash: it names the home bucket that the hash falls into, whatever the table looks like then.
//! Entries lie in the order of their homes, so a walk that goes on at the first hash of the next home meets every
//! entry that stays, however much the table grows, shrinks or splits in between.

use std::num::NonZero;
use std::ptr::NonNull;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

use super::bucket::{Buckets, SLOTS, pack, tag_of};
use super::growth::directory_layout;
use super::{ADDRESS_MASK, ALIGNED_MASK, DEPTH_MASK, Found, Held, TAG_BITS, Table, tag};
use crate::entry::{Entry, EntryRef, Owned};
use crate::memory::Memory;
use crate::policy::s3::region::Hand;
use crate::prefetch::prefetch_line;
use crate::slab::{Magazines, PageSet};

/// What [`Held::move_segment`] has done.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct MovedSegment {
    /// The position of the next segment; 0 after the last one of all shards.
    pub next: u64,
    /// Slots looked at.
    pub slots: usize,
    /// Entries and arrays of buckets moved.
    pub moved: u64,
    /// Their bytes.
    pub bytes: usize,
}

/// What becomes of an entry that the hand of a CLOCK is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    /// The hand goes on.
    Pass,
    /// It is taken out; what follows takes its place.
    Take,
    /// The hand stays.
    Stop,
}

/// Short keys end this far behind the beginning of their entries.
const KEY_BYTES_NEAR: usize = 40;

/// Where an entry was seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Spotted {
    /// In its home.
    pub position: u64,
    /// Another entry may have it by now.
    pub address: u64,
}

impl Spotted {
    /// Asks the processor for what the entry has beyond its first line, up to the end of a short key.
    pub fn ask_for_key(self) {
        let entry: *const u8 = std::ptr::without_provenance(self.address as usize);
        prefetch_line(entry.wrapping_add(KEY_BYTES_NEAR));
    }
}

impl<'t> Held<'t> {
    /// Emits every entry whose home is that of `position`; the position of the next home, 0 after the last one of all
    /// shards.
    pub fn scan_home(&self, position: u64, mut emit: impl FnMut(EntryRef<'t>)) -> u64 {
        let buckets = self.buckets(self.table.segment(position, self.shard_bits()));
        let bits = self.shard_bits() + buckets.depth;
        let count = buckets.buckets.len();
        if count == 0 {
            return next_prefix(position, bits);
        }
        let home = buckets.home(tag(position, bits));
        for (_, _, word) in slots_of_home(buckets, home) {
            emit(self.entry(word));
        }
        position_of(position, bits, home + 1, count)
    }

    /// Shows `look` the entries of the segment from the hand on, home by home, until one is to be taken, which is returned,
    /// or `look` stops. After the last one the hand is at the next segment; at 0 after the last of all shards.
    pub fn advance_hand(
        &self,
        hand: &mut Hand,
        mut look: impl FnMut(EntryRef<'t>) -> Look,
    ) -> Option<Found<'t>> {
        let position = hand.position;
        let buckets = self.buckets(self.table.segment(position, self.shard_bits()));
        let bits = self.shard_bits() + buckets.depth;
        let count = buckets.buckets.len();
        let first = buckets.home(tag(position, bits));
        for home in first..count {
            for word in slots_in_use(buckets, home) {
                prefetch_line(std::ptr::without_provenance((word & ADDRESS_MASK) as usize));
            }
            let place = |word| Hand {
                position: position_of_tag(position, bits, tag_of(word)),
                address: word & ADDRESS_MASK,
            };
            loop {
                let behind =
                    slots_of_home(buckets, home).filter(|(_, _, word)| place(*word) > *hand);
                let Some((bucket, slot, word)) = behind.min_by_key(|(_, _, word)| place(*word))
                else {
                    break;
                };
                let entry = self.entry(word);
                match look(entry) {
                    Look::Pass => *hand = place(word),
                    Look::Stop => return None,
                    Look::Take => {
                        return Some(self.found(buckets, bucket, slot, entry));
                    }
                }
            }
            *hand = Hand {
                position: position_of(position, bits, home + 1, count),
                address: 0,
            };
        }
        if count == 0 {
            hand.position = next_prefix(position, bits);
        }
        None
    }

    /// Moves what the segment of `position` has in these pages elsewhere: entries, and the buckets.
    pub fn move_segment(
        &mut self,
        position: u64,
        pages: &PageSet,
        memory: &mut Memory,
    ) -> MovedSegment {
        let segment = self.table.segment(position, self.shard_bits());
        let buckets = self.buckets(segment);
        let mut moved = MovedSegment {
            next: next_prefix(position, self.shard_bits() + buckets.depth),
            slots: buckets.buckets.len() * SLOTS,
            moved: 0,
            bytes: 0,
        };
        for slot in buckets.buckets.iter().flat_map(|bucket| &bucket.0) {
            let word = slot.load(Relaxed);
            if word == 0 || !pages.has(object(word & ADDRESS_MASK)) {
                continue;
            }
            let entry = self.entry(word);
            slot.store(
                pack(entry.moved(&mut memory.magazines), tag_of(word)),
                Release,
            );
            let (start, layout) = entry.own_memory();
            // SAFETY: it has left its slot, and its value, if it has one of its own, is the new one's.
            unsafe { memory.garbage.retire_memory(start, layout) };
            moved.moved += 1;
            moved.bytes += layout.size();
        }
        let word = segment.word.load(Relaxed);
        if word & ALIGNED_MASK != 0 && pages.has(object(word & ALIGNED_MASK)) {
            self.move_buckets(position, memory);
            moved.moved += 1;
        }
        moved
    }

    /// Finds the entry at this address, which was in the bucket of `position` or behind it.
    pub fn find_address(&self, position: u64, address: u64) -> Option<Found<'t>> {
        let buckets = self.buckets(self.table.segment(position, self.shard_bits()));
        let home = buckets.home(tag(position, self.shard_bits() + buckets.depth));
        let mut bucket = home;
        loop {
            let slots = buckets.buckets.get(bucket)?;
            for (slot, word) in slots.0.iter().map(|slot| slot.load(Relaxed)).enumerate() {
                if word & ADDRESS_MASK == address {
                    return Some(self.found(buckets, bucket, slot, self.entry(word)));
                }
            }
            bucket = buckets.next(bucket);
            if !slots.is_full() || bucket == home {
                return None;
            }
        }
    }

    /// The entry that `random` falls on, if there is one in that place.
    pub fn entry_at_random(&self, random: u64) -> Option<EntryRef<'t>> {
        let buckets = self.buckets(self.table.segment(random, self.shard_bits()));
        if buckets.buckets.is_empty() {
            return None;
        }
        let bucket = buckets.home(tag(random, self.shard_bits() + buckets.depth));
        let slot = buckets.buckets[bucket].0[random as usize % SLOTS].load(Relaxed);
        (slot != 0).then(|| self.entry(slot))
    }

    #[inline]
    fn found(
        &self,
        buckets: Buckets<'t>,
        bucket: usize,
        slot: usize,
        entry: EntryRef<'t>,
    ) -> Found<'t> {
        Found {
            hash: self.keyspace.hasher.hash(entry.key()),
            buckets,
            bucket,
            slot,
            entry,
        }
    }

    fn entry(&self, slot: u64) -> EntryRef<'t> {
        // SAFETY: a slot in use holds a live entry, and the lock is held for `'t`.
        unsafe { Entry::from_address(slot & ADDRESS_MASK).as_ref() }
    }
}

impl Table {
    /// Shows `look` the entries that lie in the bucket of `position`, each with where it was spotted; the position of the
    /// next bucket, 0 after the last one of all shards.
    ///
    /// # Safety
    /// The caller is pinned for `'p`.
    pub unsafe fn spot<'p>(
        &'p self,
        position: u64,
        shard_bits: u32,
        mut look: impl FnMut(Spotted, EntryRef<'p>),
    ) -> u64 {
        // SAFETY: by the contract.
        let (buckets, bits, home) = unsafe { self.home_of(position, shard_bits) };
        let Some(bucket) = buckets.buckets.get(home) else {
            return next_prefix(position, bits);
        };
        for slot in &bucket.0 {
            let word = slot.load(Acquire);
            if word == 0 {
                break;
            }
            let spotted = Spotted {
                position: position_of_tag(position, bits, tag_of(word)),
                address: word & ADDRESS_MASK,
            };
            // SAFETY: a slot in use holds an entry's address, and the pin keeps it alive.
            let entry = unsafe { Entry::from_address(spotted.address).as_ref() };
            look(spotted, entry);
        }
        position_of(position, bits, home + 1, buckets.buckets.len())
    }

    /// The position of the bucket after that of `position`, 0 after the last one of all shards.
    ///
    /// # Safety
    /// The caller is pinned.
    pub unsafe fn next_bucket(&self, position: u64, shard_bits: u32) -> u64 {
        // SAFETY: by the contract.
        let (buckets, bits, home) = unsafe { self.home_of(position, shard_bits) };
        position_of(position, bits, home + 1, buckets.buckets.len())
    }

    /// The buckets of the segment of `position`, the bits of the hash that shard and segment have used up, and the bucket
    /// of `position`.
    ///
    /// # Safety
    /// The caller is pinned for `'p`.
    unsafe fn home_of<'p>(&'p self, position: u64, shard_bits: u32) -> (Buckets<'p>, u32, usize) {
        let word = self.segment(position, shard_bits).word.load(Acquire);
        // SAFETY: the caller is pinned, so what the word describes is not freed.
        let buckets = unsafe { Buckets::unpack(word) };
        let bits = shard_bits + buckets.depth;
        (buckets, bits, buckets.home(tag(position, bits)))
    }

    /// The words of the segments, each once.
    fn distinct_words(&self) -> impl Iterator<Item = u64> {
        let mut last = 0;
        self.segments()
            .iter()
            .map(|segment| segment.word.load(Acquire))
            .filter(move |word| {
                let is_new = *word != 0 && *word != last;
                last = *word;
                is_new
            })
    }

    /// Frees everything that the table has, for the last time. `freed` hears of bytes that are gone, and gets large
    /// values.
    ///
    /// # Safety
    /// Nobody uses the table any more.
    pub unsafe fn free(
        &self,
        magazines: &mut Magazines,
        freed: &mut dyn FnMut(u64, Option<Owned>),
    ) {
        // SAFETY: by the contract.
        unsafe { self.free_wheel(magazines) };
        for word in self.distinct_words() {
            // SAFETY: nobody else has the table, so its words describe live arrays, whose slots hold live entries.
            let buckets = unsafe { Buckets::unpack(word) };
            let layout = Buckets::layout((word >> 48) as usize);
            let mut bytes = layout.size() as u64;
            for slot in buckets.slots() {
                // SAFETY: as above; each entry is in one slot, and the table is empty after this.
                let value = unsafe {
                    let entry = Entry::from_address(slot & ADDRESS_MASK);
                    bytes += entry.as_ref().memory_bytes().cast_unsigned();
                    entry.free(magazines)
                };
                if value.is_some() {
                    freed(0, value);
                }
            }
            // SAFETY: allocated with this layout, freed once.
            unsafe { magazines.free(address(word), layout) };
            freed(bytes, None);
        }
        let directory = self.directory.load(Relaxed);
        if directory != 0 {
            let layout = directory_layout((directory & DEPTH_MASK) as u32);
            // SAFETY: allocated with this layout, freed once.
            unsafe { magazines.free(address(directory), layout) };
        }
    }
}

/// The address in a word of a segment or a directory, which is not 0.
pub(super) fn address(word: u64) -> NonNull<u8> {
    let address = NonZero::new((word & ALIGNED_MASK) as usize).expect("asked for before");
    NonNull::with_exposed_provenance(address)
}

/// The place in a word, to ask where it lies.
fn object(address: u64) -> NonNull<u8> {
    let address = NonZero::new(address as usize).expect("asked for before");
    NonNull::without_provenance(address)
}

/// The slots in use whose entries have this home, each with its bucket and its place there.
fn slots_of_home(buckets: Buckets<'_>, home: usize) -> impl Iterator<Item = (usize, usize, u64)> {
    let behind = move |bucket: &usize| {
        let next = buckets.next(*bucket);
        (buckets.buckets[*bucket].is_full() && next != home).then_some(next)
    };
    std::iter::successors(Some(home), behind)
        .flat_map(move |bucket| {
            let slots = slots_in_use(buckets, bucket).enumerate();
            slots.map(move |(slot, word)| (bucket, slot, word))
        })
        .filter(move |(_, _, word)| buckets.home(tag_of(*word)) == home)
}

fn slots_in_use(buckets: Buckets<'_>, bucket: usize) -> impl Iterator<Item = u64> {
    buckets.buckets[bucket]
        .0
        .iter()
        .map(|slot| slot.load(Relaxed))
        .take_while(|slot| *slot != 0)
}

/// The first position of a bucket in the segment of `position`; that of the next segment after the last one.
fn position_of(position: u64, bits: u32, bucket: usize, count: usize) -> u64 {
    if bucket >= count {
        return next_prefix(position, bits);
    }
    let first_tag = ((bucket as u64) << TAG_BITS).div_ceil(count as u64);
    position_of_tag(position, bits, first_tag as u16)
}

/// The first position of this tag in the segment of `position`.
fn position_of_tag(position: u64, bits: u32, tag: u16) -> u64 {
    prefix(position, bits) | u64::from(tag) << (64 - bits - TAG_BITS)
}

/// `position` with all but its first `bits` cleared.
fn prefix(position: u64, bits: u32) -> u64 {
    if bits == 0 {
        0
    } else {
        position & !(u64::MAX >> bits)
    }
}

/// The first hash that differs from `position` in its first `bits`; 0 after the last.
fn next_prefix(position: u64, bits: u32) -> u64 {
    if bits == 0 {
        0
    } else {
        prefix(position, bits).wrapping_add(1 << (64 - bits))
    }
}
