#![allow(unsafe_code)]
//! Looking ahead: while one key is looked up, the entries of the next ones and the buckets of those after them are on
//! their way into the cache.
//!
//! All of a group at once would overflow the processor's queue of cache misses; one at a time, it would translate one
//! address after the other where they are not in the TLB. So it goes by four. A tenth of the keys is not in its home,
//! because that was full: for these there is a second try, with the next bucket.
//!
//! Soundness: the address of a bucket is kept from the moment at which it was asked for until its entry is. It was read
//! in this group, and nothing that was published then is freed before the worker leaves the group; when it leaves it
//! in between, [`Ahead::forget`] is called. What is read there is a hint, and nothing is done with it but prefetching.

use std::cell::Cell;
use std::ptr::null;

use crate::keyspace::Keyspace;
use crate::table::{Home, Table, shard};

/// So many keys are asked for at once.
const STEP: usize = 4;
/// The entries of at least so many keys have been asked for.
const LEAD: usize = 2 * STEP;
/// Places of a key between its bucket and the second try for its entry, and the next power of two.
const HOMES: usize = 16;
const _: () = assert!(3 * STEP <= HOMES && HOMES.is_power_of_two());

/// A database, and a hash: that of a key, or any.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Spot {
    pub database: u8,
    pub position: u64,
}

/// Asks for the bucket of this place. The caller's worker is pinned.
pub(crate) fn ask_for_bucket(keyspace: &Keyspace, place: Spot) {
    home(keyspace, place);
}

/// Asks for all entries of the bucket of this place. The caller's worker is pinned.
pub(crate) fn ask_for_entries(keyspace: &Keyspace, place: Spot) {
    // SAFETY: the bucket is asked for in this group.
    unsafe { home(keyspace, place).prefetch_entries() };
}

fn home(keyspace: &Keyspace, place: Spot) -> Home {
    let table = keyspace.table(place.database, keyspace.shard(place.position));
    table.prefetch_home(place.position, keyspace.shard_bits)
}

/// The keys of a group's commands, and how far they have been asked for.
pub(crate) struct Ahead<'w> {
    hashes: &'w [u64],
    tables: *const Table,
    shard_bits: u32,
    /// The next entry to ask for; buckets are one step further.
    next: Cell<usize>,
    homes: [Cell<Home>; HOMES],
    /// The places in `homes` of keys whose entries get a second try in the next step, as bits.
    again: Cell<u32>,
}

impl<'w> Ahead<'w> {
    /// Nothing to look ahead to.
    #[inline]
    pub fn none() -> Self {
        Self {
            hashes: &[],
            tables: null(),
            shard_bits: 0,
            next: Cell::new(0),
            homes: [const { Cell::new(Home::NONE) }; HOMES],
            again: Cell::new(0),
        }
    }

    /// The keys of the commands that will be executed, in their order; most of them in this database. The caller's
    /// worker is pinned.
    #[inline]
    pub fn set(&mut self, keyspace: &'w Keyspace, database: u8, hashes: &'w [u64]) {
        self.hashes = hashes;
        self.tables = keyspace.databases.tables(usize::from(database)).as_ptr();
        self.shard_bits = keyspace.shard_bits;
        self.next.set(0);
        self.again.set(0);
        self.ask_for_buckets(0);
        self.step();
        self.step();
    }

    /// To be called before the key at this place is looked up.
    #[inline]
    pub fn advance(&self, place: usize) {
        if place.wrapping_add(LEAD) >= self.next.get() {
            self.catch_up(place);
        }
    }

    /// Forgets everything: the worker leaves its group.
    pub fn forget(&self) {
        self.next.set(usize::MAX);
    }

    #[inline(never)]
    fn catch_up(&self, place: usize) {
        if place > self.next.get() {
            // A command has skipped some.
            self.next.set(place);
            self.again.set(0);
            self.ask_for_buckets(place);
        }
        while place + LEAD >= self.next.get() {
            self.step();
        }
    }

    /// Asks for some entries and the buckets after them.
    #[inline(always)]
    fn step(&self) {
        let next = self.next.get();
        self.ask_for_buckets(next + STEP);
        let len = self.hashes.len();
        let mut left = self.again.replace(0);
        while left != 0 {
            self.ask_for_entry(left.trailing_zeros() as usize);
            left &= left - 1;
        }
        let mut again = 0;
        for place in next.min(len)..(next + STEP).min(len) {
            let next_home = self.ask_for_entry(place);
            if next_home.is_some() {
                self.homes[place % HOMES].set(next_home);
                again |= 1 << (place % HOMES);
            }
        }
        self.again.set(again);
        self.next.set(next + STEP);
    }

    #[inline(always)]
    fn ask_for_entry(&self, place: usize) -> Home {
        let home = self.homes[place % HOMES].get();
        // SAFETY: the bucket was asked for in this group, as `set` and `step` do before they come to its entry.
        unsafe { home.prefetch_entry() }
    }

    #[inline(always)]
    fn ask_for_buckets(&self, first: usize) {
        let Some(hashes) = self.hashes.get(first..) else {
            return;
        };
        for (at, hash) in hashes.iter().take(STEP).enumerate() {
            // SAFETY: there are hashes, so `set` has been called, and the tables are there while the group lasts: when
            // they are replaced, the worker has left it.
            let table = unsafe { &*self.tables.add(shard(*hash, self.shard_bits)) };
            let home = table.prefetch_home(*hash, self.shard_bits);
            self.homes[(first + at) % HOMES].set(home);
        }
    }
}
