//! `cargo xtask instructions`: counts what a command costs in instructions, and compares with what is recorded.
//!
//! Time differs from run to run by more than a careless line costs; instructions do not. valgrind counts those of
//! crates/bench/examples/instructions for two numbers of batches, and the difference is that of the batches alone.
//! What is recorded is a ratchet: a count that grows fails until it is recorded anew, which a reviewer then sees.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::packages::Program;
use crate::workspace::{cargo, output, root, run};

/// The program that is counted.
const EXAMPLE: &str = "instructions";
const WORKLOADS: [&str; 9] = [
    "get-hit",
    "get-miss",
    "set-existing",
    "set-new",
    "set-ex-existing",
    "set-ex-new",
    "hget",
    "hset-same-size",
    "hset-other-size",
];
/// The numbers of batches: new keys grow by about a doubling in between.
const BATCHES: [u64; 2] = [800, 1600];
/// Requests of a batch.
const PIPELINE: u64 = 128;
/// By how much a count may differ from the recorded one.
const PERCENT_MAX: f64 = 3.0;
/// Where counts are recorded, from the root.
const RECORD: &str = "xtask/instructions.toml";
const HEADER: &str = "\
# Instructions for one operation, in batches of 128 without sockets: 16-byte keys, 64-byte values, 10,000 keys;
# of hashes 16-byte values, 8 fields.
# `cargo xtask instructions` fails when one has grown by more than 3 %; with --record, it writes this file.
";

const VALGRIND: Program = Program {
    name: "valgrind",
    packages: &["valgrind"],
    purpose: "counts instructions with it",
    without: "REDISTILL_WITHOUT_VALGRIND",
};

/// What is in the recorded file: a name and a value each line.
type Record = BTreeMap<String, String>;

/// Counts, and fails when a count has grown.
pub fn check() -> Result<(), String> {
    let path = root()?.join(RECORD);
    let text = fs::read_to_string(&path).map_err(|error| format!("{RECORD}: {error}"))?;
    let recorded = parse(&text)?;
    let (host, rustc) = host_and_compiler()?;
    let text_of = |name: &str| recorded.get(name).map_or("?", String::as_str);
    if text_of("host") != host {
        println!("skipped: recorded for {}, not {host}", text_of("host"));
        return Ok(());
    }
    if !VALGRIND.ensure()? {
        return Ok(());
    }
    let program = build()?;
    let mut problems = Vec::new();
    for workload in WORKLOADS {
        let before = text_of(workload)
            .parse()
            .map_err(|_| format!("{RECORD} has no number of {workload}"))?;
        let verdict = Verdict::of(before, count(&program, workload)?);
        println!("{workload:<14} {verdict}");
        if verdict.has_grown() {
            problems.push(format!("{workload}: {verdict}"));
        } else if verdict.has_fallen() {
            println!(
                "warning: {workload} has become cheaper; record it, so that it stays so: {RECORD_COMMAND}"
            );
        }
    }
    if problems.is_empty() {
        return Ok(());
    }
    if text_of("rustc") != rustc {
        let before = text_of("rustc");
        problems.push(format!(
            "the compiler differs too: recorded with {before}, now {rustc}"
        ));
    }
    Err(format!(
        "more than {PERCENT_MAX} % above {RECORD}:\n{}\nIf that is what this change is worth, record it in the same \
         commit: {RECORD_COMMAND}",
        problems.join("\n")
    ))
}

const RECORD_COMMAND: &str = "cargo xtask instructions --record";

/// Counts, and records the counts.
pub fn record() -> Result<(), String> {
    if !VALGRIND.ensure()? {
        return Err("there is nothing to count with".to_owned());
    }
    let (host, rustc) = host_and_compiler()?;
    let program = build()?;
    let mut text = format!("{HEADER}host = \"{host}\"\nrustc = \"{rustc}\"\n");
    for workload in WORKLOADS {
        let line = format!("{workload} = {:.1}\n", count(&program, workload)?);
        print!("{line}");
        text.push_str(&line);
    }
    fs::write(root()?.join(RECORD), text).map_err(|error| format!("{RECORD}: {error}"))
}

/// A count beside the recorded one.
#[derive(Clone, Copy)]
struct Verdict {
    before: f64,
    now: f64,
}

impl Verdict {
    fn of(before: f64, now: f64) -> Self {
        Self { before, now }
    }

    fn percent(self) -> f64 {
        (self.now / self.before - 1.0) * 100.0
    }

    fn has_grown(self) -> bool {
        // What is no number has grown.
        self.percent() > PERCENT_MAX || self.percent().is_nan()
    }

    fn has_fallen(self) -> bool {
        self.percent() < -PERCENT_MAX
    }
}

impl std::fmt::Display for Verdict {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { before, now } = self;
        let percent = self.percent();
        write!(
            formatter,
            "{now:.1} instructions for each operation, recorded {before:.1} ({percent:+.1} %)"
        )
    }
}

fn parse(text: &str) -> Result<Record, String> {
    let lines = text
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| {
            let (name, value) = line
                .split_once(" = ")
                .ok_or_else(|| format!("{RECORD}: not `name = value`: {line}"))?;
            Ok((name.to_owned(), value.trim_matches('"').to_owned()))
        })
        .collect()
}

/// What counts depend on beside the code.
fn host_and_compiler() -> Result<(String, String), String> {
    let mut rustc = Command::new("rustc");
    rustc.arg("-vV");
    let text = output(rustc)?;
    let value = |name: &str| {
        let value = text.lines().find_map(|line| line.strip_prefix(name));
        value
            .map(str::to_owned)
            .ok_or_else(|| format!("rustc tells no {name}"))
    };
    Ok((value("host: ")?, value("release: ")?))
}

fn build() -> Result<PathBuf, String> {
    let package = ["--package", "redistill-benchmark", "--example", EXAMPLE];
    let mut command = cargo(&["build", "--release"])?;
    command.args(package);
    run(command)?;
    let target = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    let target = target.map_or_else(|| root().map(|root| root.join("target")), Ok)?;
    Ok(target.join("release/examples").join(EXAMPLE))
}

/// Instructions of one operation.
fn count(program: &Path, workload: &str) -> Result<f64, String> {
    let [few, many] = BATCHES;
    let total = |batches| count_all(program, workload, batches);
    let between = total(many)?.saturating_sub(total(few)?);
    Ok(between as f64 / ((many - few) * PIPELINE) as f64)
}

/// Instructions of a whole run.
fn count_all(program: &Path, workload: &str, batches: u64) -> Result<u64, String> {
    let mut command = Command::new(VALGRIND.name);
    command
        .args(["--tool=cachegrind", "--cache-sim=no"])
        .arg("--cachegrind-out-file=/dev/null")
        .arg(program)
        .args([workload, &batches.to_string()])
        .stdin(Stdio::null());
    let output = command
        .output()
        .map_err(|error| format!("cannot run valgrind: {error}"))?;
    let text = String::from_utf8_lossy(&output.stderr);
    let found = output.status.success().then(|| total_of(&text)).flatten();
    found.ok_or_else(|| format!("valgrind has not counted {workload}:\n{text}"))
}

/// The number in the line `==1== I   refs:      1,234` of cachegrind.
fn total_of(text: &str) -> Option<u64> {
    let line = text
        .lines()
        .find(|line| line.contains("== I ") && line.contains("refs:"))?;
    let (_, number) = line.split_once("refs:")?;
    number.trim().replace(',', "").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::{Verdict, parse, total_of};

    #[test]
    fn growth_beyond_the_limit_is_seen() {
        let verdict = |now| Verdict::of(1000.0, now);
        assert!(!verdict(1029.0).has_grown() && !verdict(971.0).has_fallen());
        assert!(verdict(1031.0).has_grown() && !verdict(1031.0).has_fallen());
        assert!(verdict(969.0).has_fallen() && !verdict(969.0).has_grown());
        assert!(verdict(f64::NAN).has_grown());
    }

    #[test]
    fn totals_are_found() {
        let text = "==7== Cachegrind\n==7== \n==7== I   refs:      585,484,925\n";
        assert_eq!(total_of(text), Some(585_484_925));
        assert_eq!(total_of("==7== I refs:        12\n"), Some(12));
        assert_eq!(total_of(""), None);
    }

    #[test]
    fn records_are_read() {
        let record = parse("# a\nhost = \"x\"\nget-hit = 1.5\n").unwrap();
        assert_eq!((&*record["host"], &*record["get-hit"]), ("x", "1.5"));
        assert!(parse("what\n").is_err());
    }
}
