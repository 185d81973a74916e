//! What this server has set itself, and whether the results keep it.

use super::cells::Operation::{self, Get, Set};
use super::cells::{Cell, Group};
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

/// CPU time for one operation of this server, as a part or a multiple of another's.
struct CpuTarget {
    operation: Operation,
    keys: u64,
    value_bytes: u64,
    pipeline: u32,
    base: &'static str,
    limit: f64,
}

const fn small(
    operation: Operation,
    millions: u64,
    pipeline: u32,
    base: &'static str,
    limit: f64,
) -> CpuTarget {
    CpuTarget {
        operation,
        keys: millions * 1_000_000,
        value_bytes: 64,
        pipeline,
        base,
        limit,
    }
}

const fn large(operation: Operation, limit: f64) -> CpuTarget {
    CpuTarget {
        operation,
        keys: 100,
        value_bytes: 1 << 20,
        pipeline: 1,
        base: "redis",
        limit,
    }
}

const CPU_TARGETS: [CpuTarget; 16] = [
    small(Get, 1, 128, "redis", 1.0 / 7.0),
    small(Set, 1, 128, "redis", 1.0 / 6.0),
    small(Get, 1, 16, "redis", 0.4),
    small(Set, 1, 16, "redis", 0.4),
    small(Get, 1, 1, "redis", 0.8),
    small(Set, 1, 1, "redis", 0.8),
    small(Get, 10, 128, "redis", 1.0 / 9.0),
    small(Set, 10, 128, "redis", 1.0 / 8.0),
    small(Get, 1, 128, "floor", 2.0),
    small(Set, 1, 128, "floor", 2.4),
    small(Get, 1, 16, "floor", 1.1),
    small(Set, 1, 16, "floor", 1.1),
    small(Get, 1, 1, "floor", 1.03),
    small(Set, 1, 1, "floor", 1.03),
    large(Get, 1.0 / 1.3),
    large(Set, 1.0),
];

impl CpuTarget {
    fn cell(&self) -> Cell {
        Cell {
            group: Group {
                keys: self.keys,
                value_bytes: self.value_bytes,
            },
            operation: self.operation,
            pipeline: self.pipeline,
        }
    }

    fn target(&self, results: &Results) -> Target {
        let cell = self.cell();
        let base = match self.base {
            "redis" => "as a part of redis-server's",
            _ => "as a multiple of the floor's",
        };
        Target {
            text: format!(
                "{}, {}, P={}: CPU time {base}",
                self.operation.name().to_uppercase(),
                cell.group,
                self.pipeline
            ),
            limit: self.limit,
            measured: results.ratio(cell, "redistill", self.base),
            unit: Unit::Ratio,
        }
    }
}

/// All targets.
pub fn all(results: &Results) -> Vec<Target> {
    let mut targets: Vec<_> = CPU_TARGETS
        .iter()
        .map(|target| target.target(results))
        .collect();
    targets.push(Target {
        text: "the floor's own GET as a part of redis-server's, 1M keys, P=128".to_owned(),
        limit: 0.08,
        measured: results.ratio(CPU_TARGETS[0].cell(), "floor", "redis"),
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
            100.0,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::results::tests::sample;

    #[test]
    fn each_operation_has_its_limit() {
        let mut results = Results::default();
        for (target, time) in CPU_TARGETS[..2].iter().zip([100.0, 200.0]) {
            results
                .samples
                .push(sample(target.cell(), "redistill", 0, time));
            results
                .samples
                .push(sample(target.cell(), "redis", 0, 1000.0));
        }
        let targets = all(&results);
        let kept: Vec<_> = targets[..3].iter().map(Target::is_met).collect();
        assert_eq!(kept, [Some(true), Some(false), None]);
    }
}
