//! The executable: reads the configuration and calls the library.

use std::process::ExitCode;

use redistill::config::{self, Start};

fn main() -> ExitCode {
    match config::from_process() {
        Ok(Start::Print(text)) => print!("{text}"),
        Ok(Start::Serve { .. }) => {}
        Err(errors) => {
            eprintln!("redistill: the configuration is not valid\n{errors}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}
