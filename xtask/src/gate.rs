//! The gate: every check of the project, one after the other, the quick ones first. The first that
//! fails ends it. The comparison with redis-server comes last, so that the last lines are those of
//! the test runner.

use std::time::Instant;

use crate::workspace::{cargo, is_set, output, run};
use crate::{bench, chromium, instructions, redis, tree};

/// How much of the gate is run.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// Everything.
    All,
    /// Without the slow checks.
    Quick,
}

/// One check.
struct Step {
    name: &'static str,
    /// Whether a quick run leaves it out.
    slow: bool,
    check: fn() -> Result<(), String>,
}

const STEPS: &[Step] = &[
    Step {
        name: "tree",
        slow: false,
        check: tree::check,
    },
    Step {
        name: "format",
        slow: false,
        check: || run(cargo(&["fmt", "--all", "--check"])?),
    },
    Step {
        name: "redis-server",
        slow: false,
        check: redis::ensure,
    },
    Step {
        name: "chromium",
        slow: false,
        check: chromium::ensure,
    },
    Step {
        name: "clippy",
        slow: false,
        check: || {
            let lints = [
                "clippy",
                "--workspace",
                "--all-targets",
                "--all-features",
                "--",
                "--deny",
                "warnings",
            ];
            run(cargo(&lints)?)
        },
    },
    Step {
        name: "rustdoc",
        slow: true,
        check: || {
            let mut command = cargo(&["doc", "--workspace", "--no-deps"])?;
            command.env("RUSTDOCFLAGS", "--deny warnings");
            run(command)
        },
    },
    Step {
        name: "models",
        slow: true,
        check: models,
    },
    Step {
        name: "address sanitizer",
        slow: true,
        check: address_sanitizer,
    },
    Step {
        name: "instructions",
        slow: true,
        check: instructions::check,
    },
    Step {
        name: "unit, property and documentation tests",
        slow: false,
        check: || {
            run(cargo(&[
                "test",
                "--workspace",
                "--all-features",
                "--exclude",
                SERVER,
            ])?)?;
            run(cargo(&["test", "--package", SERVER, "--doc"])?)?;
            run(cargo(&[
                "test",
                "--package",
                SERVER,
                "--lib",
                "--bins",
                "--test",
                "documents",
                "--test",
                "command_line",
            ])?)
        },
    },
    Step {
        name: "integration tests",
        slow: false,
        check: || run(integration(&["--skip", COMPARISON])?),
    },
    Step {
        name: "churn under a memory limit",
        slow: true,
        check: || {
            if is_set("REDISTILL_LONG") {
                return bench::check_churn();
            }
            println!("skipped: it is for REDISTILL_LONG=1");
            Ok(())
        },
    },
    Step {
        name: "comparison with redis-server",
        slow: true,
        check: || run(integration(&[COMPARISON])?),
    },
];

/// The package with the executable and the integration tests.
const SERVER: &str = "redistill";
/// The module of the integration tests that compares with redis-server.
const COMPARISON: &str = "differential::";

/// Runs the gate.
pub fn run_all(extent: Extent) -> Result<(), String> {
    for step in STEPS {
        if step.slow && extent == Extent::Quick {
            continue;
        }
        println!("=== {}", step.name);
        let start = Instant::now();
        (step.check)().map_err(|error| format!("the gate is closed: {}: {error}", step.name))?;
        let is_last = std::ptr::eq(step, STEPS.last().unwrap_or(step));
        if !is_last {
            println!("=== {} took {} s", step.name, start.elapsed().as_secs());
        }
    }
    Ok(())
}

fn integration(arguments: &[&str]) -> Result<std::process::Command, String> {
    let mut command = cargo(&["test", "--package", SERVER, "--test", "integration", "--"])?;
    command.args(arguments);
    Ok(command)
}

/// Runs what works without locks in every interleaving. `--target` keeps the artifacts apart.
fn models() -> Result<(), String> {
    let host = host()?;
    let test = ["test", "--package", "keyspace", "--lib", "--target"];
    let mut command = cargo(&test)?;
    command.args([&host, "models::"]);
    command.env("RUSTFLAGS", "--cfg loom");
    run(command)
}

/// The target that the compiler itself runs on.
fn host() -> Result<String, String> {
    let version = output(cargo(&["--version", "--verbose"])?)?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.ok_or("cargo does not name its host")?.to_owned())
}

/// Runs the tests of the crates with unsafe code under the address sanitizer.
fn address_sanitizer() -> Result<(), String> {
    let host = host()?;
    if !matches!(
        host.as_str(),
        "x86_64-unknown-linux-gnu" | "aarch64-unknown-linux-gnu"
    ) {
        println!("skipped: no address sanitizer for {host}");
        return Ok(());
    }
    let packages = ["--package", "keyspace", "--package", "net"];
    let mut command = cargo(&["test", "--lib", "--tests", "--target", &host])?;
    command.args(packages);
    // The flag is stable in all but name, and needs no other compiler this way.
    command.env("RUSTC_BOOTSTRAP", "1");
    // With slabs of its own, it would not see what is used after it was freed.
    command.env("RUSTFLAGS", "-Zsanitizer=address --cfg slab_passthrough");
    run(command)
}
