//! What is noted of commands while they run: how long they take, which were slow or large, what held workers up, and who
//! watches them all.
//!
//! | file | what it holds |
//! |---|---|
//! | `histogram` | how long executions took |
//! | `percentile` | which shares of the executions INFO latencystats tells of |
//! | `command_log` | the last commands that were slow, or large |
//! | `latency` | when something held a worker up |
//! | `monitors` | who gets every command (MONITOR) |
//! | `redaction` | which arguments nobody is shown |

mod command_log;
mod histogram;
mod latency;
mod monitors;
mod percentile;
mod redaction;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};

use parking_lot::Mutex;
use resp::Args;

pub use self::command_log::{CommandLog, LoggedCommand};
pub use self::histogram::{Histogram, Times};
pub use self::latency::{Delays, Event, LatencyMonitor, Parts, Sample};
pub(crate) use self::monitors::Watched;
pub use self::monitors::{Feed, Monitors};
pub use self::percentile::Percentile;
use crate::clients::Client;
use crate::command::flag;
use crate::registry::Registered;

/// Where a slow command may take less than this, in microseconds, commands are timed one by one and not in runs. A run
/// has at most [`GROUP_COMMANDS_MAX`](crate::limits::GROUP_COMMANDS_MAX) commands that touch one short value each.
const TIMED_IN_RUNS_US_MIN: u64 = 1000;
/// The same for the bytes of requests and replies: a request or reply of a run is always smaller.
const LARGE_IN_RUNS_BYTES_MIN: usize = 128 << 10;

/// What is to be noted. `None` notes nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InsightSettings {
    /// Commands that take at least so many microseconds are slow.
    pub slow_us: Option<u64>,
    /// How many of them are kept.
    pub slow_entries_max: usize,
    /// Requests of at least so many bytes are large.
    pub request_bytes: Option<u64>,
    /// How many of them are kept.
    pub request_entries_max: usize,
    /// Replies of at least so many bytes are large.
    pub reply_bytes: Option<u64>,
    /// How many of them are kept.
    pub reply_entries_max: usize,
    /// Whether the times of all commands are counted.
    pub counts_times: bool,
    /// What INFO latencystats tells of them.
    pub percentiles: Vec<Percentile>,
    /// What holds a worker up for at least so many milliseconds is noted; 0 notes nothing.
    pub latency_ms: u64,
}

/// What all workers note.
pub struct Insight {
    /// The least of `slow_ns` and `latency_ns`.
    noted_ns: AtomicU64,
    slow_ns: AtomicU64,
    latency_ns: AtomicU64,
    request_bytes: AtomicUsize,
    reply_bytes: AtomicUsize,
    run_commands_max: AtomicUsize,
    counts_times: AtomicBool,
    percentiles: Mutex<Arc<[Percentile]>>,
    /// Commands that took long.
    pub slow: CommandLog,
    /// Commands whose request was large.
    pub large_requests: CommandLog,
    /// Commands whose reply was large.
    pub large_replies: CommandLog,
    /// What held workers up.
    pub latency: LatencyMonitor,
    /// Who gets every command.
    pub monitors: Monitors,
}

/// Commands that have just been executed.
pub(crate) struct Executed<'e> {
    /// The only one, or the first of a run.
    pub registered: &'static Registered,
    /// Its arguments.
    pub args: Args<'e>,
    /// Who has sent it.
    pub client: &'e Client,
    /// How long it took, or the run, in nanoseconds.
    pub spent_ns: u64,
    /// The length of the reply, or replies.
    pub reply_bytes: usize,
    /// How many more there were in the run.
    pub others: usize,
    /// Now, in milliseconds of the Unix epoch.
    pub now_ms: u64,
}

impl Default for InsightSettings {
    fn default() -> Self {
        Self {
            slow_us: Some(10_000),
            slow_entries_max: 128,
            request_bytes: Some(1 << 20),
            request_entries_max: 128,
            reply_bytes: Some(1 << 20),
            reply_entries_max: 128,
            counts_times: true,
            percentiles: Percentile::USUAL.to_vec(),
            latency_ms: 0,
        }
    }
}

impl Default for Insight {
    fn default() -> Self {
        let insight = Self {
            noted_ns: AtomicU64::new(0),
            slow_ns: AtomicU64::new(0),
            latency_ns: AtomicU64::new(0),
            request_bytes: AtomicUsize::new(0),
            reply_bytes: AtomicUsize::new(0),
            run_commands_max: AtomicUsize::new(0),
            counts_times: AtomicBool::new(true),
            percentiles: Mutex::new(Arc::new([])),
            slow: CommandLog::default(),
            large_requests: CommandLog::default(),
            large_replies: CommandLog::default(),
            latency: LatencyMonitor::default(),
            monitors: Monitors::default(),
        };
        insight.set(&InsightSettings::default());
        insight
    }
}

impl Insight {
    /// Notes this from now on.
    pub fn set(&self, settings: &InsightSettings) {
        let slow_ns = settings
            .slow_us
            .map_or(u64::MAX, |us| us.saturating_mul(1000));
        let latency_ns = match settings.latency_ms {
            0 => u64::MAX,
            ms => ms.saturating_mul(1_000_000),
        };
        let bytes = |bytes: Option<u64>| {
            bytes.map_or(usize::MAX, |bytes| {
                usize::try_from(bytes).unwrap_or(usize::MAX)
            })
        };
        let (request_bytes, reply_bytes) =
            (bytes(settings.request_bytes), bytes(settings.reply_bytes));
        let is_exact_in_runs = slow_ns >= TIMED_IN_RUNS_US_MIN * 1000
            && request_bytes.min(reply_bytes) >= LARGE_IN_RUNS_BYTES_MIN;
        let run_commands_max = if is_exact_in_runs { usize::MAX } else { 1 };
        self.slow_ns.store(slow_ns, Relaxed);
        self.latency_ns.store(latency_ns, Relaxed);
        self.noted_ns.store(slow_ns.min(latency_ns), Relaxed);
        self.request_bytes.store(request_bytes, Relaxed);
        self.reply_bytes.store(reply_bytes, Relaxed);
        self.run_commands_max.store(run_commands_max, Relaxed);
        self.counts_times.store(settings.counts_times, Relaxed);
        *self.percentiles.lock() = settings.percentiles.clone().into();
        self.slow.set_entries_max(settings.slow_entries_max);
        self.large_requests
            .set_entries_max(settings.request_entries_max);
        self.large_replies
            .set_entries_max(settings.reply_entries_max);
    }

    /// Whether the times of commands are counted.
    #[inline]
    pub fn counts_times(&self) -> bool {
        self.counts_times.load(Relaxed)
    }

    /// What INFO latencystats tells of them.
    pub fn percentiles(&self) -> Arc<[Percentile]> {
        Arc::clone(&self.percentiles.lock())
    }

    /// The longest that a worker may be held up without a note, in nanoseconds; `u64::MAX` while nothing is noted.
    #[inline]
    pub fn latency_ns(&self) -> u64 {
        self.latency_ns.load(Relaxed)
    }

    /// The most commands that are timed together.
    #[inline]
    pub(crate) fn run_commands_max(&self) -> usize {
        self.run_commands_max.load(Relaxed)
    }

    /// Whether commands that took so long and had such requests and replies are to be noted.
    #[inline]
    pub(crate) fn notes(&self, spent_ns: u64, request_bytes: usize, reply_bytes: usize) -> bool {
        spent_ns >= self.noted_ns.load(Relaxed)
            || request_bytes >= self.request_bytes.load(Relaxed)
            || reply_bytes >= self.reply_bytes.load(Relaxed)
    }

    /// Whether a run that took so long is to be noted.
    #[inline]
    pub(crate) fn notes_run(&self, spent_ns: u64) -> bool {
        spent_ns >= self.noted_ns.load(Relaxed) || self.run_commands_max() == 1
    }

    /// Notes what is to be noted of commands.
    #[cold]
    pub(crate) fn note(&self, executed: &Executed<'_>) {
        let &Executed {
            registered,
            args,
            spent_ns,
            reply_bytes,
            ..
        } = executed;
        if spent_ns >= self.latency_ns() {
            let event = if registered.command.has(flag::FAST) {
                Event::FastCommand
            } else {
                Event::Command
            };
            self.latency.add(event, spent_ns, executed.now_ms);
        }
        if registered.command.has(flag::SKIP_SLOWLOG) {
            return;
        }
        let request_bytes = args.request_bytes();
        if spent_ns >= self.slow_ns.load(Relaxed) {
            self.slow.add(executed, spent_ns / 1000);
        }
        if request_bytes >= self.request_bytes.load(Relaxed) {
            self.large_requests.add(executed, request_bytes as u64);
        }
        if reply_bytes >= self.reply_bytes.load(Relaxed) {
            self.large_replies.add(executed, reply_bytes as u64);
        }
    }

    /// Memory of what has been noted, in bytes.
    pub fn bytes(&self) -> usize {
        let logs = [&self.slow, &self.large_requests, &self.large_replies];
        logs.map(CommandLog::bytes).iter().sum::<usize>()
            + self.latency.bytes()
            + self.monitors.bytes()
    }
}
