//! How metrics with labels read their numbers.

use commands::registry::registry;
use commands::stats::{CommandTotals, WorkerStats, command_totals, error_totals};
use commands::wakes::{STEPS, Steps};
use keyspace::{CurvePoint, DatabaseStats, PrefixStats};

use super::text::Samples;
use crate::http::json::readable;
use crate::http::latency;
use crate::http::numbers::Numbers;

/// A number of each command that has been asked for, executed or not.
pub fn commands(
    numbers: &Numbers<'_>,
    samples: &mut Samples<'_>,
    number: fn(&CommandTotals) -> u64,
) {
    for registered in registry().all() {
        let totals = command_totals(&numbers.shared.stats, registered.id);
        if totals.calls + totals.rejected + totals.failed > 0 {
            samples.labelled(&[&registered.full_name], number(&totals) as f64);
        }
    }
}

/// How long each command takes that was executed.
pub fn latencies(numbers: &Numbers<'_>, samples: &mut Samples<'_>) {
    for registered in registry().all() {
        let latency = latency::of_command(&numbers.shared.stats, registered.id);
        if latency.calls > 0 {
            let labels = [registered.full_name.as_str()];
            samples.histogram(&labels, latency.buckets, latency.calls, latency.seconds);
        }
    }
}

/// Error replies by their code.
pub fn errors(numbers: &Numbers<'_>, samples: &mut Samples<'_>) {
    for (code, count) in error_totals(&numbers.shared.stats) {
        samples.labelled(&[&code], count as f64);
    }
}

/// A number of each database that has keys, and always of the first.
pub fn databases(
    numbers: &Numbers<'_>,
    samples: &mut Samples<'_>,
    number: fn(&DatabaseStats) -> u64,
) {
    for (database, stats) in numbers.keyspace.databases.iter().enumerate() {
        if database == 0 || stats.keys > 0 {
            samples.labelled(&[&database.to_string()], number(stats) as f64);
        }
    }
}

/// The reasons of misses, as shares.
pub fn miss_reasons(numbers: &Numbers<'_>, samples: &mut Samples<'_>) {
    let reasons = numbers.miss_reasons;
    let parts = [
        ("never_seen", reasons.never_seen),
        ("expired", reasons.expired),
        ("evicted", reasons.evicted),
        ("deleted", reasons.deleted),
    ];
    let all: u64 = parts.iter().map(|(_, misses)| misses).sum();
    for (reason, misses) in parts {
        samples.labelled(&[reason], misses as f64 / all.max(1) as f64);
    }
}

/// A number of each point of the curve, where it is known.
pub fn curve(
    numbers: &Numbers<'_>,
    samples: &mut Samples<'_>,
    number: fn(&CurvePoint) -> Option<f64>,
) {
    for point in numbers.shared.keyspace.curve() {
        if let Some(value) = number(&point) {
            samples.labelled(&[&point.factor.to_string()], value);
        }
    }
}

/// A number of each worker.
pub fn workers(numbers: &Numbers<'_>, samples: &mut Samples<'_>, number: fn(&WorkerStats) -> f64) {
    for (index, worker) in numbers.shared.stats.iter().enumerate() {
        samples.labelled(&[&index.to_string()], number(worker));
    }
}

/// A histogram in steps of powers of two, all workers together, in units of which `per_unit` are one.
pub fn steps(
    numbers: &Numbers<'_>,
    samples: &mut Samples<'_>,
    per_unit: f64,
    steps: fn(&WorkerStats) -> &Steps,
) {
    let (counts, sum) = total_steps(&numbers.shared.stats, steps);
    let mut below = 0_u64;
    let all: u64 = counts.iter().sum();
    let buckets = counts[..STEPS - 1].iter().enumerate().map(|(step, count)| {
        below += count;
        ((1_u64 << step) as f64 / per_unit, below)
    });
    samples.histogram(&[], buckets, all, sum as f64 / per_unit);
}

/// The steps of all workers together, and the sum of their values.
pub fn total_steps(
    workers: &[WorkerStats],
    steps: fn(&WorkerStats) -> &Steps,
) -> ([u64; STEPS], u64) {
    let (mut counts, mut sum) = ([0; STEPS], 0);
    for steps in workers.iter().map(steps) {
        for (total, count) in counts.iter_mut().zip(steps.counts()) {
            *total += count;
        }
        sum += steps.sum();
    }
    (counts, sum)
}

/// A number of each prefix that has one.
pub fn prefixes(
    numbers: &Numbers<'_>,
    samples: &mut Samples<'_>,
    number: fn(&PrefixStats) -> Option<u64>,
) {
    for prefix in numbers.shared.keyspace.prefix_stats() {
        if let Some(value) = number(&prefix) {
            samples.labelled(&[&readable(&prefix.start)], value as f64);
        }
    }
}
