//! Eviction policies in miniature: what a cache of so many keys would hold, by hashes alone.
//!
//! Least recently used is simulated exactly, of which the server's own samples are within a percent. The other policies
//! of Redis are simulated as the server does it, by looking at some entries at random. See C. Waldspurger, T.
//! Saemundsson, I. Ahmad, N. Park, *Cache modeling and optimization using miniature simulations*, USENIX ATC 2017.

mod lru;
mod s3;
mod sampled;

use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasherDefault, Hasher};

use self::lru::Lru;
use self::s3::S3;
use self::sampled::Sampled;
use crate::budget::Eviction;
use crate::policy::{EvictionPolicy, Order};

/// What is done to a key, and when.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Access {
    /// [`super::Sample::hash`].
    pub hash: u64,
    /// In milliseconds of the Unix epoch.
    pub now_ms: u64,
    /// The key's deadline.
    pub deadline_ms: Option<u64>,
}

/// A cache that holds hashes of keys, under a policy. Deadlines are looked after by who uses it.
pub(crate) trait Miniature: fmt::Debug + Send {
    /// A read, whether the key is there; it is not stored if not.
    fn read(&mut self, access: Access) -> bool;
    /// The key is stored, new or over what is there; evicts if need be.
    fn write(&mut self, access: Access);
    /// The key gets another deadline, if it is there.
    fn set_deadline(&mut self, _access: Access) {}
    /// The key is gone, if it was there.
    fn remove(&mut self, hash: u64);
    /// Whether the key is there, without using it.
    fn contains(&self, hash: u64) -> bool;
    /// How many keys there are.
    fn len(&self) -> usize;
    /// How many there may be, at least 1; evicts if there are more.
    fn set_keys_max(&mut self, keys_max: usize);
    /// Forgets keys, which are not evicted but belong to the sample no more.
    fn retain(&mut self, is_kept: &dyn Fn(u64) -> bool);
    /// Memory, in bytes.
    fn memory_bytes(&self) -> usize;
}

/// An empty cache under this policy, or under least recently used where nothing is evicted.
pub(crate) fn miniature(eviction: Eviction) -> Box<dyn Miniature> {
    match eviction.policy {
        EvictionPolicy::NoEviction | EvictionPolicy::AllKeys(Order::Lru) => {
            Box::new(Lru::default())
        }
        EvictionPolicy::AllKeys(Order::S3Fifo) => Box::new(S3::default()),
        EvictionPolicy::AllKeys(Order::Lfu | Order::Random | Order::Ttl)
        | EvictionPolicy::Volatile(_) => Box::new(Sampled::new(eviction)),
    }
}

/// The keys of a cache that are not kept.
fn gone(places: &HashMapByHash<u32>, is_kept: &dyn Fn(u64) -> bool) -> Vec<u64> {
    let hashes = places.keys().copied();
    hashes.filter(|hash| !is_kept(*hash)).collect()
}

/// A map by hashes of samples.
pub(crate) type HashMapByHash<Value> = HashMap<u64, Value, BuildHasherDefault<LowHalf>>;

/// Hashes by the lower half, which is random, while the upper one is small.
#[derive(Default)]
pub(crate) struct LowHalf(u64);

impl Hasher for LowHalf {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {
        unreachable!("keys are 64-bit hashes");
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = (hash & 0xffff_ffff).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}
