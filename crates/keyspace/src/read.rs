#![allow(unsafe_code)]
//! Reading one key without a lock and without writing to memory that workers share. How that can be right is told in
//! `table`.

use crate::access::{Group, Key};
use crate::entry::EntryRef;

/// A key that can only be read under its lock now: it is being changed, has expired and is to be removed, or its value
/// is one that is changed in place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NeedsLock;

impl Group<'_> {
    /// The entry of a key, for a command that reads nothing else: counts a hit or miss, and marks the access if it
    /// `touches`.
    ///
    /// # Errors
    /// [`NeedsLock`]; nothing is counted then.
    #[inline]
    pub fn read(&self, key: Key<'_>, touches: bool) -> Result<Option<EntryRef<'_>>, NeedsLock> {
        let core = &self.core;
        let table = self.table(key.database, key.hash);
        // SAFETY: the worker is pinned for as long as the group lives, which the result borrows.
        let found = unsafe { table.read(key.hash, key.bytes, core.keyspace.shard_bits) };
        let Some(entry) = found.map_err(|_| NeedsLock)? else {
            core.counters.misses.increment();
            return Ok(None);
        };
        if entry.is_large() || entry.has_expired(table.time_ms(core.now_ms)) {
            return Err(NeedsLock);
        }
        core.counters.hits.increment();
        if touches {
            entry.set_policy(core.stamp);
        }
        Ok(Some(entry))
    }
}
