//! The live miss-ratio curve of the server against what is measured.
//!
//! A trace is replayed against a keyspace of this process, which then predicts the hit ratios of other sizes; and against
//! one of each of these sizes, where they are measured. Each id of the trace stands for many keys.

use std::io::Write;
use std::str::FromStr;

use keyspace::{EvictionPolicy, Order};

use super::server::ServerPolicy;
use super::size::Size;
use super::trace::Trace;

/// A policy of the server by name.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CurvePolicy(EvictionPolicy);

const NAMES: [(&str, EvictionPolicy); 3] = [
    ("allkeys-lru", EvictionPolicy::AllKeys(Order::Lru)),
    ("allkeys-lfu", EvictionPolicy::AllKeys(Order::Lfu)),
    ("allkeys-random", EvictionPolicy::AllKeys(Order::Random)),
];

impl FromStr for CurvePolicy {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = NAMES.iter().find(|(name, _)| *name == text);
        found.map(|(_, policy)| Self(*policy)).ok_or_else(|| {
            let names = NAMES.map(|(name, _)| name).join(", ");
            format!("there is no curve of '{text}'; there is one of {names}")
        })
    }
}

/// What is compared.
#[derive(Clone, Copy, Debug)]
pub struct CurveComparison {
    /// The policy of all sizes.
    pub policy: CurvePolicy,
    /// How many of the ids' keys the present size holds.
    pub size: Size,
    /// Keys for each id.
    pub keys_per_id: u32,
    /// For where keys lie, and which are sampled.
    pub seed: u64,
}

impl CurveComparison {
    /// Prints a table for one trace; the mean difference of the hit ratios.
    ///
    /// # Errors
    /// A sentence for the terminal, when it cannot be written.
    pub fn run(&self, trace: &Trace, output: &mut dyn Write) -> Result<f64, String> {
        let fail = |error| format!("cannot write the table: {error}");
        let entries = self.size.entries(trace.keys) * self.keys_per_id as usize;
        writeln!(
            output,
            "\n{}: {} requests, {} keys, {} of each\n\n\
            | size | keys | sampled reads | predicted hit ratio | measured | difference |\n|--:|--:|--:|--:|--:|--:|",
            trace.name,
            trace.requests.len(),
            trace.keys,
            self.keys_per_id
        )
        .map_err(fail)?;
        let mut present = ServerPolicy::new(self.policy.0, entries, self.seed);
        self.replay(&mut present, trace);
        let points = present.curve();
        drop(present);
        let mut differences = 0.0;
        for point in &points {
            let entries = (entries as f64 * point.factor).round() as usize;
            let mut cache = ServerPolicy::new(self.policy.0, entries.max(1), self.seed);
            let measured = self.replay(&mut cache, trace);
            let predicted = point.hit_ratio.unwrap_or(f64::NAN);
            differences += (predicted - measured).abs();
            writeln!(
                output,
                "| {} | {} | {} | {predicted:.4} | {measured:.4} | {:+.4} |",
                point.factor,
                point.keys,
                point.sampled_reads,
                predicted - measured,
            )
            .map_err(fail)?;
        }
        let mean = differences / points.len() as f64;
        writeln!(output, "\nmean difference {mean:.4}").map_err(fail)?;
        Ok(mean)
    }

    /// The hit ratio.
    fn replay(&self, cache: &mut ServerPolicy, trace: &Trace) -> f64 {
        let mut hits = 0_u64;
        for &id in &trace.requests {
            for part in 0..self.keys_per_id {
                let key = u64::from(id) << 32 | u64::from(part);
                hits += u64::from(cache.access_key(key));
            }
        }
        hits as f64 / (trace.requests.len() as f64 * f64::from(self.keys_per_id)).max(1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::{CurveComparison, CurvePolicy};
    use crate::simulate::generate::Generator;
    use crate::simulate::size::Size;

    #[test]
    fn the_curve_is_what_is_measured() {
        let generator: Generator = "zipf:keys=20000,requests=100000,theta=0.9".parse().unwrap();
        for policy in ["allkeys-lru", "allkeys-lfu", "allkeys-random"] {
            let policy: CurvePolicy = policy.parse().unwrap();
            let comparison = CurveComparison {
                policy,
                size: Size::Percent(10.0),
                keys_per_id: 4,
                seed: 1,
            };
            let mean = comparison
                .run(&generator.trace(1), &mut std::io::sink())
                .unwrap();
            assert!(mean < 0.04, "{policy:?}: {mean}");
        }
        assert!("allkeys-fifo".parse::<CurvePolicy>().is_err());
    }
}
