//! The client whose latency counts: 10,000 GETs a second in an open loop, at real-time priority.

use std::process::{Child, Command, Stdio};

use serde::{Deserialize, Serialize};

use super::super::options::Options;
use super::super::servers::{Binaries, Running};
use super::wire::Wire;

/// Requests a second.
pub const RATE: u32 = 10_000;
/// Connections; each has one request under way at most.
pub const CONNECTIONS: u32 = 16;
/// Keys that are asked for.
const KEYS: u32 = 100_000;
const PRIORITY: u32 = 50;

/// Percentiles in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Latency {
    /// The median.
    pub p50: f64,
    /// Of 100 requests, 99.
    pub p99: f64,
    /// Of 1,000 requests, 999.
    pub p999: f64,
    /// Of 10,000 requests, 9,999.
    pub p9999: f64,
    /// The longest.
    pub max: f64,
}

/// Checks that real-time priority can be had.
///
/// # Errors
/// When it cannot.
pub fn check() -> Result<(), String> {
    let mut command = Command::new("chrt");
    command.args(["-f", &PRIORITY.to_string(), "true"]);
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        _ => Err("chrt -f does not work here: the prober needs real-time priority".to_owned()),
    }
}

/// Probes one server.
pub struct Prober<'a> {
    /// The server.
    pub running: &'a Running,
    /// The cores.
    pub options: &'a Options,
    /// The client.
    pub binaries: &'a Binaries,
}

impl Prober<'_> {
    /// Writes the keys that are asked for.
    ///
    /// # Errors
    /// When that fails.
    pub fn prefill(&self) -> Result<(), String> {
        let mut command = Command::new("taskset");
        command
            .args(["-c", &self.options.client_core.to_string()])
            .arg(&self.binaries.client)
            .args(self.arguments())
            .args(["--prefill", "-t", "ping_mbulk", "-n", "1"])
            .stdout(Stdio::null());
        let status = command.status().map_err(|error| error.to_string())?;
        if status.success() {
            Ok(())
        } else {
            Err("the keys could not be written".to_owned())
        }
    }

    fn arguments(&self) -> Vec<String> {
        let numbers = [
            ("-p", u32::from(self.running.port)),
            ("-c", CONNECTIONS),
            ("-r", KEYS),
        ];
        let mut arguments: Vec<String> = numbers
            .iter()
            .flat_map(|(flag, number)| [(*flag).to_owned(), number.to_string()])
            .collect();
        arguments.extend(["-q", "--json"].map(str::to_owned));
        arguments
    }

    /// Begins to probe, for so many seconds.
    ///
    /// # Errors
    /// When the client does not start.
    pub fn start(&self, seconds: f64) -> Result<Probing, String> {
        let mut command = Command::new("chrt");
        command
            .args(["-f", &PRIORITY.to_string(), "taskset", "-c"])
            .arg(self.options.client_core.to_string())
            .arg(&self.binaries.client)
            .args(self.arguments())
            .args(["-t", "get", "--rate", &RATE.to_string(), "--rate-sleeps"])
            .args(["--duration", &seconds.to_string()])
            .stdout(Stdio::piped());
        let child = command.spawn().map_err(|error| error.to_string())?;
        Ok(Probing(child))
    }

    /// Starts the measurement of the longest loop anew, where the server has one.
    ///
    /// # Errors
    /// When the server does not answer.
    pub fn forget_loops(&self) -> Result<(), String> {
        let mut wire = Wire::connect(self.running.port)?;
        wire.ask(&[b"CONFIG", b"RESETSTAT"]).map(drop)
    }

    /// The longest loop of a worker since then, in milliseconds, if INFO has it.
    ///
    /// # Errors
    /// When the server does not answer.
    pub fn longest_loop_ms(&self) -> Result<Option<f64>, String> {
        let text = Wire::connect(self.running.port)?.ask(&[b"INFO", b"everything"])?;
        Ok(longest_loop_us(&text).map(|us| us / 1000.0))
    }
}

/// The largest of the fields `..loop_usec_max`, of which there may be one for each worker.
fn longest_loop_us(info: &str) -> Option<f64> {
    let fields = info.lines().filter_map(|line| line.split_once(':'));
    fields
        .filter(|(name, _)| name.ends_with("loop_usec_max"))
        .filter_map(|(_, value)| value.trim().parse().ok())
        .reduce(f64::max)
}

/// A prober at work.
pub struct Probing(Child);

impl Probing {
    /// Waits for its report.
    ///
    /// # Errors
    /// When it has failed.
    pub fn end(self) -> Result<Latency, String> {
        let output = self.0.wait_with_output();
        let output = output.map_err(|error| error.to_string())?;
        if !output.status.success() {
            return Err(format!("the prober has failed: {}", output.status));
        }
        let text = String::from_utf8_lossy(&output.stdout);
        let line = text.lines().last().unwrap_or_default();
        let report: Report = serde_json::from_str(line)
            .map_err(|error| format!("cannot read the prober's report: {error}"))?;
        Ok(report.latency_ms)
    }
}

/// What is needed of the client's JSON.
#[derive(Deserialize)]
struct Report {
    latency_ms: Latency,
}

#[cfg(test)]
mod tests {
    use super::longest_loop_us;

    #[test]
    fn the_longest_of_all_loops_is_found() {
        let info =
            "# Workers\r\nworker_loop_usec_max:120\r\nother:7\r\nworker1_loop_usec_max:90\r\n";
        assert_eq!(longest_loop_us(info), Some(120.0));
        assert_eq!(longest_loop_us("# Server\r\nuptime:1\r\n"), None);
    }
}
