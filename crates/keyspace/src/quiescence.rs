#![allow(unsafe_code)]
//! When memory that others may still read is freed, and how one worker gets the whole keyspace to itself.
//!
//! Epoch-based reclamation (Fraser, *Practical lock-freedom*, 2004, section 5.2.3) with one pin per group of commands:
//! a worker that enters a group publishes the global epoch that it saw, and 0 when it leaves, so a sleeping worker
//! is quiescent. What is retired carries the epoch in which it was unlinked; the epoch advances only when every
//! pinned worker has seen it, so once it is two ahead nobody who could have read the old pointer is still in its group.
//!
//! The gate is a distributed reader-writer lock on the same words: a worker that wants everything leaves its group,
//! takes `exclusive`, raises the flag and waits until every other worker has left its own.
//!
//! Both rest on sequentially consistent fences between what one stores and what one then reads, so that of two workers
//! one sees the other: a pin, then slots and the flag; an unlinked slot or the flag, then the pins. Fences, because a
//! sequentially consistent store does not keep the loads of slots after it, which are none, from being older.

use std::alloc::Layout;
use std::collections::VecDeque;
use std::ptr::NonNull;

use crate::entry::{Entry, EntryRef, Owned};
use crate::slab::Magazines;
use crate::sync::atomic::{
    AtomicBool, AtomicU64, Ordering::AcqRel, Ordering::Acquire, Ordering::Relaxed,
    Ordering::Release, Ordering::SeqCst, fence,
};
use crate::sync::{Mutex, MutexGuard, yield_now};

/// Retired pieces that make a worker look whether some can be freed.
pub(crate) const COLLECT_AT: usize = 64;

/// Bytes of retired large values that make it look, too.
const COLLECT_AT_LARGE_BYTES: usize = 256 << 10;

/// Retired pieces for which room is kept.
const SPARE_MAX: usize = 16 * COLLECT_AT;

#[repr(align(128))]
#[derive(Default)]
struct Pin(AtomicU64);

/// On a line of its own: it changes while what lies beside it is read for each command.
#[repr(align(128))]
struct Epoch(AtomicU64);

/// The state that all workers share.
pub(crate) struct Quiescence {
    epoch: Epoch,
    pins: Box<[Pin]>,
    exclusive_wanted: AtomicBool,
    exclusive: Mutex<()>,
}

impl Quiescence {
    pub fn new(workers: usize) -> Self {
        Self {
            epoch: Epoch(AtomicU64::new(1)),
            pins: (0..workers).map(|_| Pin::default()).collect(),
            exclusive_wanted: AtomicBool::new(false),
            exclusive: Mutex::new(()),
        }
    }

    /// Enters a group; waits while another worker has the keyspace to itself.
    #[inline]
    pub fn pin(&self, worker: usize) {
        loop {
            self.enter(worker);
            if !self.exclusive_wanted.load(Acquire) {
                return;
            }
            self.unpin(worker);
            drop(self.exclusive.lock());
        }
    }

    #[inline]
    fn enter(&self, worker: usize) {
        self.pins[worker]
            .0
            .store(self.epoch.0.load(Relaxed), Release);
        fence(SeqCst);
    }

    /// Leaves the group: this worker holds no pointer into the keyspace any more.
    #[inline]
    pub fn unpin(&self, worker: usize) {
        self.pins[worker].0.store(0, Release);
    }

    /// Waits until no other worker is in a group, and keeps them out until the guard is dropped. The caller must be
    /// in a group and hold no shard's lock.
    pub fn exclude_others(&self, worker: usize) -> Exclusive<'_> {
        self.unpin(worker);
        let lock = self.exclusive.lock();
        self.exclusive_wanted.store(true, Relaxed);
        fence(SeqCst);
        for (other, pin) in self.pins.iter().enumerate() {
            while other != worker && pin.0.load(Acquire) != 0 {
                yield_now();
            }
        }
        self.enter(worker);
        Exclusive {
            quiescence: self,
            _lock: lock,
        }
    }

    /// Advances the epoch if every pinned worker has seen it.
    fn advance(&self) {
        let epoch = self.epoch.0.load(Relaxed);
        fence(SeqCst);
        let has_seen = |pin: &Pin| [0, epoch].contains(&pin.0.load(Acquire));
        if self.pins.iter().all(has_seen) {
            // If somebody else was quicker, it has been advanced just the same.
            let _ = self
                .epoch
                .0
                .compare_exchange(epoch, epoch + 1, AcqRel, Relaxed);
        }
    }
}

/// The keyspace is this worker's alone.
pub(crate) struct Exclusive<'q> {
    quiescence: &'q Quiescence,
    _lock: MutexGuard<'q, ()>,
}

impl Drop for Exclusive<'_> {
    fn drop(&mut self) {
        self.quiescence.exclusive_wanted.store(false, Release);
    }
}

/// Something that has been unlinked and that nobody owns but the garbage.
pub(crate) enum Retired {
    Memory(NonNull<u8>, Layout),
    Entry(Entry),
}

impl Retired {
    /// Frees it but for what an entry owns.
    ///
    /// # Safety
    /// Nobody can read it any more.
    unsafe fn free(self, magazines: &mut Magazines) -> Option<Owned> {
        match self {
            Self::Memory(start, layout) => {
                // SAFETY: by `retire_memory`'s contract and ours.
                unsafe { magazines.free(start, layout) };
                None
            }
            // SAFETY: by `retire_entry`'s contract and ours.
            Self::Entry(entry) => unsafe { entry.free(magazines) },
        }
    }
}

/// What one worker has unlinked and not yet freed.
pub(crate) struct Garbage<Piece = Retired> {
    /// What has been unlinked since the last seal.
    fresh: Vec<Piece>,
    /// What was unlinked before the epoch that each bag carries was left.
    sealed: VecDeque<(u64, Vec<Piece>)>,
    /// An empty bag.
    spare: Vec<Piece>,
    /// Bytes of the large values in `fresh`.
    large_bytes: usize,
}

// SAFETY: the pointers are to memory that nothing else owns; any thread may free it.
unsafe impl Send for Garbage {}

impl Garbage {
    /// Takes over memory that has just been unlinked.
    ///
    /// # Safety
    /// `start` was allocated with `layout` from the slabs, new readers cannot reach it, and nobody else frees it.
    pub unsafe fn retire_memory(&mut self, start: NonNull<u8>, layout: Layout) {
        self.retire(Retired::Memory(start, layout));
    }

    /// Takes over an entry that has just left its slot.
    ///
    /// # Safety
    /// New readers cannot reach it, and nobody else frees it.
    #[inline]
    pub unsafe fn retire_entry(&mut self, entry: EntryRef<'_>) {
        let piece = match entry.plain_memory() {
            Some((start, layout)) => Retired::Memory(start, layout),
            None => {
                self.large_bytes += entry.large_len();
                Retired::Entry(entry.owner())
            }
        };
        self.retire(piece);
    }

    /// Frees what nobody can read any more, when enough has come together or `all` is asked for. Between groups. Returns
    /// what they owned.
    #[inline]
    pub fn collect(
        &mut self,
        quiescence: &Quiescence,
        magazines: &mut Magazines,
        all: bool,
    ) -> Vec<Owned> {
        let is_time = self.fresh.len() >= COLLECT_AT || self.large_bytes >= COLLECT_AT_LARGE_BYTES;
        if is_time || all && !self.is_empty() {
            self.collect_now(quiescence, magazines)
        } else {
            Vec::new()
        }
    }

    #[cold]
    fn collect_now(&mut self, quiescence: &Quiescence, magazines: &mut Magazines) -> Vec<Owned> {
        self.large_bytes = 0;
        let mut owned_values = Vec::new();
        self.seal_and_free(quiescence, |piece| {
            // SAFETY: nobody can read a piece any more when it is freed.
            if let Some(owned) = unsafe { piece.free(magazines) } {
                owned_values.push(owned);
            }
        });
        owned_values
    }
}

impl<Piece> Default for Garbage<Piece> {
    fn default() -> Self {
        Self {
            fresh: Vec::new(),
            sealed: VecDeque::new(),
            spare: Vec::new(),
            large_bytes: 0,
        }
    }
}

// What is retired is a parameter for the sake of `models`.
impl<Piece> Garbage<Piece> {
    /// Takes over what has just been unlinked.
    #[inline]
    pub fn retire(&mut self, piece: Piece) {
        self.fresh.push(piece);
    }

    /// Whether something waits to be freed.
    pub fn is_empty(&self) -> bool {
        self.fresh.is_empty() && self.sealed.is_empty()
    }

    /// Frees what nobody can read any more. Between groups.
    #[cold]
    pub fn seal_and_free(&mut self, quiescence: &Quiescence, mut free: impl FnMut(Piece)) {
        if !self.fresh.is_empty() {
            fence(SeqCst);
            let epoch = quiescence.epoch.0.load(Relaxed);
            let bag = std::mem::replace(&mut self.fresh, std::mem::take(&mut self.spare));
            self.sealed.push_back((epoch, bag));
        }
        // When nobody else is in a group, everything can go at once; others may have advanced it far enough.
        for _ in 0..2 {
            let is_free = |(sealed, _): &(u64, _)| *sealed + 2 <= quiescence.epoch.0.load(Relaxed);
            if !self.sealed.back().is_none_or(is_free) {
                quiescence.advance();
            }
        }
        let epoch = quiescence.epoch.0.load(Acquire);
        while let Some((_, mut bag)) = self.sealed.pop_front_if(|(sealed, _)| *sealed + 2 <= epoch)
        {
            // Two epochs have passed since these were unlinked, so whoever was in a group then has left it.
            bag.drain(..).for_each(&mut free);
            bag.shrink_to(SPARE_MAX);
            self.spare = bag;
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::memory::Memory;
    use crate::slab::{HugePages, Slabs};

    fn retire_one(memory: &mut Memory) {
        let layout = Layout::from_size_align(64, 64).unwrap();
        let start = memory.magazines.allocate(layout);
        // SAFETY: a fresh allocation that nobody knows.
        unsafe { memory.garbage.retire_memory(start, layout) };
    }

    #[test]
    fn a_pinned_worker_holds_memory_up_and_a_sleeping_one_does_not() {
        let quiescence = Quiescence::new(3);
        let mut memory = Memory::new(Slabs::new(HugePages::No), Arc::default());
        quiescence.pin(0);
        quiescence.pin(1);
        retire_one(&mut memory);
        for _ in 0..4 {
            memory.collect(&quiescence, true);
        }
        assert!(!memory.garbage.is_empty());
        quiescence.unpin(1);
        quiescence.unpin(0);
        for _ in 0..4 {
            memory.collect(&quiescence, true);
        }
        assert!(memory.garbage.is_empty());
    }

    #[test]
    fn exclusive_means_alone() {
        let quiescence = Quiescence::new(4);
        let inside = AtomicU64::new(0);
        std::thread::scope(|scope| {
            for worker in 0..4 {
                let (quiescence, inside) = (&quiescence, &inside);
                scope.spawn(move || {
                    for turn in 0..2_000 {
                        quiescence.pin(worker);
                        if turn % 16 == worker {
                            let alone = quiescence.exclude_others(worker);
                            assert_eq!(inside.swap(1_000, SeqCst), 0);
                            assert_eq!(inside.swap(0, SeqCst), 1_000);
                            drop(alone);
                        } else {
                            assert!(inside.fetch_add(1, SeqCst) < 4);
                            inside.fetch_sub(1, SeqCst);
                        }
                        quiescence.unpin(worker);
                    }
                });
            }
        });
    }
}
