//! The executable: reads the configuration and calls the library.

use std::process::ExitCode;
use std::sync::Arc;

use redistill::config::{self, Config, Start};
use redistill::{http, logging, serve};
use tracing::{error, info};

fn main() -> ExitCode {
    match config::from_process() {
        Ok(Start::Print(text)) => {
            print!("{text}");
            ExitCode::SUCCESS
        }
        Ok(Start::CheckHealth(settings)) => match http::probe::is_ready(&settings) {
            Ok(()) => ExitCode::SUCCESS,
            Err(reason) => {
                eprintln!("redistill: {reason}");
                ExitCode::FAILURE
            }
        },
        Ok(Start::Serve { config, notes }) => run(*config, &notes),
        Err(errors) => {
            eprintln!("redistill: the configuration is not valid\n{errors}");
            ExitCode::FAILURE
        }
    }
}

fn run(config: Config, notes: &[String]) -> ExitCode {
    let log = match logging::start(&config.settings().logging) {
        Ok(log) => log,
        Err(error) => {
            eprintln!("redistill: {error}");
            return ExitCode::FAILURE;
        }
    };
    log.follow(&config);
    notes.iter().for_each(|note| info!("{note}"));
    let result = serve::serve(&Arc::new(config), log.reopener());
    if let Err(error) = &result {
        error!(%error, "redistill has ended");
    }
    drop(log);
    // The data is given back by the system at once; freeing it entry by entry would take seconds.
    std::process::exit(i32::from(result.is_err()))
}
