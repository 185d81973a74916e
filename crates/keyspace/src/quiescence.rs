#![allow(unsafe_code)]
//! When memory that others may still read is freed, and how one worker gets the whole keyspace to itself.
//!
//! Epoch-based reclamation (Fraser, *Practical lock-freedom*, 2004, section 5.2.3) with one pin per group of commands:
//! a worker that enters a group publishes the global epoch that it saw, and 0 when it leaves, so a sleeping worker
//! is quiescent. What is retired carries the epoch in which it was unlinked; the epoch advances only when every
//! pinned worker has seen it, so once it is two ahead nobody who could have read the old pointer is still in its group.
//!
//! The gate is a distributed reader-writer lock on the same words: a worker that wants everything leaves its group,
//! takes `exclusive`, raises the flag and waits until every other worker has left its own. The store of a pin and the
//! load of the flag are sequentially consistent, as are their mirror images, so one of the two always sees the other.

use std::alloc::{Layout, dealloc};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};

use parking_lot::{Mutex, MutexGuard};

/// Retired pieces that make a worker look whether some can be freed.
const COLLECT_AT: usize = 32;

#[repr(align(128))]
#[derive(Default)]
struct Pin(AtomicU64);

/// The state that all workers share.
pub(crate) struct Quiescence {
    epoch: AtomicU64,
    pins: Box<[Pin]>,
    exclusive_wanted: AtomicBool,
    exclusive: Mutex<()>,
}

impl Quiescence {
    pub fn new(workers: usize) -> Self {
        Self {
            epoch: AtomicU64::new(1),
            pins: (0..workers).map(|_| Pin::default()).collect(),
            exclusive_wanted: AtomicBool::new(false),
            exclusive: Mutex::new(()),
        }
    }

    /// Enters a group; waits while another worker has the keyspace to itself.
    #[inline]
    pub fn pin(&self, worker: usize) {
        loop {
            self.pins[worker].0.store(self.epoch.load(SeqCst), SeqCst);
            if !self.exclusive_wanted.load(SeqCst) {
                return;
            }
            self.unpin(worker);
            drop(self.exclusive.lock());
        }
    }

    /// Leaves the group: this worker holds no pointer into the keyspace any more.
    #[inline]
    pub fn unpin(&self, worker: usize) {
        self.pins[worker].0.store(0, SeqCst);
    }

    /// Waits until no other worker is in a group, and keeps them out until the guard is dropped. The caller must be
    /// in a group and hold no shard's lock.
    pub fn exclude_others(&self, worker: usize) -> Exclusive<'_> {
        self.unpin(worker);
        let lock = self.exclusive.lock();
        self.exclusive_wanted.store(true, SeqCst);
        for (other, pin) in self.pins.iter().enumerate() {
            while other != worker && pin.0.load(SeqCst) != 0 {
                std::thread::yield_now();
            }
        }
        self.pins[worker].0.store(self.epoch.load(SeqCst), SeqCst);
        Exclusive {
            quiescence: self,
            _lock: lock,
        }
    }

    /// Advances the epoch if every pinned worker has seen it; the epoch after that.
    fn advance(&self) -> u64 {
        let epoch = self.epoch.load(SeqCst);
        let lagging = |pin: &Pin| !matches!(pin.0.load(SeqCst), 0) && pin.0.load(SeqCst) != epoch;
        if self.pins.iter().any(lagging) {
            return epoch;
        }
        match self
            .epoch
            .compare_exchange(epoch, epoch + 1, SeqCst, SeqCst)
        {
            Ok(_) => epoch + 1,
            Err(newer) => newer,
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
        self.quiescence.exclusive_wanted.store(false, SeqCst);
    }
}

struct Retired {
    epoch: u64,
    start: *mut u8,
    layout: Layout,
}

/// What one worker has unlinked and not yet freed.
#[derive(Default)]
pub(crate) struct Garbage {
    retired: VecDeque<Retired>,
    bytes: usize,
}

// SAFETY: the pointers are to memory that nothing else owns; any thread may free it.
unsafe impl Send for Garbage {}

impl Garbage {
    /// Takes over memory that has just been unlinked.
    ///
    /// # Safety
    /// `start` was allocated with `layout` by the global allocator, new readers cannot reach it, and nobody else frees it.
    pub unsafe fn retire(&mut self, quiescence: &Quiescence, start: *mut u8, layout: Layout) {
        self.retired.push_back(Retired {
            epoch: quiescence.epoch.load(SeqCst),
            start,
            layout,
        });
        self.bytes += layout.size();
    }

    /// Bytes that are retired and not yet freed.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Frees what nobody can read any more, when enough has come together or `all` is asked for.
    pub fn collect(&mut self, quiescence: &Quiescence, all: bool) {
        if self.retired.is_empty() || (!all && self.retired.len() < COLLECT_AT) {
            return;
        }
        let epoch = quiescence.advance();
        while let Some(oldest) = self.retired.front() {
            if oldest.epoch + 2 > epoch {
                return;
            }
            // SAFETY: by `retire`'s contract, and two epochs have passed since it was unlinked.
            unsafe { dealloc(oldest.start, oldest.layout) };
            self.bytes -= oldest.layout.size();
            self.retired.pop_front();
        }
    }
}

impl Drop for Garbage {
    fn drop(&mut self) {
        // What is left when a worker ends is leaked rather than freed under a reader. `Worker` collects before.
        debug_assert!(self.retired.len() < 1 << 20);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn retire_one(quiescence: &Quiescence, garbage: &mut Garbage) {
        let layout = Layout::from_size_align(64, 64).unwrap();
        // SAFETY: a fresh allocation that nobody knows.
        unsafe {
            let start = std::alloc::alloc(layout);
            garbage.retire(quiescence, start, layout);
        }
    }

    #[test]
    fn a_pinned_worker_holds_memory_up_and_a_sleeping_one_does_not() {
        let quiescence = Quiescence::new(3);
        let mut garbage = Garbage::default();
        quiescence.pin(0);
        quiescence.pin(1);
        retire_one(&quiescence, &mut garbage);
        for _ in 0..4 {
            garbage.collect(&quiescence, true);
        }
        assert_eq!(garbage.bytes(), 64);
        quiescence.unpin(1);
        quiescence.unpin(0);
        for _ in 0..4 {
            garbage.collect(&quiescence, true);
        }
        assert_eq!(garbage.bytes(), 0);
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
