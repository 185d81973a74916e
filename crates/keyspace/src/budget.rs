//! How much memory entries may take, who counts it, and what is evicted first.
//!
//! Each worker counts what it adds and removes, and reports that to the sum from time to time, so that no command
//! writes to memory that workers share. A group of commands begins with the sum and adds its own worker's part, so a
//! limit is kept to within what other workers have not yet reported ([`REPORT_BYTES`] each).

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU8, AtomicU32, AtomicU64, Ordering::Relaxed};

use crate::policy::EvictionPolicy;
use crate::policy::bits::{Frequency, Touch};
use crate::policy::clock::AccessClock;

/// What a worker adds or removes before it reports.
const REPORT_BYTES: i64 = 64 << 10;

/// How keys are chosen for eviction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Eviction {
    /// Which keys go.
    pub policy: EvictionPolicy,
    /// Entries that are looked at for each that goes, from 1 on (`maxmemory-samples`).
    pub samples: u32,
    /// See Redis's `lfu-log-factor`.
    pub lfu_log_factor: u32,
    /// See Redis's `lfu-decay-time`: minutes, 0 for no decay.
    pub lfu_decay_minutes: u32,
}

impl Default for Eviction {
    fn default() -> Self {
        Self {
            policy: EvictionPolicy::NoEviction,
            samples: 5,
            lfu_log_factor: 10,
            lfu_decay_minutes: 1,
        }
    }
}

/// The most bytes that entries may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// Writes that need memory wait or are refused above this.
    pub bytes: u64,
    /// Eviction takes place above this.
    pub low_bytes: u64,
}

/// Whether a command may add something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    /// It may.
    Enough,
    /// Not now: keys are being evicted.
    Soon,
    /// No: nothing may be evicted, or nothing can.
    None,
}

/// See the head of this file. What is read by all and seldom written comes first.
#[repr(align(128))]
pub(crate) struct Budget {
    limit: AtomicU64,
    low: AtomicU64,
    policy: AtomicU8,
    samples: AtomicU32,
    lfu_log_factor: AtomicU32,
    lfu_decay_minutes: AtomicU32,
    /// Nothing was left to evict when it was last tried.
    is_stuck: AtomicBool,
    /// Changes with the policy.
    pub generation: AtomicU32,
    pub clock: AccessClock,
    used: Used,
}

#[repr(align(128))]
struct Used(AtomicI64);

impl Budget {
    pub fn new() -> Self {
        let budget = Self {
            limit: AtomicU64::new(u64::MAX),
            low: AtomicU64::new(u64::MAX),
            policy: AtomicU8::new(0),
            samples: AtomicU32::new(0),
            lfu_log_factor: AtomicU32::new(0),
            lfu_decay_minutes: AtomicU32::new(0),
            is_stuck: AtomicBool::new(false),
            generation: AtomicU32::new(0),
            clock: AccessClock::new(),
            used: Used(AtomicI64::new(0)),
        };
        budget.set_eviction(Eviction::default());
        budget
    }

    pub fn set_eviction(&self, eviction: Eviction) {
        self.policy.store(eviction.policy.to_number(), Relaxed);
        self.samples.store(eviction.samples.max(1), Relaxed);
        self.lfu_log_factor.store(eviction.lfu_log_factor, Relaxed);
        self.lfu_decay_minutes
            .store(eviction.lfu_decay_minutes, Relaxed);
        self.generation.fetch_add(1, Relaxed);
        self.is_stuck.store(false, Relaxed);
    }

    pub fn eviction(&self) -> Eviction {
        Eviction {
            policy: self.policy(),
            samples: self.samples.load(Relaxed),
            lfu_log_factor: self.lfu_log_factor.load(Relaxed),
            lfu_decay_minutes: self.lfu_decay_minutes.load(Relaxed),
        }
    }

    #[inline]
    pub fn policy(&self) -> EvictionPolicy {
        EvictionPolicy::from_number(self.policy.load(Relaxed))
    }

    pub fn set_limit(&self, limit: Option<Limit>) {
        let (bytes, low) =
            limit.map_or((u64::MAX, u64::MAX), |limit| (limit.bytes, limit.low_bytes));
        if bytes > self.limit.swap(bytes, Relaxed) {
            self.is_stuck.store(false, Relaxed);
        }
        self.low.store(low, Relaxed);
    }

    #[inline]
    pub fn has_limit(&self) -> bool {
        self.limit.load(Relaxed) != u64::MAX
    }

    /// The most bytes that entries may take; `u64::MAX` without a limit.
    pub fn limit_bytes(&self) -> u64 {
        self.limit.load(Relaxed)
    }

    /// What accesses at this time make of an entry's policy bits.
    #[inline]
    pub fn touch(&self, now_ms: u64) -> Touch {
        Touch::new(
            self.policy().bits(),
            self.clock.tick(now_ms),
            now_ms,
            Frequency {
                log_factor: self.lfu_log_factor.load(Relaxed),
                decay_minutes: self.lfu_decay_minutes.load(Relaxed),
            },
        )
    }

    /// How many bytes may be added: below zero when there are too many already.
    #[inline]
    pub fn room_bytes(&self) -> i64 {
        let limit = self.limit.load(Relaxed);
        if limit == u64::MAX {
            return i64::MAX;
        }
        limit.cast_signed() - self.used.0.load(Relaxed)
    }

    /// By how many bytes eviction is behind; 0 or less when it has nothing to do.
    #[inline]
    pub fn excess_bytes(&self) -> i64 {
        let low = self.low.load(Relaxed);
        if low == u64::MAX {
            return i64::MIN;
        }
        self.used.0.load(Relaxed) - low.cast_signed()
    }

    /// Whether a write waits for eviction or is refused.
    pub fn when_full(&self) -> Room {
        if self.policy() == EvictionPolicy::NoEviction || self.is_stuck.load(Relaxed) {
            Room::None
        } else {
            Room::Soon
        }
    }

    /// Notes whether there was something to evict.
    pub fn set_stuck(&self, is_stuck: bool) {
        if self.is_stuck.load(Relaxed) != is_stuck {
            self.is_stuck.store(is_stuck, Relaxed);
        }
    }

    /// Adds what a worker has not yet reported, if that is much or `all` is asked for.
    #[inline]
    pub fn report(&self, unreported: &AtomicI64, all: bool) {
        let bytes = unreported.load(Relaxed);
        if bytes.unsigned_abs() >= REPORT_BYTES.unsigned_abs() || all && bytes != 0 {
            unreported.store(0, Relaxed);
            self.used.0.fetch_add(bytes, Relaxed);
        }
    }

    /// Takes off what a flush has removed.
    pub fn forget(&self, bytes: i64) {
        self.used.0.fetch_sub(bytes, Relaxed);
        self.is_stuck.store(false, Relaxed);
    }

    /// What has been reported.
    pub fn used_bytes(&self) -> i64 {
        self.used.0.load(Relaxed)
    }
}
