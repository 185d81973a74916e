//! `cargo xtask bench --eviction`: what eviction adds to the CPU time of a SET at full write speed.
//!
//! New keys are written to a server without a limit, and to servers that have reached their limit and evict a key for
//! each that comes. All have about as many keys. Each is started anew for each round, and the rounds are interleaved.

use std::process::Command;

use serde::{Deserialize, Serialize};

use super::cells::Group;
use super::client::run_client;
use super::options::Options;
use super::servers::{Binaries, Running, Server};
use super::statistics::{Spread, median, spread};
use super::tail::wire::Wire;

/// Under this limit there are about as many keys as without one in the middle of the measurement.
const LIMIT: &str = "256mb";
const KEYS_WITHOUT_LIMIT: u64 = 1_000_000;
/// Writes until the limit has been reached, and each key is one that was written since.
const KEYS_WITH_LIMIT: u64 = 5_000_000;
/// Writes that are measured.
const WRITES: u64 = 2_000_000;
/// Random keys out of so many are new ones.
const KEYSPACE: u64 = 100_000_000_000;
const VALUE_BYTES: u64 = 64;
const PIPELINE: u32 = 128;
/// What may be added, of the time without a limit.
const ADDED_PERCENT_MAX: f64 = 35.0;

/// What is compared; the first has no limit.
const POLICIES: [Option<&str>; 4] = [
    None,
    Some("allkeys-lru"),
    Some("allkeys-lfu"),
    Some("allkeys-random"),
];

/// CPU time of SETs under a policy.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct EvictionCost {
    /// The server's name.
    pub server: String,
    /// The policy; none without a limit.
    pub policy: Option<String>,
    /// Nanoseconds of each round.
    pub set_ns: Vec<f64>,
    /// Keys evicted for each SET, in the last round.
    pub evicted: f64,
}

/// Measures the servers of the options.
///
/// # Errors
/// When a server or the client fails.
pub fn measure(options: &Options, binaries: &Binaries) -> Result<Vec<EvictionCost>, String> {
    let mut costs = Vec::new();
    for &server in options.servers.iter().filter(|server| server.stores()) {
        let mut of_server = POLICIES.map(|policy| EvictionCost {
            server: server.name().to_owned(),
            policy: policy.map(str::to_owned),
            ..EvictionCost::default()
        });
        for round in 0..options.rounds {
            for cost in &mut of_server {
                cost.measure_round(server, options, binaries)?;
            }
            let times = of_server.iter().filter_map(|cost| cost.set_ns.last());
            let times: Vec<String> = times.map(|ns| format!("{ns:.0}")).collect();
            println!(
                "{} round {}: {}",
                server.name(),
                round + 1,
                times.join("  ")
            );
        }
        costs.extend(of_server);
    }
    println!("{}", HEAD.join("  "));
    for row in rows(&costs) {
        println!("{}", row.join("  "));
    }
    Ok(costs)
}

impl EvictionCost {
    fn measure_round(
        &mut self,
        server: Server,
        options: &Options,
        binaries: &Binaries,
    ) -> Result<(), String> {
        let group = Group {
            keys: 0,
            value_bytes: VALUE_BYTES,
        };
        let mut flags = Vec::new();
        if let Some(policy) = &self.policy {
            flags.extend(["--maxmemory", LIMIT, "--maxmemory-policy", policy]);
        }
        let running = Running::start_with(server, group, &flags, options, binaries)?;
        let before = match self.policy {
            Some(_) => KEYS_WITH_LIMIT,
            None => KEYS_WITHOUT_LIMIT,
        };
        let write = |seed, count| run_client(client(&running, seed, count, options, binaries));
        write(1, before)?;
        let evicted = evicted_keys(&running)?;
        let report = write(2, WRITES)?;
        self.evicted = (evicted_keys(&running)? - evicted) / WRITES as f64;
        self.set_ns.push(report.server_cpu_ns()?);
        Ok(())
    }
}

fn client(
    running: &Running,
    seed: u32,
    count: u64,
    options: &Options,
    binaries: &Binaries,
) -> Command {
    let mut command = Command::new("taskset");
    command
        .args(["-c", &options.client_core.to_string()])
        .arg(&binaries.client)
        .args(["--json", "-q", "-t", "set", "-c", "50"]);
    let numbers = [
        ("-p", u64::from(running.port)),
        ("--server-pid", u64::from(running.pid())),
        ("-P", u64::from(PIPELINE)),
        ("-d", VALUE_BYTES),
        ("-r", KEYSPACE),
        ("-n", count),
        ("--seed", u64::from(seed)),
    ];
    for (flag, number) in numbers {
        command.args([flag, &number.to_string()]);
    }
    command
}

fn evicted_keys(running: &Running) -> Result<f64, String> {
    let info = Wire::connect(running.port)?.ask(&[b"INFO", b"stats"])?;
    let line = info
        .lines()
        .find_map(|line| line.strip_prefix("evicted_keys:"));
    line.and_then(|number| number.trim().parse().ok())
        .ok_or_else(|| "INFO has no evicted_keys".to_owned())
}

/// The head of the table.
pub const HEAD: [&str; 6] = [
    "server",
    "policy",
    "SET, ns of CPU",
    "range",
    "added by eviction",
    "evicted for each SET",
];

/// The rows of the table.
pub fn rows(costs: &[EvictionCost]) -> Vec<Vec<String>> {
    let row = |cost: &EvictionCost| {
        let without = costs
            .iter()
            .find(|other| other.server == cost.server && other.policy.is_none());
        let added = without.and_then(|without| added_percent(cost, without));
        let added = added.filter(|_| cost.policy.is_some());
        let Spread { median, min, max } = spread(&cost.set_ns)?;
        Some(vec![
            cost.server.clone(),
            cost.policy.clone().unwrap_or_else(|| "no limit".to_owned()),
            format!("{median:.0}"),
            format!("{min:.0} to {max:.0}"),
            added.map_or_else(|| "-".to_owned(), |percent| format!("{percent:+.0} %")),
            format!("{:.2}", cost.evicted),
        ])
    };
    costs.iter().filter_map(row).collect()
}

/// The median of what it adds in each round.
fn added_percent(cost: &EvictionCost, without: &EvictionCost) -> Option<f64> {
    let rounds = cost.set_ns.iter().zip(&without.set_ns);
    let added: Vec<f64> = rounds.map(|(with, without)| with / without).collect();
    median(&added).map(|ratio| (ratio - 1.0) * 100.0)
}

/// What the table has to be read with.
pub fn introduction() -> String {
    format!(
        "SETs of new keys of 16 bytes with {VALUE_BYTES}-byte values, P={PIPELINE}, {WRITES} in each round: on a server \
         that has {KEYS_WITHOUT_LIMIT} keys and no limit, and on servers that have been written to until a limit of \
         {LIMIT} has them evict a key for each new one. It is to add at most {ADDED_PERCENT_MAX:.0} %."
    )
}

#[cfg(test)]
mod tests {
    use super::{EvictionCost, HEAD, rows};

    #[test]
    fn what_is_added_is_the_median_of_the_rounds() {
        let cost = |policy: Option<&str>, set_ns: [f64; 3]| EvictionCost {
            server: "redistill".to_owned(),
            policy: policy.map(str::to_owned),
            set_ns: set_ns.to_vec(),
            evicted: 1.0,
        };
        let costs = [
            cost(None, [100.0, 200.0, 100.0]),
            cost(Some("allkeys-lru"), [130.0, 240.0, 150.0]),
        ];
        let rows = rows(&costs);
        assert!(rows.iter().all(|row| row.len() == HEAD.len()));
        assert_eq!((&*rows[0][4], &*rows[1][4]), ("-", "+30 %"));
    }
}
