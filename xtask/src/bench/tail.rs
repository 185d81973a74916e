//! `cargo xtask bench --tail`: the tail of the latency while something big goes on beside.
//!
//! An open-loop prober sends GETs at fixed times from the client's core, at real-time priority, so that nothing but
//! the server can make it wait; latency counts from the time at which a request was due. What disturbs runs niced on
//! the same core. The control sends the same disturbance to the floor, a second process on the server's core: what
//! the prober waits for then is the share of the core, and not a stall of the server.

mod disturbance;
pub mod pauses;
pub mod prober;
mod slow_reader;
pub mod wire;

use serde::{Deserialize, Serialize};

use super::cells::Group;
use super::options::Options;
use super::servers::{Binaries, Running, Server};
use super::statistics;
use disturbance::{Disturbance, Target};
use prober::{Latency, Prober, Urgency};

/// Keys that the prober asks for.
const PROBED_KEYS: u32 = 100_000;

/// One window of one server.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Tail {
    /// The server's name.
    pub server: String,
    /// What went on beside.
    pub beside: String,
    /// What the prober saw, in milliseconds.
    pub latency_ms: Latency,
    /// Its 99.9th percentile above that of the quiet server.
    pub p999_above_quiet_ms: f64,
    /// How long the disturbance took, in seconds.
    pub disturbance_s: f64,
    /// The longest iteration of a worker's loop in the window, if the server tells.
    pub loop_ms_max: Option<f64>,
}

/// Measures the servers of the options.
///
/// # Errors
/// When a server or a client fails.
pub fn measure(options: &Options, binaries: &Binaries) -> Result<Vec<Tail>, String> {
    prober::check()?;
    let mut tails = Vec::new();
    for &server in options.servers.iter().filter(|server| server.stores()) {
        let bench = Bench {
            options,
            binaries,
            server,
        };
        println!("{}\n{}", server.name(), HEAD[1..].join("  "));
        let rounds: Result<Vec<_>, _> = (0..options.rounds).map(|_| bench.measure()).collect();
        let of_server = medians(&rounds?);
        println!("medians");
        for tail in &of_server {
            println!("{}", tail.row()[1..].join("  "));
        }
        tails.extend(of_server);
    }
    Ok(tails)
}

/// The median of each figure over the rounds, which have the same windows.
fn medians(rounds: &[Vec<Tail>]) -> Vec<Tail> {
    let windows = rounds.first().map_or(0, Vec::len);
    let of_window = |at: usize| {
        let median = |figure: &dyn Fn(&Tail) -> Option<f64>| {
            let figures: Vec<f64> = rounds
                .iter()
                .filter_map(|round| figure(&round[at]))
                .collect();
            statistics::median(&figures)
        };
        let of_latency = |figure: fn(&Latency) -> f64| {
            median(&|tail| Some(figure(&tail.latency_ms))).unwrap_or_default()
        };
        let first = &rounds[0][at];
        Tail {
            server: first.server.clone(),
            beside: first.beside.clone(),
            latency_ms: Latency {
                p50: of_latency(|latency| latency.p50),
                p99: of_latency(|latency| latency.p99),
                p999: of_latency(|latency| latency.p999),
                p9999: of_latency(|latency| latency.p9999),
                max: of_latency(|latency| latency.max),
            },
            p999_above_quiet_ms: median(&|tail| Some(tail.p999_above_quiet_ms)).unwrap_or_default(),
            disturbance_s: median(&|tail| Some(tail.disturbance_s)).unwrap_or_default(),
            loop_ms_max: median(&|tail| tail.loop_ms_max),
        }
    };
    (0..windows).map(of_window).collect()
}

/// The head of the table of `row`s.
pub const HEAD: [&str; 9] = [
    "server",
    "beside it",
    "p50, ms",
    "p99",
    "p99.9",
    "p99.99",
    "max",
    "p99.9 above quiet",
    "longest loop, ms",
];

impl Tail {
    /// Its row in the table.
    pub fn row(&self) -> Vec<String> {
        let latency = &self.latency_ms;
        let mut row = vec![self.server.clone(), self.beside.clone()];
        let numbers = [
            latency.p50,
            latency.p99,
            latency.p999,
            latency.p9999,
            latency.max,
        ];
        row.extend(numbers.map(|number| format!("{number:.3}")));
        row.push(format!("{:+.3}", self.p999_above_quiet_ms));
        let longest = self.loop_ms_max.map(|ms| format!("{ms:.3}"));
        row.push(longest.unwrap_or_else(|| "-".to_owned()));
        row
    }
}

struct Bench<'a> {
    options: &'a Options,
    binaries: &'a Binaries,
    server: Server,
}

impl Bench<'_> {
    fn measure(&self) -> Result<Vec<Tail>, String> {
        let running = self.start(self.server, 64)?;
        let prober = Prober {
            running: &running,
            options: self.options,
            binaries: self.binaries,
            keys: PROBED_KEYS,
            urgency: Urgency::RealTime,
        };
        let mut tails: Vec<Tail> = Vec::new();
        for disturbance in Disturbance::ALL {
            let mut floor = None;
            if let Some(value_bytes) = disturbance.floor_value_bytes() {
                floor = Some(self.start(Server::Floor, value_bytes)?);
            }
            let target = Target {
                server: floor.as_ref().unwrap_or(&running),
                options: self.options,
                binaries: self.binaries,
            };
            let mut tail = self.window(disturbance, &prober, &target)?;
            let quiet = tails.first().unwrap_or(&tail).latency_ms.p999;
            tail.p999_above_quiet_ms = tail.latency_ms.p999 - quiet;
            println!("{}", tail.row()[1..].join("  "));
            tails.push(tail);
        }
        Ok(tails)
    }

    fn start(&self, server: Server, value_bytes: u64) -> Result<Running, String> {
        let group = Group {
            keys: 0,
            value_bytes,
        };
        Running::start(server, group, self.options, self.binaries)
    }

    fn window(
        &self,
        disturbance: Disturbance,
        prober: &Prober<'_>,
        target: &Target<'_>,
    ) -> Result<Tail, String> {
        prober.prefill()?;
        target.prepare(disturbance)?;
        prober.forget_loops()?;
        let seconds = self.options.seconds * disturbance.windows();
        let probing = prober.start(seconds)?;
        let disturbing = target.start(disturbance)?;
        let latency_ms = probing.end()?.latency_ms;
        let disturbance_s = disturbing.end()?;
        Ok(Tail {
            server: self.server.name().to_owned(),
            beside: disturbance.text().to_owned(),
            latency_ms,
            p999_above_quiet_ms: 0.0,
            disturbance_s,
            loop_ms_max: prober.longest_loop_ms()?,
        })
    }
}
