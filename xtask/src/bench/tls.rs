//! `cargo xtask bench --tls`: what TLS adds to the CPU time of requests, and what a storm of new connections does to
//! those that are open.
//!
//! Each server listens on a plain port and on one that speaks TLS, with the same certificate (ECDSA, P-256, made for
//! the run by openssl), and the two take turns on the same keys. In the storm an open-loop client, at real-time priority,
//! sends GETs over TLS connections that are open, while bursts of new TLS connections follow one another on the same
//! core.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::{Deserialize, Serialize};

use super::cells::{CONNECTIONS, Group, Operation};
use super::client::{Load, Requests, prefill, run_client};
use super::options::Options;
use super::servers::{Binaries, Running, Server};
use super::statistics::{Spread, median, spread};
use super::tail::pauses::Watchers;
use super::tail::prober::{self, Latency, Probing};

const GROUP: Group = Group {
    keys: 1_000_000,
    value_bytes: 64,
};
const PIPELINE: u32 = 128;
/// What TLS may cost, of the CPU time without it.
const RATIO_MAX: f64 = 1.6;
/// Connections that are begun at once.
const BURST: u32 = 2_000;
/// What 999 of 1,000 requests may take in the storm.
const STORM_P999_MS_MAX: f64 = 5.0;
/// How far the port that speaks TLS is from the plain one.
const PORT_DISTANCE: u16 = 100;

/// CPU time of one operation of one server, in nanoseconds of each round.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TlsCost {
    /// The server's name.
    pub server: String,
    /// The operation's name.
    pub operation: String,
    /// Without encryption.
    pub plain_ns: Vec<f64>,
    /// With it.
    pub tls_ns: Vec<f64>,
}

/// A storm of new connections.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TlsStorm {
    /// The server's name.
    pub server: String,
    /// Latency without the storm, one for each round.
    pub quiet: Vec<Latency>,
    /// In the storm.
    pub storm: Vec<Latency>,
    /// Connections that were answered in a second.
    pub connections_per_s: Vec<f64>,
}

/// Everything that is measured.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TlsFigures {
    /// CPU time.
    pub costs: Vec<TlsCost>,
    /// Storms.
    pub storms: Vec<TlsStorm>,
}

/// Measures the servers of the options.
///
/// # Errors
/// When a server or a client fails.
pub fn measure(options: &Options, binaries: &Binaries) -> Result<TlsFigures, String> {
    prober::check()?;
    let directory = make_certificate()?;
    let mut figures = TlsFigures::default();
    let servers: Vec<Running> = options
        .servers
        .iter()
        .filter(|server| server.stores())
        .map(|&server| start(server, &directory, options, binaries))
        .collect::<Result<_, _>>()?;
    for running in &servers {
        prefill(running, GROUP, options, binaries)?;
    }
    measure_costs(&servers, options, binaries, &mut figures)?;
    for running in &servers {
        running.go_first()?;
        measure_storms(running, options, binaries, &mut figures)?;
    }
    for (head, rows) in [
        (&COST_HEAD[..], cost_rows(&figures)),
        (&STORM_HEAD[..], storm_rows(&figures)),
    ] {
        println!("{}", head.join("  "));
        for row in rows {
            println!("{}", row.join("  "));
        }
    }
    Ok(figures)
}

/// A certificate for this machine and its key, in a directory of the system's temporary files.
fn make_certificate() -> Result<PathBuf, String> {
    let directory = std::env::temp_dir().join("redistill-bench-tls");
    std::fs::create_dir_all(&directory).map_err(|error| error.to_string())?;
    let line = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 -subj /CN=localhost \
                -keyout server.key -out server.crt";
    let status = Command::new("openssl")
        .args(line.split_whitespace())
        .current_dir(&directory)
        .stderr(Stdio::null())
        .status()
        .map_err(|error| format!("cannot run openssl: {error}"))?;
    if status.success() {
        Ok(directory)
    } else {
        Err("openssl made no certificate".to_owned())
    }
}

fn start(
    server: Server,
    directory: &Path,
    options: &Options,
    binaries: &Binaries,
) -> Result<Running, String> {
    let path = |name: &str| directory.join(name).display().to_string();
    let (certificate, key) = (path("server.crt"), path("server.key"));
    let port = tls_port(server.port()).to_string();
    // Our flags may have Redis's names.
    let flags = [
        "--tls-port",
        &port,
        "--tls-cert-file",
        &certificate,
        "--tls-key-file",
        &key,
        "--tls-auth-clients",
        "no",
    ];
    Running::start_with(server, GROUP, &flags, options, binaries)
}

fn tls_port(plain: u16) -> u16 {
    plain + PORT_DISTANCE
}

fn measure_costs(
    servers: &[Running],
    options: &Options,
    binaries: &Binaries,
    figures: &mut TlsFigures,
) -> Result<(), String> {
    for operation in [Operation::Get, Operation::Set] {
        let mut costs: Vec<TlsCost> = servers
            .iter()
            .map(|running| TlsCost {
                server: running.server.name().to_owned(),
                operation: operation.name().to_owned(),
                ..TlsCost::default()
            })
            .collect();
        for _ in 0..options.rounds {
            for (running, cost) in servers.iter().zip(&mut costs) {
                let measure =
                    |is_encrypted| cpu_ns(running, operation, is_encrypted, options, binaries);
                cost.plain_ns.push(measure(false)?);
                cost.tls_ns.push(measure(true)?);
            }
        }
        figures.costs.extend(costs);
    }
    Ok(())
}

fn cpu_ns(
    running: &Running,
    operation: Operation,
    is_encrypted: bool,
    options: &Options,
    binaries: &Binaries,
) -> Result<f64, String> {
    let load = Load {
        requests: Requests::Only(operation),
        pipeline: PIPELINE,
        connections: CONNECTIONS,
        rate: None,
    };
    let mut command = client(running, is_encrypted, options, binaries);
    command.args(load.flags().split(' '));
    command.args(["--server-pid", &running.pid().to_string()]);
    command.args(["--duration", &options.seconds.to_string()]);
    run_client(command)?.server_cpu_ns()
}

/// The load generator on its core, with where to connect to and what keys there are.
fn client(
    running: &Running,
    is_encrypted: bool,
    options: &Options,
    binaries: &Binaries,
) -> Command {
    let mut command = Command::new("taskset");
    command
        .args(["-c", &options.client_core.to_string()])
        .arg(&binaries.client)
        .args(["--json", "-q", "-r", &GROUP.keys.to_string()])
        .args(["-d", &GROUP.value_bytes.to_string()]);
    if is_encrypted {
        command.args(["-p", &tls_port(running.port).to_string()]);
        command.args(["--tls", "--insecure"]);
    } else {
        command.args(["-p", &running.port.to_string()]);
    }
    command
}

fn measure_storms(
    running: &Running,
    options: &Options,
    binaries: &Binaries,
    figures: &mut TlsFigures,
) -> Result<(), String> {
    let mut storm = TlsStorm {
        server: running.server.name().to_owned(),
        ..TlsStorm::default()
    };
    for _ in 0..options.rounds {
        let probing = probe(running, options, binaries)?;
        storm.quiet.push(latency(probing)?);
        let probing = probe(running, options, binaries)?;
        let (mut connections, began) = (0, std::time::Instant::now());
        while !probing.is_over() {
            burst(running, options, binaries)?;
            connections += BURST;
        }
        let seconds = began.elapsed().as_secs_f64();
        storm
            .connections_per_s
            .push(f64::from(connections) / seconds);
        storm.storm.push(latency(probing)?);
    }
    figures.storms.push(storm);
    Ok(())
}

/// The open-loop client, at real-time priority.
fn probe(running: &Running, options: &Options, binaries: &Binaries) -> Result<Probing, String> {
    let client = client(running, true, options, binaries);
    let mut command = Command::new("chrt");
    command
        .args(["-f", "50"])
        .arg(client.get_program())
        .args(client.get_args())
        .args(["-c", &prober::CONNECTIONS.to_string(), "-t", "get"])
        .args(["--rate", &prober::RATE.to_string(), "--rate-sleeps"])
        .args(["--duration", &options.seconds.to_string(), "--histogram"])
        .args(["--slow", &prober::slow_ms()])
        .stdout(Stdio::piped());
    let watchers = Watchers::start(options.seconds, options, binaries)?;
    Probing::start(command, Some(watchers))
}

/// What requests took that met no pause of the machine, see [`Watchers`]. The connecting client wants its part of the core
/// of the urgent one, and the kernel gives it some.
fn latency(probing: Probing) -> Result<Latency, String> {
    Ok(Latency::of(&probing.end()?.undisturbed))
}

fn burst(running: &Running, options: &Options, binaries: &Binaries) -> Result<(), String> {
    let mut command = client(running, true, options, binaries);
    command.args(["--burst", &BURST.to_string()]);
    let output = command.output().map_err(|error| error.to_string())?;
    if output.status.success() {
        Ok(())
    } else {
        let text = [output.stdout, output.stderr].concat();
        Err(format!(
            "a burst failed: {}",
            String::from_utf8_lossy(&text)
        ))
    }
}

/// The head of the table of costs.
pub const COST_HEAD: [&str; 5] = ["server", "operation", "plain, ns of CPU", "TLS", "ratio"];

/// Its rows.
pub fn cost_rows(figures: &TlsFigures) -> Vec<Vec<String>> {
    let row = |cost: &TlsCost| {
        let shown = |figures: &[f64]| {
            let Spread { median, min, max } = spread(figures)?;
            Some(format!("{median:.0} ({min:.0} to {max:.0})"))
        };
        let rounds = cost.plain_ns.iter().zip(&cost.tls_ns);
        let ratios: Vec<f64> = rounds.map(|(plain, tls)| tls / plain).collect();
        Some(vec![
            cost.server.clone(),
            cost.operation.clone(),
            shown(&cost.plain_ns)?,
            shown(&cost.tls_ns)?,
            format!("{:.2}", median(&ratios)?),
        ])
    };
    figures.costs.iter().filter_map(row).collect()
}

/// The head of the table of storms.
pub const STORM_HEAD: [&str; 7] = [
    "server",
    "",
    "p50, ms",
    "p99",
    "p99.9",
    "max",
    "new connections/s",
];

/// Its rows.
pub fn storm_rows(figures: &TlsFigures) -> Vec<Vec<String>> {
    let rows = |storm: &TlsStorm| {
        let row = |name: &str, latencies: &[Latency], connections: Option<f64>| {
            let of = |figure: fn(&Latency) -> f64| {
                let figures: Vec<f64> = latencies.iter().map(figure).collect();
                median(&figures).map_or_else(|| "-".to_owned(), |ms| format!("{ms:.3}"))
            };
            vec![
                storm.server.clone(),
                name.to_owned(),
                of(|latency| latency.p50),
                of(|latency| latency.p99),
                of(|latency| latency.p999),
                of(|latency| latency.max),
                connections.map_or_else(|| "-".to_owned(), |number| format!("{number:.0}")),
            ]
        };
        [
            row("quiet", &storm.quiet, None),
            row("storm", &storm.storm, median(&storm.connections_per_s)),
        ]
    };
    figures.storms.iter().flat_map(rows).collect()
}

/// What the table of costs has to be read with.
pub fn cost_introduction() -> String {
    format!(
        "GETs and SETs with {} keys, {}-byte values and P={PIPELINE} over a plain port and over one that speaks TLS \
         (TLS 1.3, AES-256-GCM) of the same process, taking turns. TLS is to cost at most {RATIO_MAX} times the CPU time.",
        GROUP.keys, GROUP.value_bytes
    )
}

/// What the table of storms has to be read with.
pub fn storm_introduction() -> String {
    format!(
        "{} TLS connections that are open send {} GETs a second at fixed times, at real-time priority, while others open \
         {BURST} TLS connections at once, again and again; each of these makes a whole handshake. Of 1,000 requests, 999 \
         are to take less than {STORM_P999_MS_MAX} ms. Requests that met a pause of the machine, as in the churn, are left \
         out: those who connect share the client's core. Servers have the highest usual priority. The medians of the rounds:",
        prober::CONNECTIONS,
        prober::RATE
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_those_of_rounds() {
        let cost = TlsCost {
            server: "redistill".to_owned(),
            operation: "get".to_owned(),
            plain_ns: vec![100.0, 200.0, 100.0],
            tls_ns: vec![150.0, 280.0, 160.0],
        };
        let figures = TlsFigures {
            costs: vec![cost],
            storms: vec![TlsStorm::default()],
        };
        let rows = cost_rows(&figures);
        assert_eq!(rows[0].len(), COST_HEAD.len());
        assert_eq!(rows[0][4], "1.50");
        let rows = storm_rows(&figures);
        assert!(rows.len() == 2 && rows[0].len() == STORM_HEAD.len());
    }
}
