//! How much the entries of a prefix may take, and how much they do. As for the whole keyspace (`budget`), workers count
//! what they add and report it after each group of commands.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering::Relaxed};

use super::Prefixes;
use super::index::Index;
use crate::budget::Room;
use crate::policy::EvictionPolicy;

/// Eviction begins one part in so many of a prefix's limit below it, ...
const HEADROOM_RATIO: u64 = 32;
/// ... but no more than so many bytes.
const HEADROOM_BYTES_MAX: u64 = 1 << 20;

/// The limit of one prefix.
#[repr(align(128))]
pub(crate) struct Cap {
    /// Writes wait or are refused from here on.
    bytes: i64,
    /// Eviction takes place above this.
    low: i64,
    /// What workers have reported.
    used: AtomicI64,
    /// Nothing was left to evict when it was last tried.
    is_stuck: AtomicBool,
    pub index: Index,
}

impl Cap {
    pub fn new(bytes: u64) -> Self {
        let low = bytes - (bytes / HEADROOM_RATIO).min(HEADROOM_BYTES_MAX);
        Self {
            bytes: i64::try_from(bytes).unwrap_or(i64::MAX),
            low: i64::try_from(low).unwrap_or(i64::MAX),
            used: AtomicI64::new(0),
            is_stuck: AtomicBool::new(false),
            index: Index::new(),
        }
    }

    /// Whether it is reached when so many bytes are added to what has been reported.
    #[inline]
    pub fn is_reached(&self, unreported: i64) -> bool {
        self.used.load(Relaxed) + unreported >= self.bytes
    }

    /// By how much eviction is behind; 0 or less when it has nothing to do.
    pub fn excess_bytes(&self) -> i64 {
        self.used.load(Relaxed) - self.low
    }

    pub fn is_stuck(&self) -> bool {
        self.is_stuck.load(Relaxed)
    }

    /// Notes whether there was something to evict.
    pub fn set_stuck(&self, is_stuck: bool) {
        if self.is_stuck() != is_stuck {
            self.is_stuck.store(is_stuck, Relaxed);
        }
    }

    /// Adds what a worker has counted.
    pub fn report(&self, bytes: i64) {
        self.used.fetch_add(bytes, Relaxed);
        if bytes < 0 {
            self.set_stuck(false);
        }
    }

    /// Begins again with so many bytes. While the keyspace is locked as a whole.
    pub fn recount(&self, bytes: i64) {
        self.used.store(bytes, Relaxed);
        self.set_stuck(false);
    }
}

impl Prefixes {
    /// Whether some prefix is at its limit.
    #[inline]
    pub fn some_is_full(&self) -> bool {
        self.full.load(Relaxed) != 0
    }

    /// The prefixes of which keys are to be evicted, a bit each.
    #[inline]
    pub fn over(&self) -> u64 {
        self.over.load(Relaxed)
    }

    /// Notes that a prefix is at its limit.
    pub fn set_full(&self, id: usize) {
        set_bit(&self.full, id, true);
    }

    /// Notes by what has been reported how it stands with a prefix.
    pub fn refresh(&self, id: usize) {
        if let Some(cap) = &self.caps[id] {
            set_bit(&self.full, id, cap.is_reached(0));
            set_bit(&self.over, id, cap.excess_bytes() > 0);
        }
    }

    /// Whether something may be added to a prefix.
    pub fn room(&self, id: usize, unreported: i64, policy_of_all: EvictionPolicy) -> Room {
        let Some(cap) = &self.caps[id] else {
            return Room::Enough;
        };
        if !cap.is_reached(unreported) {
            self.refresh(id);
            return Room::Enough;
        }
        match self.policy(id, policy_of_all) {
            EvictionPolicy::NoEviction => Room::None,
            _ if cap.is_stuck() => Room::None,
            EvictionPolicy::AllKeys(_) | EvictionPolicy::Volatile(_) => Room::Soon,
        }
    }
}

fn set_bit(word: &std::sync::atomic::AtomicU64, id: usize, is_set: bool) {
    let bit = 1 << id;
    if (word.load(Relaxed) & bit != 0) == is_set {
        return;
    }
    if is_set {
        word.fetch_or(bit, Relaxed);
    } else {
        word.fetch_and(!bit, Relaxed);
    }
}
