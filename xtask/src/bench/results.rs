//! What was measured, and the file that keeps it between runs.

use std::fs;
use std::path::Path;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::cells::Cell;
use super::churn::Churn;
use super::collections::CollectionFigures;
use super::eviction::EvictionCost;
use super::machine::Machine;
use super::statistics::{Spread, median, spread};
use super::tail::Tail;
use super::tls::TlsFigures;

/// The name under which the second measurement of this server in each round is kept.
pub const AGAIN: &str = "redistill-again";

/// One measurement of one server.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// The cell's name.
    pub cell: String,
    /// The server's name, or `AGAIN`.
    pub server: String,
    /// Counted from 0.
    pub round: u32,
    /// CPU time of the server per operation in its own code.
    pub user_ns: f64,
    /// CPU time of the server per operation in the kernel.
    pub system_ns: f64,
    /// Both.
    pub total_ns: f64,
    /// Operations per second.
    pub requests_per_s: f64,
    /// Median latency.
    pub p50_ms: f64,
    /// Latency that 99 of 100 requests kept below.
    pub p99_ms: f64,
    /// How busy the client's core was, from 0 to 1.
    pub client_busy: f64,
}

/// Memory and idle CPU of one server.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Memory {
    /// The server's name.
    pub server: String,
    /// Resident bytes of the empty server.
    pub empty_bytes: Option<f64>,
    /// Per cent of a core when idle.
    pub idle_cpu_percent: Option<f64>,
    /// Resident bytes for each of the idle connections, above the empty server.
    pub connection_bytes: Option<f64>,
    /// Resident bytes per key with 1M keys, above the empty server.
    pub key_bytes_1m: Option<f64>,
    /// Resident bytes per key with 10M keys, the process included.
    pub key_bytes_10m: Option<f64>,
}

/// Everything that is known.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Results {
    /// Where and when the last run was.
    pub machine: Option<Machine>,
    /// The matrix.
    pub samples: Vec<Sample>,
    /// Memory.
    pub memory: Vec<Memory>,
    /// Tails of the latency.
    #[serde(default)]
    pub tails: Vec<Tail>,
    /// What a churn under a memory limit does.
    #[serde(default)]
    pub churns: Vec<Churn>,
    /// What eviction costs.
    #[serde(default)]
    pub evictions: Vec<EvictionCost>,
    /// What TLS costs.
    #[serde(default)]
    pub tls: Option<TlsFigures>,
    /// What collections cost.
    #[serde(default)]
    pub collections: Option<CollectionFigures>,
}

/// A server's figures in one cell: medians over the rounds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Figures {
    /// CPU time per operation, with its range.
    pub total_ns: Spread,
    /// Of it, in the server's own code.
    pub user_ns: f64,
    /// Operations per second.
    pub requests_per_s: f64,
    /// Median latency.
    pub p50_ms: f64,
    /// Latency that 99 of 100 requests kept below.
    pub p99_ms: f64,
    /// How busy the client's core was.
    pub client_busy: f64,
}

impl Figures {
    /// The medians of some measurements, if there is one.
    pub fn of(samples: &[&Sample]) -> Option<Self> {
        let all = |field: fn(&Sample) -> f64| -> Vec<f64> {
            samples.iter().map(|sample| field(sample)).collect()
        };
        Some(Figures {
            total_ns: spread(&all(|sample| sample.total_ns))?,
            user_ns: median(&all(|sample| sample.user_ns))?,
            requests_per_s: median(&all(|sample| sample.requests_per_s))?,
            p50_ms: median(&all(|sample| sample.p50_ms))?,
            p99_ms: median(&all(|sample| sample.p99_ms))?,
            client_busy: median(&all(|sample| sample.client_busy))?,
        })
    }
}

impl Results {
    /// Reads the file; nothing is known when there is none.
    ///
    /// # Errors
    /// When it cannot be read or understood.
    pub fn load(path: &Path) -> Result<Self, String> {
        load(path)
    }

    /// Writes the file.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), String> {
        save(self, path)
    }

    /// Puts new samples in the place of older ones of the same cells and servers.
    pub fn replace(&mut self, samples: Vec<Sample>) {
        let is_new = |old: &Sample| {
            samples
                .iter()
                .any(|new| new.cell == old.cell && new.server == old.server)
        };
        self.samples.retain(|old| !is_new(old));
        self.samples.extend(samples);
    }

    /// Puts a new measurement of memory in the place of an older one.
    pub fn replace_memory(&mut self, memory: Memory) {
        self.memory.retain(|old| old.server != memory.server);
        self.memory.push(memory);
    }

    /// Puts new tails in the place of older ones of the same servers.
    pub fn replace_tails(&mut self, tails: Vec<Tail>) {
        self.tails
            .retain(|old| !tails.iter().any(|new| new.server == old.server));
        self.tails.extend(tails);
    }

    /// Puts new churns in the place of older ones of the same servers.
    pub fn replace_churns(&mut self, churns: Vec<Churn>) {
        self.churns
            .retain(|old| !churns.iter().any(|new| new.server == old.server));
        self.churns.extend(churns);
    }

    /// Puts new costs of eviction in the place of older ones of the same servers.
    pub fn replace_evictions(&mut self, evictions: Vec<EvictionCost>) {
        self.evictions
            .retain(|old| !evictions.iter().any(|new| new.server == old.server));
        self.evictions.extend(evictions);
    }

    /// Medians of a server in a cell, if it was measured.
    pub fn figures(&self, cell: Cell, server: &str) -> Option<Figures> {
        Figures::of(&self.of(cell, server))
    }

    /// CPU time per operation of `server` as a multiple of that of `base`.
    pub fn ratio(&self, cell: Cell, server: &str, base: &str) -> Option<f64> {
        let time = |name| {
            self.figures(cell, name)
                .map(|figures| figures.total_ns.median)
        };
        Some(time(server)? / time(base)?)
    }

    /// A against A: this server's second measurement in each round as a multiple of its first.
    pub fn again(&self, cell: Cell) -> Option<Spread> {
        let (first, second) = (self.of(cell, "redistill"), self.of(cell, AGAIN));
        let ratios: Vec<f64> = first
            .iter()
            .filter_map(|sample| {
                let other = second.iter().find(|other| other.round == sample.round)?;
                Some(other.total_ns / sample.total_ns)
            })
            .collect();
        spread(&ratios)
    }

    fn of(&self, cell: Cell, server: &str) -> Vec<&Sample> {
        let cell = cell.to_string();
        self.samples
            .iter()
            .filter(|sample| sample.cell == cell && sample.server == server)
            .collect()
    }
}

/// Reads results; nothing is known when there is no such file.
///
/// # Errors
/// When it cannot be read or understood.
pub fn load<T: DeserializeOwned + Default>(path: &Path) -> Result<T, String> {
    match fs::read_to_string(path) {
        Ok(text) => serde_json::from_str(&text)
            .map_err(|error| format!("cannot read {}: {error}", path.display())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(T::default()),
        Err(error) => Err(format!("cannot read {}: {error}", path.display())),
    }
}

/// Writes results.
///
/// # Errors
/// When they cannot be written.
pub fn save(results: &impl Serialize, path: &Path) -> Result<(), String> {
    let text = serde_json::to_string_pretty(results).map_err(|error| error.to_string())?;
    super::write(path, &text)
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// A measurement with the given CPU time.
    pub fn sample(cell: Cell, server: &str, round: u32, total_ns: f64) -> Sample {
        Sample {
            cell: cell.to_string(),
            server: server.to_owned(),
            round,
            user_ns: total_ns / 4.0,
            system_ns: total_ns * 0.75,
            total_ns,
            requests_per_s: 1e9 / total_ns,
            p50_ms: 0.5,
            p99_ms: 1.0,
            client_busy: 0.5,
        }
    }

    #[test]
    fn new_samples_replace_old_ones_of_the_same_cell_and_server() {
        let cells = Cell::all();
        let mut results = Results::default();
        results.replace(vec![
            sample(cells[0], "redis", 0, 100.0),
            sample(cells[1], "redis", 0, 100.0),
        ]);
        results.replace(vec![
            sample(cells[0], "redis", 0, 50.0),
            sample(cells[0], "floor", 0, 5.0),
        ]);
        assert_eq!(results.samples.len(), 3);
        assert_eq!(results.ratio(cells[0], "redis", "floor"), Some(10.0));
        assert_eq!(results.ratio(cells[1], "redis", "floor"), None);
    }

    #[test]
    fn again_compares_round_by_round() {
        let cell = Cell::all()[0];
        let mut results = Results::default();
        for (round, first, second) in [(0, 100.0, 110.0), (1, 200.0, 200.0), (2, 100.0, 95.0)] {
            results
                .samples
                .push(sample(cell, "redistill", round, first));
            results.samples.push(sample(cell, AGAIN, round, second));
        }
        assert_eq!(
            results.again(cell),
            Some(Spread {
                median: 1.0,
                min: 0.95,
                max: 1.1
            })
        );
    }

    #[test]
    fn results_can_be_read_back() {
        let mut results = Results::default();
        results
            .samples
            .push(sample(Cell::all()[0], "redis", 0, 1.5));
        results.replace_memory(Memory {
            server: "redis".into(),
            empty_bytes: Some(1.0),
            ..Memory::default()
        });
        let text = serde_json::to_string(&results).unwrap();
        assert_eq!(serde_json::from_str::<Results>(&text).unwrap(), results);
    }
}
