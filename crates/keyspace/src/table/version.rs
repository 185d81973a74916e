//! The version of a shard, by which a reader without the lock knows when only the lock's holder can tell what is there.
//!
//! A sequence lock (Boehm, *Can seqlocks get along with programming language memory models?*, 2012) whose readers look
//! a second time only if they found nothing; why that is enough is told in `table`.

use crate::sync::atomic::{
    AtomicU32, Ordering::Acquire, Ordering::Relaxed, Ordering::Release, fence,
};

/// Odd while what readers without the lock find may be half of a change.
#[derive(Default)]
pub(crate) struct Version(AtomicU32);

/// An even version, with which a reader has begun.
#[derive(Clone, Copy)]
pub(crate) struct Begun(u32);

/// The table is being changed, or was while it was read: only the holder of the lock can tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Torn;

impl Version {
    /// Lets readers take the lock instead, until [`Version::end_change`]; false when they do already. For the lock's
    /// holder.
    #[inline]
    pub fn begin_change(&self) -> bool {
        let version = self.0.load(Relaxed);
        if version % 2 == 1 {
            return false;
        }
        self.0.store(version.wrapping_add(1), Relaxed);
        // Whoever sees one of the stores that follow sees this one too.
        fence(Release);
        true
    }

    /// Ends what a `begin_change` that was true has begun.
    #[inline]
    pub fn end_change(&self) {
        self.0.store(self.0.load(Relaxed).wrapping_add(1), Release);
    }

    /// Before a reader looks. What it finds is there.
    #[inline]
    pub fn begin_read(&self) -> Result<Begun, Torn> {
        // What this reader has seen of a commit before, in place and without order, it saw after the version was odd.
        fence(Acquire);
        let version = self.0.load(Acquire);
        if version % 2 == 1 {
            return Err(Torn);
        }
        Ok(Begun(version))
    }

    /// After a reader has looked and found nothing: whether that is so.
    #[inline]
    pub fn confirm_miss(&self, begun: Begun) -> Result<(), Torn> {
        fence(Acquire);
        if self.0.load(Relaxed) == begun.0 {
            Ok(())
        } else {
            Err(Torn)
        }
    }
}
