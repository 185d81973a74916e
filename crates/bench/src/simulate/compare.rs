//! Runs policies over traces and prints the miss ratios as a table, or as records.

use std::io::{self, Write};

use super::Cache;
use super::policies::{Policy, Setup};
use super::records::{Format, SimulatedRecord, write_line};
use super::size::Size;
use super::trace::Trace;

/// The share of requests that the cache does not hit.
pub fn miss_ratio(cache: &mut dyn Cache, requests: &[u32]) -> f64 {
    let misses = requests.iter().filter(|&&id| !cache.access(id)).count();
    misses as f64 / requests.len().max(1) as f64
}

/// What is compared.
#[derive(Clone, Debug)]
pub struct Comparison {
    /// A column each.
    pub sizes: Vec<Size>,
    /// For random choices.
    pub seed: u64,
    /// In how many parts a policy may divide the keys.
    pub regions_max: usize,
    /// The policy that others are compared with, if it is among them.
    pub base: Option<String>,
    /// How the ratios are printed.
    pub format: Format,
}

impl Comparison {
    /// Prints a table or records for one trace; of the table, a row for each policy, the miss ratio for each size, and the reduction of
    /// misses against the base policy in percent.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn run(
        &self,
        trace: &Trace,
        policies: &[Policy],
        output: &mut dyn Write,
    ) -> io::Result<()> {
        if self.format == Format::Table {
            self.print_head(trace, output)?;
        }
        let base = policies
            .iter()
            .find(|policy| Some(policy.name) == self.base.as_deref());
        let base: Option<Vec<f64>> = base.map(|policy| self.ratios(trace, policy));
        for policy in policies {
            let ratios = match &base {
                Some(base) if self.base.as_deref() == Some(policy.name) => base.clone(),
                Some(_) | None => self.ratios(trace, policy),
            };
            match self.format {
                Format::Table => print_row(policy, &ratios, base.as_deref(), output)?,
                Format::Json => self.print_records(trace, policy, &ratios, output)?,
            }
        }
        Ok(())
    }

    fn print_head(&self, trace: &Trace, output: &mut dyn Write) -> io::Result<()> {
        let count = trace.requests.len();
        writeln!(
            output,
            "\n{}: {count} requests, {} keys\n",
            trace.name, trace.keys
        )?;
        write!(output, "| {:<14} |", "policy")?;
        for size in &self.sizes {
            let heading = format!("{size} ({})", size.entries(trace.keys));
            write!(output, " {heading:>15} |")?;
        }
        writeln!(
            output,
            "\n|----------------|{}",
            "----------------:|".repeat(self.sizes.len())
        )
    }

    fn print_records(
        &self,
        trace: &Trace,
        policy: &Policy,
        ratios: &[f64],
        output: &mut dyn Write,
    ) -> io::Result<()> {
        for (size, &miss_ratio) in self.sizes.iter().zip(ratios) {
            let record = SimulatedRecord {
                trace: &trace.name,
                requests: trace.requests.len(),
                keys: trace.keys,
                policy: policy.name,
                size: size.to_string(),
                entries: size.entries(trace.keys),
                miss_ratio,
            };
            write_line(&record, output)?;
        }
        Ok(())
    }

    /// The miss ratio for each size.
    pub fn ratios(&self, trace: &Trace, policy: &Policy) -> Vec<f64> {
        let ratio = |size: &Size| {
            let setup = Setup {
                entries: size.entries(trace.keys),
                requests: &trace.requests,
                seed: self.seed,
                regions_max: self.regions_max,
            };
            miss_ratio((policy.cache)(&setup).as_mut(), &trace.requests)
        };
        self.sizes.iter().map(ratio).collect()
    }
}

fn print_row(
    policy: &Policy,
    ratios: &[f64],
    base: Option<&[f64]>,
    output: &mut dyn Write,
) -> io::Result<()> {
    write!(output, "| {:<14} |", policy.name)?;
    for (column, ratio) in ratios.iter().enumerate() {
        let change = base.map_or(String::new(), |base| {
            format!("{:+.1} %", (ratio / base[column] - 1.0) * 100.0)
        });
        write!(output, " {ratio:.4} {change:>8} |")?;
    }
    writeln!(output)?;
    output.flush()
}
