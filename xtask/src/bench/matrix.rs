//! Runs the cells: one server is loaded at a time, the servers take turns in every round.

use std::path::Path;

use super::cells::{CONNECTIONS, Cell, Group, KEY_BYTES};
use super::client::{ClientReport, Load, Requests, prefill};
use super::machine::available_bytes;
use super::options::Options;
use super::results::{AGAIN, Results, Sample};
use super::servers::{Binaries, Running, Server};

/// Bytes of a key besides its name and value, generously, to foresee what fits into memory.
const ENTRY_BYTES: u64 = 120;
/// Part of the free memory that servers may fill together.
const MEMORY_SHARE: f64 = 0.8;
/// Before a cell's first round every server runs it for this part of a round.
pub const WARM_UP_SHARE: f64 = 0.3;

/// Measures all cells of the options, group by group, and saves after each cell.
///
/// # Errors
/// When a server or the client fails.
pub fn measure(
    options: &Options,
    binaries: &Binaries,
    results: &mut Results,
    file: &Path,
) -> Result<(), String> {
    let mut groups: Vec<Group> = options.cells.iter().map(|cell| cell.group).collect();
    groups.sort_unstable();
    groups.dedup();
    for group in groups {
        let cells: Vec<Cell> = options
            .cells
            .iter()
            .copied()
            .filter(|cell| cell.group == group)
            .collect();
        println!("{group}");
        let bench = Bench {
            options,
            binaries,
            group,
            cells: &cells,
        };
        if bench.fits_memory() {
            bench.measure_together(results, file)?;
        } else {
            bench.measure_apart(results, file)?;
        }
    }
    Ok(())
}

struct Bench<'a> {
    options: &'a Options,
    binaries: &'a Binaries,
    group: Group,
    cells: &'a [Cell],
}

impl Bench<'_> {
    fn fits_memory(&self) -> bool {
        let stores = self
            .options
            .servers
            .iter()
            .filter(|server| server.stores())
            .count() as u64;
        let bytes = stores * self.group.keys * (self.group.value_bytes + KEY_BYTES + ENTRY_BYTES);
        bytes as f64 <= available_bytes() * MEMORY_SHARE
    }

    /// All servers live through all rounds, and each cell is finished before the next one begins.
    fn measure_together(&self, results: &mut Results, file: &Path) -> Result<(), String> {
        let servers: Vec<Running> = self
            .options
            .servers
            .iter()
            .map(|&server| self.start(server))
            .collect::<Result<_, _>>()?;
        for &cell in self.cells {
            let mut samples = Vec::new();
            for round in 0..self.options.rounds {
                for (server, name) in self.turns(&servers) {
                    if round == 0 && name != AGAIN {
                        self.load(server, cell, self.options.seconds * WARM_UP_SHARE)?;
                    }
                    samples.push(self.sample(server, name, cell, round)?);
                }
            }
            results.replace(samples);
            results.save(file)?;
            self.print(cell, results);
        }
        Ok(())
    }

    /// One server lives at a time, and runs all cells once before the next one starts.
    fn measure_apart(&self, results: &mut Results, file: &Path) -> Result<(), String> {
        println!(
            "  servers do not fit into memory together: they are started one after the other in each round"
        );
        let mut samples = Vec::new();
        for round in 0..self.options.rounds {
            for &kind in &self.options.servers {
                let server = [self.start(kind)?];
                for &cell in self.cells {
                    self.load(&server[0], cell, self.options.seconds * WARM_UP_SHARE)?;
                    for (server, name) in self.turns(&server) {
                        samples.push(self.sample(server, name, cell, round)?);
                    }
                }
            }
            results.replace(samples.clone());
            results.save(file)?;
            println!("  round {} of {}", round + 1, self.options.rounds);
        }
        for &cell in self.cells {
            self.print(cell, results);
        }
        Ok(())
    }

    /// The order of a round: each server, and this one again at the end.
    fn turns<'s>(&self, servers: &'s [Running]) -> Vec<(&'s Running, &'static str)> {
        let mut turns: Vec<_> = servers
            .iter()
            .map(|running| (running, running.server.name()))
            .collect();
        turns.extend(
            servers
                .iter()
                .find(|running| running.server == Server::Redistill)
                .map(|running| (running, AGAIN)),
        );
        turns
    }

    /// Starts a server and gives it its keys.
    fn start(&self, server: Server) -> Result<Running, String> {
        let running = Running::start(server, self.group, self.options, self.binaries)?;
        if server.stores() {
            prefill(&running, self.group, self.options, self.binaries)?;
        }
        Ok(running)
    }

    fn load(&self, server: &Running, cell: Cell, seconds: f64) -> Result<ClientReport, String> {
        let load = Load {
            requests: Requests::Only(cell.operation),
            pipeline: cell.pipeline,
            connections: CONNECTIONS,
            rate: None,
        };
        load.run(server, cell.group, seconds, self.options, self.binaries)
    }

    fn sample(
        &self,
        server: &Running,
        name: &str,
        cell: Cell,
        round: u32,
    ) -> Result<Sample, String> {
        let report = self.load(server, cell, self.options.seconds)?;
        report.sample(&cell.to_string(), name, round)
    }

    fn print(&self, cell: Cell, results: &Results) {
        let mut line = format!("  {:<22}", cell.to_string());
        let names = self
            .options
            .servers
            .iter()
            .map(|server| server.name())
            .chain([AGAIN]);
        for name in names {
            if let Some(figures) = results.figures(cell, name) {
                let time = figures.total_ns;
                line += &format!("  {name} {:.0} ns (±{:.0} %)", time.median, time.percent());
            }
        }
        println!("{line}");
    }
}
