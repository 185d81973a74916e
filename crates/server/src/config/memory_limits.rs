//! What the settings say about memory, resolved to plain numbers for those who keep to it.

use super::portion::Portion;
use super::table::{EvictionPolicy, Settings};

/// The smallest budget that Redis gives clients together, in bytes.
const CLIENTS_BYTES_MIN: u64 = 128 << 10;
/// The budget that is reserved for clients of a memory limit, unless a setting names one: one part in so many, ...
const CLIENTS_PART: u64 = 20;
/// ... and at least so many bytes.
const CLIENTS_RESERVED_BYTES_MIN: u64 = 8 << 20;

/// The settings of memory, with all amounts in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryLimits {
    /// The most resident memory of the process; 0 for no limit.
    pub max_memory_bytes: u64,
    /// The most of it that clients together may take; 0 for no limit.
    pub clients_bytes_max: u64,
    /// Which keys make room.
    pub policy: EvictionPolicy,
    /// Keys that are looked at to find one to evict.
    pub samples: u32,
    /// The largest part of a relative deadline that is taken off at random, in hundredths.
    pub ttl_jitter_percent: u32,
    /// How slowly the counts of accesses grow.
    pub lfu_log_factor: u32,
    /// Minutes after which a count of accesses goes down by one; 0 keeps it.
    pub lfu_decay_minutes: u32,
}

impl Settings {
    /// The settings of memory, for the memory that there is now.
    pub fn memory_limits(&self) -> MemoryLimits {
        let memory = &self.memory;
        let max_memory_bytes = memory.max_memory.of(self.available_memory_bytes);
        MemoryLimits {
            max_memory_bytes,
            clients_bytes_max: clients_bytes_max(memory.max_memory_clients, max_memory_bytes),
            policy: memory.eviction_policy,
            samples: memory.eviction_sample_size,
            ttl_jitter_percent: memory.ttl_jitter_percent,
            lfu_log_factor: memory.lfu_log_factor,
            lfu_decay_minutes: memory.lfu_decay_time,
        }
    }
}

/// What `memory.max_memory_clients` means with this memory limit. As in Redis, a percentage of no limit is none.
fn clients_bytes_max(portion: Portion, max_memory_bytes: u64) -> u64 {
    match (portion.of(max_memory_bytes), max_memory_bytes) {
        (0, 0) => 0,
        (0, limit_bytes) => (limit_bytes / CLIENTS_PART).max(CLIENTS_RESERVED_BYTES_MIN),
        (bytes, _) => bytes.max(CLIENTS_BYTES_MIN),
    }
}

#[cfg(test)]
mod tests {
    use super::{Portion, clients_bytes_max};

    #[test]
    fn clients_have_a_budget() {
        const MB: u64 = 1 << 20;
        for (portion, max_memory_bytes, expected) in [
            (Portion::Bytes(0), 0, 0),
            (Portion::Percent(5), 0, 0),
            (Portion::Bytes(0), 100 * MB, 8 * MB),
            (Portion::Bytes(0), 1000 * MB, 50 * MB),
            (Portion::Bytes(MB), 0, MB),
            (Portion::Bytes(1), 1000 * MB, MB / 8),
            (Portion::Percent(10), 1000 * MB, 100 * MB),
        ] {
            let bytes = clients_bytes_max(portion, max_memory_bytes);
            assert_eq!(bytes, expected, "{portion:?} of {max_memory_bytes}");
        }
    }
}
