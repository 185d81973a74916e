//! `cargo xtask bench`: measures this server against redis-server and against the floor, and writes
//! docs/benchmarks.md and docs/benchmarks.svg.
//!
//! One server at a time is loaded, pinned to one core, by a client on another core; the figure that counts is
//! the CPU time that the server's process spent for each operation. Results are kept under the target
//! directory, so that the matrix can be run piece by piece and the documents written again without running.

mod cells;
mod chart;
mod churn;
mod client;
mod collections;
mod document;
mod eviction;
mod hits;
mod knobs;
mod machine;
mod marks;
mod matrix;
mod memory;
mod options;
mod results;
mod servers;
mod statistics;
mod tail;
mod targets;
mod tls;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use machine::Machine;
use options::Options;
use results::Results;
use servers::Binaries;

/// Runs `cargo xtask bench` with the arguments behind it.
///
/// # Errors
/// A sentence for the terminal.
pub fn run(arguments: &[String]) -> Result<(), String> {
    let Some(options) = Options::parse(arguments)? else {
        println!("{}", options::HELP);
        return Ok(());
    };
    let root = root()?;
    let target = target(&root);
    if options.knobs.is_some() || options.hits {
        if options.build && !options.render_only {
            build(&root)?;
        }
        let binaries = Binaries::new(&options, &target.join("release"));
        return match &options.knobs {
            Some(wanted) => knobs::run(wanted, &options, &root, &target, &binaries),
            None => hits::run(&options, &root, &target, &binaries),
        };
    }
    let results_file = target.join("bench").join(options.results_name());
    let mut results = Results::load(&results_file)?;
    if !options.render_only {
        let binaries = Binaries::new(&options, &target.join("release"));
        if options.build {
            build(&root)?;
        }
        binaries.check(&options.servers)?;
        results.machine = Some(Machine::read(&root, &binaries));
        if options.tail {
            results.replace_tails(tail::measure(&options, &binaries)?);
            results.save(&results_file)?;
        } else if options.churn {
            results.replace_churns(churn::measure(&options, &binaries)?);
            results.save(&results_file)?;
        } else if options.eviction {
            results.replace_evictions(eviction::measure(&options, &binaries)?);
            results.save(&results_file)?;
        } else if options.tls {
            results.tls = Some(tls::measure(&options, &binaries)?);
            results.save(&results_file)?;
        } else if options.collections {
            results.collections = Some(collections::measure(&options, &binaries)?);
            results.save(&results_file)?;
        } else if options.memory {
            memory::measure(&options, &binaries, &mut results, &results_file)?;
        } else {
            matrix::measure(&options, &binaries, &mut results, &results_file)?;
        }
    }
    let (document, chart) = if options.quick {
        (
            target.join("bench/quick.md"),
            target.join("bench/quick.svg"),
        )
    } else {
        (
            root.join("docs/benchmarks.md"),
            root.join("docs/benchmarks.svg"),
        )
    };
    write(&document, &document::render(&results, &chart))?;
    write(&chart, &chart::render(&results))?;
    println!("wrote {} and {}", document.display(), chart.display());
    Ok(())
}

/// Whether the memory limit of the release build holds in a churn of two minutes; nothing about time.
///
/// # Errors
/// When it does not.
pub fn check_churn() -> Result<(), String> {
    let root = root()?;
    let arguments = ["--churn", "--minutes", "2", "--flood"].map(str::to_owned);
    let options = Options::parse(&arguments)?.ok_or("no options")?;
    let binaries = Binaries::new(&options, &target(&root).join("release"));
    build(&root)?;
    churn::check(&options, &binaries)
}

fn target(root: &Path) -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from)
}

/// The directory of the workspace.
fn root() -> Result<PathBuf, String> {
    let manifest = std::env::var_os("CARGO_MANIFEST_DIR").ok_or("run this through cargo xtask")?;
    let parent = Path::new(&manifest)
        .parent()
        .ok_or("the workspace has no root")?;
    Ok(parent.to_path_buf())
}

fn build(root: &Path) -> Result<(), String> {
    let status = Command::new("cargo")
        .args([
            "build",
            "--release",
            "--bins",
            "-p",
            "redistill",
            "-p",
            "redistill-benchmark",
        ])
        .args(["--features", "redistill-benchmark/floor"])
        .current_dir(root)
        .status()
        .map_err(|error| format!("cannot run cargo: {error}"))?;
    if status.success() {
        Ok(())
    } else {
        Err("the build failed".to_owned())
    }
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    let result = path
        .parent()
        .map_or(Ok(()), fs::create_dir_all)
        .and_then(|()| fs::write(path, text));
    result.map_err(|error| format!("cannot write {}: {error}", path.display()))
}
