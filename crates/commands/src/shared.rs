//! What all workers share beside the keyspace, and what commands need of the process.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use keyspace::Keyspace;

use crate::acl::Acl;
use crate::clients::{Client, Clients};
use crate::insight::Insight;
use crate::registry::registry;
use crate::stats::WorkerStats;

/// The state that all sessions share.
pub struct Shared {
    /// The data.
    pub keyspace: Arc<Keyspace>,
    /// The connections.
    pub clients: Clients,
    /// The users.
    pub acl: Acl,
    /// CLIENT PAUSE.
    pub pause: Pause,
    /// Each worker's statistics.
    pub stats: Box<[WorkerStats]>,
    /// What is noted of commands while they run.
    pub insight: Insight,
    /// The longest string that a command may build, in bytes (`proto-max-bulk-len`).
    pub string_bytes_max: AtomicU64,
    /// Up to how many bytes a HyperLogLog is sparse (`hll-sparse-max-bytes`).
    pub sparse_sketch_bytes_max: AtomicU64,
    /// Whether expired keys are removed before somebody asks for them (DEBUG SET-ACTIVE-EXPIRE).
    pub active_expire: AtomicBool,
    /// What only the process can do.
    pub process: Box<dyn Process>,
}

impl Shared {
    /// The state of a process that has `workers` workers.
    pub fn new(keyspace: Arc<Keyspace>, workers: usize, process: Box<dyn Process>) -> Self {
        let commands = registry().all().len();
        Self {
            keyspace,
            clients: Clients::default(),
            acl: Acl::default(),
            pause: Pause::default(),
            stats: (0..workers).map(|_| WorkerStats::new(commands)).collect(),
            insight: Insight::default(),
            string_bytes_max: AtomicU64::new(resp::limits::BULK_BYTES_MAX),
            sparse_sketch_bytes_max: AtomicU64::new(3000),
            active_expire: AtomicBool::new(true),
            process,
        }
    }

    /// The longest string that a command may build, in bytes.
    pub fn string_bytes_max(&self) -> usize {
        (self.string_bytes_max.load(Relaxed) as usize).min(keyspace::limits::STRING_BYTES_MAX)
    }
}

/// What commands need of the process: its configuration, its numbers, its end.
pub trait Process: Send + Sync {
    /// Settings whose name matches one of the patterns: name and value.
    fn config_get(&self, patterns: &[&[u8]]) -> Vec<(String, String)>;

    /// Changes settings, all or none.
    ///
    /// # Errors
    /// The whole error line, with its code.
    fn config_set(&self, pairs: &[(&[u8], &[u8])]) -> Result<(), String>;

    /// Writes the settings and the users into the configuration file.
    ///
    /// # Errors
    /// The whole error line, with its code.
    fn config_rewrite(&self, acl: &Acl) -> Result<(), String>;

    /// Facts and counters of the process.
    fn facts(&self) -> Facts;

    /// Starts the process's own statistics anew.
    fn reset_stats(&self);

    /// Gives unused memory back to the system.
    fn purge_memory(&self);

    /// Fills the bytes at random, so that nobody can guess them.
    ///
    /// # Errors
    /// When the system has none, with the whole error line.
    fn fill_random(&self, bytes: &mut [u8]) -> Result<(), String>;

    /// The name and text of the ACL file; nothing when none is configured.
    ///
    /// # Errors
    /// When it cannot be read, with the whole error line.
    fn read_acl_file(&self) -> Result<Option<(String, Vec<u8>)>, String>;

    /// Replaces the text of the ACL file; whether one is configured.
    ///
    /// # Errors
    /// When it cannot be written, with the whole error line.
    fn write_acl_file(&self, text: &[u8]) -> Result<bool, String>;

    /// Tells the operator that so many wrong passwords came from this address lately.
    fn report_wrong_passwords(&self, address: &str, count: u32);

    /// Lets the worker of a client that has been marked as killed close it.
    fn close_killed(&self, client: &Client);

    /// Lets the worker of a client that watches all commands (MONITOR) send it what has come.
    fn wake_watcher(&self, _client: &Client) {}

    /// Wakes all workers, for example after a pause has ended.
    fn wake_all(&self);

    /// Begins to shut down. `now`: without waiting for clients that are slow to read.
    fn shutdown(&self, now: bool);
}

/// What INFO, HELLO, MEMORY and others tell of the process.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// The version of this program.
    pub redistill_version: &'static str,
    /// 40 hexadecimal digits, new at each start.
    pub run_id: String,
    /// The TCP port.
    pub tcp_port: u16,
    /// Seconds since the start.
    pub uptime_seconds: u64,
    /// The operating system: its name, its release, the machine.
    pub os: String,
    /// The memory allocator and its version.
    pub allocator: &'static str,
    /// `io_uring` or `mio`.
    pub io_backend: &'static str,
    /// Worker threads.
    pub workers: usize,
    /// The path of the program.
    pub executable: String,
    /// The path of the configuration file; empty without one.
    pub config_file: String,
    /// `maxclients`.
    pub max_clients: u64,
    /// `maxmemory` in bytes; 0 for no limit.
    pub max_memory: u64,
    /// `maxmemory-policy`.
    pub max_memory_policy: String,
    /// Bytes that the program has asked of the allocator and not given back.
    pub allocated_bytes: u64,
    /// The most of that so far.
    pub allocated_bytes_peak: u64,
    /// That at the start.
    pub allocated_bytes_at_start: u64,
    /// What of that nobody had touched, so that it was not resident.
    pub untouched_bytes_at_start: u64,
    /// Resident memory that the allocator knows nothing of, but for receive buffers: the program, stacks, rings.
    pub program_bytes: u64,
    /// Receive buffers from the allocator.
    pub receive_allocated_bytes: u64,
    /// Receive buffers that the allocator knows nothing of, in resident bytes.
    pub receive_mapped_bytes: u64,
    /// What of that and of the following is jemalloc's.
    pub jemalloc: AllocatorBytes,
    /// What of them is that of the slabs, where entries lie.
    pub slabs: AllocatorBytes,
    /// Bytes in pages that have allocations.
    pub active_bytes: u64,
    /// Resident bytes that the allocator holds.
    pub allocator_resident_bytes: u64,
    /// What of that it needs for itself.
    pub allocator_metadata_bytes: u64,
    /// Bytes that the allocator has mapped but that are not resident or that it retains.
    pub retained_bytes: u64,
    /// Resident bytes of the process.
    pub resident_bytes: u64,
    /// Physical memory of the machine in bytes.
    pub system_memory_bytes: u64,
    /// Connections accepted since the start.
    pub connections_received: u64,
    /// Connections refused because of `maxclients`.
    pub connections_rejected: u64,
    /// Bytes received and sent since the start.
    pub net_input_bytes: u64,
    /// Bytes sent since the start.
    pub net_output_bytes: u64,
    /// What connections take with their buffers, in bytes.
    pub client_bytes: u64,
    /// Commands, bytes in and bytes out in the last second.
    pub per_second: PerSecond,
    /// CPU time of the process in seconds, system and user.
    pub cpu_system_seconds: f64,
    /// CPU time in user mode.
    pub cpu_user_seconds: f64,
    /// CPU time of the main thread or all workers in system mode.
    pub cpu_system_main_seconds: f64,
    /// The same in user mode.
    pub cpu_user_main_seconds: f64,
}

/// The memory of one allocator, in bytes.
#[derive(Clone, Copy, Debug, Default)]
pub struct AllocatorBytes {
    /// Handed out.
    pub allocated_bytes: u64,
    /// In pages of which something is handed out.
    pub active_bytes: u64,
    /// Resident.
    pub resident_bytes: u64,
}

/// Rates, measured over about the last second.
#[derive(Clone, Copy, Debug, Default)]
pub struct PerSecond {
    /// Commands.
    pub commands: u64,
    /// Bytes received.
    pub input_bytes: u64,
    /// Bytes sent.
    pub output_bytes: u64,
    /// Times that a worker woke up.
    pub wakes: u64,
    /// Nanoseconds that workers were busy, all together.
    pub busy_ns: u64,
}

/// CLIENT PAUSE.
#[derive(Debug, Default)]
pub struct Pause {
    until_ms: AtomicU64,
    writes_only: AtomicBool,
}

impl Pause {
    /// Begins or prolongs a pause. As in Redis, one for all commands stays one while it lasts, and an end is only
    /// ever moved back.
    pub fn start(&self, until_ms: u64, writes_only: bool, now_ms: u64) {
        let was_all = self.is_active(now_ms) && !self.writes_only.load(Relaxed);
        self.writes_only.store(writes_only && !was_all, Relaxed);
        let until_ms = if self.is_active(now_ms) {
            until_ms.max(self.until_ms.load(Relaxed))
        } else {
            until_ms
        };
        self.until_ms.store(until_ms, Relaxed);
    }

    /// Ends the pause.
    pub fn end(&self) {
        self.until_ms.store(0, Relaxed);
    }

    /// Whether commands wait now.
    #[inline]
    pub fn is_active(&self, now_ms: u64) -> bool {
        now_ms < self.until_ms.load(Relaxed)
    }

    /// Whether only writes wait.
    pub fn writes_only(&self) -> bool {
        self.writes_only.load(Relaxed)
    }

    /// When it ends, in milliseconds of the Unix epoch.
    pub fn until_ms(&self) -> u64 {
        self.until_ms.load(Relaxed)
    }
}
