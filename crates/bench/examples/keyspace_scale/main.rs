//! How the keyspace scales from one thread to two, without sockets and protocol: `keyspace_scale --help`.
//!
//! Each thread does what a worker does: groups of commands whose keys are hashed and prefetched ahead, reads without
//! a lock, writes under the shard's, and another try later when that is busy. Rounds of all configurations take
//! turns, so that a machine that changes its speed does so for all of them; medians count.

mod document;
mod load;
mod thread;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use bench::keys::Random;
use clap::Parser;
use keyspace::{HugePages, Keyspace, Options, Worker};

use load::{Configuration, Load};
use thread::run;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Threads that are compared with one.
const THREADS: usize = 2;

/// Measures reads and writes of one and of two threads on one keyspace.
#[derive(Debug, Parser)]
#[command(name = "keyspace_scale")]
struct Flags {
    /// Keys of 16 bytes, with values of 64.
    #[arg(long, default_value_t = 1_000_000)]
    keys: usize,

    /// Shards of the keyspace.
    #[arg(long, default_value_t = 2048)]
    shards: usize,

    /// Rounds of each configuration.
    #[arg(long, default_value_t = 15)]
    rounds: usize,

    /// Seconds of each measurement.
    #[arg(long, default_value_t = 0.2)]
    seconds: f64,

    /// The cores of the threads.
    #[arg(long, value_delimiter = ',', default_values_t = [0, 1])]
    cores: Vec<usize>,

    /// Writes the table into this file too, between the lines that mark its place.
    #[arg(long, value_name = "FILE")]
    write: Option<PathBuf>,
}

/// The results of one configuration: operations per second in each round.
struct Measured {
    configuration: Configuration,
    alone: Vec<f64>,
    together: Vec<f64>,
}

fn main() -> ExitCode {
    let flags = Flags::parse();
    let result = measure(&flags).and_then(|measured| {
        let table = document::table(&measured);
        print!("{table}");
        match &flags.write {
            Some(file) => document::write(file, &table),
            None => Ok(()),
        }
    });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("keyspace_scale: {error}");
            ExitCode::FAILURE
        }
    }
}

fn measure(flags: &Flags) -> Result<Vec<Measured>, String> {
    let cores: [usize; THREADS] = flags
        .cores
        .as_slice()
        .try_into()
        .map_err(|_| format!("--cores needs {THREADS} cores"))?;
    let time = Duration::from_secs_f64(flags.seconds);
    let shared = filled(flags);
    // Two keyspaces for two threads that share nothing: what the machine itself makes of two threads.
    let apart = [filled(flags), filled(flags)];
    let mut workers = [0, 1].map(|_| shared.worker());
    let mut apart_workers = [apart[0].worker(), apart[1].worker()];
    let mut all = Vec::new();
    for configuration in Configuration::all() {
        all.push(Measured {
            configuration,
            alone: Vec::new(),
            together: Vec::new(),
        });
    }
    for round in 0..flags.rounds {
        for measured in &mut all {
            let workers: &mut [Worker; THREADS] = if measured.configuration.is_apart {
                &mut apart_workers
            } else {
                &mut workers
            };
            let loads = load(measured.configuration, flags.keys, round);
            let [first, second] = workers;
            // The lone thread is each of the two in turn: cores differ too.
            let (lone, core, load) = if round.is_multiple_of(2) {
                (&mut *first, cores[0], &loads[0])
            } else {
                (&mut *second, cores[1], &loads[1])
            };
            measured.alone.push(run(&mut [(lone, core, load)], time)?);
            let mut both = [(first, cores[0], &loads[0]), (second, cores[1], &loads[1])];
            measured.together.push(run(&mut both, time)?);
        }
    }
    Ok(all)
}

fn load(configuration: Configuration, keys: usize, round: usize) -> [Load; THREADS] {
    [0, 1].map(|thread| {
        let seed = Random::new((round * THREADS + thread) as u64).bits();
        configuration.load(keys, seed)
    })
}

/// A keyspace with all its keys.
fn filled(flags: &Flags) -> Arc<Keyspace> {
    let keyspace = Keyspace::new(Options {
        num_shards: flags.shards,
        workers_max: 1 + THREADS,
        seed: 1,
        huge_pages: HugePages::Yes,
    });
    let mut worker = keyspace.worker();
    for key in 0..flags.keys {
        thread::write(&mut worker, &load::key(key));
    }
    keyspace
}
