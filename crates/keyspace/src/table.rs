#![allow(unsafe_code)]
//! The hash table of one shard of one database: buckets of 64 bytes, growth in small steps, scan in hash order.
//!
//! A table is a directory of segments (extendible hashing), chosen by the hash bits after the shard's. A segment is an
//! array of 1 to 127 buckets of eight slots; a key's home bucket is `tag * buckets / 65536`, which keeps hash order
//! for any number of buckets. A full bucket overflows into the next ones (linear probing), and removing pulls
//! displaced entries back, so a lookup ends at the first bucket that is not full. A segment grows by about a tenth, from
//! the tags alone, and splits in two at 127 buckets; so no insert moves more than 1,016 slots, and a table of more than
//! a few buckets is 75 to 88 % full.
//!
//! A slot is 48 bits of address and 16 bits of tag; 0 is free. Slots fill from the front of a bucket. An all-zero
//! table is an empty one, so untouched tables cost no memory.
//!
//! Reading without the lock ([`Table::read`]): slots are published with Release and followed with Acquire, and an entry
//! that has left its slot is retired through `quiescence`, so whoever has found it in its group may go on reading it.
//! Replacing an entry or adding one is one store, so such a reader sees what was before or what is after. Taking an
//! entry out moves others, and a commit on several keys has more than one store: around these the version is odd. A
//! reader that meets an odd version, or misses and then finds that the version has changed, must take the lock. A
//! hit needs no second look: a commit raises the versions of all its shards before its first store, so who has seen
//! one of its values finds the others, or an odd version. New arrays of buckets are filled before they are published,
//! and old ones stay as they were; what a reader misses in them was added after it had begun.
//!
//! Soundness: everything here is an atomic word, so reading without the lock is never a data race; what a stale
//! reader follows are segment arrays and directories, which are retired through `quiescence`, never freed at once.
//! Everything is changed only through [`Held`], which exists only under the table's lock.

mod bucket;
mod deadlines;
mod fields;
mod growth;
pub(crate) mod lock;
pub(crate) mod version;
mod walk;

use std::alloc::{Layout, handle_alloc_error};
use std::array::from_fn;
use std::mem::offset_of;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{
    AtomicPtr, AtomicU64, Ordering::Acquire, Ordering::Relaxed, Ordering::Release,
};

use bucket::{Bucket, Buckets, SLOTS, pack, tag_of};
use deadlines::WheelCell;
pub(crate) use deadlines::{Fired, Gone};
pub(crate) use fields::PassedFields;
use lock::Lock;
use version::{Begun, Torn, Version};
pub(crate) use walk::{Look, MovedSegment, Spotted};

use crate::access::Key;
use crate::entry::{Entry, EntryRef, Owned};
use crate::expiry::dues::Dues;
use crate::keyspace::Keyspace;
use crate::limits::DATABASES;
use crate::memory::Memory;
use crate::prefetch::prefetch_line;
use crate::prefix::index::Record;
use crate::shared::StringMut;
use crate::slab::{Magazines, Slabs, map_zeros, unmap_zeros};
use crate::stats::Counters;

const TAG_BITS: u32 = 16;
const ADDRESS_MASK: u64 = (1 << 48) - 1;
const ALIGNED_MASK: u64 = ADDRESS_MASK & !63;
const DEPTH_MASK: u64 = 63;
/// Bits of the hash that SCAN's cursor keeps: 53, so that a client that reads numbers as doubles keeps it whole.
pub(crate) const CURSOR_BITS: u32 = 53;

/// One segment: the packed description of its buckets, and how many entries it has. When the directory is deeper
/// than a segment, several directory entries name it: all have its word, and only the first one counts.
#[derive(Default)]
struct Segment {
    /// Address of the buckets (48 bits, aligned to 64), depth in the low 6 bits, count in the high 16. 0: no buckets.
    word: AtomicU64,
    len: AtomicU64,
}

/// The hash table of one shard of one database. All zero is empty and unlocked.
#[repr(C, align(128))]
#[derive(Default)]
pub(crate) struct Table {
    version: Version,
    /// Address of the directory (aligned to 64) and its depth in the low 6 bits; 0: `root` is the only segment.
    directory: AtomicU64,
    root: Segment,
    /// What only the lock's holder needs, on a line of its own: replacing an entry takes no line from the readers but
    /// the entry's bucket.
    holder: HolderLine,
}

/// See [`Table::holder`].
#[repr(align(64))]
#[derive(Default)]
struct HolderLine {
    lock: Lock,
    len: AtomicU64,
    deadlines: AtomicU64,
    /// Hashes whose fields have deadlines, as far as their words tell.
    timed_hashes: AtomicU64,
    /// The latest time that a holder of the lock has used, so that time never goes back here.
    latest_ms: AtomicU64,
    /// The index of the deadlines, and how many records it has.
    wheel: WheelCell,
    records: AtomicU64,
}

impl Table {
    /// See [`Lock::lock_alone`].
    #[inline]
    pub fn lock_alone(&self, worker: usize) {
        self.holder.lock.lock_alone(worker);
    }

    /// See [`Lock::try_lock`].
    #[inline]
    pub fn try_lock(&self, worker: usize) -> bool {
        self.holder.lock.try_lock(worker)
    }

    #[inline]
    pub fn unlock(&self) {
        self.holder.lock.unlock();
    }

    /// See [`Version::begin_change`].
    #[inline]
    pub fn begin_change(&self) -> bool {
        self.version.begin_change()
    }

    /// See [`Version::end_change`].
    #[inline]
    pub fn end_change(&self) {
        self.version.end_change();
    }

    /// The entry of a key, without the lock. It is not freed while the caller's group lasts.
    ///
    /// # Safety
    /// The caller is pinned for `'p`.
    #[inline(always)]
    pub unsafe fn read<'p>(
        &'p self,
        hash: u64,
        key: &[u8],
        shard_bits: u32,
    ) -> Result<Option<EntryRef<'p>>, Torn> {
        // SAFETY: by the contract.
        let (begun, entry) = unsafe { self.look(hash, key, shard_bits)? };
        if entry.is_none() {
            self.version.confirm_miss(begun)?;
        }
        Ok(entry)
    }

    /// As [`Table::read`], but that nothing was found is true only if [`Table::confirm_miss`] says so later.
    ///
    /// # Safety
    /// The caller is pinned for `'p`.
    #[inline(always)]
    pub unsafe fn look<'p>(
        &'p self,
        hash: u64,
        key: &[u8],
        shard_bits: u32,
    ) -> Result<(Begun, Option<EntryRef<'p>>), Torn> {
        let begun = self.version.begin_read()?;
        let word = self.segment(hash, shard_bits).word.load(Acquire);
        // SAFETY: the caller is pinned, so what the word describes is not freed.
        let buckets = unsafe { Buckets::unpack(word) };
        // SAFETY: as above, and the same is true of the entries.
        let found = unsafe { probe(buckets, hash, |entry| entry.has_key(key), shard_bits) };
        Ok((begun, found.map(|(_, _, entry)| entry)))
    }

    /// See [`Version::confirm_miss`].
    pub fn confirm_miss(&self, begun: Begun) -> Result<(), Torn> {
        self.version.confirm_miss(begun)
    }

    #[inline]
    pub fn is_locked_by(&self, worker: usize) -> bool {
        self.holder.lock.is_locked_by(worker)
    }

    /// Entries, those that have expired and are still there included.
    pub fn len(&self) -> u64 {
        self.holder.len.load(Relaxed)
    }

    /// Entries that have a deadline.
    pub fn deadlines(&self) -> u64 {
        self.holder.deadlines.load(Relaxed)
    }

    #[inline]
    fn segment(&self, hash: u64, shard_bits: u32) -> &Segment {
        let directory = self.directory.load(Acquire);
        if directory == 0 {
            return &self.root;
        }
        let depth = (directory & DEPTH_MASK) as u32;
        let index = ((hash << shard_bits) >> (64 - depth)) as usize;
        let start: *const Segment =
            std::ptr::with_exposed_provenance((directory & ALIGNED_MASK) as usize);
        // SAFETY: the index is below 2^depth, the directory's length; a directory is retired, never freed at once.
        unsafe { &*start.add(index) }
    }

    /// The directory; `root` alone while there is none. Under the lock, or pinned, or alone.
    fn segments(&self) -> &[Segment] {
        let directory = self.directory.load(Acquire);
        if directory == 0 {
            return std::slice::from_ref(&self.root);
        }
        let start: *const Segment =
            std::ptr::with_exposed_provenance((directory & ALIGNED_MASK) as usize);
        // SAFETY: the directory has 2^depth entries and is retired, never freed at once.
        unsafe { std::slice::from_raw_parts(start, 1 << (directory & DEPTH_MASK)) }
    }

    /// `now_ms`, or the latest time that was used here under the lock if that is later.
    #[inline]
    pub fn time_ms(&self, now_ms: u64) -> u64 {
        now_ms.max(self.holder.latest_ms.load(Relaxed))
    }

    /// Asks the processor for the line that readers need.
    #[inline]
    pub fn prefetch(table: *const Self) {
        prefetch_line(table.cast());
    }

    /// Asks the processor for the line that the lock's holder needs.
    #[inline]
    pub fn prefetch_lock(table: *const Self) {
        prefetch_line(table.wrapping_byte_add(offset_of!(Self, holder)).cast());
    }

    /// Asks for the home bucket of `hash`. For pinned workers; needs no lock.
    #[inline(always)]
    pub fn prefetch_home(&self, hash: u64, shard_bits: u32) -> Home {
        let word = self.segment(hash, shard_bits).word.load(Acquire);
        // SAFETY: the worker is pinned, so what the word describes is not freed.
        let buckets = unsafe { Buckets::unpack(word) };
        let wanted = tag(hash, shard_bits + buckets.depth);
        let home = buckets.home(wanted);
        let Some(bucket) = buckets.buckets.get(home) else {
            return Home::NONE;
        };
        prefetch_line(std::ptr::from_ref(bucket).cast());
        Home {
            bucket,
            wanted,
            after: (buckets.buckets.len() - 1 - home) as u16,
        }
    }
}

/// A bucket where a key may be, and the tag to look for there.
#[derive(Clone, Copy)]
pub(crate) struct Home {
    bucket: *const Bucket,
    wanted: u16,
    /// Buckets after this one.
    after: u16,
}

impl Home {
    /// No bucket.
    pub const NONE: Self = Self {
        bucket: std::ptr::null(),
        wanted: 0,
        after: 0,
    };

    /// Whether there is a bucket.
    #[inline(always)]
    pub fn is_some(self) -> bool {
        !self.bucket.is_null()
    }

    /// Asks for the entry that is probably the key's. If it is not here but may be in the next bucket, asks for that.
    ///
    /// # Safety
    /// The worker has not left its group since [`Table::prefetch_home`].
    #[inline(always)]
    pub unsafe fn prefetch_entry(self) -> Self {
        // SAFETY: it is null or, by the contract, a bucket that is not freed.
        let Some(bucket) = (unsafe { self.bucket.as_ref() }) else {
            return Self::NONE;
        };
        let matches = bucket.matches(self.wanted);
        if matches != 0 {
            let slot = bucket.0[matches.trailing_zeros() as usize].load(Relaxed);
            let line: *const u8 = std::ptr::without_provenance((slot & ADDRESS_MASK) as usize);
            prefetch_line(line);
            prefetch_line(line.wrapping_add(64));
            prefetch_line(line.wrapping_add(87));
            return Self::NONE;
        }
        // What comes before the first bucket is not worth a look.
        if !bucket.is_full() || self.after == 0 {
            return Self::NONE;
        }
        let next = Self {
            bucket: self.bucket.wrapping_add(1),
            after: self.after - 1,
            ..self
        };
        prefetch_line(next.bucket.cast());
        next
    }

    /// Asks for all entries of the bucket, and for the buckets that an entry may come back from when one goes.
    ///
    /// # Safety
    /// The worker has not left its group since [`Table::prefetch_home`].
    pub unsafe fn prefetch_entries(self) {
        // SAFETY: it is null or, by the contract, a bucket that is not freed.
        let Some(bucket) = (unsafe { self.bucket.as_ref() }) else {
            return;
        };
        for slot in &bucket.0 {
            let address = slot.load(Relaxed) & ADDRESS_MASK;
            prefetch_line(std::ptr::without_provenance(address as usize));
        }
        if bucket.is_full() {
            for next in 1..=2 {
                prefetch_line(self.bucket.wrapping_add(next).cast());
            }
        }
    }
}

/// The shard of a hash.
#[inline]
pub(crate) fn shard(hash: u64, shard_bits: u32) -> usize {
    // Two shifts, because a shift by 64 is not one by 0.
    ((hash >> 1) >> (63 - shard_bits)) as usize
}

/// The 16 bits of the hash after the first `skip`.
#[inline]
fn tag(hash: u64, skip: u32) -> u16 {
    ((hash << skip) >> (64 - TAG_BITS)) as u16
}

/// Adds to a counter that only the lock's holder writes.
#[inline]
fn add(counter: &AtomicU64, by: i64) {
    counter.store(counter.load(Relaxed).wrapping_add_signed(by), Relaxed);
}

/// A table under its lock: the only way to changes.
pub(crate) struct Held<'t> {
    table: &'t Table,
    keyspace: &'t Keyspace,
    counters: &'t Counters,
    database: u8,
}

/// The bucket, slot and entry of the key that `is_key` knows.
///
/// # Safety
/// For `'t`, the caller is pinned or holds the table's lock.
#[inline(always)]
unsafe fn probe<'t>(
    buckets: Buckets<'t>,
    hash: u64,
    mut is_key: impl FnMut(EntryRef<'t>) -> bool,
    shard_bits: u32,
) -> Option<(usize, usize, EntryRef<'t>)> {
    let wanted = tag(hash, shard_bits + buckets.depth);
    let home = buckets.home(wanted);
    let mut bucket = home;
    loop {
        let slots = buckets.buckets.get(bucket)?;
        let mut matches = slots.matches(wanted);
        while matches != 0 {
            let at = matches.trailing_zeros() as usize % SLOTS;
            matches &= matches - 1;
            let address = slots.0[at].load(Acquire) & ADDRESS_MASK;
            if address == 0 {
                break;
            }
            // SAFETY: a slot in use holds an entry's address.
            let entry = unsafe { Entry::from_address(address) };
            // SAFETY: the lock or the pin keeps it alive.
            let entry = unsafe { entry.as_ref() };
            if is_key(entry) {
                return Some((bucket, at, entry));
            }
        }
        bucket = buckets.next(bucket);
        if !slots.is_full() || bucket == home {
            return None;
        }
    }
}

/// Where an entry was found; good until the table is changed.
#[derive(Clone, Copy)]
pub(crate) struct Found<'t> {
    hash: u64,
    buckets: Buckets<'t>,
    bucket: usize,
    slot: usize,
    entry: EntryRef<'t>,
}

impl<'t> Found<'t> {
    /// The entry, for as long as `'t`, the table's lock, is held and it is not removed or replaced.
    #[inline]
    pub fn entry(&self) -> EntryRef<'t> {
        self.entry
    }

    /// The key's hash.
    pub fn hash(&self) -> u64 {
        self.hash
    }
}

impl<'t> Held<'t> {
    /// # Safety
    /// The caller uses it only while it holds the table's lock, or the whole keyspace; one `Held` of a table at a
    /// time; and uses no [`EntryRef`] after the entry has been removed or replaced.
    #[inline]
    pub unsafe fn new(
        table: &'t Table,
        keyspace: &'t Keyspace,
        counters: &'t Counters,
        database: u8,
    ) -> Self {
        Self {
            table,
            keyspace,
            counters,
            database,
        }
    }

    #[inline]
    fn shard_bits(&self) -> u32 {
        self.keyspace.shard_bits
    }

    /// `now_ms`, or the latest time that was used here if that is later.
    #[inline]
    pub fn time_ms(&self, now_ms: u64) -> u64 {
        let latest_ms = self.table.holder.latest_ms.load(Relaxed);
        if now_ms > latest_ms {
            self.table.holder.latest_ms.store(now_ms, Relaxed);
        }
        now_ms.max(latest_ms)
    }

    #[inline]
    fn buckets(&self, segment: &'t Segment) -> Buckets<'t> {
        // SAFETY: read under the lock; only the lock's holder retires it.
        unsafe { Buckets::unpack(segment.word.load(Relaxed)) }
    }

    /// Finds the entry that `is_key` knows among those that have the tag of `hash` in its home.
    #[inline(always)]
    fn find_where(&self, hash: u64, is_key: impl FnMut(EntryRef<'t>) -> bool) -> Option<Found<'t>> {
        let buckets = self.buckets(self.table.segment(hash, self.shard_bits()));
        // SAFETY: the lock is held for `'t`.
        let (bucket, slot, entry) = unsafe { probe(buckets, hash, is_key, self.shard_bits())? };
        Some(Found {
            hash,
            buckets,
            bucket,
            slot,
            entry,
        })
    }

    /// Finds a key.
    #[inline(always)]
    pub fn find(&self, hash: u64, key: &[u8]) -> Option<Found<'t>> {
        self.find_where(hash, |entry| entry.has_key(key))
    }

    /// The entry of a key, for as long as `'t`, the table's lock, is held and it is not removed or replaced.
    #[inline]
    pub fn find_entry(&self, hash: u64, key: &[u8]) -> Option<EntryRef<'t>> {
        let buckets = self.buckets(self.table.segment(hash, self.shard_bits()));
        // SAFETY: the lock is held for `'t`.
        let (_, _, entry) =
            unsafe { probe(buckets, hash, |entry| entry.has_key(key), self.shard_bits())? };
        Some(entry)
    }

    #[inline]
    fn count_bytes(&self, by: i64) {
        self.counters.add_bytes(self.database.into(), by);
    }

    /// Counts the memory of an entry that took and takes so many bytes, 0 where there is none.
    #[inline]
    fn count_size(&self, hash: u64, entry: EntryRef<'_>, old_bytes: i64, new_bytes: i64) {
        self.count_bytes(new_bytes - old_bytes);
        let big_keys = &self.keyspace.big_keys;
        if big_keys.concerns(old_bytes, new_bytes) {
            let key = Key {
                database: self.database,
                bytes: entry.key(),
                hash,
            };
            big_keys.update(key, old_bytes, new_bytes);
        }
    }

    /// See [`EntryRef::change_large_in_place`].
    pub fn change_large_in_place(
        &mut self,
        found: &Found<'t>,
        change: impl FnOnce(&mut StringMut<'_>),
    ) -> bool {
        let before = found.entry.memory_bytes();
        let is_done = found.entry.change_large_in_place(change);
        let after = found.entry.memory_bytes();
        self.count_size(found.hash, found.entry, before, after);
        self.counters
            .entry_changed(self.database, found.entry, after - before);
        is_done
    }

    /// Counts the memory of an object anew that has been changed in its place.
    pub fn count_object(&mut self, found: &Found<'t>) {
        let before = found.entry.memory_bytes();
        found.entry.recount_object();
        let after = found.entry.memory_bytes();
        self.count_size(found.hash, found.entry, before, after);
        self.counters
            .entry_changed(self.database, found.entry, after - before);
    }

    /// Finds the key of a hash.
    pub fn find_hash(&self, hash: u64) -> Option<Found<'t>> {
        self.find_where(hash, |entry| self.keyspace.hasher.hash(entry.key()) == hash)
    }

    /// Finds the key of a record.
    pub fn find_record(&self, record: Record) -> Option<Found<'t>> {
        let mut hash = 0;
        let found = self.find_where(record.position(), |entry| {
            hash = self.keyspace.hasher.hash(entry.key());
            record.is_of(hash)
        })?;
        Some(Found { hash, ..found })
    }

    /// Puts `entry` into the place of the one that was found, which is retired.
    #[inline(always)]
    pub fn replace(&mut self, found: &Found<'t>, entry: Entry, memory: &mut Memory) {
        // SAFETY: the new entry is ours until it is in the slot.
        let new = unsafe { entry.as_ref() };
        if !new.is_as_large_as(&found.entry) {
            let old_bytes = found.entry.memory_bytes();
            let new_bytes = new.memory_bytes();
            self.count_size(found.hash, new, old_bytes, new_bytes);
            self.counters
                .entry_changed(self.database, new, new_bytes - old_bytes);
        }
        let slot = &found.buckets.buckets[found.bucket].0[found.slot];
        slot.store(pack(entry, tag_of(slot.load(Relaxed))), Release);
        self.deadline_came(found.hash, Some(found.entry()), entry, memory);
        // SAFETY: it has left its slot.
        unsafe { memory.garbage.retire_entry(found.entry) };
    }

    /// Sets or clears the deadline of an entry that has room for it; false when it has none.
    pub fn set_deadline_in_place(
        &mut self,
        found: Found<'t>,
        deadline_ms: Option<u64>,
        memory: &mut Memory,
    ) -> bool {
        let old = found.entry().deadline_word();
        let done = found.entry().set_deadline_in_place(deadline_ms);
        if done {
            self.follow_deadline(found.hash, old, Some(found.entry()), memory);
        }
        done
    }

    /// Adds an entry whose key is not there.
    pub fn insert(&mut self, hash: u64, entry: Entry, memory: &mut Memory) {
        self.make_room(hash, memory);
        let buckets = self.buckets(self.table.segment(hash, self.shard_bits()));
        buckets.place(pack(entry, tag(hash, self.shard_bits() + buckets.depth)));
        add(&self.counting_segment(hash, buckets.depth).len, 1);
        add(&self.table.holder.len, 1);
        self.counters.add_keys(self.database.into(), 1);
        // SAFETY: it is in its slot, under the lock.
        let new = unsafe { entry.as_ref() };
        self.count_size(hash, new, 0, new.memory_bytes());
        self.counters.entry_came(self.database, hash, new, memory);
        self.deadline_came(hash, None, entry, memory);
    }

    /// Removes and retires the entry that was found.
    pub fn remove(&mut self, found: Found<'t>, memory: &mut Memory) {
        let Found {
            hash,
            buckets,
            bucket,
            slot,
            entry,
        } = found;
        self.count_size(hash, entry, entry.memory_bytes(), 0);
        self.counters.entry_went(self.database, entry);
        let begun = self.table.begin_change();
        let was_full = buckets.buckets[bucket].is_full();
        buckets.buckets[bucket].take(slot);
        if was_full {
            buckets.pull_back(bucket);
        }
        if begun {
            self.table.end_change();
        }
        add(&self.counting_segment(hash, buckets.depth).len, -1);
        add(&self.table.holder.len, -1);
        self.counters.add_keys(self.database.into(), -1);
        self.deadline_went(hash, entry, memory);
        // SAFETY: it has left its slot.
        unsafe { memory.garbage.retire_entry(entry) };
        self.give_room_back(hash, memory);
    }
}

/// The tables of one database, one for each shard, and behind them the [`Dues`]. Untouched ones cost no memory.
pub(crate) struct Tables {
    start: *mut Table,
    count: usize,
    slabs: Arc<Slabs>,
}

// SAFETY: it owns the tables; all their parts may be used by any thread.
unsafe impl Send for Tables {}

impl Tables {
    fn new(count: usize, slabs: Arc<Slabs>) -> Self {
        let layout = Self::layout(count);
        // An all-zero table is an empty one. Not from the allocator, which would touch memory that it has used before.
        let Some(start) = map_zeros(layout.size()) else {
            handle_alloc_error(layout);
        };
        Self {
            start: start.as_ptr().cast(),
            count,
            slabs,
        }
    }

    /// The array, which is no longer freed on its own.
    fn into_raw(self) -> *mut Table {
        let mut tables = std::mem::ManuallyDrop::new(self);
        // SAFETY: nobody uses it after this; the tables themselves are not dropped.
        unsafe { std::ptr::drop_in_place(&raw mut tables.slabs) };
        tables.start
    }

    fn layout(count: usize) -> Layout {
        let dues = Layout::array::<AtomicU64>(Dues::words(count));
        let layout = dues.and_then(|dues| Layout::array::<Table>(count)?.extend(dues));
        layout.expect("the number of shards is limited").0
    }
}

impl Tables {
    /// Frees them, and shows `freed` how many bytes are gone, and large values, which it lets go of.
    pub fn free(self, mut freed: impl FnMut(u64, Option<Owned>)) {
        let mut tables = std::mem::ManuallyDrop::new(self);
        // SAFETY: nobody uses it after this, and it is not dropped.
        unsafe {
            tables.release(&mut freed);
            std::ptr::drop_in_place(&raw mut tables.slabs);
        }
    }

    /// # Safety
    /// It is called once, and only the slabs are used after it.
    unsafe fn release(&mut self, freed: &mut dyn FnMut(u64, Option<Owned>)) {
        let mut magazines = Magazines::new(Arc::clone(&self.slabs));
        // SAFETY: the array is ours.
        let tables = unsafe { std::slice::from_raw_parts(self.start, self.count) };
        for table in tables {
            // SAFETY: nobody else has the tables, and they are gone after this.
            unsafe { table.free(&mut magazines, freed) };
            magazines.give_pages_back(usize::MAX);
        }
        if let Some(start) = NonNull::new(self.start.cast()) {
            // SAFETY: it is a mapping of this size, unmapped once.
            unsafe { unmap_zeros(start, Self::layout(self.count).size()) };
        }
    }
}

impl Drop for Tables {
    fn drop(&mut self) {
        // SAFETY: `free` drops no tables.
        unsafe { self.release(&mut |_, _| ()) };
    }
}

/// The databases' tables: a mapping, so that databases can be exchanged and emptied at once. It changes only while one
/// worker has the whole keyspace to itself.
pub(crate) struct Databases {
    tables: [AtomicPtr<Table>; DATABASES],
    shards: usize,
    slabs: Arc<Slabs>,
    wheels: WheelCount,
}

/// How many indexes of deadlines there are, in all databases. On a line of its own: everybody needs what is beside it.
#[repr(align(128))]
#[derive(Default)]
struct WheelCount(AtomicU64);

impl Databases {
    pub fn new(shards: usize, slabs: Arc<Slabs>) -> Self {
        Self {
            tables: from_fn(|_| AtomicPtr::new(Tables::new(shards, Arc::clone(&slabs)).into_raw())),
            shards,
            slabs,
            wheels: WheelCount::default(),
        }
    }

    /// What the tables of one database take themselves, without their buckets, once there are keys in all.
    pub fn array_bytes(&self) -> u64 {
        Tables::layout(self.shards).size() as u64
    }

    /// Takes an array back that [`Tables::into_raw`] gave away.
    fn own(&self, start: *mut Table) -> Tables {
        Tables {
            start,
            count: self.shards,
            slabs: Arc::clone(&self.slabs),
        }
    }

    /// The tables of a database.
    #[inline]
    pub fn tables(&self, database: usize) -> &[Table] {
        let start = self.tables[database].load(Acquire);
        // SAFETY: the array has this length, and is taken out of the mapping only while no other worker is in a group.
        unsafe { std::slice::from_raw_parts(start, self.shards) }
    }

    /// When each of a database's shards has something to expire. For pinned workers.
    #[inline]
    pub fn dues(&self, database: usize) -> Dues<'_> {
        let start = self.tables[database].load(Acquire);
        // SAFETY: the words lie behind the tables, where the alignment leaves no gap; as for `tables`.
        let words = unsafe {
            let words = start.add(self.shards).cast::<AtomicU64>();
            std::slice::from_raw_parts(words, Dues::words(self.shards))
        };
        Dues::new(words)
    }

    /// Whether there is an index of deadlines anywhere.
    #[inline]
    pub fn has_wheels(&self) -> bool {
        self.wheels.0.load(Relaxed) > 0
    }

    pub fn add_wheel(&self, database: usize) {
        self.wheels.0.fetch_add(1, Relaxed);
        self.dues(database).add_wheel();
    }

    pub fn remove_wheel(&self, database: usize) {
        self.wheels.0.fetch_sub(1, Relaxed);
        self.dues(database).remove_wheel();
    }

    /// Gives a database empty tables; the old ones.
    ///
    /// # Safety
    /// The caller has the whole keyspace to itself and uses no reference into the old tables any more.
    pub unsafe fn replace(&self, database: usize) -> Tables {
        let empty = Tables::new(self.shards, Arc::clone(&self.slabs));
        self.wheels
            .0
            .fetch_sub(self.dues(database).wheels(), Relaxed);
        self.own(self.tables[database].swap(empty.into_raw(), Release))
    }

    /// Exchanges two databases. The caller has the whole keyspace to itself.
    pub fn swap(&self, first: usize, second: usize) {
        let old = self.tables[first].load(Relaxed);
        self.tables[first].store(self.tables[second].load(Relaxed), Release);
        self.tables[second].store(old, Release);
    }
}

impl Drop for Databases {
    fn drop(&mut self) {
        for tables in &self.tables {
            drop(self.own(tables.load(Relaxed)));
        }
    }
}
