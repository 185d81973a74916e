//! What the workers and the commands share of the process: configuration, mailboxes, admission, counters, shutdown.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{
    AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering::Relaxed, Ordering::SeqCst,
};
use std::thread::Thread;

use commands::acl::Acl;
use commands::clients::{Client, Origin};
use commands::glob;
use commands::shared::{Facts, PerSecond, Shared};
use commands::stats::Counter;
use net::{Peer, Socket, Waker};
use parking_lot::Mutex;
use tracing::{info, warn};

use crate::access;
use crate::available_memory::AvailableMemory;
use crate::clock::Clock;
use crate::config::{Config, EvictionPolicy, MemoryLimits};
use crate::connection::Connection;
use crate::memory;
use crate::service_manager::ServiceManager;
use crate::tls::{Tls, Transport};
use keyspace::Keyspace;

/// The shortest time between two lines about the same trouble, in milliseconds.
const LOG_PAUSE_MS: u64 = 1000;

/// Shared by all workers and all commands.
pub struct Process {
    /// The settings.
    pub config: Arc<Config>,
    /// The time.
    pub clock: Clock,
    /// The number of workers.
    pub workers: usize,
    /// What TLS handshakes use, if some port speaks TLS.
    pub tls: Option<Arc<Tls>>,
    /// Bytes in and out, by worker.
    pub traffic: Box<[Traffic]>,
    mailboxes: Box<[Mailbox]>,
    /// Connections of each worker, those on their way to it included.
    loads: Box<[AtomicUsize]>,
    received: AtomicU64,
    rejected: AtomicU64,
    rate: Mutex<Rate>,
    last_log_ms: AtomicU64,
    stage: AtomicU8,
    deadline_ms: AtomicU64,
    /// Connections for which there are descriptors.
    connections_possible: usize,
    io_backend: &'static str,
    unix_socket: Option<PathBuf>,
    run_id: String,
    samples: Mutex<Samples>,
    keyspace: Arc<Keyspace>,
    workers_ready: AtomicUsize,
    ready: OnceLock<memory::AtStart>,
    available_memory: AvailableMemory,
    limit_keeper: OnceLock<Thread>,
    /// The limits of memory that hold. Whoever sets what entries may take holds this, so that nobody does it by limits
    /// that somebody else has just changed.
    pub(crate) limits: Mutex<MemoryLimits>,
    /// The service manager.
    pub service: ServiceManager,
    /// Held by the worker that closes clients to make room.
    pub(crate) evicting_clients: Mutex<()>,
}

/// What is decided at the start.
pub struct Start {
    /// Worker threads.
    pub workers: usize,
    /// Connections for which there are descriptors.
    pub connections_possible: usize,
    /// The name of the backend.
    pub io_backend: &'static str,
    /// 40 hexadecimal digits.
    pub run_id: String,
    /// What holds the data.
    pub keyspace: Arc<Keyspace>,
    /// What TLS handshakes use, if some port speaks TLS.
    pub tls: Option<Arc<Tls>>,
}

/// Bytes in and out of one worker's sockets, and those that wait.
#[derive(Default)]
#[repr(align(128))]
pub struct Traffic {
    /// Received.
    pub received_bytes: Counter,
    /// Sent.
    pub sent_bytes: Counter,
    /// What its clients take now.
    pub clients_bytes: Counter,
    /// What those of them take that are never closed to make room.
    pub exempt_clients_bytes: Counter,
    /// Its receive buffers from the allocator, as of about a second ago.
    pub receive_allocated_bytes: Counter,
    /// Its receive buffers that are mapped.
    pub receive_mapped_bytes: Counter,
}

/// What is to become of an accepted connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// This worker gets it.
    Worker(usize),
    /// It has been told why, and is closed.
    Refused,
}

/// How far the process is in ending.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShutdownStage {
    /// It works.
    Running,
    /// It finishes what was received, until then.
    Graceful {
        /// In milliseconds of the Unix epoch.
        deadline_ms: u64,
    },
    /// It ends at once.
    Now,
}

const STAGE_RUNNING: u8 = 0;
const STAGE_GRACEFUL: u8 = 1;
const STAGE_NOW: u8 = 2;

/// Accepted connections in the current second.
#[derive(Default)]
struct Rate {
    second: u64,
    accepted: u32,
}

/// The totals at the last tick, and the rates since the one before.
#[derive(Default)]
struct Samples {
    at_ms: u64,
    totals: PerSecond,
    rates: PerSecond,
    allocated_bytes_peak: u64,
}

impl Process {
    /// The state of a process that starts now.
    pub fn new(config: Arc<Config>, start: Start) -> Self {
        let Start {
            workers,
            connections_possible,
            io_backend,
            run_id,
            keyspace,
            tls,
        } = start;
        let unix_socket = config.settings().server.unix_socket.clone();
        let limits = config.settings().memory_limits();
        Self {
            config,
            clock: Clock::new(),
            workers,
            tls,
            traffic: (0..workers).map(|_| Traffic::default()).collect(),
            mailboxes: (0..workers).map(|_| Mailbox::default()).collect(),
            loads: (0..workers).map(|_| AtomicUsize::new(0)).collect(),
            received: AtomicU64::new(0),
            rejected: AtomicU64::new(0),
            rate: Mutex::default(),
            last_log_ms: AtomicU64::new(0),
            stage: AtomicU8::new(STAGE_RUNNING),
            deadline_ms: AtomicU64::new(0),
            connections_possible,
            io_backend,
            unix_socket,
            run_id,
            keyspace,
            samples: Mutex::default(),
            workers_ready: AtomicUsize::new(0),
            ready: OnceLock::new(),
            available_memory: AvailableMemory::find(),
            limit_keeper: OnceLock::new(),
            limits: Mutex::new(limits),
            service: ServiceManager::from_environment(|name| std::env::var_os(name)),
            evicting_clients: Mutex::default(),
        }
    }

    /// One worker is set up. After the last of them memory is for clients and data.
    pub fn note_ready_worker(&self) {
        if self.workers_ready.fetch_add(1, SeqCst) + 1 == self.workers {
            memory::purge();
            self.ready
                .get_or_init(|| memory::AtStart::new(&self.allocators()));
        }
    }

    /// The thread that keeps the memory limit.
    pub fn set_limit_keeper(&self, keeper: Thread) {
        self.limit_keeper.get_or_init(|| keeper);
    }

    /// Has the memory looked at now.
    pub fn wake_limit_keeper(&self) {
        if let Some(keeper) = self.limit_keeper.get() {
            keeper.unpark();
        }
    }

    /// Whether all workers are set up.
    pub fn is_started(&self) -> bool {
        self.ready.get().is_some()
    }

    /// What the allocators say now.
    fn allocators(&self) -> memory::Allocators {
        memory::allocators(self.keyspace.slab_stats())
    }

    /// A worker's mailbox.
    pub fn mailbox(&self, worker: usize) -> &Mailbox {
        &self.mailboxes[worker]
    }

    /// Open connections, all workers together.
    pub fn connections(&self) -> usize {
        self.loads.iter().map(|load| load.load(Relaxed)).sum()
    }

    /// Decides about an accepted connection, and counts it.
    pub fn admit(&self, socket: &Socket, transport: Transport, now_ms: u64) -> Admission {
        let settings = self.config.settings();
        self.received.fetch_add(1, Relaxed);
        if !self.is_within_rate(settings.server.connection_rate_limit, now_ms) {
            self.rejected.fetch_add(1, Relaxed);
            return Admission::Refused;
        }
        let connections_max =
            (settings.server.max_connections as usize).min(self.connections_possible);
        if self.connections() >= connections_max {
            self.rejected.fetch_add(1, Relaxed);
            if transport == Transport::Plain {
                refuse(socket, TOO_MANY);
            }
            return Admission::Refused;
        }
        let least = self
            .loads
            .iter()
            .enumerate()
            .min_by_key(|(_, load)| load.load(Relaxed));
        let worker = least.map_or(0, |(worker, _)| worker);
        self.loads[worker].fetch_add(1, Relaxed);
        Admission::Worker(worker)
    }

    /// Refuses an accepted connection because of protected mode.
    pub fn refuse_protected(&self, socket: &Socket, transport: Transport) {
        self.received.fetch_add(1, Relaxed);
        self.rejected.fetch_add(1, Relaxed);
        if transport == Transport::Plain {
            refuse(socket, access::PROTECTED.as_bytes());
        }
    }

    /// What holds the data.
    pub fn keyspace(&self) -> &Keyspace {
        &self.keyspace
    }

    fn is_within_rate(&self, limit: u32, now_ms: u64) -> bool {
        if limit == 0 {
            return true;
        }
        let mut rate = self.rate.lock();
        let second = now_ms / 1000;
        if rate.second != second {
            *rate = Rate {
                second,
                accepted: 0,
            };
        }
        rate.accepted = rate.accepted.saturating_add(1);
        rate.accepted <= limit
    }

    /// A connection of this worker has ended.
    pub fn forget_connection(&self, worker: usize) {
        self.loads[worker].fetch_sub(1, Relaxed);
    }

    /// Where a connection comes from.
    pub fn origin(&self, socket: &Socket) -> Origin {
        use std::os::fd::AsRawFd;
        let (peer, local) = (socket.peer(), socket.local());
        let is_unix = peer == Peer::Unix;
        let path = || {
            self.unix_socket
                .as_ref()
                .map_or_else(String::new, |path| format!("{}:0", path.display()))
        };
        let text = |end: Peer| if is_unix { path() } else { end.to_string() };
        Origin {
            address: text(peer),
            local_address: text(local),
            is_unix,
            descriptor: socket
                .descriptor()
                .map_or(-1, |descriptor| descriptor.as_raw_fd()),
            state_bytes: size_of::<Connection>(),
        }
    }

    /// Says that accepting fails, at most once a second.
    pub fn log_accept_failure(&self, error: &io::Error, now_ms: u64) {
        let last_ms = self.last_log_ms.load(Relaxed);
        if now_ms.saturating_sub(last_ms) >= LOG_PAUSE_MS {
            self.last_log_ms.store(now_ms, Relaxed);
            warn!(%error, "connections cannot be accepted");
        }
    }

    /// About once a second, from one worker: the clock, the memory that there is, rates and peaks.
    pub fn tick(&self, shared: &Shared) {
        self.clock.slew();
        self.config
            .set_available_memory(self.available_memory.bytes());
        let at_ms = self.clock.now_ms();
        let totals = PerSecond {
            commands: shared.stats.iter().map(|stats| stats.executed()).sum(),
            input_bytes: self
                .traffic
                .iter()
                .map(|traffic| traffic.received_bytes.get())
                .sum(),
            output_bytes: self
                .traffic
                .iter()
                .map(|traffic| traffic.sent_bytes.get())
                .sum(),
            wakes: shared.stats.iter().map(|stats| stats.wakes.get()).sum(),
            busy_ns: shared
                .stats
                .iter()
                .map(|stats| stats.waking.busy_ns.get())
                .sum(),
        };
        let mut samples = self.samples.lock();
        let elapsed_ms = at_ms.saturating_sub(samples.at_ms).max(1);
        let rate = |now: u64, before: u64| now.saturating_sub(before) * 1000 / elapsed_ms;
        samples.rates = PerSecond {
            commands: rate(totals.commands, samples.totals.commands),
            input_bytes: rate(totals.input_bytes, samples.totals.input_bytes),
            output_bytes: rate(totals.output_bytes, samples.totals.output_bytes),
            wakes: rate(totals.wakes, samples.totals.wakes),
            busy_ns: rate(totals.busy_ns, samples.totals.busy_ns),
        };
        samples.totals = totals;
        samples.at_ms = at_ms;
        samples.allocated_bytes_peak = samples
            .allocated_bytes_peak
            .max(self.allocators().sum().allocated_bytes);
    }

    /// Has the worker of a client that has been marked as killed close it.
    pub fn close_killed(&self, client: &Client) {
        let mailbox = self.mailbox(client.worker);
        mailbox.looks_for_killed.store(true, SeqCst);
        mailbox.wake();
    }

    /// Has the worker of a client that watches all commands send what has come.
    pub fn wake_watcher(&self, client: &Client) {
        let mailbox = self.mailbox(client.worker);
        mailbox.shows_commands.store(true, SeqCst);
        mailbox.wake();
    }

    /// How far the process is in ending.
    pub fn shutdown_stage(&self) -> ShutdownStage {
        match self.stage.load(Relaxed) {
            STAGE_RUNNING => ShutdownStage::Running,
            STAGE_GRACEFUL => ShutdownStage::Graceful {
                deadline_ms: self.deadline_ms.load(Relaxed),
            },
            _ => ShutdownStage::Now,
        }
    }

    /// Begins to end, once.
    pub fn begin_shutdown(&self, reason: &str) {
        let grace_ms = u64::from(self.config.settings().server.shutdown_grace_period_secs) * 1000;
        self.deadline_ms
            .store(self.clock.now_ms() + grace_ms, SeqCst);
        if self
            .stage
            .compare_exchange(STAGE_RUNNING, STAGE_GRACEFUL, SeqCst, SeqCst)
            .is_ok()
        {
            info!(reason, "shutting down");
            self.service.stopping(reason);
            self.wake_workers();
        }
    }

    /// Ends at once.
    pub fn end_now(&self) {
        self.stage.store(STAGE_NOW, SeqCst);
        self.wake_workers();
    }

    /// Ends the sleep of every worker.
    pub fn wake_workers(&self) {
        self.mailboxes.iter().for_each(Mailbox::wake);
    }
}

/// What a client reads when there are too many.
const TOO_MANY: &[u8] = b"-ERR max number of clients reached\r\n";

/// Tells a client why it is refused.
fn refuse(socket: &Socket, line: &[u8]) {
    if let Some(descriptor) = socket.descriptor() {
        // It is closed either way; a fresh socket has room for the line.
        let _ = rustix::net::send(descriptor, line, rustix::net::SendFlags::NOSIGNAL);
    }
}

/// What other threads want of a worker.
#[derive(Default)]
pub struct Mailbox {
    sockets: Mutex<Vec<(Socket, Transport)>>,
    looks_for_killed: AtomicBool,
    shows_commands: AtomicBool,
    waker: OnceLock<Waker>,
}

impl Mailbox {
    /// Sets how the worker is woken; once.
    pub fn set_waker(&self, waker: Waker) {
        assert!(self.waker.set(waker).is_ok(), "one worker has one mailbox");
    }

    /// Gives the worker a connection.
    pub fn hand_over(&self, socket: Socket, transport: Transport) {
        self.sockets.lock().push((socket, transport));
        self.wake();
    }

    fn wake(&self) {
        // A worker that has no waker yet looks into its mailbox when it starts.
        if let Some(waker) = self.waker.get() {
            waker.wake();
        }
    }

    /// What has come.
    pub fn take(&self) -> Mail {
        Mail {
            sockets: std::mem::take(&mut *self.sockets.lock()),
            looks_for_killed: self.looks_for_killed.swap(false, SeqCst),
            shows_commands: self.shows_commands.swap(false, SeqCst),
        }
    }
}

/// What has come into a mailbox.
pub struct Mail {
    /// Connections.
    pub sockets: Vec<(Socket, Transport)>,
    /// Whether some client was marked as killed.
    pub looks_for_killed: bool,
    /// Whether there is something for clients that watch all commands.
    pub shows_commands: bool,
}

/// The process as commands see it.
pub struct ForCommands(pub Arc<Process>);

impl commands::shared::Process for ForCommands {
    fn config_get(&self, patterns: &[&[u8]]) -> Vec<(String, String)> {
        self.0.config.get(patterns, |pattern, name| {
            glob::matches(pattern, name, glob::Case::Ignored)
        })
    }

    fn config_set(&self, pairs: &[(&[u8], &[u8])]) -> Result<(), String> {
        let before = self.0.tls.as_ref().map(|tls| (tls, tls.current()));
        self.0.config.set(pairs)?;
        match before {
            Some((tls, before)) => tls.reload_named(pairs, &before),
            None => Ok(()),
        }
    }

    fn config_rewrite(&self, acl: &Acl) -> Result<(), String> {
        self.0.config.rewrite(acl)
    }

    fn facts(&self) -> Facts {
        let process = &self.0;
        let settings = process.config.settings();
        let samples = process.samples.lock();
        let of_workers = |bytes: fn(&Traffic) -> &Counter| {
            process.traffic.iter().map(|it| bytes(it).get()).sum()
        };
        let mut facts = Facts {
            redistill_version: env!("CARGO_PKG_VERSION"),
            run_id: process.run_id.clone(),
            tcp_port: match settings.server.port {
                0 => settings.security.tls_port,
                port => port,
            },
            uptime_seconds: process.clock.uptime_ms() / 1000,
            io_backend: process.io_backend,
            workers: process.workers,
            executable: std::env::current_exe()
                .map_or_else(|_| String::new(), |path| path.display().to_string()),
            config_file: process
                .config
                .path()
                .map_or_else(String::new, |path| path.display().to_string()),
            max_clients: settings.server.max_connections.into(),
            max_memory: settings.memory_limits().max_memory_bytes,
            max_memory_policy: EvictionPolicy::WORDS[settings.memory.eviction_policy as usize]
                .shown()
                .to_owned(),
            connections_received: process.received.load(Relaxed),
            connections_rejected: process.rejected.load(Relaxed),
            net_input_bytes: of_workers(|traffic| &traffic.received_bytes),
            net_output_bytes: of_workers(|traffic| &traffic.sent_bytes),
            receive_allocated_bytes: of_workers(|traffic| &traffic.receive_allocated_bytes),
            receive_mapped_bytes: of_workers(|traffic| &traffic.receive_mapped_bytes),
            per_second: samples.rates,
            client_bytes: process.client_bytes(),
            allocated_bytes_peak: samples.allocated_bytes_peak,
            ..Facts::default()
        };
        memory::fill(&mut facts, process.allocators(), process.ready.get());
        facts
    }

    fn reset_stats(&self) {
        self.0.received.store(0, Relaxed);
        self.0.rejected.store(0, Relaxed);
        self.0.samples.lock().allocated_bytes_peak = self.0.allocators().sum().allocated_bytes;
    }

    fn purge_memory(&self) {
        memory::purge();
    }

    fn fill_random(&self, bytes: &mut [u8]) -> Result<(), String> {
        let filled = getrandom::fill(bytes);
        filled.map_err(|error| format!("ERR no random numbers: {error}"))
    }

    fn read_acl_file(&self) -> Result<Option<(String, Vec<u8>)>, String> {
        let settings = self.0.config.settings();
        let Some(path) = &settings.security.acl_file else {
            return Ok(None);
        };
        let text = access::read(path).map_err(|error| format!("ERR {error}"))?;
        Ok(Some((path.display().to_string(), text)))
    }

    fn write_acl_file(&self, text: &[u8]) -> Result<bool, String> {
        let settings = self.0.config.settings();
        match &settings.security.acl_file {
            None => Ok(false),
            Some(path) => access::write(path, text).map(|()| true),
        }
    }

    fn report_wrong_passwords(&self, address: &str, count: u32) {
        warn!(
            address,
            count, "wrong passwords keep coming from this address: further attempts have to wait"
        );
    }

    fn close_killed(&self, client: &Client) {
        self.0.close_killed(client);
    }

    fn wake_watcher(&self, client: &Client) {
        self.0.wake_watcher(client);
    }

    fn wake_all(&self) {
        self.0.wake_workers();
    }

    fn shutdown(&self, now: bool) {
        if now {
            self.0.end_now();
        } else {
            self.0.begin_shutdown("SHUTDOWN");
        }
    }
}
