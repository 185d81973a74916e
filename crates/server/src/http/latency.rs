//! How long commands take: the one place that knows where that is counted.

use commands::stats::{WorkerStats, command_totals};

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
    Latency {
        buckets: Vec::new(),
        calls: totals.calls,
        seconds: totals.microseconds / 1e6,
    }
}
