//! What was measured. The records are those that `redistill-simulate --json` prints.

use serde::{Deserialize, Serialize};

use super::super::machine::Machine;

/// Everything that is known.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct HitResults {
    /// With equal numbers of entries.
    pub simulated: Simulated,
    /// With equal memory.
    pub live: Live,
}

/// What the simulator gave.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Simulated {
    /// Where and when.
    pub machine: Machine,
    /// Trace by trace, policy by policy, size by size.
    pub ratios: Vec<Ratio>,
}

/// What live servers gave.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Live {
    /// Where and when.
    pub machine: Machine,
    /// Trace by trace.
    pub servers: Vec<LiveServer>,
    /// With as many entries as the base held ids.
    pub simulated: Vec<Ratio>,
}

/// A policy on a trace with one size.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Ratio {
    /// The trace, or the generator.
    pub trace: String,
    /// How many requests it has.
    pub requests: u64,
    /// How many different keys.
    pub keys: u64,
    /// The policy.
    pub policy: String,
    /// The cache's size, as it was asked for.
    pub size: String,
    /// The same in entries.
    pub entries: u64,
    /// The share of the requests that missed.
    pub miss_ratio: f64,
}

/// A live server on a trace.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LiveServer {
    /// The trace.
    pub trace: String,
    /// The server, or the policy of this server.
    pub server: String,
    /// Its memory limit.
    pub limit_bytes: u64,
    /// The part of the limit that is above what it used when it was empty.
    pub data_bytes: u64,
    /// How many keys it had at the end.
    pub keys_held: u64,
    /// Keys that were asked for.
    pub requests: u64,
    /// Those that were not there.
    pub misses: u64,
    /// Replies that were errors.
    pub errors: u64,
    /// How long the replay took.
    pub seconds: f64,
}

impl HitResults {
    /// The share of misses of a policy on a trace with one size, if it was measured.
    pub fn ratio(&self, trace: &str, policy: &str, size: &str) -> Option<f64> {
        let mut ratios = self.simulated.ratios.iter();
        let found = ratios
            .find(|ratio| ratio.trace == trace && ratio.policy == policy && ratio.size == size);
        found.map(|ratio| ratio.miss_ratio)
    }
}

impl Live {
    /// How many percent more misses a server had than another on the same trace; below 0 are fewer.
    pub fn change_percent(&self, trace: &str, server: &str, base: &str) -> Option<f64> {
        let ratio = |name: &str| {
            let mut servers = self.servers.iter();
            let found = servers.find(|found| found.trace == trace && found.server == name)?;
            Some(found.miss_ratio())
        };
        Some(change_percent(ratio(server)?, ratio(base)?))
    }
}

impl LiveServer {
    /// The share of misses.
    pub fn miss_ratio(&self) -> f64 {
        self.misses as f64 / self.requests.max(1) as f64
    }
}

/// By how many percent a ratio is above another.
pub fn change_percent(ratio: f64, base: f64) -> f64 {
    (ratio / base - 1.0) * 100.0
}

#[cfg(test)]
pub mod tests {
    use super::{Live, LiveServer, Ratio};

    /// A policy on a trace of 1000 requests.
    pub fn ratio(trace: &str, policy: &str, size: &str, miss_ratio: f64) -> Ratio {
        Ratio {
            trace: trace.to_owned(),
            requests: 1000,
            keys: 100,
            policy: policy.to_owned(),
            size: size.to_owned(),
            entries: 10,
            miss_ratio,
        }
    }

    /// A server that was asked for 10,000 keys.
    pub fn server(trace: &str, server: &str, misses: u64) -> LiveServer {
        LiveServer {
            trace: trace.to_owned(),
            server: server.to_owned(),
            limit_bytes: 9_000_000,
            data_bytes: 7_500_000,
            keys_held: 1234,
            requests: 10_000,
            misses,
            errors: 0,
            seconds: 12.4,
        }
    }

    #[test]
    fn servers_are_compared_on_the_same_trace() {
        let servers = vec![
            server("a", "redis-server", 4000),
            server("a", "allkeys-s3fifo", 2000),
            server("b", "allkeys-s3fifo", 2000),
        ];
        let live = Live {
            servers,
            ..Live::default()
        };
        let change = |trace| live.change_percent(trace, "allkeys-s3fifo", "redis-server");
        assert_eq!((change("a"), change("b")), (Some(-50.0), None));
    }
}
