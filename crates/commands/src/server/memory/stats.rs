//! MEMORY STATS.

use resp::{Args, ReplyWriter};

use super::owners::{Owner, owners};
use super::usage::{Usage, excess, ratio};
use crate::context::Context;
use crate::error::CommandError;

/// MEMORY STATS.
pub fn stats(context: &mut Context<'_, '_>, _: Args<'_>) -> Result<(), CommandError> {
    let usage = Usage::of(context.shared, context.now_ms());
    let owners = owners(context.shared, &usage, context.now_ms());
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
    map.bytes("resident", resident);
    map.owners(&owners, resident);
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

    /// Whose the resident memory is, and what of it is nobody's.
    fn owners(&mut self, owners: &[Owner], resident: u64) {
        let known: u64 = owners.iter().map(|(_, bytes)| bytes).sum();
        for (name, bytes) in owners {
            self.bytes(&format!("owner.{name}"), *bytes);
        }
        self.signed("owner.unknown", excess(resident, known));
    }

    fn end(self) {
        self.reply.end_map(self.map, self.pairs);
    }
}

#[cfg(test)]
mod tests {
    use crate::shared::Facts;
    use crate::testing::{TestProcess, TestServer};

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
}
