//! Whose the resident memory is.

use keyspace::StatisticsBytes;

use super::usage::Usage;
use crate::shared::Shared;
use crate::stats::WorkerStats;

/// An owner and its bytes.
pub type Owner = (&'static str, u64);

/// All owners. Together they are the resident memory of the process, but for what nobody has counted.
pub fn owners(shared: &Shared, usage: &Usage, now_ms: u64) -> Vec<Owner> {
    let keyspace = &shared.keyspace;
    let stats = keyspace.stats(now_ms);
    let slabs = keyspace.slab_stats();
    let facts = &usage.facts;
    let databases = |bytes: fn(&keyspace::DatabaseStats) -> u64| -> u64 {
        stats.databases.iter().map(bytes).sum()
    };
    let less = |bytes: u64, than: u64| bytes.saturating_sub(than);
    // Pages that are resident and belong to no class are part of what the allocator holds.
    let gaps = less(slabs.page_bytes as u64, slabs.used_bytes as u64);
    let mut fragmentation = less(less(facts.active_bytes, facts.allocated_bytes), gaps);
    let held_bytes = less(facts.allocator_resident_bytes, facts.active_bytes);
    let mut metadata = facts.allocator_metadata_bytes.min(held_bytes);
    let mut held = held_bytes - metadata;
    // The allocator takes pages for resident that it has handed out and nobody has touched yet.
    let others = facts.program_bytes + facts.receive_mapped_bytes;
    let mut untouched = less(
        facts.allocator_resident_bytes + others,
        facts.resident_bytes,
    );
    let mut receive_buffers = facts.receive_allocated_bytes;
    let statistics = statistics(shared);
    // What these take from the start on is not the startup's as well.
    let known_at_start = statistics.at_start + keyspace.empty_prefix_index_bytes();
    let mut startup = less(facts.allocated_bytes_at_start, known_at_start);
    let untouched_at_start = facts.untouched_bytes_at_start;
    for (bytes, untouched_max) in [
        (&mut startup, untouched_at_start),
        (&mut held, u64::MAX),
        (&mut metadata, u64::MAX),
        (&mut fragmentation, u64::MAX),
        (&mut receive_buffers, u64::MAX),
    ] {
        let part = untouched.min(*bytes).min(untouched_max);
        *bytes -= part;
        untouched -= part;
    }
    vec![
        ("entries", databases(|database| database.bytes)),
        ("tables", databases(|database| database.table_bytes)),
        ("deadlines", databases(|database| database.index_bytes)),
        ("policy", keyspace.policy_bytes()),
        ("prefixes", keyspace.prefix_index_bytes()),
        ("statistics", statistics.at_start + statistics.since),
        (
            "clients",
            usage.clients + keyspace.uncharged_removed_bytes(),
        ),
        (
            "receive-buffers",
            receive_buffers + facts.receive_mapped_bytes,
        ),
        ("waiting-to-be-freed", keyspace.waiting_bytes()),
        ("kept-by-workers", keyspace.kept_bytes()),
        ("gaps-between-entries", gaps),
        ("allocator-fragmentation", fragmentation),
        ("allocator-held", held),
        ("allocator-metadata", metadata),
        ("startup", startup),
        ("program", facts.program_bytes),
    ]
}

/// Memory of the statistics of the keyspace and of commands.
fn statistics(shared: &Shared) -> StatisticsBytes {
    let of_keyspace = shared.keyspace.statistics_bytes();
    let workers = &shared.stats;
    let sum = |bytes: fn(&WorkerStats) -> usize| workers.iter().map(bytes).sum::<usize>() as u64;
    StatisticsBytes {
        at_start: of_keyspace.at_start + sum(WorkerStats::bytes_at_start),
        since: of_keyspace.since
            + sum(WorkerStats::bytes_since_start)
            + shared.insight.bytes() as u64,
    }
}
