//! The command line of `redistill-simulate`.

use std::path::PathBuf;

use clap::Parser;

use super::compare::Comparison;
use super::generate::{GENERATORS_HELP, Generator};
use super::policies::{POLICIES, Policy, help, named};
use super::size::Size;
use super::trace::Trace;

/// Replays requests against eviction policies and prints the share of misses.
///
/// A request is a GET, and on a miss a SET of a value of fixed size; first requests count as misses, too.
#[derive(Clone, Debug, Parser)]
#[command(name = "redistill-simulate", version, after_help = format!("{}\n\n{GENERATORS_HELP}", help()))]
pub struct Options {
    /// Traces: files of little-endian 32-bit key ids (.u32), or access logs: what MONITOR prints, or lines as GET key.
    #[arg(value_name = "FILE")]
    pub files: Vec<PathBuf>,

    /// Made-up requests, see below; may be repeated.
    #[arg(short, long, value_name = "GENERATOR")]
    pub generate: Vec<Generator>,

    /// Cache sizes: percent of the trace's keys, or numbers of entries.
    #[arg(
        short,
        long,
        value_delimiter = ',',
        default_value = "0.1%,1%,5%,10%,25%"
    )]
    pub sizes: Vec<Size>,

    /// Policies, see below [default: all].
    #[arg(short, long, value_delimiter = ',', value_parser = named)]
    pub policies: Vec<Policy>,

    /// The policy that the others are compared with.
    #[arg(long, default_value = "redis-lru", value_name = "POLICY")]
    pub base: String,

    /// For generators and for policies that choose at random.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,

    /// In how many parts adaptive S3 may divide the keys; none has fewer than 1000 entries.
    #[arg(long, default_value_t = 64, value_name = "REGIONS")]
    pub regions: usize,
}

impl Options {
    /// The traces of files and generators.
    ///
    /// # Errors
    /// A sentence for the terminal.
    pub fn traces(&self) -> Result<Vec<Trace>, String> {
        let files = self.files.iter().map(|path| Trace::read(path));
        let made = self.generate.iter().map(|made| Ok(made.trace(self.seed)));
        let traces: Vec<Trace> = files.chain(made).collect::<Result<_, _>>()?;
        if traces.is_empty() {
            return Err("nothing to replay: name a file or a generator, see --help".to_owned());
        }
        Ok(traces)
    }

    /// What is to be compared.
    pub fn comparison(&self) -> Comparison {
        Comparison {
            sizes: self.sizes.clone(),
            seed: self.seed,
            regions_max: self.regions.max(1),
            base: Some(self.base.clone()),
        }
    }

    /// The policies of the command line, or all.
    pub fn policies(&self) -> &[Policy] {
        if self.policies.is_empty() {
            POLICIES
        } else {
            &self.policies
        }
    }
}
