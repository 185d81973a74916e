//! `redistill-simulate`: see `--help`.

use std::io;
use std::process::ExitCode;

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

fn simulate(options: &Options) -> Result<(), String> {
    let comparison = options.comparison();
    for trace in options.traces()? {
        comparison
            .run(&trace, options.policies(), &mut io::stdout())
            .map_err(|error| format!("cannot write the table: {error}"))?;
    }
    Ok(())
}
