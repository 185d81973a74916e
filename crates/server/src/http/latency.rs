//! How long commands take: the one place that knows where that is counted.

use commands::stats::{WorkerStats, command_times, command_totals};

/// The limits of the buckets are powers of two of nanoseconds, from about a quarter of a microsecond to 17 seconds.
const LIMITS: std::ops::RangeInclusive<u32> = 8..=34;

/// The executions of one command.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Latency {
    /// Upper limits in seconds, each with the executions that took no longer. The last limit, all of them, is left out.
    pub buckets: Vec<(f64, u64)>,
    /// How many.
    pub calls: u64,
    /// What they took together, in seconds.
    pub seconds: f64,
}

/// That of one command, all workers together.
pub fn of_command(workers: &[WorkerStats], id: usize) -> Latency {
    let totals = command_totals(workers, id);
    let times = command_times(workers, id);
    let buckets = times.map_or_else(Vec::new, |times| {
        let limits = LIMITS.map(|power| 1_u64 << power);
        let buckets = limits.map(|ns| (ns as f64 / 1e9, times.count_below(ns)));
        buckets.collect()
    });
    Latency {
        buckets,
        calls: totals.calls,
        seconds: totals.total_ns as f64 / 1e9,
    }
}
