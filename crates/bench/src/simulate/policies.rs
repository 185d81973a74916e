//! The policies that can be compared, one row each.

use keyspace::{EvictionPolicy, Order};

use super::Cache;
use super::belady::Belady;
use super::exact_lru::ExactLru;
use super::redis_lfu::RedisLfu;
use super::redis_lru::RedisLru;
use super::reference_s3::ReferenceS3;
use super::server::ServerPolicy;

/// What a cache is made for.
#[derive(Clone, Copy, Debug)]
pub struct Setup<'a> {
    /// The most entries.
    pub entries: usize,
    /// All requests that will come; only the optimum may look at them.
    pub requests: &'a [u32],
    /// For random choices.
    pub seed: u64,
    /// In how many parts a policy may divide the keys.
    pub regions_max: usize,
}

/// A policy by name.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    /// On the command line and in tables.
    pub name: &'static str,
    /// For `--help`.
    pub about: &'static str,
    /// Makes an empty cache.
    pub cache: fn(&Setup<'_>) -> Box<dyn Cache>,
}

/// All policies, in the order of tables.
pub const POLICIES: &[Policy] = &[
    Policy {
        name: "optimal",
        about: "the optimum, which knows the future and may refuse to store (Belady)",
        cache: |setup| Box::new(Belady::new(setup.entries, setup.requests)),
    },
    Policy {
        name: "lru",
        about: "exact least recently used",
        cache: |setup| Box::new(ExactLru::new(setup.entries)),
    },
    Policy {
        name: "redis-lru",
        about: "Redis's allkeys-lru: 5 samples, pool of 16, a perfect clock",
        cache: |setup| Box::new(RedisLru::new(setup.entries, setup.seed)),
    },
    Policy {
        name: "redis-lfu",
        about: "Redis's allkeys-lfu: log factor 10, no decay",
        cache: |setup| Box::new(RedisLfu::new(setup.entries, setup.seed)),
    },
    Policy {
        name: "allkeys-lru",
        about: "the server's allkeys-lru",
        cache: |setup| server(setup, Order::Lru),
    },
    Policy {
        name: "allkeys-lfu",
        about: "the server's allkeys-lfu",
        cache: |setup| server(setup, Order::Lfu),
    },
    Policy {
        name: "allkeys-random",
        about: "the server's allkeys-random",
        cache: |setup| server(setup, Order::Random),
    },
    Policy {
        name: "allkeys-s3fifo",
        about: "the server's allkeys-s3fifo",
        cache: |setup| server(setup, Order::S3Fifo),
    },
    Policy {
        name: "reference-s3",
        about: "adaptive S3, the model that the server's policy follows",
        cache: |setup| {
            Box::new(ReferenceS3::new(
                setup.entries,
                setup.regions_max,
                setup.seed,
            ))
        },
    },
];

fn server(setup: &Setup<'_>, order: Order) -> Box<dyn Cache> {
    let policy = EvictionPolicy::AllKeys(order);
    Box::new(ServerPolicy::new(policy, setup.entries, setup.seed))
}

/// The policy of that name.
///
/// # Errors
/// A sentence with the names that there are.
pub fn named(name: &str) -> Result<Policy, String> {
    let found = POLICIES.iter().find(|policy| policy.name == name);
    found.copied().ok_or_else(|| {
        let names: Vec<&str> = POLICIES.iter().map(|policy| policy.name).collect();
        format!(
            "there is no policy '{name}'; there are {}",
            names.join(", ")
        )
    })
}

/// The policies with what they are, for `--help`.
pub fn help() -> String {
    let mut text = String::from("Policies:");
    for policy in POLICIES {
        text.push_str(&format!("\n  {:<14} {}", policy.name, policy.about));
    }
    text
}
