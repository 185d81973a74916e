//! What this server has set itself, and whether the results keep it.

use super::cells::{Cell, Group, Operation};
use super::results::{Memory, Results};

/// A limit and what was measured.
#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    /// What is limited.
    pub text: String,
    /// At most this.
    pub limit: f64,
    /// Measured; `None` when it was not.
    pub measured: Option<f64>,
    /// How the numbers are written.
    pub unit: Unit,
}

/// How a target's numbers are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// A multiple, with three digits behind the point.
    Ratio,
    /// Bytes.
    Bytes,
    /// Mebibytes.
    Mebibytes,
    /// Per cent.
    Percent,
}

impl Target {
    /// Whether the limit is kept.
    pub fn is_met(&self) -> Option<bool> {
        self.measured.map(|measured| measured <= self.limit)
    }

    /// A number of this target in its unit.
    pub fn number(&self, number: f64) -> String {
        match self.unit {
            Unit::Ratio => format!("{number:.3}"),
            Unit::Bytes => format!("{number:.1} B"),
            Unit::Mebibytes => format!("{:.1} MB", number / 1e6),
            Unit::Percent => format!("{number:.2} %"),
        }
    }
}

/// All targets. Of GET and SET the worse one counts.
pub fn all(results: &Results) -> Vec<Target> {
    let mut targets = Vec::new();
    for (keys, pipeline, limit) in [
        (1_000_000, 128, 1.0 / 6.0),
        (1_000_000, 16, 0.4),
        (1_000_000, 1, 0.8),
        (10_000_000, 128, 1.0 / 8.0),
    ] {
        let measured = worse(results, keys, pipeline, "redistill", "redis");
        targets.push(Target {
            text: format!(
                "CPU time as a part of redis-server's, {}M keys, P={pipeline}",
                keys / 1_000_000
            ),
            limit,
            measured,
            unit: Unit::Ratio,
        });
    }
    for (pipeline, limit) in [(128, 2.5), (16, 1.15)] {
        targets.push(Target {
            text: format!("CPU time as a multiple of the floor's, 1M keys, P={pipeline}"),
            limit,
            measured: worse(results, 1_000_000, pipeline, "redistill", "floor"),
            unit: Unit::Ratio,
        });
    }
    targets.push(Target {
        text: "the floor's own GET as a part of redis-server's, 1M keys, P=128".to_owned(),
        limit: 0.08,
        measured: results.ratio(cell(Operation::Get, 1_000_000, 128), "floor", "redis"),
        unit: Unit::Ratio,
    });
    for server in ["redistill", "redistill-mio"] {
        targets.extend(memory_targets(results, server));
    }
    targets
}

type Row = (&'static str, f64, Unit, fn(&Memory) -> Option<f64>);

fn memory_targets(results: &Results, server: &str) -> Vec<Target> {
    let memory = results.memory.iter().find(|memory| memory.server == server);
    let rows: [Row; 5] = [
        (
            "memory per key, 10M keys, process included",
            120.0,
            Unit::Bytes,
            |memory| memory.key_bytes_10m,
        ),
        (
            "memory per key, 1M keys, above the empty server",
            120.0,
            Unit::Bytes,
            |memory| memory.key_bytes_1m,
        ),
        (
            "memory per idle connection, 10,000 connections",
            2048.0,
            Unit::Bytes,
            |memory| memory.connection_bytes,
        ),
        (
            "memory of the empty server",
            20e6,
            Unit::Mebibytes,
            |memory| memory.empty_bytes,
        ),
        (
            "CPU of the idle server, of one core",
            0.3,
            Unit::Percent,
            |memory| memory.idle_cpu_percent,
        ),
    ];
    rows.into_iter()
        .map(|(text, limit, unit, field)| Target {
            text: format!("{server}: {text}"),
            limit,
            measured: memory.and_then(field),
            unit,
        })
        .collect()
}

fn cell(operation: Operation, keys: u64, pipeline: u32) -> Cell {
    Cell {
        group: Group {
            keys,
            value_bytes: 64,
        },
        operation,
        pipeline,
    }
}

fn worse(results: &Results, keys: u64, pipeline: u32, server: &str, base: &str) -> Option<f64> {
    let ratio = |operation| results.ratio(cell(operation, keys, pipeline), server, base);
    Some(ratio(Operation::Get)?.max(ratio(Operation::Set)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::results::tests::sample;

    #[test]
    fn the_worse_operation_counts() {
        let mut results = Results::default();
        for (operation, time) in [(Operation::Get, 100.0), (Operation::Set, 200.0)] {
            let cell = cell(operation, 1_000_000, 128);
            results.samples.push(sample(cell, "redistill", 0, time));
            results.samples.push(sample(cell, "redis", 0, 1000.0));
        }
        let targets = all(&results);
        assert_eq!(targets[0].measured, Some(0.2));
        assert_eq!(targets[0].is_met(), Some(false));
        assert_eq!(targets[1].is_met(), None);
    }
}
