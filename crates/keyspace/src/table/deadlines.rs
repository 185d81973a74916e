#![allow(unsafe_code)]
//! How a table and the index of its deadlines work together (`expiry` tells what the index is).
//!
//! A record is the 32 bits of a hash after those of the shard. They lead to a home and, as long as a table has fewer than
//! 2^16 segments, to a tag, in any state of its growth. Of the entries there, the one whose deadline word says that it is
//! filed in the drawer from which the record comes is the one; if there is none, the record is of an entry that is gone.
//!
//! Soundness: the wheel belongs to the table, and is touched by the holder of the lock only.

use std::ptr::null_mut;
use std::sync::atomic::{AtomicPtr, Ordering::Relaxed};

use super::fields::PassedFields;
use super::{Found, Held, Home, TAG_BITS, Table, add};
use crate::deadline::{DeadlineWord, SUMMED_MS_END};
use crate::entry::{Entry, EntryRef};
use crate::expiry::dues::Dues;
use crate::expiry::{Batch, Place, Ticks, Wheel, WhichWheel};
use crate::memory::Memory;
use crate::prefetch::prefetch_line;
use crate::slab::Magazines;

const RECORD_BITS: u32 = 32;
/// Records of entries that are gone which a table may have, beside as many as it has deadlines.
const GONE_MAX: u64 = 16;
/// How far ahead of its turn a record's bucket is asked for, and its entry.
const HOMES_AHEAD: usize = 16;
const ENTRIES_AHEAD: usize = 8;
/// What is added to the sum of deadlines at most, so that it cannot overflow.
const SUMMED_MS_MAX: u64 = SUMMED_MS_END - 1;

/// A table's wheel, if it has one.
#[derive(Default)]
pub(super) struct WheelCell(AtomicPtr<Wheel>);

impl WheelCell {
    /// # Safety
    /// The caller holds the table's lock, or has it to itself, and has no other reference to the wheel.
    #[expect(clippy::mut_from_ref, reason = "the lock makes it exclusive")]
    unsafe fn get(&self) -> Option<&mut Wheel> {
        // SAFETY: the cell owns the wheel; by the contract nobody else uses it.
        unsafe { self.0.load(Relaxed).as_mut() }
    }

    fn put(&self, wheel: Wheel) {
        debug_assert!(self.0.load(Relaxed).is_null(), "there is one wheel");
        self.0.store(Box::into_raw(Box::new(wheel)), Relaxed);
    }

    /// # Safety
    /// As [`WheelCell::get`].
    unsafe fn take(&self) -> Option<Box<Wheel>> {
        let wheel = self.0.swap(null_mut(), Relaxed);
        // SAFETY: it came from `put`, and the cell has forgotten it.
        (!wheel.is_null()).then(|| unsafe { Box::from_raw(wheel) })
    }
}

impl Table {
    /// Asks the processor for the wheel. Needs no lock.
    pub fn prefetch_wheel(&self) {
        let wheel = self.holder.wheel.0.load(Relaxed).cast::<u8>().cast_const();
        prefetch_line(wheel);
        prefetch_line(wheel.wrapping_add(64));
    }

    /// Frees the wheel, for the last time.
    ///
    /// # Safety
    /// Nobody uses the table any more.
    pub(super) unsafe fn free_wheel(&self, magazines: &mut Magazines) {
        // SAFETY: by the contract.
        if let Some(mut wheel) = unsafe { self.holder.wheel.take() } {
            wheel.clear(magazines);
        }
    }
}

/// What [`Held::expire_due`] has done.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Fired {
    /// Records looked at, and fields removed.
    pub looked_at: usize,
    /// Entries removed.
    pub removed: usize,
    /// When there is more to do; None when there is nothing.
    pub next_ms: Option<u64>,
}

/// An entry whose time is up, or that of some of its fields, before they are removed.
pub(crate) struct Expiring<'t> {
    pub hash: u64,
    pub key: &'t [u8],
    pub gone: Gone,
}

/// What goes.
#[derive(Clone, Copy)]
pub(crate) enum Gone {
    /// A key whose time has been up for so long.
    Key { lag_ms: u64 },
    /// Fields of a hash.
    Fields(PassedFields),
}

/// How far the records of one drawer have been settled.
struct Settling {
    place: Place,
    now_ms: u64,
    /// Fields that may still be removed.
    fields_left: usize,
    /// Entries removed.
    removed: usize,
}

impl<'t> Held<'t> {
    /// After an entry has come into the table, in place of the old one, if any.
    #[inline(always)]
    pub(super) fn deadline_came(
        &mut self,
        hash: u64,
        old: Option<EntryRef<'_>>,
        entry: Entry,
        memory: &mut Memory,
    ) {
        let had_one = old.is_some_and(|old| old.may_have_deadline());
        // SAFETY: it is in its slot, under the lock.
        if had_one || unsafe { entry.may_have_deadline() } {
            let old = old.and_then(|old| old.deadline_word());
            // SAFETY: as above.
            let entry = unsafe { entry.as_ref() };
            if !self.is_moved_later(old, entry) {
                self.follow_deadline(hash, old, Some(entry), memory);
            }
        }
    }

    /// After an entry has gone.
    #[inline]
    pub(super) fn deadline_went(&mut self, hash: u64, entry: EntryRef<'_>, memory: &mut Memory) {
        if entry.may_have_deadline() {
            self.follow_deadline(hash, entry.deadline_word(), None, memory);
        }
    }

    /// Does the usual case of a key that is written again with a later deadline: its record stays. Whether it is that.
    #[inline]
    fn is_moved_later(&self, old: Option<DeadlineWord>, entry: EntryRef<'_>) -> bool {
        let (Some(old), Some(new)) = (old, entry.deadline_word()) else {
            return false;
        };
        let Some(later_ms) = old.moved_later_ms(new) else {
            return false;
        };
        self.counters
            .add_deadlines(self.database.into(), 0, later_ms.cast_signed());
        entry.set_place(old.place());
        true
    }

    /// After the deadline word of a key has become another: `old` if there was one, and that of `entry` now, if any.
    #[inline(never)]
    pub(super) fn follow_deadline(
        &mut self,
        hash: u64,
        old: Option<DeadlineWord>,
        entry: Option<EntryRef<'_>>,
        memory: &mut Memory,
    ) {
        let old = old.unwrap_or(DeadlineWord::NONE);
        let new = entry.and_then(|entry| entry.deadline_word());
        self.count_deadlines(old, new.unwrap_or(DeadlineWord::NONE));
        if let (Some(entry), Some(new)) = (entry, new) {
            match entry.due_ms(new) {
                Some(due_ms) if !self.is_in_time(hash, old, new, due_ms) => {
                    self.file(hash, entry, due_ms, memory);
                }
                _ => entry.set_place(old.place()),
            }
        }
        if self.has_too_many_records() {
            self.dues().bring_forward(self.keyspace.shard(hash), 1);
        }
    }

    /// Whether the record of the old deadline will do for the new one, which is due then.
    #[inline]
    fn is_in_time(&self, hash: u64, old: DeadlineWord, new: DeadlineWord, due_ms: u64) -> bool {
        if old.place() == Place::NONE {
            return false;
        }
        // A record comes up in time for its own deadline, so for each later one. Fields' are not in the words.
        !new.has_fields() && new.is_not_before(old) || {
            let ticks = Ticks::of_shard(self.keyspace.shard(hash));
            // SAFETY: the lock is held, and this is the only reference.
            let wheel = unsafe { self.table.holder.wheel.get() };
            wheel.is_some_and(|wheel| wheel.is_in_time(old.place(), ticks.tick(due_ms)))
        }
    }

    #[inline]
    fn count_deadlines(&self, old: DeadlineWord, new: DeadlineWord) {
        if old.has_fields() != new.has_fields() {
            let by = if new.has_fields() { 1 } else { -1 };
            add(&self.table.holder.timed_hashes, by);
        }
        let summed_ms = |deadline_ms: u64| deadline_ms.min(SUMMED_MS_MAX).cast_signed();
        let (by, ms) = match (old.deadline_ms(), new.deadline_ms()) {
            (Some(old_ms), Some(new_ms)) => (0, summed_ms(new_ms) - summed_ms(old_ms)),
            (None, Some(new_ms)) => (1, summed_ms(new_ms)),
            (Some(old_ms), None) => (-1, -summed_ms(old_ms)),
            (None, None) => return,
        };
        if by != 0 {
            add(&self.table.holder.deadlines, by);
        }
        self.counters.add_deadlines(self.database.into(), by, ms);
    }

    fn has_too_many_records(&self) -> bool {
        let holder = &self.table.holder;
        let entries = holder.deadlines.load(Relaxed) + holder.timed_hashes.load(Relaxed);
        holder.records.load(Relaxed) > 2 * entries + GONE_MAX
    }

    fn dues(&self) -> Dues<'t> {
        self.keyspace.databases.dues(self.database.into())
    }

    fn count_index_bytes(&self, by: i64) {
        self.counters.add_index_bytes(self.database.into(), by);
    }

    /// Files a record of an entry that has none. A hash of which fields are due already comes up again soon.
    fn file(&mut self, hash: u64, entry: EntryRef<'_>, due_ms: u64, memory: &mut Memory) {
        let shard = self.keyspace.shard(hash);
        let ticks = Ticks::of_shard(shard);
        let holder = &self.table.holder;
        // SAFETY: the lock is held, and this is the only reference.
        if unsafe { holder.wheel.get() }.is_none() {
            let wheel = Wheel::new(WhichWheel::First);
            self.count_index_bytes(wheel.own_bytes() as i64);
            holder.wheel.put(wheel);
            self.keyspace.databases.add_wheel(self.database.into());
        }
        // SAFETY: as above.
        let wheel = unsafe { holder.wheel.get() }.expect("there is one now");
        let record = (hash << self.shard_bits() >> RECORD_BITS) as u32;
        let latest_ms = holder.latest_ms.load(Relaxed);
        let word = entry.deadline_word().unwrap_or(DeadlineWord::NONE);
        let magazines = &mut memory.magazines;
        let (place, taken) = if due_ms < latest_ms && word.has_fields() {
            wheel.file_again(record, magazines)
        } else {
            wheel.file(record, ticks.tick(due_ms), ticks.tick(latest_ms), magazines)
        };
        if taken > 0 {
            self.count_index_bytes(taken as i64);
        }
        add(&holder.records, 1);
        entry.set_place(place);
        let due_tick = wheel.due_tick().expect("it has a record");
        self.dues().bring_forward(shard, ticks.ms(due_tick));
    }

    /// Removes what has expired at `now_ms` from this shard, until at least `records_max` records have been looked at;
    /// calls `removed` with each before.
    pub fn expire_due(
        &mut self,
        shard: usize,
        now_ms: u64,
        records_max: usize,
        batch: &mut Batch,
        memory: &mut Memory,
        mut removed: impl FnMut(&Expiring<'_>),
    ) -> Fired {
        let ticks = Ticks::of_shard(shard);
        let mut fired = Fired::default();
        self.renew_wheel();
        while fired.looked_at < records_max {
            // SAFETY: the lock is held, and this is the only reference.
            let wheel = unsafe { self.table.holder.wheel.get() };
            let now_tick = ticks.tick(now_ms);
            let taken =
                wheel.and_then(|wheel| wheel.take_due(now_tick, batch, &mut memory.magazines));
            let Some((place, given)) = taken else {
                break;
            };
            self.count_index_bytes(-(given as i64));
            add(&self.table.holder.records, -(batch.records().len() as i64));
            let fields_max = records_max - fired.looked_at;
            let mut settling = Settling {
                place,
                now_ms,
                fields_left: fields_max,
                removed: 0,
            };
            self.settle(shard, batch, &mut settling, memory, &mut removed);
            fired.looked_at += batch.records().len() + fields_max - settling.fields_left;
            fired.removed += settling.removed;
        }
        fired.next_ms = self.next_due(ticks);
        self.dues().set(shard, fired.next_ms);
        fired
    }

    /// When there are too many records of entries that are gone, lets them go.
    fn renew_wheel(&mut self) {
        let holder = &self.table.holder;
        // SAFETY: the lock is held, and this is the only reference.
        let Some(wheel) = (unsafe { holder.wheel.get() }) else {
            return;
        };
        if !self.has_too_many_records() || wheel.is_being_renewed() {
            return;
        }
        let before = wheel.own_bytes();
        wheel.renew();
        self.count_index_bytes((wheel.own_bytes() - before) as i64);
    }

    /// When the next record comes up. A wheel without records is freed.
    fn next_due(&mut self, ticks: Ticks) -> Option<u64> {
        let cell = &self.table.holder.wheel;
        // SAFETY: the lock is held, and this is the only reference.
        let wheel = unsafe { cell.get() }?;
        if wheel.is_done() {
            self.count_index_bytes(-(wheel.own_bytes() as i64));
            // SAFETY: as above.
            unsafe { cell.take() };
            self.keyspace.databases.remove_wheel(self.database.into());
            return None;
        }
        if self.has_too_many_records() {
            return Some(1);
        }
        Some(ticks.ms(wheel.due_tick()?))
    }

    /// Does with each record what is to be done.
    fn settle(
        &mut self,
        shard: usize,
        batch: &Batch,
        settling: &mut Settling,
        memory: &mut Memory,
        removed: &mut impl FnMut(&Expiring<'_>),
    ) {
        let records = batch.records();
        let shard_bits = self.shard_bits();
        let start = self.keyspace.start_of(shard);
        let position = |at: usize| start | (u64::from(records[at]) << RECORD_BITS) >> shard_bits;
        let mut homes = [Home::NONE; HOMES_AHEAD];
        for step in 0..records.len() + HOMES_AHEAD {
            if let Some(at) = step.checked_sub(HOMES_AHEAD) {
                self.settle_one(position(at), settling, memory, removed);
            }
            if let Some(at) = step.checked_sub(ENTRIES_AHEAD) {
                // SAFETY: the worker has not left its group, nor has it been asked for outside of it.
                unsafe { homes[at % HOMES_AHEAD].prefetch_entry() };
            }
            homes[step % HOMES_AHEAD] = if step < records.len() {
                self.table.prefetch_home(position(step), shard_bits)
            } else {
                Home::NONE
            };
        }
    }

    /// What is to be done with the entries that are filed in a place under this record.
    fn settle_one(
        &mut self,
        position: u64,
        settling: &mut Settling,
        memory: &mut Memory,
        removed: &mut impl FnMut(&Expiring<'_>),
    ) {
        let now_ms = settling.now_ms;
        while let Some(found) = self.find_filed(position, settling.place) {
            let entry = found.entry();
            let word = entry.deadline_word().unwrap_or(DeadlineWord::NONE);
            match word.near_ms() {
                Some(deadline_ms) if word.has_expired(now_ms) => {
                    removed(&Expiring {
                        hash: found.hash,
                        key: entry.key(),
                        gone: Gone::Key {
                            lag_ms: now_ms - deadline_ms,
                        },
                    });
                    self.remove(found, memory);
                    settling.removed += 1;
                }
                _ if word.has_fields() => {
                    self.settle_hash(found, settling, memory, removed);
                    if settling.place.is_again() {
                        // It may be there again. Each that is has a record of its own.
                        return;
                    }
                }
                None => entry.set_place(Place::NONE),
                Some(deadline_ms) => self.file(found.hash, entry, deadline_ms, memory),
            }
        }
    }

    /// What is to be done with a hash whose fields have deadlines, and whose record has been taken out.
    fn settle_hash(
        &mut self,
        found: Found<'t>,
        settling: &mut Settling,
        memory: &mut Memory,
        removed: &mut impl FnMut(&Expiring<'_>),
    ) {
        let entry = found.entry();
        entry.set_place(Place::NONE);
        let fields_max = settling.fields_left;
        let passed = match fields_max {
            0 => None,
            _ => PassedFields::of(entry, settling.now_ms, fields_max),
        };
        let Some(passed) = passed else {
            let word = entry.deadline_word();
            if let Some(due_ms) = word.and_then(|word| entry.due_ms(word)) {
                self.file(found.hash, entry, due_ms, memory);
            }
            return;
        };
        removed(&Expiring {
            hash: found.hash,
            key: entry.key(),
            gone: Gone::Fields(passed),
        });
        settling.fields_left = fields_max.saturating_sub(passed.count);
        settling.removed += usize::from(passed.are_all);
        self.expire_fields(found, passed, memory);
    }

    /// An entry whose hash begins as `position`, and which is filed in `place`.
    fn find_filed(&self, position: u64, place: Place) -> Option<Found<'t>> {
        let buckets = self.buckets(self.table.segment(position, self.shard_bits()));
        if buckets.depth + TAG_BITS > RECORD_BITS {
            return self.find_filed_by_walk(position, place);
        }
        let mut filed = None;
        let found = self.find_where(position, |entry| {
            filed = self.hash_if_filed(entry, position, place);
            filed.is_some()
        })?;
        Some(Found {
            hash: filed?,
            ..found
        })
    }

    /// As [`Held::find_filed`], where a record does not tell the whole tag.
    fn find_filed_by_walk(&self, position: u64, place: Place) -> Option<Found<'t>> {
        let last = position | u64::MAX >> (self.shard_bits() + RECORD_BITS);
        let mut at = position;
        loop {
            let mut filed = None;
            let next = self.scan_home(at, |entry| {
                let hash = self.hash_if_filed(entry, position, place);
                filed = filed.or(hash.map(|hash| (hash, entry.key())));
            });
            if let Some((hash, key)) = filed {
                return self.find(hash, key);
            }
            if next == 0 || next > last {
                return None;
            }
            at = next;
        }
    }

    /// The hash of an entry, if it is filed in `place` and has a hash that begins as `position`.
    fn hash_if_filed(&self, entry: EntryRef<'_>, position: u64, place: Place) -> Option<u64> {
        if entry.deadline_word()?.place() != place {
            return None;
        }
        let hash = self.keyspace.hasher.hash(entry.key());
        let differs = (hash ^ position) >> (64 - RECORD_BITS - self.shard_bits());
        (differs == 0).then_some(hash)
    }
}
