//! The client whose latency counts: 10,000 GETs a second in an open loop, at real-time priority.

use std::collections::BTreeMap;
use std::io;
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;

use serde::{Deserialize, Serialize};

use super::super::options::Options;
use super::super::servers::{Binaries, Running};
use super::pauses::{Pauses, Watchers};
use super::wire::Wire;

/// How many requests took how many microseconds.
pub type Counts = BTreeMap<u64, u64>;

/// Requests a second.
pub const RATE: u32 = 10_000;
/// Connections; each has one request under way at most.
pub const CONNECTIONS: u32 = 16;
const PRIORITY: u32 = 50;
/// Requests that take longer are looked at one by one.
const SLOW_US: u64 = 1000;

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

impl Latency {
    /// Of these.
    pub fn of(counts: &Counts) -> Self {
        let all: u64 = counts.values().sum();
        let at = |part: f64| {
            let wanted = (all as f64 * part).ceil() as u64;
            let mut seen = 0;
            let found = counts.iter().find(|(_, count)| {
                seen += **count;
                seen >= wanted
            });
            found.map_or(0.0, |(us, _)| *us as f64 / 1000.0)
        };
        Latency {
            p50: at(0.5),
            p99: at(0.99),
            p999: at(0.999),
            p9999: at(0.9999),
            max: at(1.0),
        }
    }
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
    /// Keys that are asked for.
    pub keys: u32,
    /// Whether it goes before everything else on its core.
    pub urgency: Urgency,
}

/// How urgently a prober runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Urgency {
    /// At real-time priority, which not everybody may have.
    RealTime,
    /// As any process: its latencies say little.
    Usual,
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
            ("-r", self.keys),
        ];
        let mut arguments: Vec<String> = numbers
            .iter()
            .flat_map(|(flag, number)| [(*flag).to_owned(), number.to_string()])
            .collect();
        arguments.extend(["-q", "--json", "--histogram"].map(str::to_owned));
        arguments
    }

    /// Begins to probe, for so many seconds.
    ///
    /// # Errors
    /// When the client does not start.
    pub fn start(&self, seconds: f64) -> Result<Probing, String> {
        let mut command = match self.urgency {
            Urgency::Usual => Command::new("taskset"),
            Urgency::RealTime => {
                let mut command = Command::new("chrt");
                command.args(["-f", &PRIORITY.to_string(), "taskset"]);
                command
            }
        };
        command
            .arg("-c")
            .arg(self.options.client_core.to_string())
            .arg(&self.binaries.client)
            .args(self.arguments())
            .args(["-t", "get", "--rate", &RATE.to_string(), "--rate-sleeps"])
            .args(["--duration", &seconds.to_string()])
            .args(["--slow", &slow_ms()])
            .stdout(Stdio::piped());
        let watchers = match self.urgency {
            Urgency::Usual => None,
            Urgency::RealTime => Some(Watchers::start(seconds, self.options, self.binaries)?),
        };
        Probing::start(command, watchers)
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
pub struct Probing {
    child: Child,
    /// Reads what it writes, which may be more than a pipe holds.
    reader: JoinHandle<io::Result<String>>,
    watchers: Option<Watchers>,
}

/// The value of the client's flag `--slow`.
pub fn slow_ms() -> String {
    (SLOW_US as f64 / 1000.0).to_string()
}

impl Probing {
    /// Starts the client, whose output is piped, beside these watchers.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start(mut command: Command, watchers: Option<Watchers>) -> Result<Self, String> {
        let mut child = command.spawn().map_err(|error| error.to_string())?;
        let output = child
            .stdout
            .take()
            .ok_or("the prober's output is no pipe")?;
        let reader = std::thread::spawn(move || io::read_to_string(output));
        Ok(Self {
            child,
            reader,
            watchers,
        })
    }

    /// Whether it is over.
    pub fn is_over(&self) -> bool {
        self.reader.is_finished()
    }

    /// Waits for its report.
    ///
    /// # Errors
    /// When it has failed.
    pub fn end(mut self) -> Result<Probed, String> {
        let status = self.child.wait().map_err(|error| error.to_string())?;
        if !status.success() {
            return Err(format!("the prober has failed: {status}"));
        }
        let text = self.reader.join().map_err(|_| "the reader has failed")?;
        let text = text.map_err(|error| error.to_string())?;
        let line = text.lines().last().unwrap_or_default();
        let mut probed: Probed = serde_json::from_str(line)
            .map_err(|error| format!("cannot read the prober's report: {error}"))?;
        if let Some(watchers) = self.watchers {
            let pauses = watchers.end()?;
            probed.pauses_us = pauses.total_us();
            probed.undisturbed = probed.without(&pauses);
        }
        Ok(probed)
    }
}

/// What is needed of the client's JSON.
#[derive(Debug, Deserialize)]
pub struct Probed {
    /// Percentiles.
    pub latency_ms: Latency,
    /// Microseconds, and how many requests took that long.
    pub latency_us_counts: Vec<(u64, u64)>,
    /// When requests that took longer than [`SLOW_US`] were due, and how long they took.
    #[serde(default)]
    slow_us: Vec<(u64, u64)>,
    /// Keys that were not there.
    pub misses: u64,
    /// As `latency_us_counts`, but without requests that met a pause of the machine; empty if nobody has watched.
    #[serde(skip)]
    pub undisturbed: Counts,
    /// How long those were.
    #[serde(skip)]
    pub pauses_us: u64,
}

impl Probed {
    fn without(&self, pauses: &Pauses) -> Counts {
        let all = self.latency_us_counts.iter();
        let mut counts: Counts = all.filter(|(us, _)| *us <= SLOW_US).copied().collect();
        for (due_us, took_us) in &self.slow_us {
            if !pauses.explain(*due_us, *took_us) {
                *counts.entry(*took_us).or_default() += 1;
            }
        }
        counts
    }
}

#[cfg(test)]
mod tests {
    use super::{Counts, Latency, longest_loop_us};

    #[test]
    fn percentiles_are_found_in_counts() {
        let counts = Counts::from([(100, 990), (2_000, 9), (50_000, 1)]);
        let latency = Latency::of(&counts);
        assert_eq!((latency.p50, latency.p99), (0.1, 0.1));
        assert_eq!((latency.p999, latency.max), (2.0, 50.0));
        assert_eq!(Latency::of(&Counts::new()), Latency::default());
    }

    #[test]
    fn the_longest_of_all_loops_is_found() {
        let info =
            "# Workers\r\nworker_loop_usec_max:120\r\nother:7\r\nworker1_loop_usec_max:90\r\n";
        assert_eq!(longest_loop_us(info), Some(120.0));
        assert_eq!(longest_loop_us("# Server\r\nuptime:1\r\n"), None);
    }
}
