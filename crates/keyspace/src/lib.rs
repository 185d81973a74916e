//! The keyspace: shards, hash tables, entries, deadlines, SCAN, and who may touch what when.
//!
//! No sockets, no RESP, no clock: time comes in as an argument, in milliseconds. The door of the crate is
//! [`Keyspace`] (shared by all workers) -> [`Worker`] (one per thread) -> [`Group`] (a pinned group of commands)
//! -> [`Locked`] (the keys of one command). Unsafe code lives in `entry`, `table`, `expiry/records`, `quiescence`, `access`, `read` and `whole`,
//! and nowhere else.
//!
//! | file | what it holds |
//! |---|---|
//! | `hash` | the keyed hash, and which of its bits choose shard, segment and bucket |
//! | `entry` | one allocation per key: header, deadline, key, value |
//! | `table` | one shard's hash table: buckets of 64 bytes, growth in small steps, hash-ordered scan |
//! | `quiescence` | when memory that others may still read is freed; the gate for commands on everything |
//! | `slab` | where entries and buckets come from: size classes of 8 bytes, a magazine per worker |
//! | `collections` | hashes, lists, sets and sorted sets: packed ones and large ones |
//! | `memory` | what a worker allocates from, and what it has retired |
//! | `ahead` | asking the processor for what comes next |
//! | `background` | the thread that frees what takes long |
//! | `access` | [`Group`] and [`Locked`]: locks, lookups, mutations |
//! | `read` | reading one key without a lock |
//! | `removed` | large values that replies are sent from after their entry is gone |
//! | `shared` | large strings, shared instead of copied |
//! | `watch` | WATCH: who wants to know that a key has changed |
//! | `whole` | SCAN, KEYS, RANDOMKEY, FLUSHDB, SWAPDB |
//! | `deadline` | the word that has an entry's deadline |
//! | `jitter` | deadlines that are spread |
//! | `expiry` | the index of deadlines, and active expiry |
//! | `prefix` | prefixes of keys: counts, limits and lifetimes of their own |
//! | `samples` | what happens to a sample of the keys, and who is told of it |
//! | `stats` | counters |
//! | `statistics_bytes` | what all that is counted takes of the memory |
//! | `hot_keys` | the keys that most commands name, from samples |
//! | `big_keys` | the keys that take the most memory |
//! | `random` | numbers that look random |
//! | `sync` | the atomics and locks that loom can replace |
//! | `models` | every interleaving of the protocols of `quiescence` and `table`, with loom |

mod access;
mod ahead;
mod background;
mod big_keys;
mod budget;
mod collections;
mod compact;
mod deadline;
mod entry;
mod evict;
mod expiry;
mod hash;
mod hot_keys;
mod jitter;
mod keyspace;
mod memory;
#[cfg(all(test, loom))]
mod models;
mod policy;
mod prefetch;
mod prefix;
mod quiescence;
mod random;
mod read;
mod removed;
mod samples;
mod shared;
mod slab;
mod statistics_bytes;
mod stats;
mod sync;
mod table;
mod value;
mod watch;
mod whole;

pub use access::{Built, Busy, Group, Key, Locked, Plan, WrongKind};
pub use big_keys::BigKey;
pub use budget::{Eviction, Limit, Room};
pub use collections::{
    AHEAD, Collection, Contents, Direction, Draft, Elements, ElementsBack, ElementsLeft, End,
    Equal, Field, FieldsLeft, Hash, Item, List, Members, NameBound, Object, PACK_ITEMS_MAX, Pack,
    ScoreBound, Scored, Set, SortedSet, Thresholds,
};
pub use compact::{CompactionStats, Waste};
pub use entry::EntryRef;
pub use evict::MadeRoom;
pub use expiry::Swept;
pub use expiry::lag::ExpiryLag;
pub use hot_keys::HotKey;
pub use keyspace::{Keyspace, Options, Shards, Worker};
pub use policy::{EvictionPolicy, Order};
pub use prefix::{PrefixRule, PrefixStats};
pub use random::{Random, mixed};
pub use read::{NeedsLock, Reads};
pub use samples::curve::CurvePoint;
pub use samples::misses::MissReasons;
pub use shared::{SharedBytes, StringMut};
pub use slab::{HugePages, SlabStats};
pub use statistics_bytes::StatisticsBytes;
pub use stats::{DatabaseStats, KeyspaceStats};
pub use value::{Deadline, Encoding, NewValue, Number, StringRef, ValueKind};
pub use watch::{WatchedKey, Watcher};
pub use whole::{Free, ScanCursor};

/// Limits of this crate.
pub mod limits {
    /// Databases, as Redis's default; `SELECT` takes 0 to one less.
    pub const DATABASES: usize = 16;
    /// The most prefixes that can be counted apart.
    pub const PREFIXES_MAX: usize = 64;
    /// The most shards that a keyspace can have.
    pub const SHARDS_MAX: usize = 65_536;
    /// The most threads that can be [`crate::Worker`]s at one time.
    pub const WORKERS_MAX: usize = 1_024;
    /// The longest string value, in bytes, as Redis's 512 MB.
    pub const STRING_BYTES_MAX: usize = 512 << 20;
}
