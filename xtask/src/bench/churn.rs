//! `cargo xtask bench --churn`: whether the memory limit holds while what is written changes, and what others notice.
//!
//! Under a limit of 512 MB, values of sizes that shift from phase to phase are written at a bounded rate; some have
//! deadlines, some are deleted, and clients beside ask for more than they read. The prober of `--tail` reads keys of its
//! own, which are used often enough to stay. Resident memory is the peak that the kernel has seen in each phase.

mod phases;
mod readers;
mod writer;

use std::collections::BTreeMap;
use std::fs;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::cells::Group;
use super::machine::kibibytes;
use super::memory::{cpu_ns, resident_bytes};
use super::options::Options;
use super::servers::{Binaries, Running, Server};
use super::tail::prober::{self, Counts, Latency, Prober, Urgency};
use super::tail::wire::Wire;
use phases::{CYCLE, FLOOD, LENGTH, Phase, STILL};
use readers::SlowReaders;
use writer::Writers;

/// The memory limit, in MB.
const LIMIT_MB: u64 = 512;
/// Keys of 64-byte values that the prober reads: each about twice a second.
const PROBED_KEYS: u32 = 5_000;
/// Counters of INFO that are summed up over the phases.
const COUNTERS: [&str; 4] = [
    "evicted_keys",
    "expired_keys",
    "evicted_clients",
    "client_output_buffer_limit_disconnections",
];

/// What one server did.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Churn {
    /// The server's name.
    pub server: String,
    /// How long it was written to, in minutes.
    pub minutes: f64,
    /// Resident memory at the end, in bytes.
    pub final_bytes: f64,
    /// Errors for want of memory.
    pub refused: u64,
    /// Other errors.
    pub errors: u64,
    /// Slow readers whose connection the server has closed.
    pub closed_readers: u64,
    /// What INFO counts.
    pub counters: BTreeMap<String, u64>,
    /// CPU time of the server, in seconds.
    pub cpu_s: f64,
    /// Phases of the same name together, in their first order.
    pub phases: Vec<PhaseFigures>,
}

/// The figures of all phases of one name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PhaseFigures {
    /// The phase.
    pub name: String,
    /// Resident memory at most, in bytes.
    pub peak_bytes: f64,
    /// What the prober has seen.
    counts: Counts,
    /// That without what met a pause of the machine.
    #[serde(default)]
    undisturbed: Counts,
    /// How long those were, both cores together, in seconds.
    #[serde(default)]
    pauses_s: f64,
    /// GETs of the prober that have found nothing.
    pub misses: u64,
    /// Commands of the writers.
    pub commands: u64,
    /// Bytes of values that they wrote.
    pub written_bytes: u64,
    /// How long it took, in seconds.
    pub seconds: f64,
    /// The longest iteration of a worker's loop, if the server tells.
    pub loop_ms_max: Option<f64>,
}

/// The phases of a run of so many minutes.
fn plan(options: &Options) -> Vec<Phase> {
    let wanted = Duration::from_secs_f64(options.minutes * 60.0);
    let count = (wanted.as_secs_f64() / LENGTH.as_secs_f64())
        .round()
        .max(1.0);
    let mut plan = vec![STILL];
    plan.extend(CYCLE.iter().cycle().take(count as usize));
    if options.flood {
        plan.push(FLOOD);
    }
    plan.push(STILL);
    plan
}

/// Measures the servers of the options, one after the other.
///
/// # Errors
/// When a server or a client fails.
pub fn measure(options: &Options, binaries: &Binaries) -> Result<Vec<Churn>, String> {
    prober::check()?;
    let servers = options.servers.iter().filter(|server| server.stores());
    let measured = servers.map(|server| {
        let churn = run(*server, options, binaries, Urgency::RealTime)?;
        println!("{}", churn.text());
        Ok(churn)
    });
    measured.collect()
}

/// Checks that this server's memory stays below the limit and that no write is refused. Says nothing about time.
///
/// # Errors
/// When it does not.
pub fn check(options: &Options, binaries: &Binaries) -> Result<(), String> {
    let churn = run(Server::Redistill, options, binaries, Urgency::Usual)?;
    println!("{}", churn.text());
    let is_below = churn.peak_bytes() <= (LIMIT_MB << 20) as f64;
    if is_below && churn.refused + churn.errors == 0 && churn.counters["evicted_keys"] > 0 {
        return Ok(());
    }
    Err(format!(
        "a limit of {LIMIT_MB} MB does not hold, or writes are refused"
    ))
}

fn run(
    server: Server,
    options: &Options,
    binaries: &Binaries,
    urgency: Urgency,
) -> Result<Churn, String> {
    let plan = plan(options);
    let running = start(server, options, binaries)?;
    if urgency == Urgency::RealTime {
        running.go_first()?;
    }
    let prober = Prober {
        running: &running,
        options,
        binaries,
        keys: PROBED_KEYS,
        urgency,
    };
    prober.prefill()?;
    let writers = Writers::start(running.port, options.client_core, plan.clone())?;
    let readers = SlowReaders::start(running.port, options.client_core);
    let mut churn = Churn {
        server: server.name().to_owned(),
        minutes: options.minutes,
        ..Churn::default()
    };
    let cpu_before = cpu_ns(&running)?;
    for (index, phase) in plan.iter().enumerate() {
        writers.set_phase(index);
        churn.measure_phase(phase, &prober, &writers)?;
    }
    churn.cpu_s = (cpu_ns(&running)? - cpu_before) / 1e9;
    churn.final_bytes = resident_bytes(&running)?;
    churn.refused = writers.written().refused.load(Relaxed);
    churn.errors = writers.written().errors.load(Relaxed);
    churn.closed_readers = readers.end()?;
    writers.end()?;
    Ok(churn)
}

fn start(server: Server, options: &Options, binaries: &Binaries) -> Result<Running, String> {
    let group = Group {
        keys: 0,
        value_bytes: 64,
    };
    let limit = format!("{LIMIT_MB}mb");
    let flags = ["--maxmemory", &limit, "--maxmemory-policy", "allkeys-lru"];
    Running::start_with(server, group, &flags, options, binaries)
}

impl Churn {
    fn measure_phase(
        &mut self,
        phase: &Phase,
        prober: &Prober<'_>,
        writers: &Writers,
    ) -> Result<(), String> {
        prober.forget_loops()?;
        forget_peak(prober.running)?;
        let written = writers.written();
        let before = [&written.commands, &written.bytes].map(|count| count.load(Relaxed));
        let started = Instant::now();
        let probed = prober.start(LENGTH.as_secs_f64())?.end()?;
        let after = [&written.commands, &written.bytes].map(|count| count.load(Relaxed));
        let peak_bytes = peak_bytes(prober.running)?;
        let info = Wire::connect(prober.running.port)?.ask(&[b"INFO", b"everything"])?;
        for name in COUNTERS {
            *self.counters.entry(name.to_owned()).or_default() += field(&info, name).unwrap_or(0);
        }
        let at = self
            .phases
            .iter()
            .position(|known| known.name == phase.name);
        let at = at.unwrap_or_else(|| {
            self.phases.push(PhaseFigures {
                name: phase.name.to_owned(),
                ..PhaseFigures::default()
            });
            self.phases.len() - 1
        });
        let figures = &mut self.phases[at];
        figures.seconds += started.elapsed().as_secs_f64();
        figures.peak_bytes = figures.peak_bytes.max(peak_bytes);
        figures.misses += probed.misses;
        figures.commands += after[0] - before[0];
        figures.written_bytes += after[1] - before[1];
        let loop_ms_max = prober.longest_loop_ms()?;
        figures.loop_ms_max = figures
            .loop_ms_max
            .into_iter()
            .chain(loop_ms_max)
            .reduce(f64::max);
        for (us, count) in probed.latency_us_counts {
            *figures.counts.entry(us).or_default() += count;
        }
        for (us, count) in probed.undisturbed {
            *figures.undisturbed.entry(us).or_default() += count;
        }
        figures.pauses_s += probed.pauses_us as f64 / 1e6;
        println!("{}  {}", self.server, figures.row()[1..].join("  "));
        Ok(())
    }

    fn peak_bytes(&self) -> f64 {
        let peaks = self.phases.iter().map(|phase| phase.peak_bytes);
        peaks.fold(0.0, f64::max)
    }

    /// All phases in which something is written.
    fn all(&self) -> PhaseFigures {
        let mut all = PhaseFigures {
            name: "all but nothing".to_owned(),
            ..PhaseFigures::default()
        };
        for phase in self.phases.iter().filter(|phase| phase.name != STILL.name) {
            all.peak_bytes = all.peak_bytes.max(phase.peak_bytes);
            all.misses += phase.misses;
            all.commands += phase.commands;
            all.written_bytes += phase.written_bytes;
            all.seconds += phase.seconds;
            let loops = all.loop_ms_max.into_iter().chain(phase.loop_ms_max);
            all.loop_ms_max = loops.reduce(f64::max);
            all.pauses_s += phase.pauses_s;
            let counts = [
                (&mut all.counts, &phase.counts),
                (&mut all.undisturbed, &phase.undisturbed),
            ];
            for (sum, counts) in counts {
                for (us, count) in counts {
                    *sum.entry(*us).or_default() += count;
                }
            }
        }
        all
    }

    /// The rows of the table of phases.
    pub fn phase_rows(&self) -> Vec<Vec<String>> {
        let phases = self.phases.iter().map(PhaseFigures::row);
        let rows = phases.chain([self.all().row()]);
        rows.map(|mut row| {
            row.insert(0, self.server.clone());
            row
        })
        .collect()
    }

    /// The row of the table of servers.
    pub fn row(&self) -> Vec<String> {
        let count = |name: &str| self.counters.get(name).map_or_else(dash, u64::to_string);
        let all = self.all();
        vec![
            self.server.clone(),
            megabytes(self.peak_bytes()),
            megabytes(self.final_bytes),
            self.refused.to_string(),
            self.errors.to_string(),
            self.closed_readers.to_string(),
            count("evicted_keys"),
            count("expired_keys"),
            format!("{:.1}", self.cpu_s),
            format!("{:.3}", Latency::of(&all.counts).p999),
            format!("{:.3}", Latency::of(&all.undisturbed).p999),
        ]
    }

    fn text(&self) -> String {
        let mut text = format!("{}\n", HEAD.join("  "));
        text.push_str(&format!("{}\n", self.row().join("  ")));
        text.push_str(&format!("{}\n", PHASE_HEAD.join("  ")));
        for row in self.phase_rows() {
            text.push_str(&format!("{}\n", row.join("  ")));
        }
        text
    }
}

/// The head of the table of servers.
pub const HEAD: [&str; 11] = [
    "server",
    "peak, MB",
    "at the end, MB",
    "OOM errors",
    "other errors",
    "slow readers closed",
    "evicted",
    "expired",
    "CPU, s",
    "GET p99.9, ms",
    "without pauses",
];

/// The head of the table of phases.
pub const PHASE_HEAD: [&str; 14] = [
    "server",
    "values",
    "written, MB/s",
    "commands/s",
    "peak, MB",
    "p50, ms",
    "p99",
    "p99.9",
    "max",
    "p99.9 without pauses",
    "max",
    "pauses, s",
    "GETs that missed",
    "longest loop, ms",
];

impl PhaseFigures {
    fn row(&self) -> Vec<String> {
        let latency = Latency::of(&self.counts);
        let seconds = self.seconds.max(1e-9);
        let mut row = vec![
            self.name.clone(),
            format!(
                "{:.1}",
                self.written_bytes as f64 / seconds / f64::from(1 << 20)
            ),
            format!("{:.0}", self.commands as f64 / seconds),
            megabytes(self.peak_bytes),
        ];
        let times = [latency.p50, latency.p99, latency.p999, latency.max];
        row.extend(times.map(|ms| format!("{ms:.3}")));
        let own = Latency::of(&self.undisturbed);
        row.extend([own.p999, own.max, self.pauses_s].map(|number| format!("{number:.3}")));
        row.push(self.misses.to_string());
        row.push(self.loop_ms_max.map_or_else(dash, |ms| format!("{ms:.3}")));
        row
    }
}

fn megabytes(bytes: f64) -> String {
    format!("{:.1}", bytes / f64::from(1 << 20))
}

fn dash() -> String {
    "-".to_owned()
}

/// A number of INFO.
fn field(info: &str, name: &str) -> Option<u64> {
    let mut fields = info.lines().filter_map(|line| line.split_once(':'));
    let (_, value) = fields.find(|(found, _)| *found == name)?;
    value.trim().parse().ok()
}

/// Has the kernel begin anew with the peak of the resident memory.
fn forget_peak(running: &Running) -> Result<(), String> {
    let path = format!("/proc/{}/clear_refs", running.pid());
    fs::write(&path, "5").map_err(|error| format!("{path}: {error}"))
}

/// Resident memory at most since then.
fn peak_bytes(running: &Running) -> Result<f64, String> {
    let path = format!("/proc/{}/status", running.pid());
    let status = fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))?;
    let peak = kibibytes(&status, "VmHWM").ok_or("no VmHWM")?;
    Ok(peak * 1024.0)
}

/// What the table of phases has to be read with.
pub fn introduction() -> String {
    format!(
        "{} MB limit, allkeys-lru, one worker. Two clients write {} MB of values a second, or {} commands if these are \
         small: of 100, {} delete a key, {} set one that expires within {} s, the others one that does not, among {} \
         million keys; the sizes shift every {} s. Four clients ask for 20 MB at once and read 600 KB a second. Beside, \
         10,000 GETs a second of {} keys, at fixed times and real-time priority, as with the tail; the server has the highest usual \
         priority. Pauses are times at which the host lets nothing run on one of the two cores: watchers above all \
         others notice, and requests under way then are left out of the columns that say so.",
        LIMIT_MB,
        phases::BYTES_PER_SECOND >> 20,
        phases::WRITES_PER_SECOND,
        phases::DELETES_PERCENT,
        phases::EXPIRING_PERCENT,
        phases::LIFETIME_MS_MAX / 1000,
        phases::KEYS / 1_000_000,
        LENGTH.as_secs(),
        PROBED_KEYS,
    )
}

#[cfg(test)]
mod tests {
    use super::{Churn, HEAD, PHASE_HEAD, PhaseFigures, field};

    #[test]
    fn rows_have_the_columns_of_their_heads() {
        let churn = Churn {
            phases: vec![PhaseFigures::default()],
            ..Churn::default()
        };
        assert_eq!(churn.row().len(), HEAD.len());
        for row in churn.phase_rows() {
            assert_eq!(row.len(), PHASE_HEAD.len());
        }
    }

    #[test]
    fn fields_are_found_by_their_whole_name() {
        let info = "# Stats\r\nevicted_keys_of:1\r\nevicted_keys:23\r\n";
        assert_eq!(field(info, "evicted_keys"), Some(23));
        assert_eq!(field(info, "keys"), None);
    }
}
