//! What is told, gathered once for each answer. INFO and MEMORY ask the same of the same.

use commands::shared::{Facts, Shared};
use commands::stats::{Counter, WorkerStats};
use commands::{MemoryOwner, MemoryUsage, memory_owners};
use keyspace::{KeyspaceStats, MissReasons};

use crate::process::{Process, ShutdownStage};

/// How long a worker may go without a wake before it is taken for stuck, in milliseconds. Workers wake about once a
/// second, and a command that takes longer than this is no command.
const STUCK_MS: u64 = 60_000;

/// The numbers of the process at one moment.
pub struct Numbers<'s> {
    /// What the commands share.
    pub shared: &'s Shared,
    /// The process.
    pub process: &'s Process,
    /// The moment, in milliseconds of the Unix epoch.
    pub now_ms: u64,
    /// Its memory, and its facts.
    pub usage: MemoryUsage,
    /// What the keyspace counts.
    pub keyspace: KeyspaceStats,
    /// Why keys were not there.
    pub miss_reasons: MissReasons,
}

/// How far the process is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// Its workers are not there yet.
    Starting,
    /// It serves.
    Ready,
    /// It finishes what it has, and takes nothing new.
    Draining,
}

impl Condition {
    /// That of a process.
    pub fn of(process: &Process) -> Self {
        match process.shutdown_stage() {
            ShutdownStage::Graceful { .. } | ShutdownStage::Now => Self::Draining,
            ShutdownStage::Running if process.is_started() => Self::Ready,
            ShutdownStage::Running => Self::Starting,
        }
    }

    /// A word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Ready => "ok",
            Self::Draining => "draining",
        }
    }
}

impl<'s> Numbers<'s> {
    /// Gathers them.
    pub fn of(process: &'s Process, shared: &'s Shared) -> Self {
        let now_ms = process.clock.now_ms();
        Self {
            shared,
            process,
            now_ms,
            usage: MemoryUsage::of(shared, now_ms),
            keyspace: shared.keyspace.stats(now_ms),
            miss_reasons: shared.keyspace.miss_reasons(now_ms),
        }
    }

    /// What the process says of itself.
    pub fn facts(&self) -> &Facts {
        &self.usage.facts
    }

    /// Whose the resident memory is, and what of it is nobody's.
    pub fn owners(&self) -> Vec<MemoryOwner> {
        let mut owners = memory_owners(self.shared, &self.usage, self.now_ms);
        let known: u64 = owners.iter().map(|(_, bytes)| bytes).sum();
        owners.push(("unknown", self.facts().resident_bytes.saturating_sub(known)));
        owners
    }

    /// A counter of all workers.
    pub fn total(&self, counter: fn(&WorkerStats) -> &Counter) -> u64 {
        self.sum(|worker| counter(worker).get())
    }

    /// A number of each worker, summed.
    pub fn sum(&self, number: impl Fn(&WorkerStats) -> u64) -> u64 {
        self.shared.stats.iter().map(number).sum()
    }

    /// Commands executed.
    pub fn executed(&self) -> u64 {
        self.sum(WorkerStats::executed)
    }
}

/// The first worker that has not come round for too long, if there is one.
pub fn stuck_worker(process: &Process, shared: &Shared) -> Option<usize> {
    if Condition::of(process) != Condition::Ready {
        return None;
    }
    let now_ms = process.clock.now_ms();
    shared.stats.iter().position(|worker| {
        let woken_ms = worker.waking.woken_ms.get();
        woken_ms > 0 && now_ms.saturating_sub(woken_ms) > STUCK_MS
    })
}
