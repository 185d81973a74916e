//! The start and the end of the process: listeners, workers, signals.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use commands::insight::InsightSettings;
use commands::shared::Shared;
use keyspace::{Keyspace, Thresholds};
use net::{Backend, Listener, ListenerOptions, MioBackend};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1};
use signal_hook::iterator::Signals;
use tracing::{error, info, warn};

use crate::access;
use crate::config::{BindAddress, Config, EncodingSettings, IoBackend, ServerSettings, Settings};
use crate::http;
use crate::limit;
use crate::logging::Reopener;
use crate::memory;
use crate::process::{ForCommands, Process, ShutdownStage, Start};
use crate::service_manager::Progress;
use crate::tls::{self, Tls, Transport};
use crate::worker::Worker;

/// The exit status after a second signal, as shells expect it after SIGINT.
const INTERRUPTED: i32 = 130;
/// Descriptors that are kept for what is neither a connection nor a listener: rings, polls, files, logs.
const DESCRIPTORS_RESERVED: u64 = 64;
/// How long an address that is in use is tried again, and the pause between two tries.
const RETRY_ADDRESS: Duration = Duration::from_secs(1);
const RETRY_PAUSE: Duration = Duration::from_millis(20);
/// The fewest receive buffers of a worker.
const BUFFERS_MIN: usize = 16;

/// Serves until the process is told to end.
///
/// # Errors
/// When an address cannot be listened on, or a worker cannot be started.
pub fn serve(config: &Arc<Config>, log: Reopener) -> io::Result<()> {
    memory::purge_in_background();
    let settings = config.settings();
    let workers = worker_count(&settings);
    let connections_possible = raise_descriptor_limit(&settings, workers);
    let tls = Tls::start(config).map_err(io::Error::other)?;
    let listeners = listen(&settings)?;
    let backend = choose_backend(settings.server.io_backend)?;
    let options = keyspace::Options {
        num_shards: settings.server.num_shards,
        workers_max: workers,
        seed: u64::from_ne_bytes(random_bytes()?),
        huge_pages: memory::huge_pages(),
    };
    let keyspace = Keyspace::with_prefixes(options, limit::prefix_rules(config.prefixes()));
    let start = Start {
        workers,
        connections_possible,
        io_backend: backend.name(),
        run_id: run_id()?,
        keyspace: Arc::clone(&keyspace),
        tls,
    };
    let process = Arc::new(Process::new(Arc::clone(config), start));
    let for_commands = Box::new(ForCommands(Arc::clone(&process)));
    let shared = Arc::new(Shared::new(keyspace, workers, for_commands));
    follow_settings(config, &shared);
    access::begin(config, &shared)?;
    follow_signals(&process, log)?;
    limit::keep(Arc::clone(&process))?;
    http::start(&process, &shared)?;
    let threads = match backend {
        #[cfg(target_os = "linux")]
        Chosen::IoUring => start_workers::<net::Uring>(&process, &shared, listeners)?,
        Chosen::Mio => start_workers::<MioBackend>(&process, &shared, listeners)?,
    };
    keep_watch(&process, &shared)?;
    process.service.ready(status(&process));
    info!(
        version = env!("CARGO_PKG_VERSION"),
        backend = backend.name(),
        workers,
        port = settings.server.port,
        tls_port = settings.security.tls_port,
        "ready to accept connections"
    );
    let result = join(threads);
    info!("bye");
    result
}

/// The backend that is used.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Chosen {
    #[cfg(target_os = "linux")]
    IoUring,
    Mio,
}

impl Chosen {
    fn name(self) -> &'static str {
        match self {
            #[cfg(target_os = "linux")]
            Self::IoUring => net::Uring::NAME,
            Self::Mio => MioBackend::NAME,
        }
    }
}

fn choose_backend(wanted: IoBackend) -> io::Result<Chosen> {
    #[cfg(target_os = "linux")]
    {
        match (wanted, net::io_uring_usable()) {
            (IoBackend::Mio, _) => Ok(Chosen::Mio),
            (IoBackend::Auto | IoBackend::IoUring, Ok(())) => Ok(Chosen::IoUring),
            (IoBackend::Auto, Err(reason)) => {
                warn!(%reason, "io_uring cannot be used here; using mio (epoll)");
                Ok(Chosen::Mio)
            }
            (IoBackend::IoUring, Err(reason)) => Err(io::Error::other(format!(
                "server.io_backend is io_uring, which cannot be used here: {reason}"
            ))),
        }
    }
    #[cfg(not(target_os = "linux"))]
    match wanted {
        IoBackend::Mio | IoBackend::Auto => Ok(Chosen::Mio),
        IoBackend::IoUring => Err(io::Error::other(
            "server.io_backend is io_uring, which only Linux has",
        )),
    }
}

fn worker_count(settings: &Settings) -> usize {
    match settings.server.workers {
        0 => net::available_cores(),
        workers => workers,
    }
}

/// Raises the limit of descriptors; how many connections it allows. Says so when that is less than `max_connections`.
fn raise_descriptor_limit(settings: &Settings, workers: usize) -> usize {
    let others = DESCRIPTORS_RESERVED + http::DESCRIPTORS_MAX + 4 * workers as u64;
    let wanted = u64::from(settings.server.max_connections) + others;
    let possible = net::descriptors::raise_limit(wanted).saturating_sub(others);
    if possible < settings.server.max_connections.into() {
        warn!(
            max_connections = settings.server.max_connections,
            "the limit of open files allows only {possible} connections; raise it (ulimit -n, LimitNOFILE)"
        );
    }
    usize::try_from(possible).unwrap_or(usize::MAX)
}

type Listeners = Vec<(Listener, Transport)>;

/// Listens on every address of `bind`, and on the unix socket.
fn listen(settings: &Settings) -> io::Result<Listeners> {
    let server = &settings.server;
    let mode = Some(server.unix_socket_permissions.0).filter(|mode| *mode != 0);
    let options = ListenerOptions {
        backlog: server.tcp_backlog,
        reuse_port: false,
        unix_mode: mode,
    };
    let mut listeners = Vec::new();
    // Before the TCP ports: who can connect to those finds it as well.
    if let Some(path) = &server.unix_socket {
        let listener = Listener::unix(path, &options).map_err(|error| {
            io::Error::new(
                error.kind(),
                format!("cannot listen on {}: {error}", path.display()),
            )
        })?;
        listeners.push((listener, Transport::Plain));
    }
    for (port, transport) in tls::ports(settings) {
        listen_on_port(server, port, transport, &options, &mut listeners)?;
    }
    if listeners.is_empty() {
        return Err(io::Error::other(
            "there is nothing to listen on: server.port is 0 and there is no unix socket",
        ));
    }
    Ok(listeners)
}

/// Listens on one port of every address of `bind`.
fn listen_on_port(
    server: &ServerSettings,
    port: u16,
    transport: Transport,
    options: &ListenerOptions,
    listeners: &mut Listeners,
) -> io::Result<()> {
    for BindAddress { address, optional } in &server.bind {
        let address = SocketAddr::new(*address, port);
        match listen_tcp(address, options) {
            Ok(listener) => listeners.push((listener, transport)),
            Err(error) if *optional && error.kind() == io::ErrorKind::AddrNotAvailable => {
                warn!(%address, "this machine does not have that address");
            }
            Err(error) => {
                return Err(io::Error::new(
                    error.kind(),
                    format!("cannot listen on {address}: {error}"),
                ));
            }
        }
    }
    Ok(())
}

/// Listens on an address. The kernel takes the ring of a process that was killed down a little later than the process,
/// and with it the listener: an address in use is tried again for a short time.
fn listen_tcp(address: SocketAddr, options: &ListenerOptions) -> io::Result<Listener> {
    let begin = Instant::now();
    loop {
        match Listener::tcp(address, options) {
            Err(error)
                if error.kind() == io::ErrorKind::AddrInUse && begin.elapsed() < RETRY_ADDRESS =>
            {
                std::thread::sleep(RETRY_PAUSE);
            }
            result => return result,
        }
    }
}

/// Lets what commands need of the settings follow them.
fn follow_settings(config: &Config, shared: &Arc<Shared>) {
    let apply = |shared: &Shared, settings: &Settings| {
        shared
            .string_bytes_max
            .store(settings.server.proto_max_bulk_bytes, Relaxed);
        let percent = settings.memory.ttl_jitter_percent;
        shared.keyspace.set_ttl_jitter(percent);
        shared.insight.set(&noted(settings));
        set_thresholds(shared.keyspace.thresholds(), &settings.encoding);
        let sparse_bytes_max = settings.encoding.sparse_hyperloglog_bytes_max;
        shared
            .sparse_sketch_bytes_max
            .store(sparse_bytes_max, Relaxed);
    };
    apply(shared, &config.settings());
    let shared = Arc::clone(shared);
    config.on_change(move |_, settings| {
        apply(&shared, settings);
        Ok(())
    });
}

fn set_thresholds(thresholds: &Thresholds, encoding: &EncodingSettings) {
    for (threshold, value) in [
        (&thresholds.hash_entries, encoding.hash_entries_max),
        (
            &thresholds.hash_value_bytes,
            usize::try_from(encoding.hash_value_bytes_max).unwrap_or(usize::MAX),
        ),
        (
            &thresholds.set_intset_entries,
            encoding.set_intset_entries_max,
        ),
        (&thresholds.set_entries, encoding.set_entries_max),
        (&thresholds.set_value_bytes, encoding.set_value_bytes_max),
        (
            &thresholds.sorted_set_entries,
            encoding.sorted_set_entries_max,
        ),
        (
            &thresholds.sorted_set_value_bytes,
            usize::try_from(encoding.sorted_set_value_bytes_max).unwrap_or(usize::MAX),
        ),
    ] {
        threshold.store(value, Relaxed);
    }
    let list_size = encoding.list_listpack_size_max;
    thresholds.list_size.store(list_size, Relaxed);
}

/// What is noted of commands.
fn noted(settings: &Settings) -> InsightSettings {
    let monitoring = &settings.monitoring;
    InsightSettings {
        slow_us: monitoring.slowlog_slower_than_us,
        slow_entries_max: monitoring.slowlog_max_len,
        request_bytes: monitoring.large_request_bytes,
        request_entries_max: monitoring.large_request_max_len,
        reply_bytes: monitoring.large_reply_bytes,
        reply_entries_max: monitoring.large_reply_max_len,
        counts_times: monitoring.latency_tracking,
        percentiles: monitoring.latency_tracking_percentiles.clone(),
        latency_ms: monitoring.latency_monitor_threshold_ms,
    }
}

/// The first SIGTERM or SIGINT ends the process in an orderly way, the second one at once. SIGHUP rereads the configuration
/// file and opens the log anew, SIGUSR1 does only the latter.
fn follow_signals(process: &Arc<Process>, log: Reopener) -> io::Result<()> {
    let mut signals = Signals::new([SIGTERM, SIGINT, SIGHUP, SIGUSR1])?;
    let process = Arc::clone(process);
    std::thread::Builder::new()
        .name("signals".into())
        .spawn(move || {
            let mut is_asked_to_end = false;
            for signal in &mut signals {
                match signal {
                    SIGUSR1 => log.reopen(),
                    SIGHUP => {
                        process.service.reloading();
                        log.reopen();
                        reload(&process.config);
                        reload_certificates(&process);
                        process.service.ready(status(&process));
                    }
                    _ if !is_asked_to_end => {
                        is_asked_to_end = true;
                        process.begin_shutdown("signal");
                    }
                    _ => {
                        warn!("ending at once after a second signal");
                        std::process::exit(INTERRUPTED);
                    }
                }
            }
        })?;
    Ok(())
}

/// Rereads the configuration file, and tells what has become of it.
fn reload(config: &Config) {
    let reload = match config.reload() {
        Ok(reload) => reload,
        Err(errors) => {
            for error in errors.0 {
                error!(error, "the configuration cannot be read again");
            }
            return warn!("nothing of the configuration has changed");
        }
    };
    for setting in &reload.changed {
        info!(setting, "the configuration has changed");
    }
    for setting in &reload.needs_restart {
        warn!(
            setting,
            "the configuration file has changed: this needs a restart"
        );
    }
    for setting in &reload.overridden {
        warn!(setting, "the configuration file has changed in vain");
    }
    let changed = reload.changed.len();
    info!(changed, "the configuration was read again");
}

/// Reads the certificates again, too: SIGHUP comes from who has just replaced them.
fn reload_certificates(process: &Process) {
    match process.tls.as_ref().map(|tls| tls.reload()) {
        Some(Ok(())) => info!("certificates and keys were read again"),
        Some(Err(error)) => warn!(error, "certificates and keys stay as they were"),
        None => {}
    }
}

/// What the service manager shows.
fn status(process: &Process) -> String {
    let settings = process.config.settings();
    let (port, workers) = (settings.server.port, process.workers);
    format!("Ready to accept connections at port {port}, {workers} workers")
}

/// Tells the service manager, as often as it wants to hear it, that every worker goes on.
fn keep_watch(process: &Arc<Process>, shared: &Arc<Shared>) -> io::Result<()> {
    let Some(watchdog) = process.service.watchdog else {
        return Ok(());
    };
    let (process, shared) = (Arc::clone(process), Arc::clone(shared));
    let look = move || {
        let mut progress = Progress::default();
        loop {
            let workers = shared.stats.iter();
            let workers = workers.map(|worker| (worker.waits.get() > 0, worker.wakes.get()));
            if progress.is_made(workers) {
                process.service.is_well();
            } else {
                warn!("a worker does not go on");
            }
            // Twice as often as it is asked for, as the protocol recommends.
            std::thread::sleep(watchdog / 2);
        }
    };
    std::thread::Builder::new()
        .name("watchdog".into())
        .spawn(look)?;
    Ok(())
}

type Threads = Vec<JoinHandle<io::Result<()>>>;

/// Starts one thread per worker. The first one accepts.
fn start_workers<B: Backend + 'static>(
    process: &Arc<Process>,
    shared: &Arc<Shared>,
    listeners: Listeners,
) -> io::Result<Threads> {
    let settings = process.config.settings();
    let options = net::Options {
        buffer_bytes: settings.server.buffer_size,
        buffers_max: buffers_for(settings.server.buffer_pool_size, process.workers),
        connections_max: settings
            .server
            .max_connections
            .min(net::backend::CONNECTIONS_LIMIT),
    };
    let mut listeners = Some(listeners);
    let start = |index: usize| {
        let listeners = listeners.take().unwrap_or_default();
        let (process, shared, options) = (Arc::clone(process), Arc::clone(shared), options.clone());
        let keyspace = shared.keyspace.worker();
        std::thread::Builder::new()
            .name(format!("worker-{index}"))
            .spawn(move || {
                let _ends_all = EndsAll(Arc::clone(&process));
                let ready = Arc::clone(&process);
                let result = B::new(&options)
                    .and_then(|backend| {
                        Worker::new(index, backend, listeners, shared, process, keyspace)
                    })
                    .and_then(|worker| {
                        ready.note_ready_worker();
                        worker.run()
                    });
                if let Err(error) = &result {
                    error!(%error, worker = index, "a worker has failed");
                }
                result
            })
    };
    (0..process.workers).map(start).collect()
}

/// Ends the whole process when a worker ends, whatever the reason: half of the workers would serve half of the clients.
/// After an orderly end all of them are ending already.
struct EndsAll(Arc<Process>);

impl Drop for EndsAll {
    fn drop(&mut self) {
        if self.0.shutdown_stage() == ShutdownStage::Running || std::thread::panicking() {
            self.0.end_now();
        }
    }
}

fn buffers_for(pool_size: usize, workers: usize) -> u32 {
    let share = (pool_size / workers).max(BUFFERS_MIN);
    u32::try_from(share)
        .unwrap_or(u32::MAX)
        .min(net::backend::BUFFERS_LIMIT)
}

fn join(threads: Threads) -> io::Result<()> {
    let mut result = Ok(());
    for thread in threads {
        match thread.join() {
            Ok(ended) => result = result.and(ended),
            Err(_) => result = result.and(Err(io::Error::other("a worker has panicked"))),
        }
    }
    result
}

/// 40 hexadecimal digits, new at each start.
fn run_id() -> io::Result<String> {
    let bytes: [u8; 20] = random_bytes()?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn random_bytes<const N: usize>() -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(io::Error::other)?;
    Ok(bytes)
}
