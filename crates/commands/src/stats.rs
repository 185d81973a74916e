//! Statistics of commands: one set per worker, on its own cache lines, summed when somebody asks.

use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Instant;

use parking_lot::Mutex;

use crate::insight::{Histogram, Times};
use crate::wakes::WakeStats;

/// The most error codes that are counted apart, as in Redis.
const ERROR_CODES_MAX: usize = 128;

/// What one worker counts.
#[repr(align(128))]
pub struct WorkerStats {
    commands: Box<[CommandStats]>,
    /// What times are counted from.
    made: Instant,
    /// When the last execution ended, or the group began, in nanoseconds since `made`.
    clock_ns: Counter,
    /// Replies that were errors.
    pub errors: Counter,
    /// Clients that were closed because all clients together took too much memory.
    pub evicted_clients: Counter,
    /// Clients that were closed because too much waited for them.
    pub overflown_clients: Counter,
    /// Clients that were closed because the requests that they had sent took too much memory.
    pub overlong_clients: Counter,
    /// Times that the worker has woken up.
    pub wakes: Counter,
    /// 1 while the worker waits for something to do.
    pub waits: Counter,
    /// The longest that it was busy after one of them, in microseconds.
    pub busy_us_max: Counter,
    /// How long it waited and worked, and how much it did at once.
    pub waking: WakeStats,
    /// Sweeps for expired keys that had to stop before they were done.
    pub sweeps_cut: Counter,
    /// Nanoseconds that all sweeps have taken.
    pub sweep_ns: Counter,
    error_codes: Mutex<BTreeMap<String, u64>>,
}

/// What one worker counts for one command.
#[derive(Default)]
pub struct CommandStats {
    /// Executions.
    pub calls: Counter,
    /// Nanoseconds of all of them.
    total_ns: Counter,
    /// How long they took; there is none before the first.
    histogram: OnceLock<Histogram>,
    /// Refused before execution.
    pub rejected: Counter,
    /// Failed in execution.
    pub failed: Counter,
}

/// A counter that one thread adds to and any thread reads.
#[derive(Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds; only for the thread that owns it.
    #[inline]
    pub fn add(&self, by: u64) {
        self.0.store(self.0.load(Relaxed).wrapping_add(by), Relaxed);
    }

    /// Keeps the larger of the count and `value`; only for the thread that owns it.
    #[inline]
    pub fn raise(&self, value: u64) {
        if value > self.get() {
            self.0.store(value, Relaxed);
        }
    }

    /// Sets the count; only for the thread that owns it.
    #[inline]
    pub fn set(&self, value: u64) {
        self.0.store(value, Relaxed);
    }

    /// The count.
    #[inline]
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }

    fn reset(&self) {
        self.0.store(0, Relaxed);
    }
}

/// One command's numbers, all workers together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CommandTotals {
    /// Executions.
    pub calls: u64,
    /// Nanoseconds of all executions.
    pub total_ns: u64,
    /// Refused before execution.
    pub rejected: u64,
    /// Failed in execution.
    pub failed: u64,
}

impl WorkerStats {
    /// Counters for so many commands.
    pub fn new(commands: usize) -> Self {
        Self {
            commands: (0..commands).map(|_| CommandStats::default()).collect(),
            made: Instant::now(),
            clock_ns: Counter::default(),
            errors: Counter::default(),
            evicted_clients: Counter::default(),
            overflown_clients: Counter::default(),
            overlong_clients: Counter::default(),
            wakes: Counter::default(),
            waits: Counter::default(),
            busy_us_max: Counter::default(),
            waking: WakeStats::default(),
            sweeps_cut: Counter::default(),
            sweep_ns: Counter::default(),
            error_codes: Mutex::default(),
        }
    }

    /// The counters of one command.
    #[inline]
    pub fn command(&self, id: usize) -> &CommandStats {
        &self.commands[id]
    }

    /// Begins to measure: what is executed next takes its time from now on.
    pub fn start_clock(&self) {
        self.clock_ns.set(self.now_ns());
    }

    /// Counts executions of a command that have just ended, one after the other, and began when those before them had
    /// ended; how long they took together, in nanoseconds.
    #[inline]
    pub(crate) fn count(&self, command: &CommandStats, executions: u64, tracks: bool) -> u64 {
        self.count_since(self.clock_ns.get(), command, executions, tracks)
    }

    /// As `count`, for an execution that began at `started_ns`, with others in it.
    #[inline]
    pub(crate) fn count_since(
        &self,
        started_ns: u64,
        command: &CommandStats,
        executions: u64,
        tracks: bool,
    ) -> u64 {
        let now_ns = self.now_ns();
        let spent_ns = now_ns - started_ns;
        self.clock_ns.set(now_ns);
        command.calls.add(executions);
        command.total_ns.add(spent_ns);
        if tracks {
            let each_ns = if executions == 1 {
                spent_ns
            } else {
                spent_ns / executions
            };
            let histogram = command.histogram.get_or_init(Histogram::new);
            histogram.add(each_ns, executions);
        }
        spent_ns
    }

    /// When the last execution ended.
    #[inline]
    pub(crate) fn clock_ns(&self) -> u64 {
        self.clock_ns.get()
    }

    #[inline]
    fn now_ns(&self) -> u64 {
        let elapsed = self.made.elapsed();
        elapsed.as_secs() * 1_000_000_000 + u64::from(elapsed.subsec_nanos())
    }

    /// Nanoseconds that commands took, all together.
    pub fn commands_ns(&self) -> u64 {
        let commands = self.commands.iter();
        commands.map(|command| command.total_ns.get()).sum()
    }

    /// Commands executed.
    pub fn executed(&self) -> u64 {
        self.commands
            .iter()
            .map(|command| command.calls.get())
            .sum()
    }

    /// Counts an error reply by its code, the first word of its line.
    #[cold]
    pub fn count_error(&self, line: &[u8]) {
        self.errors.add(1);
        let code = line.split(|byte| *byte == b' ').next().unwrap_or(line);
        let code = String::from_utf8_lossy(code);
        let mut codes = self.error_codes.lock();
        if let Some(count) = codes.get_mut(&*code) {
            *count += 1;
        } else if codes.len() < ERROR_CODES_MAX {
            codes.insert(code.into_owned(), 1);
        }
    }

    /// Memory from the start on, in bytes.
    pub fn bytes_at_start(&self) -> usize {
        size_of::<Self>() + size_of_val::<[CommandStats]>(&self.commands)
    }

    /// Memory of what has come since, in bytes.
    pub fn bytes_since_start(&self) -> usize {
        let codes = self.error_codes.lock();
        let bytes = codes
            .keys()
            .map(|code| size_of::<(String, u64)>() + code.capacity());
        let histograms = self
            .commands
            .iter()
            .filter(|command| command.histogram.get().is_some());
        bytes.sum::<usize>() + histograms.count() * Histogram::BYTES
    }

    /// Starts anew.
    pub fn reset(&self) {
        for command in &self.commands {
            let CommandStats {
                calls,
                total_ns,
                histogram,
                rejected,
                failed,
            } = command;
            [calls, total_ns, rejected, failed]
                .into_iter()
                .for_each(Counter::reset);
            histogram.get().into_iter().for_each(Histogram::reset);
        }
        self.errors.reset();
        self.evicted_clients.reset();
        self.overflown_clients.reset();
        self.overlong_clients.reset();
        self.wakes.reset();
        self.busy_us_max.reset();
        self.waking.reset();
        self.sweeps_cut.reset();
        self.sweep_ns.reset();
        self.error_codes.lock().clear();
    }
}

/// Sums one command's counters over the workers.
pub fn command_totals(workers: &[WorkerStats], id: usize) -> CommandTotals {
    let sum = |counter: fn(&CommandStats) -> &Counter| -> u64 {
        workers
            .iter()
            .map(|worker| counter(worker.command(id)).get())
            .sum()
    };
    CommandTotals {
        calls: sum(|stats| &stats.calls),
        total_ns: sum(|stats| &stats.total_ns),
        rejected: sum(|stats| &stats.rejected),
        failed: sum(|stats| &stats.failed),
    }
}

/// How long one command's executions took, all workers together; `None` when none was counted.
pub fn command_times(workers: &[WorkerStats], id: usize) -> Option<Times> {
    let mut times = Times::default();
    let histograms = workers.iter().map(|worker| &worker.command(id).histogram);
    histograms
        .filter_map(OnceLock::get)
        .for_each(|histogram| times.add(histogram));
    (times.count() > 0).then_some(times)
}

/// Sums the errors by code over the workers.
pub fn error_totals(workers: &[WorkerStats]) -> BTreeMap<String, u64> {
    let mut totals = BTreeMap::new();
    for worker in workers {
        for (code, count) in worker.error_codes.lock().iter() {
            *totals.entry(code.clone()).or_default() += count;
        }
    }
    totals
}
