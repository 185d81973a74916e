//! Runs one experiment: all setups live at once, and take turns in every round of every load.

use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use super::super::client::{Load, prefill};
use super::super::machine::Machine;
use super::super::matrix::WARM_UP_SHARE;
use super::super::memory::resident_bytes;
use super::super::options::Options;
use super::super::results::{AGAIN, Sample};
use super::super::servers::{Binaries, FIRST_PORT, Launch, Running, Server};
use super::experiments::{Cores, Experiment, Pairs, Setup};
use super::results::{Comparison, SetupMemory};

/// The first port; the matrix has those below.
const PORT: u16 = FIRST_PORT + 100;
/// How long a server may take to come to rest before its memory is read.
const REST: Duration = Duration::from_millis(500);

/// Measures all pairs of setups and loads.
///
/// # Errors
/// When a server or the client fails.
pub fn run(
    experiment: &Experiment,
    machine: &Machine,
    options: &Options,
    root: &Path,
    binaries: &Binaries,
) -> Result<Comparison, String> {
    let mut comparison = Comparison {
        machine: machine.clone(),
        rounds: options.rounds,
        seconds: options.seconds,
        ..Comparison::default()
    };
    let mut servers = Vec::new();
    for (index, setup) in experiment.setups.iter().enumerate() {
        let server = launch(setup, index, options, root).start(binaries)?;
        sleep(REST);
        let empty_bytes = resident_bytes(&server)?;
        prefill(&server, experiment.group, options, binaries)?;
        sleep(REST);
        comparison.memory.push(SetupMemory {
            setup: setup.name.to_owned(),
            empty_bytes,
            full_bytes: resident_bytes(&server)?,
            loaded_bytes: 0.0,
        });
        servers.push((setup.name, server));
    }
    for (index, load) in experiment.loads.iter().enumerate() {
        let turns: Vec<(&str, &Running)> = match experiment.pairs {
            Pairs::All => {
                let first = servers.first().map(|(_, server)| (AGAIN, server));
                let all = servers.iter().map(|(name, server)| (*name, server));
                all.chain(first).collect()
            }
            Pairs::InOrder => vec![(servers[index].0, &servers[index].1)],
        };
        let samples = rounds(experiment, load, &turns, options, binaries)?;
        print(load, &turns, &samples);
        comparison.samples.extend(samples);
    }
    for (memory, (_, server)) in comparison.memory.iter_mut().zip(&servers) {
        memory.loaded_bytes = resident_bytes(server)?;
    }
    Ok(comparison)
}

fn rounds(
    experiment: &Experiment,
    load: &Load,
    turns: &[(&str, &Running)],
    options: &Options,
    binaries: &Binaries,
) -> Result<Vec<Sample>, String> {
    let run = |server, seconds| load.run(server, experiment.group, seconds, options, binaries);
    for (_, server) in turns.iter().filter(|(name, _)| *name != AGAIN) {
        run(server, options.seconds * WARM_UP_SHARE)?;
    }
    let mut samples = Vec::new();
    for round in 0..options.rounds {
        for (name, server) in turns {
            let report = run(server, options.seconds)?;
            samples.push(report.sample(&load.flags(), name, round)?);
        }
    }
    Ok(samples)
}

/// How the setup is started. It runs in another directory, so paths become absolute.
fn launch(setup: &Setup, index: usize, options: &Options, root: &Path) -> Launch {
    let port = PORT + index as u16;
    let flags = format!("--server.port {port} --logging.level warn {}", setup.flags);
    let arguments = flags.split(' ').map(|word| {
        if word.ends_with(".toml") {
            root.join(word).display().to_string()
        } else {
            word.to_owned()
        }
    });
    Launch {
        server: Server::Redistill,
        port,
        arguments: arguments.collect(),
        environment: setup.environment,
        cores: match setup.cores {
            Cores::Own => Some(options.server_core.to_string()),
            Cores::Both => Some(format!("{},{}", options.server_core, options.client_core)),
            Cores::Any => None,
        },
    }
}

fn print(load: &Load, turns: &[(&str, &Running)], samples: &[Sample]) {
    let load = load.flags();
    let comparison = Comparison {
        samples: samples.to_vec(),
        ..Comparison::default()
    };
    let mut line = format!("  {load}");
    for (name, _) in turns {
        if let Some(figures) = comparison.figures(&load, name) {
            line += &format!("  {name}: {:.0} ns", figures.total_ns.median);
        }
    }
    println!("{line}");
}
