//! The sections of INFO, in their order.

use std::sync::atomic::Ordering::Relaxed;

use keyspace::HugePages;

use super::Report;
use crate::REDIS_VERSION;
use crate::acl::Reason;
use crate::clients::Client;
use crate::registry::registry;
use crate::server::memory::{excess, ratio};
use crate::server::process::wall_clock_us;
use crate::stats::{WorkerStats, command_times, command_totals, error_totals};

/// One section.
pub struct Section {
    /// Its title; in lower case its name.
    pub title: &'static str,
    /// Whether it is shown when none is named.
    pub is_default: bool,
    /// Writes its fields.
    pub write: fn(&mut Report<'_>),
}

/// All sections.
pub const SECTIONS: &[Section] = &[
    usual("Server", server),
    usual("Clients", clients),
    usual("Memory", memory),
    usual("Persistence", persistence),
    usual("Stats", stats),
    usual("Replication", replication),
    usual("CPU", cpu),
    usual("Modules", nothing),
    special("Commandstats", command_stats),
    usual("Errorstats", error_stats),
    special("Latencystats", latency_stats),
    usual("Cluster", cluster),
    usual("Keyspace", keyspace),
    KEY_SIZES,
    usual("Workers", workers),
    special("Prefixes", prefixes),
];

/// The section that has keys looked at.
pub const KEY_SIZES: Section = special("Keysizes", key_sizes);

const fn usual(title: &'static str, write: fn(&mut Report<'_>)) -> Section {
    Section {
        title,
        is_default: true,
        write,
    }
}

const fn special(title: &'static str, write: fn(&mut Report<'_>)) -> Section {
    Section {
        title,
        is_default: false,
        write,
    }
}

/// For sections whose feature does not exist.
fn nothing(_: &mut Report<'_>) {}

fn server(report: &mut Report<'_>) {
    let facts = report.usage.facts.clone();
    report.field("redis_version", REDIS_VERSION);
    report.field("redistill_version", facts.redistill_version);
    report.field("redis_git_sha1", "00000000");
    report.field("redis_git_dirty", 0);
    report.field("redis_mode", "standalone");
    report.field("os", &facts.os);
    report.field("arch_bits", usize::BITS);
    report.field("monotonic_clock", "POSIX clock_gettime");
    report.field("multiplexing_api", facts.io_backend);
    report.field("process_id", std::process::id());
    report.field("process_supervised", "no");
    report.field("run_id", &facts.run_id);
    report.field("tcp_port", facts.tcp_port);
    report.field("server_time_usec", wall_clock_us());
    report.field("uptime_in_seconds", facts.uptime_seconds);
    report.field("uptime_in_days", facts.uptime_seconds / (24 * 60 * 60));
    report.field("lru_clock", (report.now_ms / 1000) & 0xff_ffff);
    report.field("executable", &facts.executable);
    report.field("config_file", &facts.config_file);
    report.field("workers", facts.workers);
    report.field("shards", report.shared.keyspace.num_shards());
}

fn clients(report: &mut Report<'_>) {
    let clients = report.shared.clients.all();
    let watching = clients
        .iter()
        .filter(|client| client.watched.load(Relaxed) > 0);
    let watching = watching.count();
    let largest = |bytes: fn(&Client) -> u64| {
        let bytes = clients.iter().map(|client| bytes(client));
        bytes.max().unwrap_or(0)
    };
    let input = largest(|client| client.input_bytes.load(Relaxed));
    let output = largest(|client| client.output_bytes.load(Relaxed));
    report.field("connected_clients", clients.len());
    report.field("cluster_connections", 0);
    report.field("maxclients", report.usage.facts.max_clients);
    report.field("client_recent_max_input_buffer", input);
    report.field("client_recent_max_output_buffer", output);
    report.zeros(&["blocked_clients", "tracking_clients", "pubsub_clients"]);
    report.field("watching_clients", watching);
    report.zeros(&["clients_in_timeout_table"]);
    report.field("total_watched_keys", report.shared.keyspace.watched_keys());
    report.zeros(&["total_blocking_keys", "total_blocking_keys_on_nokey"]);
}

fn memory(report: &mut Report<'_>) {
    let facts = report.usage.facts.clone();
    let (peak, dataset) = (report.usage.peak_percent(), report.usage.dataset_percent());
    report.memory("used_memory", facts.allocated_bytes);
    report.memory("used_memory_rss", facts.resident_bytes);
    report.memory("used_memory_peak", facts.allocated_bytes_peak);
    report.field("used_memory_peak_perc", format_args!("{peak:.2}%"));
    report.field("used_memory_overhead", report.usage.overhead());
    report.field("used_memory_startup", facts.allocated_bytes_at_start);
    report.field("used_memory_dataset", report.usage.dataset());
    report.field("used_memory_dataset_perc", format_args!("{dataset:.2}%"));
    report.field("allocator_allocated", facts.allocated_bytes);
    report.field("allocator_active", facts.active_bytes);
    report.field("allocator_resident", facts.allocator_resident_bytes);
    report.field("allocator_retained", facts.retained_bytes);
    for (name, of) in [("jemalloc", facts.jemalloc), ("slabs", facts.slabs)] {
        report.field(format_args!("{name}_allocated"), of.allocated_bytes);
        report.field(format_args!("{name}_active"), of.active_bytes);
        report.field(format_args!("{name}_resident"), of.resident_bytes);
    }
    report.memory("total_system_memory", facts.system_memory_bytes);
    report.memory("used_memory_lua", 0);
    report.zeros(&["used_memory_vm_eval", "used_memory_scripts_eval"]);
    report.memory("used_memory_scripts", 0);
    report.zeros(&["used_memory_vm_functions", "used_memory_functions"]);
    report.memory("used_memory_vm_total", 0);
    report.zeros(&[
        "number_of_cached_scripts",
        "number_of_functions",
        "number_of_libraries",
    ]);
    report.memory("maxmemory", facts.max_memory);
    report.field("maxmemory_policy", &facts.max_memory_policy);
    fragmentation(report);
    report.zeros(&[
        "mem_not_counted_for_evict",
        "mem_replication_backlog",
        "mem_total_replication_buffers",
        "mem_clients_slaves",
    ]);
    report.field("mem_clients_normal", report.usage.clients);
    report.zeros(&["mem_cluster_links", "mem_aof_buffer"]);
    report.field("mem_allocator", facts.allocator);
    let is_compacting = report.shared.keyspace.compaction_stats().is_running;
    report.field("active_defrag_running", u8::from(is_compacting));
    report.zeros(&["lazyfree_pending_objects", "lazyfreed_objects"]);
    report.field(
        "lazyfree_pending_bytes",
        report.shared.keyspace.waiting_bytes(),
    );
}

fn fragmentation(report: &mut Report<'_>) {
    let facts = &report.usage.facts;
    let (allocated, active) = (facts.allocated_bytes, facts.active_bytes);
    let (held, resident) = (facts.allocator_resident_bytes, facts.resident_bytes);
    for (name, bytes, than) in [
        ("allocator_frag", active, allocated),
        ("allocator_rss", held, active),
        ("rss_overhead", resident, held),
        ("mem_fragmentation", resident, allocated),
    ] {
        let ratio = ratio(bytes, than);
        report.field(format_args!("{name}_ratio"), format_args!("{ratio:.2}"));
        report.field(format_args!("{name}_bytes"), excess(bytes, than));
    }
}

fn persistence(report: &mut Report<'_>) {
    report.zeros(&[
        "loading",
        "async_loading",
        "current_cow_peak",
        "current_cow_size",
        "current_cow_size_age",
    ]);
    report.field("current_fork_perc", "0.00");
    report.zeros(&[
        "current_save_keys_processed",
        "current_save_keys_total",
        "rdb_changes_since_last_save",
        "rdb_bgsave_in_progress",
        "rdb_last_save_time",
    ]);
    report.field("rdb_last_bgsave_status", "ok");
    report.field("rdb_last_bgsave_time_sec", -1);
    report.field("rdb_current_bgsave_time_sec", -1);
    report.zeros(&[
        "rdb_saves",
        "rdb_last_cow_size",
        "rdb_last_load_keys_expired",
        "rdb_last_load_keys_loaded",
        "aof_enabled",
        "aof_rewrite_in_progress",
        "aof_rewrite_scheduled",
    ]);
    report.field("aof_last_rewrite_time_sec", -1);
    report.field("aof_current_rewrite_time_sec", -1);
    report.field("aof_last_bgrewrite_status", "ok");
    report.zeros(&["aof_rewrites", "aof_rewrites_consecutive_failures"]);
    report.field("aof_last_write_status", "ok");
    report.zeros(&[
        "aof_last_cow_size",
        "module_fork_in_progress",
        "module_fork_last_cow_size",
    ]);
}

fn stats(report: &mut Report<'_>) {
    let facts = report.usage.facts.clone();
    let per_second = facts.per_second;
    let workers = &report.shared.stats;
    let sum = |count: fn(&WorkerStats) -> u64| -> u64 { workers.iter().map(count).sum() };
    let (executed, errors) = (
        sum(|worker| worker.executed()),
        sum(|worker| worker.errors.get()),
    );
    report.field("total_connections_received", facts.connections_received);
    report.field("total_commands_processed", executed);
    report.field("instantaneous_ops_per_sec", per_second.commands);
    report.field("total_net_input_bytes", facts.net_input_bytes);
    report.field("total_net_output_bytes", facts.net_output_bytes);
    report.zeros(&["total_net_repl_input_bytes", "total_net_repl_output_bytes"]);
    report.field(
        "instantaneous_input_kbps",
        kilobytes(per_second.input_bytes),
    );
    report.field(
        "instantaneous_output_kbps",
        kilobytes(per_second.output_bytes),
    );
    report.field("instantaneous_input_repl_kbps", kilobytes(0));
    report.field("instantaneous_output_repl_kbps", kilobytes(0));
    report.field("rejected_connections", facts.connections_rejected);
    report.zeros(&["sync_full", "sync_partial_ok", "sync_partial_err"]);
    expiry(report);
    report.field("evicted_keys", report.keyspace.evicted);
    if let Some(saved) = report.keyspace.misses_saved_by_s3 {
        report.field("misses_saved_by_s3fifo", saved);
    }
    report.field(
        "evicted_clients",
        sum(|worker| worker.evicted_clients.get()),
    );
    report.zeros(&["evicted_scripts"]);
    report.field("keyspace_hits", report.keyspace.hits);
    report.field("keyspace_misses", report.keyspace.misses);
    misses(report);
    report.zeros(&[
        "pubsub_channels",
        "pubsub_patterns",
        "pubsubshard_channels",
        "latest_fork_usec",
        "total_forks",
        "migrate_cached_sockets",
        "slave_expires_tracked_keys",
        "active_defrag_misses",
        "active_defrag_key_hits",
        "active_defrag_key_misses",
        "tracking_total_keys",
        "tracking_total_items",
        "tracking_total_prefixes",
        "unexpected_error_replies",
    ]);
    let moved = report.shared.keyspace.compaction_stats().moved;
    report.field("active_defrag_hits", moved);
    report.field("total_error_replies", errors);
    report.field(
        "client_query_buffer_limit_disconnections",
        sum(|worker| worker.overlong_clients.get()),
    );
    report.field(
        "client_output_buffer_limit_disconnections",
        sum(|worker| worker.overflown_clients.get()),
    );
    event_loop(report);
    denials(report);
}

/// How often workers woke up, and how long they were busy then.
fn event_loop(report: &mut Report<'_>) {
    let per_second = report.usage.facts.per_second;
    let workers = &report.shared.stats;
    let sum = |count: fn(&WorkerStats) -> u64| -> u64 { workers.iter().map(count).sum() };
    let microseconds = |ns: u64| ns / 1000;
    let (cycles, busy_ns, commands_ns) = (
        sum(|worker| worker.wakes.get()),
        sum(|worker| worker.waking.busy_ns.get()),
        sum(WorkerStats::commands_ns),
    );
    report.field("eventloop_cycles", cycles);
    report.field("eventloop_duration_sum", microseconds(busy_ns));
    report.field("eventloop_duration_cmd_sum", microseconds(commands_ns));
    report.field("instantaneous_eventloop_cycles_per_sec", per_second.wakes);
    report.field(
        "instantaneous_eventloop_duration_usec",
        microseconds(per_second.busy_ns / per_second.wakes.max(1)),
    );
}

/// What users may not do and tried.
fn denials(report: &mut Report<'_>) {
    let log = &report.shared.acl.log;
    for (name, reason) in [
        ("auth", Reason::Authentication),
        ("cmd", Reason::Command),
        ("key", Reason::Key),
    ] {
        let count = log.count(reason);
        report.field(format_args!("acl_access_denied_{name}"), count);
    }
    report.zeros(&["acl_access_denied_channel"]);
}

/// Why keys were not there.
fn misses(report: &mut Report<'_>) {
    let reasons = report.miss_reasons;
    for (name, value) in [
        ("keyspace_misses_never_seen", reasons.never_seen),
        ("keyspace_misses_expired", reasons.expired),
        ("keyspace_misses_evicted", reasons.evicted),
        ("keyspace_misses_deleted", reasons.deleted),
        ("keyspace_misses_sampled", reasons.sampled),
        (
            "keyspace_misses_evicted_age_msec_p50",
            reasons.missed_age_ms_p50,
        ),
        ("evicted_age_msec_p50", reasons.evicted_age_ms_p50),
    ] {
        report.field(name, value);
    }
}

/// What has expired, and how late it went.
fn expiry(report: &mut Report<'_>) {
    let workers = &report.shared.stats;
    let sum = |count: fn(&WorkerStats) -> u64| -> u64 { workers.iter().map(count).sum() };
    let (sweeps_cut, sweep_ns) = (
        sum(|worker| worker.sweeps_cut.get()),
        sum(|worker| worker.sweep_ns.get()),
    );
    let (lag, expired) = (report.keyspace.lag, report.keyspace.expired);
    let databases = &report.keyspace.databases;
    let deadlines: u64 = databases.iter().map(|database| database.deadlines).sum();
    // Of those that have or lately had a deadline.
    let stale = 100.0 * lag.overdue_keys / ((lag.keys + deadlines) as f64).max(1.0);
    report.field("expired_subkeys", report.keyspace.expired_fields);
    report.field("expired_keys", expired);
    report.field("expired_stale_perc", format_args!("{stale:.2}"));
    report.field("expired_time_cap_reached_count", sweeps_cut);
    report.field("expire_cycle_cpu_milliseconds", sweep_ns / 1_000_000);
    report.field("expired_lag_p50_msec", lag.p50_ms);
    report.field("expired_lag_p99_msec", lag.p99_ms);
    report.field("expired_lag_max_msec", lag.max_ms);
}

fn kilobytes(bytes: u64) -> String {
    format!("{:.2}", bytes as f64 / 1024.0)
}

fn replication(report: &mut Report<'_>) {
    report.field("role", "master");
    report.field("connected_slaves", 0);
    report.field("master_failover_state", "no-failover");
    let run_id = report.usage.facts.run_id.clone();
    report.field("master_replid", run_id);
    report.field("master_replid2", "0".repeat(40));
    report.field("master_repl_offset", 0);
    report.field("second_repl_offset", -1);
    report.zeros(&[
        "repl_backlog_active",
        "repl_backlog_size",
        "repl_backlog_first_byte_offset",
        "repl_backlog_histlen",
    ]);
}

fn cpu(report: &mut Report<'_>) {
    let facts = &report.usage.facts;
    for (name, seconds) in [
        ("sys", facts.cpu_system_seconds),
        ("user", facts.cpu_user_seconds),
        ("sys_children", 0.0),
        ("user_children", 0.0),
        ("sys_main_thread", facts.cpu_system_main_seconds),
        ("user_main_thread", facts.cpu_user_main_seconds),
    ] {
        report.field(
            format_args!("used_cpu_{name}"),
            format_args!("{seconds:.6}"),
        );
    }
}

fn command_stats(report: &mut Report<'_>) {
    for registered in registry().all() {
        let totals = command_totals(&report.shared.stats, registered.id);
        if totals.calls + totals.rejected + totals.failed == 0 {
            continue;
        }
        let calls = totals.calls;
        let microseconds = totals.total_ns as f64 / 1000.0;
        let per_call = microseconds / calls.max(1) as f64;
        let (rejected, failed) = (totals.rejected, totals.failed);
        report.field(
            format_args!("cmdstat_{}", registered.full_name),
            format_args!(
                "calls={calls},usec={microseconds:.0},usec_per_call={per_call:.2},\
                 rejected_calls={rejected},failed_calls={failed}"
            ),
        );
    }
}

/// How long commands took, in microseconds.
fn latency_stats(report: &mut Report<'_>) {
    let shared = report.shared;
    if !shared.insight.counts_times() {
        return;
    }
    let percentiles = shared.insight.percentiles();
    for registered in registry().all() {
        let Some(times) = command_times(&shared.stats, registered.id) else {
            continue;
        };
        let shares = percentiles.iter().map(|percentile| {
            let microseconds = times.percentile_ns(percentile.percent()) as f64 / 1000.0;
            format!("p{percentile}={microseconds:.3}")
        });
        let shares: Vec<String> = shares.collect();
        report.field(
            format_args!("latency_percentiles_usec_{}", registered.full_name),
            shares.join(","),
        );
    }
}

fn error_stats(report: &mut Report<'_>) {
    for (code, count) in error_totals(&report.shared.stats) {
        report.field(
            format_args!("errorstat_{code}"),
            format_args!("count={count}"),
        );
    }
}

/// How the work is done: what is switched on, and what each worker has to do in one wake.
fn workers(report: &mut Report<'_>) {
    let facts = report.usage.facts.clone();
    let shared = report.shared;
    report.field("workers", facts.workers);
    report.field("io_backend", facts.io_backend);
    report.field("allocator", facts.allocator);
    let huge_pages = shared.keyspace.huge_pages() == HugePages::Yes;
    report.field("huge_pages", if huge_pages { "asked" } else { "off" });
    let busy_us_max = shared.stats.iter().map(|worker| worker.busy_us_max.get());
    report.field("worker_loop_usec_max", busy_us_max.max().unwrap_or(0));
    for (index, worker) in shared.stats.iter().enumerate() {
        let (wakes, commands) = (worker.wakes.get(), worker.executed());
        let per_wake = commands as f64 / wakes.max(1) as f64;
        let busy_us_max = worker.busy_us_max.get();
        report.field(
            format_args!("worker{index}"),
            format_args!(
                "wakes={wakes},commands={commands},commands_per_wake={per_wake:.2},\
                 loop_usec_max={busy_us_max}"
            ),
        );
    }
}

/// The numbers of configured prefixes of keys.
fn prefixes(report: &mut Report<'_>) {
    let stats = report.shared.keyspace.prefix_stats();
    for (number, of) in stats.iter().enumerate() {
        let (start, cap) = (plain(&of.start), of.bytes_max.unwrap_or(0));
        let (keys, bytes, evicted) = (of.keys, of.bytes, of.evicted);
        let (hits, misses) = (of.hits, of.misses);
        report.field(
            format_args!("prefix{number}"),
            format_args!(
                "match={start},keys={keys},bytes={bytes},hits={hits},misses={misses},\
                 evicted={evicted},cap={cap}"
            ),
        );
    }
    report.field(
        "prefix_index_bytes",
        report.shared.keyspace.prefix_index_bytes(),
    );
}

/// Bytes in a form that breaks no line and no field: others are written as `\x2c`.
fn plain(bytes: &[u8]) -> String {
    let is_plain = |byte: u8| byte.is_ascii_graphic() && !b",=\\".contains(&byte);
    let shown = bytes.iter().map(|byte| match is_plain(*byte) {
        true => char::from(*byte).to_string(),
        false => format!("\\x{byte:02x}"),
    });
    shown.collect()
}

fn cluster(report: &mut Report<'_>) {
    report.field("cluster_enabled", 0);
}

fn keyspace(report: &mut Report<'_>) {
    for (database, stats) in report.keyspace.databases.into_iter().enumerate() {
        if stats.keys > 0 {
            let (keys, expires, ttl) = (stats.keys, stats.deadlines, stats.mean_ttl_ms);
            report.field(
                format_args!("db{database}"),
                format_args!("keys={keys},expires={expires},avg_ttl={ttl}"),
            );
        }
    }
}

fn key_sizes(report: &mut Report<'_>) {
    for sizes in std::mem::take(&mut report.key_sizes) {
        let name = format_args!("db{}_{}", sizes.database, sizes.name()).to_string();
        report.field(name, sizes.text());
    }
}
