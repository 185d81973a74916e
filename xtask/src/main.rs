//! The project's own tasks, `cargo xtask TASK`: the gate, the generated documents, the benchmarks.

mod bench;
mod chromium;
mod documents;
mod gate;
mod instructions;
mod package;
mod packages;
mod redis;
mod tree;
mod workspace;

use std::process::ExitCode;

const HELP: &str = "\
Usage: cargo xtask TASK

  test            every check of the project: the gate, at the desk and in CI
  test --quick    without the slow ones: rustdoc, instructions, the comparison with redis-server
  bench           measures the server, see bench --help
  instructions    counts the instructions of commands, and compares with what is recorded
  instructions --record        records them
  docs            writes the generated pages of docs/
  package         builds the Debian package; needs cargo-deb
  walk            installs the package on this machine, as root, and tries it as an operator does

Environment of `test`:
  REDISTILL_LONG=1             longer random runs, and two minutes of churn under a memory limit
  REDISTILL_WITHOUT_REDIS=1    accepts that redis-server is missing and skips what needs it
  REDISTILL_WITHOUT_CHROMIUM=1 accepts that chromium is missing: nobody looks at the dashboard
  REDISTILL_WITHOUT_VALGRIND=1 accepts that valgrind is missing: no instructions are counted
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match words[..] {
        ["test"] => gate::run_all(gate::Extent::All),
        ["test", "--quick"] => gate::run_all(gate::Extent::Quick),
        ["bench", ..] => bench::run(&arguments[1..]),
        ["instructions"] => instructions::check(),
        ["instructions", "--record"] => instructions::record(),
        ["package"] => package::build(),
        ["walk"] => package::walk(),
        ["docs"] => documents::write(),
        _ => Err(HELP.to_owned()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
