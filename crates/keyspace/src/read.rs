#![allow(unsafe_code)]
//! Reading without a lock and without writing to memory that workers share. How that can be right is told in `table`.
//!
//! Several keys are looked up twice. An entry that has left its slot never comes back to one, and its memory is not
//! used again while the worker is pinned. So an entry that was found both times was there all the time from one to the
//! other, and what was found neither time, in a table whose version has not changed, was not there. All of these times
//! share the moment between the first round and the second: the answer is what was there at that moment (the double
//! collect of Afek et al., *Atomic snapshots of shared memory*, 1993). It is not half of a commit either, since each
//! look-up begins with an even version. Values that change in place are left to the lock.

use crate::access::{Core, Group, Key};
use crate::entry::EntryRef;
use crate::table::{Table, shard};

/// A key that can only be read under its lock now: it is being changed, has expired and is to be removed, or its value
/// is one that is changed in place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NeedsLock;

/// The most keys that are read together without locks: longer reads are more likely to meet a change.
const TOGETHER_MAX: usize = 256;

impl<'w> Group<'w> {
    /// The entries of several keys as they are at one moment, for a command that reads nothing else: counts hits and
    /// misses, and marks the accesses if it `touches`. `keys` is gone through twice.
    ///
    /// # Errors
    /// [`NeedsLock`]; nothing is counted then.
    pub fn read_all<'k>(
        &self,
        keys: impl ExactSizeIterator<Item = Key<'k>> + Clone,
        touches: bool,
    ) -> Result<Vec<Option<EntryRef<'_>>>, NeedsLock> {
        if keys.len() > TOGETHER_MAX {
            return Err(NeedsLock);
        }
        let core = &self.core;
        let look = |key: &Key<'k>| {
            let table = self.table(key.database, key.hash);
            // SAFETY: the worker is pinned for as long as the group lives, which the result borrows.
            let found = unsafe { table.look(key.hash, key.bytes, core.keyspace.shard_bits) };
            found.map(|(begun, entry)| (table, begun, entry))
        };
        let mut begun = Vec::with_capacity(keys.len());
        let mut entries = Vec::with_capacity(keys.len());
        for key in keys.clone() {
            let (table, version, entry) = look(&key).map_err(|_| NeedsLock)?;
            let is_fixed = |entry: &EntryRef<'_>| {
                !entry.is_large()
                    && !entry.is_integer()
                    && !entry.has_expired(table.time_ms(core.now_ms))
            };
            if !entry.as_ref().is_none_or(is_fixed) {
                return Err(NeedsLock);
            }
            begun.push(version);
            entries.push(entry);
        }
        for ((key, entry), begun) in keys.clone().zip(&entries).zip(begun) {
            let (table, _, again) = look(&key).map_err(|_| NeedsLock)?;
            let is_same = match (entry, again) {
                (Some(entry), Some(again)) => entry.is(&again),
                (None, None) => table.confirm_miss(begun).is_ok(),
                _ => false,
            };
            if !is_same {
                return Err(NeedsLock);
            }
        }
        for (key, entry) in keys.zip(&entries) {
            match entry {
                None => core.miss(key),
                Some(entry) => core.hit(key, entry, touches),
            }
        }
        Ok(entries)
    }

    /// The entry of a key: [`Reads::read`] for one.
    ///
    /// # Errors
    /// [`NeedsLock`]; nothing is counted then.
    pub fn read(&self, key: Key<'_>, touches: bool) -> Result<Option<EntryRef<'_>>, NeedsLock> {
        self.reads(key.database).read(key.hash, key.bytes, touches)
    }

    /// Reads of a database, between which this worker does nothing else.
    #[inline]
    pub fn reads(&self, database: u8) -> Reads<'_> {
        let keyspace = self.core.keyspace;
        Reads {
            core: &self.core,
            tables: keyspace.databases.tables(usize::from(database)),
            shard_bits: keyspace.shard_bits,
            database,
        }
    }
}

/// Reads of one key after the other: what is the same for all of them is looked up once.
pub struct Reads<'g> {
    core: &'g Core<'g>,
    tables: &'g [Table],
    shard_bits: u32,
    database: u8,
}

impl<'g> Reads<'g> {
    /// As [`Group::advance`].
    #[inline(always)]
    pub fn advance(&self, place: usize) {
        self.core.ahead.advance(place);
    }

    /// The entry of a key, given its hash, for a command that reads nothing else: counts a hit or miss, and marks the
    /// access if it `touches`.
    ///
    /// # Errors
    /// [`NeedsLock`]; nothing is counted then.
    #[inline(always)]
    pub fn read(
        &self,
        hash: u64,
        bytes: &[u8],
        touches: bool,
    ) -> Result<Option<EntryRef<'g>>, NeedsLock> {
        let Self { core, database, .. } = *self;
        let key = Key {
            database,
            bytes,
            hash,
        };
        let table = &self.tables[shard(hash, self.shard_bits)];
        // SAFETY: the worker is pinned for as long as the group lives, which `'g` borrows.
        let found = unsafe { table.read(hash, bytes, self.shard_bits) };
        let Some(entry) = found.map_err(|_| NeedsLock)? else {
            core.miss(key);
            return Ok(None);
        };
        if entry.is_large() || entry.has_expired(table.time_ms(core.now_ms)) {
            return Err(NeedsLock);
        }
        core.hit(key, &entry, touches);
        Ok(Some(entry))
    }
}
