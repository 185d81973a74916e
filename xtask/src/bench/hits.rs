//! `cargo xtask bench --hits`: which policy keeps the right keys, against what this project has set itself. Writes the
//! tables into docs/eviction.md.
//!
//! `redistill-simulate` replays two real traces and made-up requests against the server's own policies and others with
//! equal numbers of entries, and the two traces against live servers with equal memory.
//!
//! | file | what it holds |
//! |---|---|
//! | `simulator` | runs `redistill-simulate` and reads what it prints |
//! | `results` | what was measured, kept between runs |
//! | `checks` | the targets |
//! | `guide` | the tables, and their places in the document |

mod checks;
mod guide;
mod results;
mod simulator;

use std::fs;
use std::path::Path;

use super::document;
use super::machine::Machine;
use super::options::Options;
use super::servers::{Binaries, Server};
use results::{HitResults, Live, Simulated};
use simulator::Simulator;

/// The real traces, by the names of their files without `.u32`.
const TRACES: [&str; 2] = ["arc-oltp", "orm-busy-1m"];
/// Made-up requests, as the simulator's command line names them: every kind that it has.
const GENERATORS: [&str; 8] = [
    "zipf:theta=0.7",
    "zipf",
    "uniform",
    "scan",
    "loop",
    "shift",
    "shift:length=500,period=5000,keys=50000",
    "shift:length=2000,period=10000,share=0.95",
];
/// Exact LRU, Redis's, and this server's own.
const POLICIES: [&str; 4] = ["lru", BASE, "allkeys-lru", "allkeys-s3fifo"];
/// What the others are compared with.
const BASE: &str = "redis-lru";
/// Of the different keys of a trace.
const SIZES: [&str; 5] = ["0.1 %", "1 %", "5 %", "10 %", "25 %"];
/// Whose memory is the limit of live servers.
const LIVE_BASE: &str = "redis-server";
/// Policies of this server that are compared live.
const LIVE_POLICIES: [&str; 2] = ["allkeys-s3fifo", "allkeys-lru"];

/// Measures, prints the targets, and writes the document.
///
/// # Errors
/// A sentence for the terminal.
pub fn run(
    options: &Options,
    root: &Path,
    target: &Path,
    binaries: &Binaries,
) -> Result<(), String> {
    let file = target.join("bench").join(if options.quick {
        "quick-hits.json"
    } else {
        "hits.json"
    });
    let mut results: HitResults = super::results::load(&file)?;
    if !options.render_only {
        measure(options, root, target, binaries, &mut results, &file)?;
    }
    println!("\n{}", document::targets_table(&checks::all(&results)));
    let source = root.join(guide::DOCUMENT);
    let written = if options.quick {
        target.join("bench/quick-eviction.md")
    } else {
        source.clone()
    };
    let text = fs::read_to_string(&source)
        .map_err(|error| format!("cannot read {}: {error}", source.display()))?;
    super::write(&written, &guide::fill_in(&text, &results)?)?;
    println!("wrote {}", written.display());
    Ok(())
}

fn measure(
    options: &Options,
    root: &Path,
    target: &Path,
    binaries: &Binaries,
    results: &mut HitResults,
    file: &Path,
) -> Result<(), String> {
    let simulator = Simulator::new(options, root, target, binaries)?;
    if options.live {
        binaries.check(&[Server::Redis, Server::Redistill])?;
    }
    let machine = Machine::read(root, binaries);
    results.simulated = Simulated {
        machine: machine.clone(),
        ratios: Vec::new(),
    };
    for source in simulator.sources() {
        let ratios = simulator.simulate(&source)?;
        println!("{}", guide::ratios_table(&ratios));
        results.simulated.ratios.extend(ratios);
        super::results::save(results, file)?;
    }
    if options.live {
        results.live = Live {
            machine,
            ..Live::default()
        };
        for trace in TRACES {
            let replayed = simulator.replay(trace, &mut results.live);
            super::results::save(results, file)?;
            replayed?;
        }
    }
    Ok(())
}
