//! `cargo xtask bench --collections`: CPU time of commands on collections, small ones and one of a million elements, and
//! what collections take of the memory.
//!
//! The client is redis-benchmark, since it sends any command. The servers take turns, so that both meet the same
//! moments of the machine.

use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::cells::Group;
use super::memory::{cpu_ns, resident_bytes};
use super::options::Options;
use super::servers::{Binaries, Running, Server};
use super::statistics::median;
use super::tail::wire::{Wire, encode};

const GROUP: Group = Group {
    keys: 1_000_000,
    value_bytes: 64,
};
/// Elements of a large collection, and small hashes.
const ELEMENTS: u64 = 1_000_000;
/// Small collections of each type.
const SMALL_KEYS: u64 = 100_000;
/// Elements of a small collection but for those that are read as a whole.
const SMALL_ELEMENTS: u64 = 8;
/// Elements of what is read as a whole.
const RANGE_ELEMENTS: u64 = 100;
const PIPELINE: &str = "64";
const CONNECTIONS: &str = "50";
/// Operations of one measurement; of ranges a tenth.
const OPERATIONS: u64 = 1_000_000;
/// Memory is looked at when the server has had nothing to do for so long.
const IDLE: Duration = Duration::from_secs(3);
/// Requests that are sent before their replies are read.
const FILL_REQUESTS: u64 = 10_000;

/// An operation: its name, its command for redis-benchmark, and whether it answers with a range.
struct Operation {
    name: &'static str,
    command: &'static str,
    is_range: bool,
}

const fn point(name: &'static str, command: &'static str) -> Operation {
    Operation {
        name,
        command,
        is_range: false,
    }
}

const fn range(name: &'static str, command: &'static str) -> Operation {
    Operation {
        name,
        command,
        is_range: true,
    }
}

/// `__rand_int__` is a number of twelve digits below the number of keys or elements.
const SMALL: &[Operation] = &[
    point("HSET", "HSET h:__rand_int__ field:3 value-of-a-field"),
    point("HGET", "HGET h:__rand_int__ field:3"),
    point("LPUSH", "LPUSH l:__rand_int__ an-element"),
    point("LPOP", "LPOP l:__rand_int__"),
    range("LRANGE 100", "LRANGE lr 0 99"),
    point("SADD", "SADD s:__rand_int__ member:3"),
    point("SISMEMBER", "SISMEMBER s:__rand_int__ member:3"),
    point("ZADD", "ZADD z:__rand_int__ 3.5 member:3"),
    point("ZRANK", "ZRANK z:__rand_int__ member:3"),
    range("ZRANGE 100", "ZRANGE zr 0 99"),
];

const LARGE: &[Operation] = &[
    point("HSET", "HSET H element:__rand_int__ another-value"),
    point("HGET", "HGET H element:__rand_int__"),
    point("LPUSH", "LPUSH L an-element"),
    point("LPOP", "LPOP L"),
    range("LRANGE 100", "LRANGE L 0 99"),
    point("SADD", "SADD S element:__rand_int__"),
    point("SISMEMBER", "SISMEMBER S element:__rand_int__"),
    point("ZADD", "ZADD Z __rand_int__ element:__rand_int__"),
    point("ZRANK", "ZRANK Z element:__rand_int__"),
    range("ZRANGE 100", "ZRANGE Z 500000 500099"),
];

/// Makes the command with this number.
type MakeCommand = fn(u64) -> Vec<String>;

/// What takes memory: its name, and how its commands are made.
const MEMORY: &[(&str, MakeCommand)] = &[
    ("hash of 1M fields", |at| {
        words(&["HSET", "H", &element(at), &format!("value:{at}")])
    }),
    ("set of 1M members", |at| {
        words(&["SADD", "S", &element(at)])
    }),
    ("sorted set of 1M members", |at| {
        words(&["ZADD", "Z", &at.to_string(), &element(at)])
    }),
    ("1M hashes of 8 fields", small_hash),
];

/// CPU time of one operation, in nanoseconds of each round.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CollectionCost {
    /// The operation's name.
    pub operation: String,
    /// Whether it works on one large collection.
    pub is_large: bool,
    /// redis-server's.
    pub redis_ns: Vec<f64>,
    /// Ours.
    pub redistill_ns: Vec<f64>,
}

/// Memory that collections take, in bytes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CollectionMemory {
    /// What it is.
    pub name: String,
    /// redis-server's.
    pub redis_bytes: f64,
    /// Ours.
    pub redistill_bytes: f64,
}

/// All figures.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CollectionFigures {
    /// CPU time.
    pub costs: Vec<CollectionCost>,
    /// Memory.
    pub memory: Vec<CollectionMemory>,
}

/// Measures this server and redis-server.
///
/// # Errors
/// When a server or a client fails.
pub fn measure(options: &Options, binaries: &Binaries) -> Result<CollectionFigures, String> {
    let mut figures = CollectionFigures::default();
    for (name, make) in MEMORY {
        let [redis_bytes, redistill_bytes] = [Server::Redis, Server::Redistill].map(|server| {
            let running = Running::start(server, GROUP, options, binaries)?;
            let before = resident_bytes(&running)?;
            fill(&running, ELEMENTS, make)?;
            sleep(IDLE);
            Ok::<f64, String>(resident_bytes(&running)? - before)
        });
        figures.memory.push(CollectionMemory {
            name: (*name).to_owned(),
            redis_bytes: redis_bytes?,
            redistill_bytes: redistill_bytes?,
        });
    }
    for (is_large, operations) in [(false, SMALL), (true, LARGE)] {
        let redis = Running::start(Server::Redis, GROUP, options, binaries)?;
        let redistill = Running::start(Server::Redistill, GROUP, options, binaries)?;
        for running in [&redis, &redistill] {
            fill_for(running, is_large)?;
        }
        for operation in operations {
            let mut cost = CollectionCost {
                operation: operation.name.to_owned(),
                is_large,
                ..CollectionCost::default()
            };
            for _ in 0..options.rounds {
                cost.redis_ns
                    .push(run(&redis, operation, is_large, options)?);
                let own = run(&redistill, operation, is_large, options)?;
                cost.redistill_ns.push(own);
            }
            figures.costs.push(cost);
        }
    }
    for row in memory_rows(&figures).iter().chain(&cost_rows(&figures)) {
        println!("{}", row.join("  "));
    }
    Ok(figures)
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn element(at: u64) -> String {
    format!("element:{at:012}")
}

fn small_hash(at: u64) -> Vec<String> {
    let mut command = words(&["HSET", &format!("h:{at:012}")]);
    for field in 0..SMALL_ELEMENTS {
        command.push(format!("field:{field}"));
        command.push("value-of-a-field".to_owned());
    }
    command
}

/// What the operations need.
fn fill_for(running: &Running, is_large: bool) -> Result<(), String> {
    if is_large {
        for (_, make) in &MEMORY[..3] {
            fill(running, ELEMENTS, make)?;
        }
        return fill(running, ELEMENTS, &|at| {
            words(&["RPUSH", "L", &element(at)])
        });
    }
    fill(running, SMALL_KEYS, &small_hash)?;
    let several = |command: &str, key: &str, at: u64, has_score: bool| {
        let mut line = words(&[command, &format!("{key}:{at:012}")]);
        for member in 0..SMALL_ELEMENTS {
            if has_score {
                line.push(format!("{member}.5"));
            }
            line.push(format!("member:{member}"));
        }
        line
    };
    fill(running, SMALL_KEYS, &|at| several("SADD", "s", at, false))?;
    fill(running, SMALL_KEYS, &|at| several("RPUSH", "l", at, false))?;
    fill(running, SMALL_KEYS, &|at| several("ZADD", "z", at, true))?;
    fill(running, RANGE_ELEMENTS, &|at| {
        words(&["RPUSH", "lr", &element(at)])
    })?;
    fill(running, RANGE_ELEMENTS, &|at| {
        words(&["ZADD", "zr", &at.to_string(), &element(at)])
    })
}

/// Sends so many commands, whose replies are one line each.
fn fill(running: &Running, count: u64, make: &dyn Fn(u64) -> Vec<String>) -> Result<(), String> {
    let mut wire = Wire::connect(running.port)?;
    let mut at = 0;
    while at < count {
        let end = (at + FILL_REQUESTS).min(count);
        let mut requests = Vec::new();
        for number in at..end {
            let line = make(number);
            let line: Vec<&[u8]> = line.iter().map(|word| word.as_bytes()).collect();
            encode(&line, &mut requests);
        }
        wire.send_bytes(&requests)?;
        for _ in at..end {
            let line = wire.read_line()?;
            if !line.starts_with(':') {
                return Err(format!("filling was answered with {line:?}"));
            }
        }
        at = end;
    }
    Ok(())
}

/// Nanoseconds of the server's CPU time for one operation.
fn run(
    running: &Running,
    operation: &Operation,
    is_large: bool,
    options: &Options,
) -> Result<f64, String> {
    let operations = if operation.is_range {
        OPERATIONS / 10
    } else {
        OPERATIONS
    };
    let keys = if is_large { ELEMENTS } else { SMALL_KEYS };
    let before = cpu_ns(running)?;
    let status = Command::new("taskset")
        .args(["-c", &options.client_core.to_string(), "redis-benchmark"])
        .args(["-p", &running.port.to_string(), "-P", PIPELINE])
        .args(["-c", CONNECTIONS, "-q", "-n", &operations.to_string()])
        .args(["-r", &keys.to_string()])
        .args(operation.command.split(' '))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .map_err(|error| format!("cannot run redis-benchmark: {error}"))?;
    if !status.success() {
        return Err(format!("redis-benchmark failed on {}", operation.command));
    }
    Ok((cpu_ns(running)? - before) / operations as f64)
}

/// The head of the table of costs.
pub const COST_HEAD: [&str; 5] = ["operation", "on", "redis, ns of CPU", "redistill", "ratio"];

/// Its rows.
pub fn cost_rows(figures: &CollectionFigures) -> Vec<Vec<String>> {
    let row = |cost: &CollectionCost| {
        let (redis, own) = (median(&cost.redis_ns)?, median(&cost.redistill_ns)?);
        Some(vec![
            cost.operation.clone(),
            if cost.is_large {
                "one of 1M elements"
            } else {
                "small ones"
            }
            .to_owned(),
            format!("{redis:.0}"),
            format!("{own:.0}"),
            format!("{:.2}", own / redis),
        ])
    };
    figures.costs.iter().filter_map(row).collect()
}

/// The head of the table of memory.
pub const MEMORY_HEAD: [&str; 4] = ["", "redis, MB", "redistill, MB", "ratio"];

/// Its rows.
pub fn memory_rows(figures: &CollectionFigures) -> Vec<Vec<String>> {
    let row = |memory: &CollectionMemory| {
        vec![
            memory.name.clone(),
            format!("{:.1}", memory.redis_bytes / 1e6),
            format!("{:.1}", memory.redistill_bytes / 1e6),
            format!("{:.2}", memory.redistill_bytes / memory.redis_bytes),
        ]
    };
    figures.memory.iter().map(row).collect()
}

/// What the tables have to be read with.
pub fn introduction() -> String {
    format!(
        "redis-benchmark sends one command after another at P={PIPELINE} over {CONNECTIONS} connections, to {SMALL_KEYS} \
         small collections of {SMALL_ELEMENTS} elements (ranges: of {RANGE_ELEMENTS}) or to one of {ELEMENTS}, and both \
         servers take turns. Point operations are to take at most a third of redis-server's CPU time, ranges half of it. \
         Memory is what the resident memory grows by, seen 3 seconds after the last command; large collections are to take at most 0.7 of redis-server's, small \
         hashes 0.8."
    )
}
