//! Big keys: those that take the most memory, kept up to date with every change of an entry's size.
//!
//! [`BigKeys`] is told by `table` of each size that passes its entrance, up or down: one comparison for all other
//! changes, and none for a value that replaces one of its own size. It lists eight times as many keys as one asks for,
//! so that there are others when listed ones go.

use std::cmp::Reverse;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use parking_lot::Mutex;

use crate::access::Key;
use crate::keyspace::Keyspace;
use crate::limits::DATABASES;
use crate::statistics_bytes::vec_bytes;

/// Smaller entries are never listed: what is usual costs nothing.
const BYTES_MIN: u64 = 4096;
/// Keys that are listed.
const LISTED_MAX: usize = 256;
/// When fewer than this are listed, every key from [`BYTES_MIN`] on is again.
const LISTED_FEW: usize = LISTED_MAX / 2;
/// Keys that are longer than this are not listed.
const KEY_BYTES_MAX: usize = 1024;

/// A key that takes much memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BigKey {
    /// The database.
    pub database: u8,
    /// The key.
    pub key: Box<[u8]>,
    /// Memory of its entry, key and value included, in bytes.
    pub bytes: u64,
}

/// The list, and the size from which it is to be told of. Read with every change of a size, and hardly ever changed.
#[repr(align(128))]
pub(crate) struct BigKeys {
    entrance: AtomicU64,
    /// Keys of larger sizes are on the list.
    surely_listed: AtomicU64,
    listed: Mutex<Ranking>,
}

impl BigKeys {
    pub fn new() -> Self {
        Self {
            entrance: AtomicU64::new(BYTES_MIN),
            surely_listed: AtomicU64::new(BYTES_MIN),
            listed: Mutex::new(Ranking::new(BYTES_MIN)),
        }
    }

    /// Whether [`BigKeys::update`] is to be told of a key whose size was and is this, 0 where there is none.
    #[inline(always)]
    pub fn concerns(&self, old_bytes: i64, new_bytes: i64) -> bool {
        old_bytes.max(new_bytes).cast_unsigned() > self.entrance.load(Relaxed)
    }

    /// Notes that the size of a key was and is this, 0 where there is none. While its shard is locked.
    #[cold]
    pub fn update(&self, key: Key<'_>, old_bytes: i64, new_bytes: i64) {
        let bytes = new_bytes.cast_unsigned();
        let is_known = old_bytes == new_bytes && bytes > self.surely_listed.load(Relaxed);
        if !is_known && key.bytes.len() <= KEY_BYTES_MAX {
            self.change(|listed| listed.update(key, bytes));
        }
    }

    /// Forgets the keys of databases that are emptied.
    pub fn forget(&self, databases: &Range<u8>) {
        self.change(|listed| {
            listed.retain(|key| !databases.contains(&key.database));
            if databases.len() == DATABASES {
                listed.surely_listed = listed.size_min;
            }
        });
    }

    /// Exchanges two databases.
    pub fn swap_databases(&self, first: u8, second: u8) {
        self.change(|listed| {
            for place in &mut listed.places {
                if place.key.database == first {
                    place.key.database = second;
                } else if place.key.database == second {
                    place.key.database = first;
                }
            }
        });
    }

    /// Memory of the list, in bytes.
    pub fn memory_bytes(&self) -> usize {
        let listed = self.listed.lock();
        let names = listed.places.iter().map(|place| place.key.key.len());
        vec_bytes(&listed.places) + names.sum::<usize>()
    }

    fn change(&self, change: impl FnOnce(&mut Ranking)) {
        let mut listed = self.listed.lock();
        change(&mut listed);
        self.entrance.store(listed.entrance, Relaxed);
        self.surely_listed.store(listed.surely_listed, Relaxed);
    }
}

/// The keys with the largest sizes of some kind.
struct Ranking {
    size_min: u64,
    /// Larger sizes come in.
    entrance: u64,
    /// The largest size that has found no place.
    surely_listed: u64,
    places: Vec<Place>,
}

struct Place {
    hash: u64,
    key: BigKey,
}

impl Ranking {
    fn new(size_min: u64) -> Self {
        Self {
            size_min,
            entrance: size_min,
            surely_listed: size_min,
            places: Vec::new(),
        }
    }

    fn update(&mut self, key: Key<'_>, size: u64) {
        let is_key = |place: &Place| {
            place.hash == key.hash
                && place.key.database == key.database
                && *place.key.key == *key.bytes
        };
        match self.places.iter().position(is_key) {
            Some(at) if size > self.entrance => self.places[at].key.bytes = size,
            Some(at) => {
                self.places.swap_remove(at);
                self.open_when_few();
            }
            None if size > self.entrance => self.add(key, size),
            None => {}
        }
    }

    /// Adds a key, for which the smallest leaves a full list.
    fn add(&mut self, key: Key<'_>, size: u64) {
        self.places.push(Place {
            hash: key.hash,
            key: BigKey {
                database: key.database,
                key: key.bytes.into(),
                bytes: size,
            },
        });
        if self.places.len() <= LISTED_MAX {
            return;
        }
        let sizes = self.places.iter().map(|place| place.key.bytes);
        if let Some((at, smallest)) = sizes.enumerate().min_by_key(|(_, size)| *size) {
            self.places.swap_remove(at);
            self.entrance = smallest;
            self.surely_listed = self.surely_listed.max(smallest);
        }
    }

    fn retain(&mut self, is_kept: impl Fn(&BigKey) -> bool) {
        self.places.retain(|place| is_kept(&place.key));
        self.open_when_few();
    }

    fn open_when_few(&mut self) {
        if self.places.len() < LISTED_FEW {
            self.entrance = self.size_min;
        }
    }

    /// The largest, largest first.
    fn largest(&self, count: usize) -> Vec<BigKey> {
        let mut places: Vec<&Place> = self.places.iter().collect();
        places.sort_by_key(|place| Reverse(place.key.bytes));
        let largest = places.into_iter().take(count);
        largest.map(|place| place.key.clone()).collect()
    }
}

impl Keyspace {
    /// The keys that take the most memory, at most `count` of them, the largest first.
    pub fn big_keys(&self, count: usize) -> Vec<BigKey> {
        self.big_keys.listed.lock().largest(count)
    }

    /// Forgets the big keys; those that are stored from now on are listed.
    pub fn reset_big_keys(&self) {
        self.big_keys.change(|listed| {
            listed.retain(|_| false);
            listed.surely_listed = u64::MAX;
        });
    }
}

#[cfg(test)]
mod tests;
