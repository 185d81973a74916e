//! `redistill-simulate`: see `--help`.

use std::io;
use std::process::ExitCode;

use bench::simulate::live::Verdict;
use bench::simulate::options::Options;
use clap::Parser;

fn main() -> ExitCode {
    match simulate(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("redistill-simulate: {message}");
            ExitCode::FAILURE
        }
    }
}

/// Replays against live servers; an error when one of them could not be compared.
fn replay(options: &Options) -> Result<(), String> {
    let comparison = options.live_comparison()?;
    let mut failed = false;
    for trace in options.traces()? {
        failed |= comparison.run(&trace, &mut io::stdout())? == Verdict::SomeFailed;
    }
    if failed {
        return Err("not every server could be compared".to_owned());
    }
    Ok(())
}

fn simulate(options: &Options) -> Result<(), String> {
    if options.live {
        return replay(options);
    }
    if let Some(comparison) = options.curve_comparison() {
        for trace in options.traces()? {
            comparison.run(&trace, &mut io::stdout())?;
        }
        return Ok(());
    }
    let comparison = options.comparison();
    for trace in options.traces()? {
        comparison
            .run(&trace, options.policies(), &mut io::stdout())
            .map_err(|error| format!("cannot write the table: {error}"))?;
    }
    Ok(())
}
