//! The command line of `redistill-simulate`.

use std::path::PathBuf;

use clap::Parser;

use super::compare::Comparison;
use super::curve::{CurveComparison, CurvePolicy};
use super::generate::{GENERATORS_HELP, Generator};
use super::live::{LiveComparison, ServerCommand};
use super::policies::{POLICIES, Policy, help, named};
use super::records::Format;
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

    /// Use only the first requests of each trace.
    #[arg(long, value_name = "REQUESTS")]
    pub first: Option<usize>,

    /// Print an object of JSON a line for each result instead of tables.
    #[arg(long, conflicts_with = "curve")]
    pub json: bool,

    /// Start redis-server and redistill with equal memory, and replay over a socket.
    #[arg(long)]
    pub live: bool,

    /// Compare the hit ratios that the server predicts for other sizes with those measured; the present one is
    /// --live-size [default policy: allkeys-lru].
    #[arg(long, value_name = "POLICY", num_args = 0..=1, require_equals = true, default_missing_value = "allkeys-lru")]
    pub curve: Option<CurvePolicy>,

    /// With --live: how redis-server is started, with {port} and {bytes} in place of its port and limit.
    #[arg(
        long,
        value_name = "NAME=COMMAND",
        default_value = "redis-server=redis-server --port {port} --save '' \
        --appendonly no --maxmemory {bytes} --maxmemory-policy allkeys-lru"
    )]
    pub base_command: ServerCommand,

    /// With --live: what is compared with it; may be repeated [default: redistill, from this program's directory].
    #[arg(long, value_name = "NAME=COMMAND")]
    pub server_command: Vec<ServerCommand>,

    /// With --live: the line of INFO memory that tells what an empty redistill uses of its limit.
    #[arg(long, value_name = "FIELD", default_value = "used_memory")]
    pub used_field: String,

    /// With --live and --curve: how much of the ids' keys redis-server, or the present size, holds.
    #[arg(long, value_name = "SIZE", default_value = "10%")]
    pub live_size: Size,

    /// With --live and --curve: keys for each id of a trace.
    #[arg(long, default_value_t = 64, value_name = "KEYS", value_parser = clap::value_parser!(u32).range(1..=999))]
    pub keys_per_id: u32,

    /// With --live: bytes of a value.
    #[arg(long, default_value_t = 64, value_name = "BYTES")]
    pub value_bytes: usize,

    /// With --live: the most key ids per second, so that Redis's clock, which counts seconds, sees more of them.
    #[arg(long, value_name = "IDS")]
    pub rate: Option<f64>,
}

impl Options {
    /// The traces of files and generators.
    ///
    /// # Errors
    /// A sentence for the terminal.
    pub fn traces(&self) -> Result<Vec<Trace>, String> {
        let files = self.files.iter().map(|path| Trace::read(path));
        let made = self.generate.iter().map(|made| Ok(made.trace(self.seed)));
        let mut traces: Vec<Trace> = files.chain(made).collect::<Result<_, _>>()?;
        if let Some(first) = self.first {
            for trace in &mut traces {
                trace.shorten(first);
            }
        }
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
            format: self.format(),
        }
    }

    fn format(&self) -> Format {
        if self.json {
            Format::Json
        } else {
            Format::Table
        }
    }

    /// What is to be compared over a socket.
    ///
    /// # Errors
    /// A sentence for the terminal.
    pub fn live_comparison(&self) -> Result<LiveComparison, String> {
        let mut others = self.server_command.clone();
        if others.is_empty() {
            others.push(redistill()?);
        }
        for other in &mut others {
            other.used_field.clone_from(&self.used_field);
        }
        if self
            .rate
            .is_some_and(|rate| !(rate > 0.0 && rate.is_finite()))
        {
            return Err("--rate must be above 0".to_owned());
        }
        Ok(LiveComparison {
            base: self.base_command.clone(),
            others,
            size: self.live_size,
            keys_per_id: self.keys_per_id as usize,
            value_bytes: self.value_bytes,
            rate: self.rate,
            format: self.format(),
        })
    }

    /// What is to be compared with the server's curve, if it is.
    pub fn curve_comparison(&self) -> Option<CurveComparison> {
        Some(CurveComparison {
            policy: self.curve?,
            size: self.live_size,
            keys_per_id: self.keys_per_id,
            seed: self.seed,
        })
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

/// The server that was built beside this program, with the policy that is its own.
fn redistill() -> Result<ServerCommand, String> {
    let own = std::env::current_exe().map_err(|error| format!("where am I? {error}"))?;
    let program = own.with_file_name("redistill");
    format!(
        "redistill={} --server.port {{port}} --memory.max_memory {{bytes}} --memory.eviction_policy allkeys-s3fifo",
        program.display()
    )
    .parse()
}
