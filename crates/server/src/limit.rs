//! `max_memory`: how much of it is left for entries.
//!
//! The limit is for the resident memory of the process. A thread looks at that some times a second, and workers do as
//! they write: what is left of the limit, less what clients may still take and a margin, may be added to what entries
//! use now. What entries cost besides their own bytes (the table, headers of pages, fragmentation, buffers) so counts as
//! soon as it is there.
//!
//! The memory of entries that have gone comes back only when their pages are empty, which compaction sees to; what is
//! written meanwhile takes their places if it is of the same size. So resident memory says little about how much has to
//! go, and there are steps: near what may be taken, as much goes as is written; above it, a little more with each look;
//! and only when the margin is half gone do writes wait until there is room.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use keyspace::{Eviction, EvictionPolicy as Policy, Limit, Order, PrefixRule, Waste};
use tracing::warn;

use crate::config::{EvictionPolicy, MemoryLimits, PrefixSettings};
use crate::memory;
use crate::process::{Process, ShutdownStage};

/// How often the memory is looked at while there is a limit.
const PERIOD: Duration = Duration::from_millis(50);
/// How often the settings are looked at while there is none.
const IDLE_PERIOD: Duration = Duration::from_secs(1);
/// Memory that is ready for more data goes back to the system when nothing has needed it for so long.
const IDLE_MEMORY_PERIOD: Duration = Duration::from_secs(1);
/// One part in so many of the limit is for what is added between two looks.
const MARGIN_RATIO: u64 = 64;
const MARGIN_BYTES_MIN: u64 = 1 << 20;
/// Eviction begins one part in so many of the limit below what may be taken.
const HEADROOM_RATIO: u64 = 128;
/// Of what is too much, one part in so many goes with one look, ...
const SHRINK_RATIO: u64 = 4;
/// ... and at most one part in so many of what entries use.
const EVICTED_RATIO: u64 = 32;
/// What entries cost besides their own bytes while there are few, as 1 in so many: their part of the table.
const TABLE_RATIO: u64 = 8;
/// The allocator gives back what it holds, rather than entries go, when that is more than one part in so many of the
/// limit.
const HELD_RATIO: u64 = 64;
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

impl Memory {
    fn now(process: &Process, limits: &MemoryLimits) -> Self {
        Self {
            resident: memory::resident_bytes(),
            used: process.keyspace().used_bytes(),
            clients: process.client_bytes(),
            clients_max: limits.clients_bytes_max,
        }
    }

    /// What is resident, and what clients may still take.
    fn taken(&self) -> u64 {
        self.resident + self.clients_max.saturating_sub(self.clients)
    }
}

/// What is kept free.
fn margin(max_memory: u64) -> u64 {
    (max_memory / MARGIN_RATIO).max(MARGIN_BYTES_MIN)
}

/// What may be taken.
fn usable(max_memory: u64) -> u64 {
    max_memory.saturating_sub(margin(max_memory))
}

/// From where on keys go.
fn begins(max_memory: u64) -> u64 {
    usable(max_memory).saturating_sub(max_memory / HEADROOM_RATIO)
}

/// From where on writes wait.
fn full(max_memory: u64) -> u64 {
    usable(max_memory) + margin(max_memory) / 2
}

/// What entries may take under this limit.
fn budget(max_memory: u64, memory: Memory) -> Limit {
    let (taken, used) = (memory.taken(), memory.used);
    let usable = usable(max_memory);
    let begins = begins(max_memory);
    let full = full(max_memory);
    let more = |until: u64| {
        let left = until.saturating_sub(taken);
        used + left - left / TABLE_RATIO
    };
    let too_much = taken.saturating_sub(usable);
    Limit {
        bytes: match taken.checked_sub(full) {
            Some(excess) => used.saturating_sub(excess),
            None => more(full),
        },
        low_bytes: match too_much {
            0 => more(begins),
            _ => used - (too_much / SHRINK_RATIO).min(used / EVICTED_RATIO),
        },
    }
}

/// Starts the thread that keeps the limit.
///
/// # Errors
/// When it cannot be started.
pub fn keep(process: Arc<Process>) -> std::io::Result<()> {
    let limits = process.config.settings().memory_limits();
    apply(&process, limits);
    warn_if_small(limits.max_memory_bytes);
    let watched = Arc::clone(&process);
    process.config.on_change(move |_, settings| {
        apply(&watched, settings.memory_limits());
        Ok(())
    });
    let kept = Arc::clone(&process);
    let work = move || {
        let mut idle_since = Instant::now();
        while process.shutdown_stage() == ShutdownStage::Running {
            look(&process);
            if idle_since.elapsed() >= IDLE_MEMORY_PERIOD {
                process.keyspace().give_idle_memory_back();
                idle_since = Instant::now();
            }
            let has_limit = process.limits.lock().max_memory_bytes > 0;
            thread::park_timeout(if has_limit { PERIOD } else { IDLE_PERIOD });
        }
    };
    let keeper = thread::Builder::new().name("limit".into()).spawn(work)?;
    kept.set_limit_keeper(keeper.thread().clone());
    Ok(())
}

/// Sets what is evicted, and how much entries may take.
fn apply(process: &Process, limits: MemoryLimits) {
    process.keyspace().set_eviction(eviction(&limits));
    *process.limits.lock() = limits;
    look(process);
}

fn eviction(limits: &MemoryLimits) -> Eviction {
    Eviction {
        policy: policy(limits.policy),
        samples: limits.samples,
        lfu_log_factor: limits.lfu_log_factor,
        lfu_decay_minutes: limits.lfu_decay_minutes,
    }
}

/// Takes a look at the memory, sets what entries may take, and gives back what is not needed.
fn look(process: &Process) {
    give_back(process);
    let pressure = set_limit(process, &process.limits.lock());
    compact(process, pressure);
    let keyspace = process.keyspace();
    if keyspace.is_short_of_memory() || keyspace.compaction_stats().is_running {
        // Those that sleep have keys to evict, and entries to move.
        process.wake_workers();
    }
}

/// What a worker does after it has written much: the thread may come late.
pub fn look_while_writing(process: &Process) {
    // Who holds this looks as well.
    let Some(limits) = process.limits.try_lock() else {
        return;
    };
    if limits.max_memory_bytes > 0 && set_limit(process, &limits) == Pressure::High {
        process.wake_limit_keeper();
    }
}

/// Has the allocator give back what it holds, when keys would have to go otherwise. That takes milliseconds.
fn give_back(process: &Process) {
    let limits = *process.limits.lock();
    let max_memory = limits.max_memory_bytes;
    let is_needed = max_memory > 0 && Memory::now(process, &limits).taken() > begins(max_memory);
    if is_needed && memory::held_bytes() > max_memory / HELD_RATIO {
        memory::purge();
    }
}

fn compact(process: &Process, pressure: Pressure) {
    let waste = match pressure {
        Pressure::Low => Waste::Usual,
        Pressure::High => Waste::Little,
    };
    let now_ms = process.clock.now_ms();
    process.keyspace().compact_if_worth_it(now_ms, waste);
}

/// Whether more is taken than may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pressure {
    Low,
    High,
}

/// Sets what entries may take by what is resident now. Takes some microseconds when there is a limit.
fn set_limit(process: &Process, limits: &MemoryLimits) -> Pressure {
    let keyspace = process.keyspace();
    let max_memory = limits.max_memory_bytes;
    if max_memory == 0 {
        keyspace.set_limit(None);
        return Pressure::Low;
    }
    let memory = Memory::now(process, limits);
    keyspace.set_limit(Some(budget(max_memory, memory)));
    if memory.taken() > begins(max_memory) {
        Pressure::High
    } else {
        Pressure::Low
    }
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

/// The rules of the keyspace for these prefixes.
pub fn prefix_rules(prefixes: &[PrefixSettings]) -> Vec<PrefixRule> {
    let rule = |prefix: &PrefixSettings| PrefixRule {
        start: prefix.start.clone().into_bytes(),
        bytes_max: prefix.max_memory_bytes,
        policy: prefix.policy.map(policy),
        default_ttl_ms: prefix.default_ttl.map(|seconds| seconds * 1000),
        ttl_ms_max: prefix.max_ttl.map(|seconds| seconds * 1000),
    };
    prefixes.iter().map(rule).collect()
}

fn policy(setting: EvictionPolicy) -> Policy {
    match setting {
        EvictionPolicy::NoEviction => Policy::NoEviction,
        EvictionPolicy::AllkeysLru => Policy::AllKeys(Order::Lru),
        EvictionPolicy::AllkeysLfu => Policy::AllKeys(Order::Lfu),
        EvictionPolicy::AllkeysRandom => Policy::AllKeys(Order::Random),
        EvictionPolicy::AllkeysS3Fifo => Policy::AllKeys(Order::S3Fifo),
        EvictionPolicy::VolatileS3Fifo => Policy::Volatile(Order::S3Fifo),
        EvictionPolicy::VolatileLru => Policy::Volatile(Order::Lru),
        EvictionPolicy::VolatileLfu => Policy::Volatile(Order::Lfu),
        EvictionPolicy::VolatileRandom => Policy::Volatile(Order::Random),
        EvictionPolicy::VolatileTtl => Policy::Volatile(Order::Ttl),
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;
    use std::path::PathBuf;

    use keyspace::{Deadline, HugePages, Keyspace, NewValue, Options};

    use super::{Memory, budget, eviction};
    use crate::config::{self, Inputs, MemoryLimits, Start};

    const MB: u64 = 1 << 20;

    fn memory(resident: u64, used: u64, clients: u64) -> Memory {
        Memory {
            resident: resident * MB,
            used: used * MB,
            clients: clients * MB,
            clients_max: 25 * MB + MB / 2 + MB / 10,
        }
    }

    fn bytes(resident: u64, used: u64, clients: u64) -> u64 {
        budget(512 * MB, memory(resident, used, clients)).bytes / MB
    }

    fn low_bytes(resident: u64, used: u64) -> u64 {
        budget(512 * MB, memory(resident, used, 0)).low_bytes / MB
    }

    #[test]
    fn what_is_left_may_be_added() {
        assert_eq!(bytes(8, 0, 0), 415);
        assert_eq!(bytes(400, 350, 0), 350 + 72);
        // What clients have of their budget does not count twice.
        assert_eq!(bytes(410, 350, 10), bytes(400, 350, 0));
    }

    #[test]
    fn as_much_goes_as_comes_before_more_does() {
        assert_eq!(low_bytes(400, 350), 350 + 65);
        assert_eq!((low_bytes(475, 420), low_bytes(478, 420)), (420, 420));
        assert_eq!(low_bytes(486, 420), 420 - 2);
        // Writes go on meanwhile.
        assert!(bytes(481, 420, 0) > 420);
    }

    #[test]
    fn what_is_too_much_goes() {
        assert_eq!(bytes(482, 420, 0), 420);
        assert_eq!(bytes(502, 420, 0), 400);
        // Writes wait, but not everything goes at once.
        let limit = budget(512 * MB, memory(600, 320, 0));
        assert_eq!(limit.bytes / MB, 202);
        assert_eq!(limit.low_bytes, 310 * MB);
    }

    fn limits(arguments: &str) -> MemoryLimits {
        let start = config::start(Inputs {
            arguments: arguments.split(' ').map(OsString::from).collect(),
            environment: &|_| None,
            directory: PathBuf::from("/nonexistent"),
            available_memory_bytes: 1 << 30,
        });
        let Ok(Start::Serve { config, .. }) = start else {
            panic!("not settings: {arguments}");
        };
        config.settings().memory_limits()
    }

    /// Shows settings: memory.lfu_decay_time
    #[test]
    fn frequencies_fall_as_fast_as_is_set() {
        const BEGIN_MS: u64 = 1_700_000_000_000;
        const LATER_MS: u64 = BEGIN_MS + 10 * 60_000;
        for (minutes, expected) in [("0", 55), ("1", 45), ("5", 53)] {
            let keyspace = Keyspace::new(Options {
                num_shards: 4,
                workers_max: 1,
                seed: 1,
                huge_pages: HugePages::No,
            });
            let flags = format!("--lfu-decay-time {minutes} --lfu-log-factor 0");
            let flags = format!("{flags} --maxmemory-policy allkeys-lfu");
            keyspace.set_eviction(eviction(&limits(&flags)));
            let mut worker = keyspace.worker();
            let key = keyspace.key(0, b"key");
            let mut group = worker.group(BEGIN_MS);
            let mut locked = group.lock_one(0, key.hash).expect("nobody else");
            locked.set(key, NewValue::Bytes(b"value"), Deadline::None);
            drop(locked);
            drop(group);
            for _ in 0..50 {
                let entry = worker
                    .group(BEGIN_MS)
                    .read(key, true)
                    .map(|entry| entry.is_some());
                assert_eq!(entry.ok(), Some(true));
            }
            let mut group = worker.group(LATER_MS);
            let locked = group.lock_one(0, key.hash).expect("nobody else");
            let entry = locked.peek(key).expect("it is there");
            assert_eq!(locked.frequency(entry), Some(expected), "{minutes}");
        }
    }
}
