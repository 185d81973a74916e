//! MEMORY, and what the memory is used for.

use keyspace::limits::DATABASES;
use resp::{Args, ReplyWriter};

use crate::command::{Command, KeySpec, flag, key_flag};
use crate::context::Context;
use crate::error::CommandError;
use crate::help::HELP;
use crate::parse::{integer, is};
use crate::shared::Facts;

const ALL_SHARDS: &[&str] = &[
    "nondeterministic_output",
    "request_policy:all_shards",
    "response_policy:special",
];

pub const MEMORY: Command = Command {
    name: "memory",
    arity: -2,
    since: "4.0.0",
    summary: "A container for memory diagnostics commands",
    complexity: "Depends on subcommand",
    syntax: "<subcommand>",
    run: HELP.run,
    subcommands: &[
        Command {
            name: "usage",
            arity: -3,
            flags: flag::READONLY,
            keys: &[KeySpec::one(2, key_flag::RO)],
            since: "4.0.0",
            summary: "Returns the bytes of memory that a key and its value take",
            syntax: "key [SAMPLES count]",
            run: usage,
            ..Command::BASE
        },
        Command {
            name: "stats",
            arity: 2,
            tips: ALL_SHARDS,
            since: "4.0.0",
            summary: "Returns what the memory is used for",
            run: stats,
            ..Command::BASE
        },
        Command {
            name: "purge",
            arity: 2,
            tips: &["request_policy:all_shards", "response_policy:all_succeeded"],
            since: "4.0.0",
            summary: "Gives memory that is not used back to the system",
            complexity: "Depends on how much memory is allocated, could be slow",
            run: purge,
            ..Command::BASE
        },
        Command {
            name: "doctor",
            arity: 2,
            tips: ALL_SHARDS,
            since: "4.0.0",
            summary: "Returns what is unusual about the use of memory",
            run: doctor,
            ..Command::BASE
        },
        Command {
            name: "malloc-stats",
            arity: 2,
            tips: ALL_SHARDS,
            since: "4.0.0",
            summary: "Returns the statistics of the memory allocator",
            complexity: "Depends on how much memory is allocated, could be slow",
            run: malloc_stats,
            ..Command::BASE
        },
        Command {
            since: "4.0.0",
            ..HELP
        },
    ],
    ..Command::BASE
};

/// A table's slot: the address of an entry and a part of its key's hash.
const SLOT_BYTES: usize = 8;

fn usage(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    check_samples(args.tail(3))?;
    let key = context.key(args, 2);
    match context.keys.find(key) {
        Some(entry) => {
            let bytes = entry.allocated_bytes() + SLOT_BYTES;
            context.reply.integer(bytes as i64);
        }
        None => context.reply.null(),
    }
    Ok(())
}

/// Checks the options. Every value is counted whole, however many samples are asked for.
fn check_samples(mut options: Args<'_>) -> Result<(), CommandError> {
    while let Some(option) = options.try_get(0) {
        let Some(samples) = options.try_get(1).filter(|_| is(option, "samples")) else {
            return Err(CommandError::Syntax);
        };
        if integer(samples)? < 0 {
            return Err(CommandError::Syntax);
        }
        options = options.tail(2);
    }
    Ok(())
}

/// What the memory is used for, in bytes.
pub struct Usage {
    /// What the process says.
    pub facts: Facts,
    /// Connections with their buffers.
    pub clients: u64,
    /// The hash tables of each database.
    pub tables: [u64; DATABASES],
    /// Keys.
    pub keys: u64,
}

impl Usage {
    pub fn of(context: &Context<'_, '_>) -> Self {
        let stats = context.keys.keyspace().stats();
        let clients = context.shared.clients.all();
        let tables = std::array::from_fn(|database| match stats.databases[database].keys {
            0 => 0,
            _ => context.keys.table_bytes(database as u8) as u64,
        });
        Self {
            facts: context.shared.process.facts(),
            clients: clients.iter().map(|client| client.memory_bytes()).sum(),
            tables,
            keys: stats.databases.iter().map(|database| database.keys).sum(),
        }
    }

    /// What is not keys and values.
    pub fn overhead(&self) -> u64 {
        let tables: u64 = self.tables.iter().sum();
        self.facts.allocated_bytes_at_start + self.clients + tables
    }

    /// Keys and values.
    pub fn dataset(&self) -> u64 {
        self.facts.allocated_bytes.saturating_sub(self.overhead())
    }

    /// What has been allocated since the start.
    pub fn since_start(&self) -> u64 {
        let facts = &self.facts;
        facts
            .allocated_bytes
            .saturating_sub(facts.allocated_bytes_at_start)
    }

    /// Keys and values, in percent of what has been allocated since the start.
    pub fn dataset_percent(&self) -> f64 {
        100.0 * ratio(self.dataset(), self.since_start())
    }

    /// What is allocated, in percent of the most that was.
    pub fn peak_percent(&self) -> f64 {
        100.0 * ratio(self.facts.allocated_bytes, self.facts.allocated_bytes_peak)
    }
}

/// How many times `of` goes into `bytes`; 0 when nothing is known.
pub fn ratio(bytes: u64, of: u64) -> f64 {
    if of == 0 {
        0.0
    } else {
        bytes as f64 / of as f64
    }
}

/// By how much `bytes` is more than `than`.
pub fn excess(bytes: u64, than: u64) -> i64 {
    bytes.cast_signed() - than.cast_signed()
}

fn stats(context: &mut Context<'_, '_>, _: Args<'_>) -> Result<(), CommandError> {
    let usage = Usage::of(context);
    let facts = &usage.facts;
    let mut map = Stats::begin(&mut context.reply);
    map.bytes("peak.allocated", facts.allocated_bytes_peak);
    map.bytes("total.allocated", facts.allocated_bytes);
    map.bytes("startup.allocated", facts.allocated_bytes_at_start);
    map.bytes("replication.backlog", 0);
    map.bytes("clients.slaves", 0);
    map.bytes("clients.normal", usage.clients);
    map.bytes("cluster.links", 0);
    map.bytes("aof.buffer", 0);
    map.bytes("lua.caches", 0);
    map.bytes("functions.caches", 0);
    for (database, bytes) in usage
        .tables
        .iter()
        .enumerate()
        .filter(|(_, bytes)| **bytes > 0)
    {
        map.database(database, *bytes);
    }
    map.bytes("overhead.total", usage.overhead());
    map.bytes("keys.count", usage.keys);
    let bytes_per_key = usage.since_start().checked_div(usage.keys).unwrap_or(0);
    map.bytes("keys.bytes-per-key", bytes_per_key);
    map.bytes("dataset.bytes", usage.dataset());
    map.number("dataset.percentage", usage.dataset_percent());
    map.number("peak.percentage", usage.peak_percent());
    let (allocated, active) = (facts.allocated_bytes, facts.active_bytes);
    let (held, resident) = (facts.allocator_resident_bytes, facts.resident_bytes);
    map.bytes("allocator.allocated", allocated);
    map.bytes("allocator.active", active);
    map.bytes("allocator.resident", held);
    map.excess("allocator-fragmentation", active, allocated);
    map.excess("allocator-rss", held, active);
    map.excess("rss-overhead", resident, held);
    map.number("fragmentation", ratio(resident, allocated));
    map.signed("fragmentation.bytes", excess(resident, allocated));
    map.end();
    Ok(())
}

/// The reply of MEMORY STATS.
struct Stats<'s, 'r> {
    reply: &'s mut ReplyWriter<'r>,
    map: resp::Deferred,
    pairs: usize,
}

impl<'s, 'r> Stats<'s, 'r> {
    fn begin(reply: &'s mut ReplyWriter<'r>) -> Self {
        let map = reply.begin_array();
        Self {
            reply,
            map,
            pairs: 0,
        }
    }

    fn name(&mut self, name: &str) {
        self.reply.bulk(name.as_bytes());
        self.pairs += 1;
    }

    fn bytes(&mut self, name: &str, bytes: u64) {
        self.signed(name, bytes.cast_signed());
    }

    fn signed(&mut self, name: &str, value: i64) {
        self.name(name);
        self.reply.integer(value);
    }

    fn number(&mut self, name: &str, value: f64) {
        self.name(name);
        self.reply.double(value);
    }

    /// Two fields: how many times `than` goes into `bytes`, and by how much they differ.
    fn excess(&mut self, name: &str, bytes: u64, than: u64) {
        self.number(&format!("{name}.ratio"), ratio(bytes, than));
        self.signed(&format!("{name}.bytes"), excess(bytes, than));
    }

    fn database(&mut self, database: usize, table_bytes: u64) {
        self.name(&format!("db.{database}"));
        self.reply.map(2);
        self.reply.bulk(b"overhead.hashtable.main");
        self.reply.integer(table_bytes.cast_signed());
        // Deadlines are kept with their keys.
        self.reply.bulk(b"overhead.hashtable.expires");
        self.reply.integer(0);
    }

    fn end(self) {
        self.reply.end_map(self.map, self.pairs);
    }
}

fn purge(context: &mut Context<'_, '_>, _: Args<'_>) -> Result<(), CommandError> {
    context.shared.process.purge_memory();
    context.reply.ok();
    Ok(())
}

/// Below so many bytes everything looks unusual.
const JUDGED_BYTES_MIN: u64 = 5 << 20;
/// Differences up to so many bytes do not matter.
const UNUSUAL_BYTES_MIN: i64 = 10 << 20;
/// The memory of a connection that is not unusual yet.
const CLIENT_BYTES_MAX: u64 = 200 << 10;

fn doctor(context: &mut Context<'_, '_>, _: Args<'_>) -> Result<(), CommandError> {
    let usage = Usage::of(context);
    let clients = context.shared.clients.count() as u64;
    context
        .reply
        .verbatim("txt", diagnose(&usage, clients).as_bytes());
    Ok(())
}

fn diagnose(usage: &Usage, clients: u64) -> String {
    let facts = &usage.facts;
    if facts.allocated_bytes < JUDGED_BYTES_MIN {
        return "Nothing can be said yet: less than 5 MB are in use.\n".to_owned();
    }
    let is_unusual = |bytes, than, times: f64| {
        ratio(bytes, than) > times && excess(bytes, than) > UNUSUAL_BYTES_MIN
    };
    let (allocated, active) = (facts.allocated_bytes, facts.active_bytes);
    let (held, resident) = (facts.allocator_resident_bytes, facts.resident_bytes);
    let findings = [
        (
            ratio(facts.allocated_bytes_peak, allocated) > 1.5,
            "Peak: at some time the server used more than 150 % of what it uses now. The memory may not have been \
             given back to the system; MEMORY PURGE tries to.",
        ),
        (
            is_unusual(active, allocated, 1.1),
            "Fragmentation: more than 10 % of the pages in use are gaps between keys of different sizes.",
        ),
        (
            is_unusual(held, active, 1.1),
            "Held memory: the allocator holds pages that are not in use; MEMORY PURGE gives them back.",
        ),
        (
            is_unusual(resident, held, 1.1),
            "Outside the allocator: the process has memory that the allocator knows nothing of.",
        ),
        (
            usage.clients > clients * CLIENT_BYTES_MAX,
            "Clients: connections have more than 200 KB of requests and replies on average. Look for large pipelines \
             and for clients that read slowly in CLIENT LIST.",
        ),
    ];
    let found: Vec<&str> = findings
        .iter()
        .filter_map(|(is_found, text)| is_found.then_some(*text))
        .collect();
    if found.is_empty() {
        return "Nothing unusual was found.\n".to_owned();
    }
    found.join("\n") + "\n"
}

fn malloc_stats(context: &mut Context<'_, '_>, _: Args<'_>) -> Result<(), CommandError> {
    let facts = context.shared.process.facts();
    let text = format!(
        "allocated: {}\nactive: {}\nresident: {}\nretained: {}\n",
        facts.allocated_bytes,
        facts.active_bytes,
        facts.allocator_resident_bytes,
        facts.retained_bytes,
    );
    context.reply.verbatim("txt", text.as_bytes());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Usage, diagnose};
    use crate::shared::Facts;
    use crate::testing::{TestProcess, TestServer, check, check_resp3};

    #[test]
    fn usage_is_what_the_entry_takes() {
        check(
            "SET k 0123456789
             MEMORY USAGE k
             MEMORY USAGE k SAMPLES 0 samples 5
             MEMORY USAGE missing
             MEMORY USAGE k SAMPLES -1
             MEMORY USAGE k SAMPLES x
             MEMORY USAGE missing SAMPLES
             MEMORY USAGE missing x
             MEMORY USAGE",
            "OK
             :27
             :27
             nil
             -ERR syntax error
             -ERR value is not an integer or out of range
             -ERR syntax error
             -ERR syntax error
             -ERR wrong number of arguments for 'memory|usage' command",
        );
    }

    #[test]
    fn stats_add_up() {
        let facts = Facts {
            allocated_bytes: 9 << 20,
            allocated_bytes_peak: 10 << 20,
            allocated_bytes_at_start: 1 << 20,
            ..Facts::default()
        };
        let mut server = TestServer::with(TestProcess {
            facts,
            ..TestProcess::default()
        });
        let stats = server.run("SET k v\nMEMORY STATS");
        for part in [
            "peak.allocated :10485760 total.allocated :9437184 startup.allocated :1048576",
            "db.0 [overhead.hashtable.main :",
            "keys.count :1 keys.bytes-per-key :8388608 dataset.bytes :",
            "peak.percentage 90 ",
        ] {
            assert!(stats.contains(part), "{part}: {stats}");
        }
    }

    #[test]
    fn the_doctor_names_what_is_unusual() {
        let usage = |facts| Usage {
            facts,
            clients: 0,
            tables: [0; 16],
            keys: 0,
        };
        let healthy = Facts {
            allocated_bytes: 100 << 20,
            allocated_bytes_peak: 100 << 20,
            active_bytes: 105 << 20,
            allocator_resident_bytes: 106 << 20,
            resident_bytes: 107 << 20,
            ..Facts::default()
        };
        assert!(diagnose(&usage(Facts::default()), 1).starts_with("Nothing can be said"));
        assert_eq!(
            diagnose(&usage(healthy.clone()), 1),
            "Nothing unusual was found.\n"
        );
        let fragmented = Facts {
            active_bytes: 150 << 20,
            allocator_resident_bytes: 150 << 20,
            resident_bytes: 150 << 20,
            ..healthy
        };
        assert!(diagnose(&usage(fragmented), 1).starts_with("Fragmentation: "));
    }

    #[test]
    fn the_rest_answers() {
        check_resp3("MEMORY PURGE", "OK");
        let mut server = TestServer::new();
        let expected = "allocated: 0\\nactive: 0\\nresident: 0\\nretained: 0\\n";
        assert_eq!(server.run("MEMORY MALLOC-STATS"), expected);
    }
}
