#![allow(unsafe_code)]
//! What is done with a whole database: SCAN, KEYS, RANDOMKEY, FLUSHDB, SWAPDB, and its size.

use crate::access::{Key, Locked};
use crate::background::Waste;
use crate::entry::EntryRef;
use crate::hash::spread;
use crate::limits::DATABASES;
use crate::prefix::counts::recount;
use crate::table::CURSOR_BITS;

/// Empty tables and homes that one SCAN call may pass without an entry.
const SCAN_HOMES_MIN: usize = 4096;
/// Random places that are looked at before RANDOMKEY walks on from one.
const RANDOM_TRIES: usize = 128;

/// Where a SCAN goes on: 0 at the start, and again at the end. It stays below 2^53, so clients that read numbers as
/// doubles keep it whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ScanCursor(pub u64);

impl ScanCursor {
    fn position(self) -> u64 {
        self.0 << (64 - CURSOR_BITS)
    }

    fn at(position: u64) -> Self {
        Self(position >> (64 - CURSOR_BITS))
    }
}

/// How the memory of a flushed database is freed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Free {
    /// Before the flush returns.
    Now,
    /// On the background thread.
    InBackground,
}

impl Locked<'_> {
    /// Emits the entries from `cursor` on, at least `count` of them if there are so many, and whatever shares their
    /// homes. An entry that is there from the first call to the last is emitted at least once. Locks one shard at a
    /// time, unless the whole keyspace is locked.
    pub fn scan(
        &mut self,
        database: u8,
        cursor: ScanCursor,
        count: usize,
        mut emit: impl FnMut(EntryRef<'_>),
    ) -> ScanCursor {
        let homes_max = count.saturating_mul(10).max(SCAN_HOMES_MIN);
        let mut position = cursor.position();
        let (mut homes, mut emitted) = (0, 0);
        loop {
            position = self.scan_step(database, position, |entry| {
                emitted += 1;
                emit(entry);
            });
            homes += 1;
            if position == 0 || emitted >= count || homes >= homes_max {
                return ScanCursor::at(position);
            }
        }
    }

    /// Emits every entry of a database that is there all the time, and none twice.
    pub fn for_each(&mut self, database: u8, mut emit: impl FnMut(EntryRef<'_>)) {
        let keyspace = self.keyspace();
        let mut position = 0;
        loop {
            let from = position;
            position = self.scan_step(database, from, |entry| {
                // A table that has grown or shrunk since the last step may have a home that begins before.
                if keyspace.hash(entry.key()) >= from {
                    emit(entry);
                }
            });
            if position == 0 {
                return;
            }
        }
    }

    /// Whether a key is there. Locks its shard meanwhile, unless the whole keyspace is locked.
    pub fn contains(&mut self, key: Key<'_>) -> bool {
        let shard = self.keyspace().shard(key.hash);
        let now_ms = self.now_ms();
        self.with_table(key.database, shard, |held, _| {
            let now_ms = held.time_ms(now_ms);
            held.find(key.hash, key.bytes)
                .is_some_and(|found| !found.entry().has_expired(now_ms))
        })
    }

    fn scan_step(
        &mut self,
        database: u8,
        position: u64,
        mut emit: impl FnMut(EntryRef<'_>),
    ) -> u64 {
        let keyspace = self.keyspace();
        let shard = keyspace.shard(position);
        if keyspace.table(database, shard).len() == 0 {
            return self.next_shard(shard);
        }
        let now_ms = self.now_ms();
        self.with_table(database, shard, |held, _| {
            let now_ms = held.time_ms(now_ms);
            held.scan_home(position, |entry| {
                if !entry.has_expired(now_ms) {
                    emit(entry);
                }
            })
        })
    }

    pub(crate) fn next_shard(&self, shard: usize) -> u64 {
        let keyspace = self.keyspace();
        if shard + 1 == keyspace.num_shards() {
            0
        } else {
            keyspace.start_of(shard + 1)
        }
    }

    /// Calls `emit` with a key that is chosen at random from `random`, nearly uniformly; false when there is none.
    pub fn random_key(
        &mut self,
        database: u8,
        mut random: impl FnMut() -> u64,
        mut emit: impl FnMut(&[u8]),
    ) -> bool {
        if self.keyspace().keys(database) == 0 {
            return false;
        }
        let keyspace = self.keyspace();
        for _ in 0..RANDOM_TRIES {
            let place = spread(random());
            let shard = keyspace.shard(place);
            if keyspace.table(database, shard).len() == 0 {
                continue;
            }
            let now_ms = self.now_ms();
            let hit = self.with_table(database, shard, |held, _| {
                let now_ms = held.time_ms(now_ms);
                let entry = held
                    .entry_at_random(place)
                    .filter(|entry| !entry.has_expired(now_ms));
                entry.is_some_and(|entry| {
                    emit(entry.key());
                    true
                })
            });
            if hit {
                return true;
            }
        }
        self.first_key_after(database, random(), emit)
    }

    /// Emits the first key from `start` on, or failing that the first of all.
    fn first_key_after(&mut self, database: u8, start: u64, mut emit: impl FnMut(&[u8])) -> bool {
        for start in [spread(start), 0] {
            let mut cursor = ScanCursor::at(start);
            loop {
                let mut key: Option<Vec<u8>> = None;
                cursor = self.scan(database, cursor, 1, |entry| {
                    key = Some(entry.key().to_vec());
                });
                if let Some(key) = key {
                    emit(&key);
                    return true;
                }
                if cursor == ScanCursor::default() {
                    break;
                }
            }
        }
        false
    }

    /// Empties databases. The whole keyspace must be locked.
    ///
    /// # Panics
    /// When it is not.
    pub fn flush(&mut self, databases: std::ops::Range<u8>, free: Free) {
        assert!(self.has_everything(), "FLUSH locks the whole keyspace");
        let keyspace = self.keyspace();
        keyspace.hot_keys.forget(&databases);
        keyspace.big_keys.forget(&databases);
        keyspace.watches.announce_if(|key| {
            databases.contains(&key.database) && self.peek(key.as_key()).is_some()
        });
        keyspace.s3.forget_databases(databases.clone());
        let prefixes = keyspace.prefixes.as_deref();
        for database in databases.map(usize::from) {
            let has_keys = keyspace
                .counters
                .iter()
                .any(|counters| counters.has_keys(database));
            if !has_keys {
                continue;
            }
            // SAFETY: the gate is held, and no entry is borrowed here.
            let old = unsafe { keyspace.databases.replace(database) };
            let (mut bytes, mut other_bytes) = (0, 0);
            for counters in &keyspace.counters {
                bytes += counters.bytes(database);
                other_bytes += counters.table_bytes(database);
                counters.clear_database(database);
                if let Some(prefixes) = counters.prefixes() {
                    prefixes.clear_database(database as u8);
                }
            }
            keyspace.budget.forget(bytes);
            match free {
                Free::Now => keyspace.background.free_now(Waste::Tables(old)),
                Free::InBackground => {
                    let bytes = (bytes + other_bytes).max(0).cast_unsigned();
                    keyspace.background.free(Waste::Tables(old), bytes);
                }
            }
        }
        if let Some(prefixes) = prefixes {
            recount(prefixes, &keyspace.counters);
        }
        if (0..DATABASES as u8).all(|database| keyspace.keys(database) == 0) {
            self.forget_sampled_keys();
        }
    }

    /// Exchanges two databases. The whole keyspace must be locked.
    ///
    /// # Panics
    /// When it is not, or a database is out of range.
    pub fn swap_databases(&mut self, first: u8, second: u8) {
        assert!(self.has_everything(), "SWAPDB locks the whole keyspace");
        assert!(
            usize::from(first.max(second)) < DATABASES,
            "databases are checked before"
        );
        let keyspace = self.keyspace();
        keyspace.watches.announce_if(|watched| {
            let there = |database| {
                self.peek(Key {
                    database,
                    ..watched.as_key()
                })
                .is_some()
            };
            [first, second].contains(&watched.database) && (there(first) || there(second))
        });
        keyspace.databases.swap(first.into(), second.into());
        keyspace.s3.forget_databases([first, second].into_iter());
        keyspace.big_keys.swap_databases(first, second);
        if let Some(prefixes) = &keyspace.prefixes {
            prefixes.swap_databases(first, second);
        }
        keyspace
            .counters
            .iter()
            .for_each(|counters| counters.swap_databases(first.into(), second.into()));
    }
}
