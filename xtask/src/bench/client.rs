//! The load generator: what it is told, and what it reports.

use std::process::Command;

use serde::Deserialize;

use super::cells::{CONNECTIONS, Group, Operation};
use super::options::Options;
use super::results::Sample;
use super::servers::{Binaries, Running};

/// What is sent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Requests {
    /// One command.
    Only(Operation),
    /// SETs and GETs in this ratio.
    Mix(u32, u32),
}

/// How it is sent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Load {
    /// What is sent.
    pub requests: Requests,
    /// Requests in a batch.
    pub pipeline: u32,
    /// Connections.
    pub connections: u32,
    /// Requests per second at fixed times; as many as the server answers if there is none.
    pub rate: Option<u32>,
}

impl Load {
    /// The flags of the client that say so.
    pub fn flags(&self) -> String {
        let requests = match self.requests {
            Requests::Only(operation) => format!("-t {}", operation.name()),
            Requests::Mix(sets, gets) => format!("--ratio {sets}:{gets}"),
        };
        let rate = self.rate.map(|rate| format!(" --rate {rate}"));
        format!(
            "-c {} -P {} {requests}{}",
            self.connections,
            self.pipeline,
            rate.unwrap_or_default()
        )
    }

    /// Loads a server that has its keys.
    ///
    /// # Errors
    /// When the client fails, or a GET finds nothing.
    pub fn run(
        &self,
        server: &Running,
        group: Group,
        seconds: f64,
        options: &Options,
        binaries: &Binaries,
    ) -> Result<ClientReport, String> {
        let mut command = client(server, group, options, binaries);
        command.args(self.flags().split(' '));
        command.args(["--duration", &seconds.to_string()]);
        let report = run_client(command)?;
        if report.misses > 0 && server.server.stores() {
            return Err(format!(
                "{} has lost {} of its keys",
                server.server.name(),
                report.misses
            ));
        }
        Ok(report)
    }
}

/// Writes every key once.
///
/// # Errors
/// When the server fails.
pub fn prefill(
    server: &Running,
    group: Group,
    options: &Options,
    binaries: &Binaries,
) -> Result<(), String> {
    let mut command = client(server, group, options, binaries);
    command.args([
        "-c",
        &CONNECTIONS.to_string(),
        "--prefill",
        "-t",
        "ping_mbulk",
        "-n",
        "1",
    ]);
    run_client(command).map(|_| ())
}

fn client(server: &Running, group: Group, options: &Options, binaries: &Binaries) -> Command {
    let mut command = Command::new("taskset");
    command
        .args(["-c", &options.client_core.to_string()])
        .arg(&binaries.client);
    command.args([
        "--json",
        "-q",
        "-p",
        &server.port.to_string(),
        "--server-pid",
        &server.pid().to_string(),
    ]);
    command.args([
        "-r",
        &group.keys.to_string(),
        "-d",
        &group.value_bytes.to_string(),
    ]);
    command
}

/// What is needed of the client's JSON.
#[derive(Debug, Deserialize)]
pub struct ClientReport {
    requests_per_s: f64,
    latency_ms: Latency,
    misses: u64,
    client_busy: f64,
    server_cpu_ns: Option<ServerCpu>,
}

#[derive(Debug, Deserialize)]
struct Latency {
    p50: f64,
    p99: f64,
}

#[derive(Debug, Deserialize)]
struct ServerCpu {
    user: f64,
    system: f64,
    total: f64,
}

impl ClientReport {
    /// CPU time of the server for each request, in nanoseconds.
    ///
    /// # Errors
    /// When the client did not report it.
    pub fn server_cpu_ns(&self) -> Result<f64, String> {
        let cpu = self.server_cpu_ns.as_ref();
        Ok(cpu
            .ok_or("the client did not report the server's CPU time")?
            .total)
    }

    /// As a measurement of `server` in `cell`.
    ///
    /// # Errors
    /// When the client did not report the server's CPU time.
    pub fn sample(&self, cell: &str, server: &str, round: u32) -> Result<Sample, String> {
        let cpu = self.server_cpu_ns.as_ref();
        let cpu = cpu.ok_or("the client did not report the server's CPU time")?;
        Ok(Sample {
            cell: cell.to_owned(),
            server: server.to_owned(),
            round,
            user_ns: cpu.user,
            system_ns: cpu.system,
            total_ns: cpu.total,
            requests_per_s: self.requests_per_s,
            p50_ms: self.latency_ms.p50,
            p99_ms: self.latency_ms.p99,
            client_busy: self.client_busy,
        })
    }
}

/// Runs the client, and reads what it reports.
///
/// # Errors
/// When it fails.
pub fn run_client(mut command: Command) -> Result<ClientReport, String> {
    let output = command
        .output()
        .map_err(|error| format!("cannot run the client: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        let errors = String::from_utf8_lossy(&output.stderr);
        return Err(format!("the client failed: {}{text}", errors.trim()));
    }
    let line = text.lines().last().unwrap_or_default();
    serde_json::from_str(line).map_err(|error| format!("cannot read the client's report: {error}"))
}
