//! `max_memory`: how much of it is left for entries.
//!
//! The limit is for the resident memory of the process. A thread looks at that some times a second: what is left of the
//! limit, less what clients may still take and a margin, may be added to what entries use now. What entries cost besides
//! their own bytes (the table, headers of pages, fragmentation, buffers) so counts as soon as it is there. If too much is
//! resident, entries must go; as many as that, or, when their memory does not follow, no more than half of what the limit
//! would allow if nothing else took memory.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use keyspace::{Eviction, EvictionPolicy as Policy, Limit, Order};
use tracing::warn;

use crate::config::{EvictionPolicy, MemoryLimits};
use crate::memory;
use crate::process::{Process, ShutdownStage};

/// How often the memory is looked at while there is a limit.
const PERIOD: Duration = Duration::from_millis(50);
/// How often the settings are looked at while there is none.
const IDLE_PERIOD: Duration = Duration::from_secs(1);
/// One part in so many of the limit is for what is added between two looks.
const MARGIN_RATIO: u64 = 64;
const MARGIN_BYTES_MIN: u64 = 1 << 20;
/// Eviction begins one part in so many of the limit below it.
const HEADROOM_RATIO: u64 = 128;
/// What entries cost besides their own bytes while there are few, as 1 in so many: their part of the table.
const TABLE_RATIO: u64 = 8;
/// What a limit should leave for data beyond what the empty server takes.
const DATA_BYTES_MIN: u64 = 8 << 20;

/// What is known of the process's memory, in bytes.
#[derive(Clone, Copy, Debug)]
struct Memory {
    resident: u64,
    /// Of entries.
    used: u64,
    /// Of clients' buffers.
    clients: u64,
    /// What is reserved for those.
    clients_max: u64,
}

/// What entries may take under this limit.
fn budget(max_memory: u64, memory: Memory) -> Limit {
    let margin = (max_memory / MARGIN_RATIO).max(MARGIN_BYTES_MIN);
    let for_clients = memory.clients_max.saturating_sub(memory.clients);
    let usable = max_memory.saturating_sub(margin);
    let taken = memory.resident + for_clients;
    let bytes = if taken <= usable {
        let left = usable - taken;
        memory.used + left - left / TABLE_RATIO
    } else {
        let floor = usable.saturating_sub(memory.clients_max) / 2;
        memory.used.saturating_sub(taken - usable).max(floor)
    };
    Limit {
        bytes,
        headroom_bytes: max_memory / HEADROOM_RATIO,
    }
}

/// Starts the thread that keeps the limit.
///
/// # Errors
/// When it cannot be started.
pub fn keep(process: Arc<Process>) -> std::io::Result<()> {
    let limits = process.config.settings().memory_limits();
    apply(&process, &limits);
    warn_if_small(limits.max_memory_bytes);
    let watched = Arc::clone(&process);
    process.config.on_change(move |_, settings| {
        apply(&watched, &settings.memory_limits());
        Ok(())
    });
    let work = move || {
        while process.shutdown_stage() == ShutdownStage::Running {
            let limits = process.config.settings().memory_limits();
            look(&process, &limits);
            let has_limit = limits.max_memory_bytes > 0;
            thread::park_timeout(if has_limit { PERIOD } else { IDLE_PERIOD });
        }
    };
    thread::Builder::new().name("limit".into()).spawn(work)?;
    Ok(())
}

/// Sets what is evicted, and how much entries may take.
fn apply(process: &Process, limits: &MemoryLimits) {
    process.keyspace().set_eviction(Eviction {
        policy: policy(limits.policy),
        samples: u8::try_from(limits.samples).unwrap_or(u8::MAX),
        lfu_log_factor: u16::try_from(limits.lfu_log_factor).unwrap_or(u16::MAX),
        lfu_decay_minutes: u16::try_from(limits.lfu_decay_minutes).unwrap_or(u16::MAX),
    });
    look(process, limits);
}

/// Takes a look at the memory, and sets what entries may take.
fn look(process: &Process, limits: &MemoryLimits) {
    let keyspace = process.keyspace();
    let max_memory = limits.max_memory_bytes;
    let limit = (max_memory > 0).then(|| {
        let memory = Memory {
            resident: memory::resident_bytes(),
            used: keyspace.used_bytes(),
            clients: 0,
            clients_max: limits.clients_bytes_max,
        };
        if memory.resident > max_memory - max_memory / MARGIN_RATIO {
            // What the allocator keeps for later is needed now.
            memory::purge();
        }
        budget(max_memory, memory)
    });
    keyspace.set_limit(limit);
    keyspace.compact_if_worth_it(process.clock.now_ms());
}

fn warn_if_small(max_memory: u64) {
    let resident = memory::resident_bytes();
    if max_memory > 0 && max_memory < resident + DATA_BYTES_MIN {
        warn!(
            max_memory,
            resident, "memory.max_memory leaves less than 8 MB for data"
        );
    }
}

fn policy(setting: EvictionPolicy) -> Policy {
    match setting {
        EvictionPolicy::NoEviction => Policy::NoEviction,
        EvictionPolicy::AllkeysLru => Policy::AllKeys(Order::Lru),
        EvictionPolicy::AllkeysLfu => Policy::AllKeys(Order::Lfu),
        EvictionPolicy::AllkeysRandom => Policy::AllKeys(Order::Random),
        EvictionPolicy::VolatileLru => Policy::Volatile(Order::Lru),
        EvictionPolicy::VolatileLfu => Policy::Volatile(Order::Lfu),
        EvictionPolicy::VolatileRandom => Policy::Volatile(Order::Random),
        EvictionPolicy::VolatileTtl => Policy::Volatile(Order::Ttl),
    }
}

#[cfg(test)]
mod tests {
    use super::{Memory, budget};

    const MB: u64 = 1 << 20;

    fn bytes(resident: u64, used: u64, clients: u64) -> u64 {
        let memory = Memory {
            resident: resident * MB,
            used: used * MB,
            clients: clients * MB,
            clients_max: 25 * MB + MB / 2 + MB / 10,
        };
        budget(512 * MB, memory).bytes / MB
    }

    #[test]
    fn what_is_left_may_be_added() {
        assert_eq!(bytes(8, 0, 0), 411);
        assert_eq!(bytes(400, 350, 0), 350 + 68);
        // What clients have of their budget does not count twice.
        assert_eq!(bytes(410, 350, 10), bytes(400, 350, 0));
    }

    #[test]
    fn what_is_too_much_goes() {
        let full = bytes(478, 420, 0);
        assert_eq!(full, 420);
        assert_eq!(bytes(498, 420, 0), 400);
        // Fragmentation alone does not take everything.
        assert_eq!(bytes(600, 300, 0), 239);
    }
}
