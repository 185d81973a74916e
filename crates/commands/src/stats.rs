//! Statistics of commands: one set per worker, on its own cache lines, summed when somebody asks.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Instant;

use parking_lot::Mutex;

use crate::wakes::WakeStats;

/// One in so many executions of a command is timed.
const TIMED_EVERY: u64 = 128;
/// The most error codes that are counted apart, as in Redis.
const ERROR_CODES_MAX: usize = 128;

/// What one worker counts.
#[repr(align(128))]
pub struct WorkerStats {
    commands: Box<[CommandStats]>,
    /// Replies that were errors.
    pub errors: Counter,
    /// Clients that were closed because all clients together took too much memory.
    pub evicted_clients: Counter,
    /// Clients that were closed because too much waited for them.
    pub overflown_clients: Counter,
    /// Times that the worker has woken up.
    pub wakes: Counter,
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
    /// Executions that were timed, and their nanoseconds.
    timed: Counter,
    timed_ns: Counter,
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
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct CommandTotals {
    /// Executions.
    pub calls: u64,
    /// Microseconds of all executions, estimated from one in 128.
    pub microseconds: f64,
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
            errors: Counter::default(),
            evicted_clients: Counter::default(),
            overflown_clients: Counter::default(),
            wakes: Counter::default(),
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
        bytes.sum()
    }

    /// Starts anew.
    pub fn reset(&self) {
        for command in &self.commands {
            let CommandStats {
                calls,
                timed,
                timed_ns,
                rejected,
                failed,
            } = command;
            [calls, timed, timed_ns, rejected, failed]
                .into_iter()
                .for_each(Counter::reset);
        }
        self.errors.reset();
        self.evicted_clients.reset();
        self.overflown_clients.reset();
        self.wakes.reset();
        self.busy_us_max.reset();
        self.waking.reset();
        self.sweeps_cut.reset();
        self.sweep_ns.reset();
        self.error_codes.lock().clear();
    }
}

impl CommandStats {
    /// Counts an execution; the time at which it starts, when it is one of those that are timed.
    #[inline]
    pub fn start(&self) -> Option<Instant> {
        let calls = self.calls.get();
        self.calls.add(1);
        if calls.is_multiple_of(TIMED_EVERY) {
            return start_time();
        }
        None
    }

    /// Counts executions in a run. `execute` is called with the most that there may be, and answers how many there were;
    /// one that is to be timed is one by itself. If it panics, they are not counted.
    #[inline(always)]
    pub(crate) fn count_run(&self, mut execute: impl FnMut(usize) -> usize) -> usize {
        let calls = self.calls.get();
        let before_timed = calls.wrapping_neg() % TIMED_EVERY;
        let started = if before_timed == 0 {
            start_time()
        } else {
            None
        };
        let executed = execute((before_timed as usize).max(1));
        if executed > 0 {
            self.calls.add(executed as u64);
            self.end(started);
        }
        executed
    }

    /// Ends what `start` began.
    #[inline]
    pub fn end(&self, started: Option<Instant>) {
        if let Some(started) = started {
            self.add_time(started);
        }
    }

    #[cold]
    fn add_time(&self, started: Instant) {
        self.timed.add(1);
        self.timed_ns
            .add(u64::try_from(started.elapsed().as_nanos()).unwrap_or(u64::MAX));
    }
}

#[cold]
fn start_time() -> Option<Instant> {
    Some(Instant::now())
}

/// Sums one command's counters over the workers.
pub fn command_totals(workers: &[WorkerStats], id: usize) -> CommandTotals {
    let sum = |counter: fn(&CommandStats) -> &Counter| -> u64 {
        workers
            .iter()
            .map(|worker| counter(worker.command(id)).get())
            .sum()
    };
    let calls = sum(|stats| &stats.calls);
    let timed = sum(|stats| &stats.timed).max(1);
    let nanoseconds = sum(|stats| &stats.timed_ns) as f64 / timed as f64 * calls as f64;
    CommandTotals {
        calls,
        microseconds: nanoseconds / 1000.0,
        rejected: sum(|stats| &stats.rejected),
        failed: sum(|stats| &stats.failed),
    }
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
