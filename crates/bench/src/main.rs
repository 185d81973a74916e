//! `redistill-benchmark`: see `--help`.

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use std::time::Duration;

use bench::burst;
use bench::connection::Connection;
use bench::keys::KeyOrder;
use bench::options::Options;
use bench::pauses;
use bench::report::{CSV_HEADER, Setting, Summary, grouped, latency_us_counts};
use bench::run::{Measured, Progress, connect, raise_descriptor_limit, run};
use bench::worker::{Between, Plan};
use bench::workload::{self, Workload};

/// While keys are written before the tests, a batch has up to this many requests and bytes.
const PREFILL_PIPELINE: usize = 128;
const PREFILL_BYTES_MAX: usize = 64 * 1024;

fn main() -> ExitCode {
    let options = Options::from_command_line();
    match benchmark(&options) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(message) => {
            eprintln!("redistill-benchmark: {message}");
            ExitCode::FAILURE
        }
    }
}

/// Runs everything that the options ask for; false when a reply was not as expected.
fn benchmark(options: &Options) -> Result<bool, String> {
    options.validate()?;
    if let (true, Some(duration)) = (options.pauses, options.time_limit()) {
        pauses::watch(duration, &mut io::stdout().lock())
            .map_err(|error| format!("cannot write: {error}"))?;
        return Ok(true);
    }
    if let Some(count) = options.burst {
        return burst(options, count);
    }
    let workloads = options.workloads()?;
    let address = options.address()?;
    let mut connections = connect(&address, &options.login(), options.clients)
        .map_err(|error| format!("cannot connect to {address}: {error}"))?;
    let mut clean = true;
    if options.prefill {
        let summary = prefill(options, &mut connections)?;
        clean &= summary.is_clean();
        if !summary.is_clean() {
            eprint!("{}", summary.text());
        }
    }
    let mut summaries = Vec::new();
    for workload in workloads {
        let summary = measure(options, workload, &mut connections)?;
        clean &= summary.is_clean();
        summaries.push(summary);
        show(options, &summaries).map_err(|error| format!("cannot write the report: {error}"))?;
    }
    Ok(clean)
}

/// Opens many connections at once; false when one has failed.
fn burst(options: &Options, count: usize) -> Result<bool, String> {
    let stall = Duration::from_secs(options.stall);
    raise_descriptor_limit();
    let done = burst::run(&options.tls()?, &options.host, options.port, count, stall)
        .map_err(|error| format!("burst: {error}"))?;
    println!(
        "burst: {} connections answered, {} failed, in {:.3} s",
        done.answered,
        done.failed,
        done.elapsed.as_secs_f64()
    );
    Ok(done.failed == 0)
}

fn measure(
    options: &Options,
    workload: Workload,
    connections: &mut [Connection],
) -> Result<Summary, String> {
    let plan = Plan {
        workload,
        order: options.order(),
        keyspace: options.keyspace,
        pipeline: options.pipeline,
        requests: options.request_limit(),
        duration: options.time_limit(),
        rate: options.rate,
        between: if options.rate_sleeps {
            Between::Sleep
        } else {
            Between::Poll
        },
        stall: Duration::from_secs(options.stall),
        slow: options
            .slow
            .map(|milliseconds| Duration::from_secs_f64(milliseconds / 1000.0)),
        seed: options.seed,
    };
    run_plan(options, &plan, connections)
}

fn prefill(options: &Options, connections: &mut [Connection]) -> Result<Summary, String> {
    let data = options.key_data();
    let workload = workload::named("set", &data)
        .and_then(|mut found| found.pop())
        .ok_or("no test is called set")?;
    let request_bytes = workload.templates[0].len();
    let plan = Plan {
        workload: Workload {
            name: "prefill".to_owned(),
            ..workload
        },
        order: KeyOrder::Shuffled,
        keyspace: options.keyspace,
        pipeline: (PREFILL_BYTES_MAX / request_bytes).clamp(1, PREFILL_PIPELINE),
        requests: Some(options.keyspace),
        duration: None,
        rate: None,
        between: Between::Poll,
        stall: Duration::from_secs(options.stall),
        slow: None,
        seed: options.seed,
    };
    run_plan(options, &plan, connections)
}

fn run_plan(
    options: &Options,
    plan: &Plan,
    connections: &mut [Connection],
) -> Result<Summary, String> {
    let show_progress = !options.quiet && io::stderr().is_terminal();
    let name = plan.workload.name.clone();
    let measured: Measured = run(
        plan,
        connections,
        options.threads,
        options.server_pid,
        |progress| {
            if show_progress {
                show_line(&name, plan.requests, progress);
            }
        },
    )
    .map_err(|error| format!("{name}: {error}"))?;
    if show_progress {
        eprint!("\r\x1b[K");
    }
    let setting = Setting {
        test: name,
        clients: options.clients,
        pipeline: plan.pipeline,
        value_bytes: options.data,
        keyspace: options.keyspace,
        threads: options.threads,
    };
    let mut summary = Summary::new(setting, &measured);
    if options.histogram {
        summary.latency_us_counts = latency_us_counts(&measured.latency_ns);
    }
    summary.slow_us = measured.slow_us;
    Ok(summary)
}

fn show_line(name: &str, requests: Option<u64>, progress: Progress) {
    let share = requests.map_or(String::new(), |total| {
        format!(
            " ({:.0} %)",
            progress.replies as f64 / total.max(1) as f64 * 100.0
        )
    });
    eprint!(
        "\r\x1b[K{name}: {:.1} s, {} requests{share}, {} requests/s",
        progress.elapsed.as_secs_f64(),
        grouped(progress.replies),
        grouped(progress.rate as u64),
    );
}

/// Prints the last of the summaries; JSON is one document a line.
fn show(options: &Options, summaries: &[Summary]) -> io::Result<()> {
    let mut output = io::stdout().lock();
    let Some(last) = summaries.last() else {
        return Ok(());
    };
    if options.json {
        serde_json::to_writer(&mut output, last)?;
        writeln!(output)?;
    } else if options.csv {
        if summaries.len() == 1 {
            writeln!(output, "{CSV_HEADER}")?;
        }
        writeln!(output, "{}", last.csv())?;
    } else {
        writeln!(output, "{}", last.text())?;
    }
    output.flush()
}
