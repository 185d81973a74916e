//! The state of a part of the keys: a small queue of hashes, a ghost, and the place of the hand.

use std::collections::VecDeque;

use super::Mode;
use super::ghost::Ghost;
use crate::random::mixed;

/// Keys that come and go before the entries are counted again: some leave without a word.
const CHANGES_MAX: u32 = 256;
/// A full queue gets room for one part in so many of its entries more, and gives back more than twice that and ...
const QUEUE_GROWTH_RATIO: usize = 8;
/// ... so many.
const QUEUE_SPARE_MAX: usize = 64;
/// The ghost is made anew when it has room for less than one part in so many of the entries less, ...
const GHOST_SMALL_RATIO: usize = 8;
/// ... or for so many times of them.
const GHOST_LARGE_RATIO: usize = 2;

/// A place in the order of the hash table: what comes before it has been passed. Entries are in the order of their
/// positions, of equal ones in that of their addresses, whatever buckets they lie in; so a table that changes hides none,
/// and shows none twice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Hand {
    pub position: u64,
    /// Of the entry of this position that was passed last; 0 before all of them.
    pub address: u64,
}

/// Where the next entry to go is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// This is the oldest of the queue, which it has left.
    Queued(u64),
    /// Main, in this mode.
    Main(Mode),
}

/// See the head of this file.
#[derive(Debug, Default)]
pub(crate) struct Region {
    /// The oldest first. Some are gone, or main's by now.
    queue: VecDeque<u64>,
    ghost: Ghost,
    /// As of the last count, and what has come and gone since.
    entries: usize,
    changes: u32,
    is_counted: bool,
    /// All entries that are said to be queued are; otherwise some have bits of another policy, until the hand has been
    /// everywhere.
    is_known: bool,
    pub hand: Hand,
    /// Somebody has the hand.
    pub is_claimed: bool,
}

impl Region {
    /// Counts the entries again if it is time.
    pub fn count(&mut self, count: impl FnOnce() -> u64) {
        if self.is_counted && self.changes < CHANGES_MAX {
            return;
        }
        self.entries = count() as usize;
        let len = self.queue.len();
        if self.queue.capacity() > len + 2 * (len / QUEUE_GROWTH_RATIO) + QUEUE_SPARE_MAX {
            self.queue.shrink_to(len + len / QUEUE_GROWTH_RATIO);
        }
        // No entry had a place yet.
        self.is_known |= !self.is_counted && self.entries == 0;
        (self.is_counted, self.changes) = (true, 0);
    }

    /// As of the last count, and what has come and gone since.
    pub fn entries(&self) -> usize {
        self.entries
    }

    /// The mode of all regions, or plain as long as the entries' bits mean nothing.
    fn mode(&self, mode: Mode) -> Mode {
        if self.is_known { mode } else { Mode::Plain }
    }

    /// A new key comes: whether it is queued, and what it counts.
    pub fn enter(&mut self, hash: u64, mode: Mode) -> (bool, u8) {
        let is_known = self.ghost.take(mixed(hash));
        let place = self.mode(mode).place(is_known);
        if place.0 {
            self.queue_up(hash);
        }
        self.entries += 1;
        self.changes += 1;
        place
    }

    fn queue_up(&mut self, hash: u64) {
        if self.queue.len() == self.queue.capacity() {
            let more = self.queue.len() / QUEUE_GROWTH_RATIO + 1;
            self.queue.reserve_exact(more);
        }
        self.queue.push_back(hash);
    }

    /// Whether the queue is longer than it should be.
    pub fn is_queue_long(&self, mode: Mode) -> bool {
        self.queue.len() > self.mode(mode).target(self.entries)
    }

    /// Takes the oldest of the queue out.
    pub fn take_oldest(&mut self) -> Option<u64> {
        self.queue.pop_front()
    }

    /// Where the next entry to go is looked for.
    pub fn next(&mut self, mode: Mode) -> Next {
        let is_main_empty = self.queue.len() >= self.entries;
        if (self.is_queue_long(mode) || is_main_empty)
            && let Some(hash) = self.queue.pop_front()
        {
            return Next::Queued(hash);
        }
        Next::Main(self.mode(mode))
    }

    /// Whether an entry of this region that is said to be queued is.
    pub fn has_queue(&self) -> bool {
        self.is_known && !self.queue.is_empty()
    }

    /// The hand has been everywhere.
    pub fn end_round(&mut self) {
        self.is_known = true;
    }

    /// A key was evicted.
    pub fn evicted(&mut self, hash: u64) {
        let room = self.ghost.room();
        let is_small = room + room / GHOST_SMALL_RATIO < self.entries;
        if is_small || room / GHOST_LARGE_RATIO > self.entries {
            self.ghost.resize(self.entries);
        }
        self.ghost.insert(mixed(hash));
        self.entries = self.entries.saturating_sub(1);
        self.changes += 1;
    }

    /// Memory, in bytes.
    pub fn bytes(&self) -> usize {
        self.queue.capacity() * size_of::<u64>() + self.ghost.bytes()
    }

    /// Divides it into as many regions as there are functions' values, by where hashes belong; the first stays here.
    pub fn split(&mut self, parts: usize, part_of: impl Fn(u64) -> usize) -> Vec<Self> {
        let mut regions: Vec<Self> = (0..parts)
            .map(|_| Self {
                ghost: self.ghost.clone(),
                is_known: self.is_known,
                ..Self::default()
            })
            .collect();
        for hash in self.queue.drain(..) {
            regions[part_of(hash)].queue.push_back(hash);
        }
        regions
    }

    /// Takes another one's keys in.
    pub fn merge(&mut self, other: &mut Self) {
        let (own, others) = (self.queue.len(), other.queue.len());
        let mut merged = VecDeque::with_capacity(own + others);
        // In turns, so that the oldest of both come first.
        while !self.queue.is_empty() || !other.queue.is_empty() {
            let is_own_turn = self.queue.len() * others >= other.queue.len() * own;
            let first = if is_own_turn {
                &mut self.queue
            } else {
                &mut other.queue
            };
            let second = first.pop_front();
            merged.extend(second);
            if second.is_none() {
                merged.append(&mut self.queue);
                merged.append(&mut other.queue);
            }
        }
        self.queue = merged;
        self.is_known &= other.is_known;
        self.is_counted = false;
        *other = Self::default();
    }
}
