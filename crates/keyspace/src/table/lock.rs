//! The lock of one shard: a word that names the worker who holds it, so that holding it can be checked.

use crate::sync::atomic::{AtomicU32, Ordering::Acquire, Ordering::Relaxed, Ordering::Release};
use crate::sync::spin_loop;

/// Looks before a lock is given up, with a pause that doubles in between. Under loom each would only multiply what there
/// is to try.
const LOCK_LOOKS: u32 = if cfg!(loom) { 1 } else { 7 };

/// The worker that holds the lock, plus one; 0 when nobody does.
#[derive(Default)]
pub(crate) struct Lock(AtomicU32);

impl Lock {
    /// Takes the lock after a short spin; false when somebody else keeps it.
    #[inline]
    pub fn try_lock(&self, worker: usize) -> bool {
        if self.exchange(worker) {
            return true;
        }
        for look in 0..LOCK_LOOKS {
            (0..1 << look).for_each(|_| spin_loop());
            // Looking first leaves the line to its holder.
            if self.0.load(Relaxed) == 0 && self.exchange(worker) {
                return true;
            }
        }
        false
    }

    #[inline]
    fn exchange(&self, worker: usize) -> bool {
        self.0
            .compare_exchange(0, worker as u32 + 1, Acquire, Relaxed)
            .is_ok()
    }

    /// Takes the lock where there is one worker only, who does not hold it: without an atomic exchange, which costs as
    /// much as the look-up.
    #[inline]
    pub fn lock_alone(&self, worker: usize) {
        debug_assert_eq!(self.0.load(Relaxed), 0, "nobody else is there to hold it");
        self.0.store(worker as u32 + 1, Relaxed);
    }

    /// Gives it back. For its holder.
    #[inline]
    pub fn unlock(&self) {
        self.0.store(0, Release);
    }

    /// Whether this worker, which asks, holds it.
    #[inline]
    pub fn is_locked_by(&self, worker: usize) -> bool {
        self.0.load(Relaxed) == worker as u32 + 1
    }
}
