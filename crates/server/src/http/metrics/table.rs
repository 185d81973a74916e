//! The table of metrics. A metric is declared here and nowhere else.

use super::read;
use super::text::{Kind, Samples};
use crate::http::numbers::{Condition, Numbers};

/// One metric.
pub struct Metric {
    /// Its name, with its unit; counters end with `_total`.
    pub name: &'static str,
    /// What it is.
    pub kind: Kind,
    /// Its labels.
    pub labels: &'static [&'static str],
    /// What it tells, in a sentence.
    pub help: &'static str,
    /// Writes its samples.
    pub read: fn(&Numbers<'_>, &mut Samples<'_>),
}

type Read = fn(&Numbers<'_>, &mut Samples<'_>);

const fn counter(name: &'static str, help: &'static str, read: Read) -> Metric {
    metric(name, Kind::Counter, help, read)
}

const fn gauge(name: &'static str, help: &'static str, read: Read) -> Metric {
    metric(name, Kind::Gauge, help, read)
}

const fn histogram(name: &'static str, help: &'static str, read: Read) -> Metric {
    metric(name, Kind::Histogram, help, read)
}

const fn metric(name: &'static str, kind: Kind, help: &'static str, read: Read) -> Metric {
    Metric {
        name,
        kind,
        labels: &[],
        help,
        read,
    }
}

impl Metric {
    const fn with(self, labels: &'static [&'static str]) -> Self {
        Self { labels, ..self }
    }
}

/// All metrics, in the order of the answer, with the titles of the page.
pub static GROUPS: &[(&str, &[Metric])] = &[
    ("The process", PROCESS),
    ("Connections", CONNECTIONS),
    ("Commands", COMMANDS),
    ("The cache", CACHE),
    ("Expiry and eviction", GOING),
    ("Memory", MEMORY),
    ("Workers", WORKERS),
    ("Prefixes", PREFIXES),
];

const PROCESS: &[Metric] = &[
    gauge(
        "redistill_build_info",
        "Always 1; what runs is in the labels.",
        |numbers, samples| {
            let facts = numbers.facts();
            samples.labelled(
                &[
                    facts.redistill_version,
                    commands::REDIS_VERSION,
                    facts.io_backend,
                    facts.allocator,
                ],
                1.0,
            );
        },
    )
    .with(&["version", "redis_version", "io_backend", "allocator"]),
    gauge(
        "redistill_start_time_seconds",
        "When the process started, in seconds of the Unix epoch.",
        |numbers, samples| samples.value(numbers.process.clock.start_ms() as f64 / 1e3),
    ),
    gauge(
        "redistill_uptime_seconds",
        "How long the process has run.",
        |numbers, samples| samples.value(numbers.process.clock.uptime_ms() as f64 / 1e3),
    ),
    gauge(
        "redistill_ready",
        "1 while clients are served, 0 while the server starts or ends.",
        |numbers, samples| {
            let is_ready = Condition::of(numbers.process) == Condition::Ready;
            samples.value(f64::from(u8::from(is_ready)));
        },
    ),
    counter(
        "redistill_cpu_seconds_total",
        "CPU time of the process, by mode: user, system.",
        |numbers, samples| {
            samples.labelled(&["user"], numbers.facts().cpu_user_seconds);
            samples.labelled(&["system"], numbers.facts().cpu_system_seconds);
        },
    )
    .with(&["mode"]),
];

const CONNECTIONS: &[Metric] = &[
    gauge(
        "redistill_connections",
        "Clients that are connected.",
        |numbers, samples| samples.value(numbers.process.connections() as f64),
    ),
    gauge(
        "redistill_connections_max",
        "Clients that may be connected, server.max_connections.",
        |numbers, samples| samples.value(numbers.facts().max_clients as f64),
    ),
    counter(
        "redistill_connections_received_total",
        "Connections of clients, those that were refused included.",
        |numbers, samples| samples.value(numbers.facts().connections_received as f64),
    ),
    counter(
        "redistill_connections_rejected_total",
        "Connections that were refused because there were too many, or too many in a second.",
        |numbers, samples| samples.value(numbers.facts().connections_rejected as f64),
    ),
    counter(
        "redistill_clients_evicted_total",
        "Clients that were closed because all clients together took more than memory.max_memory_clients.",
        |numbers, samples| samples.value(numbers.total(|worker| &worker.evicted_clients) as f64),
    ),
    counter(
        "redistill_clients_overflown_total",
        "Clients that were closed because more waited for them than server.output_buffer_limits allow.",
        |numbers, samples| samples.value(numbers.total(|worker| &worker.overflown_clients) as f64),
    ),
    counter(
        "redistill_clients_overlong_total",
        "Clients that were closed because the requests that they had sent took more than server.query_buffer_limit.",
        |numbers, samples| samples.value(numbers.total(|worker| &worker.overlong_clients) as f64),
    ),
    counter(
        "redistill_network_received_bytes_total",
        "Bytes that clients have sent.",
        |numbers, samples| samples.value(numbers.facts().net_input_bytes as f64),
    ),
    counter(
        "redistill_network_sent_bytes_total",
        "Bytes that were sent to clients.",
        |numbers, samples| samples.value(numbers.facts().net_output_bytes as f64),
    ),
];

const COMMANDS: &[Metric] = &[
    counter(
        "redistill_commands_total",
        "Commands that were executed.",
        |numbers, samples| read::commands(numbers, samples, |totals| totals.calls),
    )
    .with(&["command"]),
    counter(
        "redistill_commands_rejected_total",
        "Commands that were refused before execution, such as those with a wrong number of arguments.",
        |numbers, samples| read::commands(numbers, samples, |totals| totals.rejected),
    )
    .with(&["command"]),
    counter(
        "redistill_commands_failed_total",
        "Commands that answered an error.",
        |numbers, samples| read::commands(numbers, samples, |totals| totals.failed),
    )
    .with(&["command"]),
    histogram(
        "redistill_command_duration_seconds",
        "How long commands took in the server, from their turn to their reply; neither the network nor the wait for a worker is in it.",
        read::latencies,
    )
    .with(&["command"]),
    counter(
        "redistill_errors_total",
        "Error replies, by their code, the first word.",
        read::errors,
    )
    .with(&["code"]),
];

const CACHE: &[Metric] = &[
    gauge(
        "redistill_keys",
        "Keys, those that have expired and are not yet removed included.",
        |numbers, samples| read::databases(numbers, samples, |database| database.keys),
    )
    .with(&["db"]),
    gauge(
        "redistill_keys_with_deadline",
        "Keys that have a time to live.",
        |numbers, samples| read::databases(numbers, samples, |database| database.deadlines),
    )
    .with(&["db"]),
    counter(
        "redistill_hits_total",
        "Lookups by reading commands that found their key.",
        |numbers, samples| samples.value(numbers.keyspace.hits as f64),
    ),
    counter(
        "redistill_misses_total",
        "Lookups by reading commands that did not.",
        |numbers, samples| samples.value(numbers.keyspace.misses as f64),
    ),
    gauge(
        "redistill_miss_reason_ratio",
        "The share of all misses that has this reason, from 0 to 1, estimated from a sample of the keys: never_seen, expired, evicted, deleted.",
        read::miss_reasons,
    )
    .with(&["reason"]),
    gauge(
        "redistill_evicted_age_seconds",
        "Median of the time for which evicted keys had not been used.",
        |numbers, samples| samples.value(numbers.miss_reasons.evicted_age_ms_p50 as f64 / 1e3),
    ),
    gauge(
        "redistill_missed_evicted_age_seconds",
        "The same of those evicted keys that were read afterwards.",
        |numbers, samples| samples.value(numbers.miss_reasons.missed_age_ms_p50 as f64 / 1e3),
    ),
    gauge(
        "redistill_curve_hit_ratio",
        "What the hit ratio would be with so many times the memory, from 0 to 1; it appears once enough was read.",
        |numbers, samples| read::curve(numbers, samples, |point| point.hit_ratio),
    )
    .with(&["factor"]),
    gauge(
        "redistill_curve_bytes",
        "The memory of entries that this factor stands for.",
        |numbers, samples| read::curve(numbers, samples, |point| Some(point.bytes as f64)),
    )
    .with(&["factor"]),
];

const GOING: &[Metric] = &[
    counter(
        "redistill_evicted_keys_total",
        "Keys that were removed to make room.",
        |numbers, samples| samples.value(numbers.keyspace.evicted as f64),
    ),
    counter(
        "redistill_expired_keys_total",
        "Keys that were removed because their time was up.",
        |numbers, samples| samples.value(numbers.keyspace.expired as f64),
    ),
    counter(
        "redistill_expired_fields_total",
        "Fields of hashes that were removed because their time was up.",
        |numbers, samples| samples.value(numbers.keyspace.expired_fields as f64),
    ),
    gauge(
        "redistill_expiry_lag_seconds",
        "How late keys were removed in the last 10 to 20 seconds, by percentile; 100 is the latest.",
        |numbers, samples| {
            let lag = numbers.keyspace.lag;
            for (percentile, ms) in [("50", lag.p50_ms), ("99", lag.p99_ms), ("100", lag.max_ms)] {
                samples.labelled(&[percentile], ms as f64 / 1e3);
            }
        },
    )
    .with(&["percentile"]),
    gauge(
        "redistill_expiry_overdue_keys",
        "Keys that were there although their time was up, the mean of the last 10 to 20 seconds.",
        |numbers, samples| samples.value(numbers.keyspace.lag.overdue_keys),
    ),
    counter(
        "redistill_expiry_sweeps_cut_total",
        "Sweeps for expired keys that had to stop before they were done, to let commands through.",
        |numbers, samples| samples.value(numbers.total(|worker| &worker.sweeps_cut) as f64),
    ),
    counter(
        "redistill_expiry_seconds_total",
        "What all sweeps for expired keys have taken.",
        |numbers, samples| samples.value(numbers.total(|worker| &worker.sweep_ns) as f64 / 1e9),
    ),
];

const MEMORY: &[Metric] = &[
    gauge(
        "redistill_memory_limit_bytes",
        "The most that the process may take, memory.max_memory; 0 for no limit.",
        |numbers, samples| samples.value(numbers.facts().max_memory as f64),
    ),
    gauge(
        "redistill_memory_resident_bytes",
        "Resident memory of the process, which the limit is for.",
        |numbers, samples| samples.value(numbers.facts().resident_bytes as f64),
    ),
    gauge(
        "redistill_memory_used_bytes",
        "What the program has asked of the allocator and not given back, used_memory of INFO.",
        |numbers, samples| samples.value(numbers.facts().allocated_bytes as f64),
    ),
    gauge(
        "redistill_memory_used_peak_bytes",
        "The most of that so far.",
        |numbers, samples| samples.value(numbers.facts().allocated_bytes_peak as f64),
    ),
    gauge(
        "redistill_memory_owner_bytes",
        "Whose the resident memory is, as MEMORY STATS tells it; unknown is what nobody has counted.",
        |numbers, samples| {
            for (owner, bytes) in numbers.owners() {
                samples.labelled(&[owner], bytes as f64);
            }
        },
    )
    .with(&["owner"]),
    counter(
        "redistill_compaction_moved_total",
        "Entries and arrays of buckets that were moved to empty sparse pages.",
        |numbers, samples| {
            samples.value(numbers.shared.keyspace.compaction_stats().moved as f64);
        },
    ),
];

const WORKERS: &[Metric] = &[
    gauge(
        "redistill_workers",
        "Worker threads.",
        |numbers, samples| samples.value(numbers.shared.stats.len() as f64),
    ),
    counter(
        "redistill_worker_busy_seconds_total",
        "How long the worker has worked: its rate is its utilisation, from 0 to 1.",
        |numbers, samples| {
            read::workers(numbers, samples, |worker| {
                worker.waking.busy_ns.get() as f64 / 1e9
            });
        },
    )
    .with(&["worker"]),
    counter(
        "redistill_worker_wait_seconds_total",
        "How long the worker has waited for something to do.",
        |numbers, samples| {
            read::workers(numbers, samples, |worker| {
                worker.waking.wait_ns.get() as f64 / 1e9
            });
        },
    )
    .with(&["worker"]),
    counter(
        "redistill_worker_wakes_total",
        "How often the worker has woken up.",
        |numbers, samples| read::workers(numbers, samples, |worker| worker.wakes.get() as f64),
    )
    .with(&["worker"]),
    counter(
        "redistill_worker_commands_total",
        "Commands that the worker has executed.",
        |numbers, samples| read::workers(numbers, samples, |worker| worker.executed() as f64),
    )
    .with(&["worker"]),
    gauge(
        "redistill_worker_loop_max_seconds",
        "The longest that the worker was busy at a time.",
        |numbers, samples| {
            read::workers(numbers, samples, |worker| {
                worker.busy_us_max.get() as f64 / 1e6
            });
        },
    )
    .with(&["worker"]),
    histogram(
        "redistill_loop_seconds",
        "How long workers were busy at a time: a request that arrives meanwhile waits for so long at most.",
        |numbers, samples| read::steps(numbers, samples, 1e6, |worker| &worker.waking.busy_us),
    ),
    histogram(
        "redistill_batch_commands",
        "Commands that were executed in one wake of a worker; wakes without any are left out.",
        |numbers, samples| read::steps(numbers, samples, 1.0, |worker| &worker.waking.commands),
    ),
];

const PREFIXES: &[Metric] = &[
    gauge(
        "redistill_prefix_keys",
        "Keys that begin with the prefix.",
        |numbers, samples| read::prefixes(numbers, samples, |prefix| Some(prefix.keys)),
    )
    .with(&["prefix"]),
    gauge(
        "redistill_prefix_bytes",
        "Memory of their entries.",
        |numbers, samples| read::prefixes(numbers, samples, |prefix| Some(prefix.bytes)),
    )
    .with(&["prefix"]),
    gauge(
        "redistill_prefix_limit_bytes",
        "The most that they may take; prefixes without a limit have no sample.",
        |numbers, samples| read::prefixes(numbers, samples, |prefix| prefix.bytes_max),
    )
    .with(&["prefix"]),
    counter(
        "redistill_prefix_hits_total",
        "Lookups that found their key.",
        |numbers, samples| read::prefixes(numbers, samples, |prefix| Some(prefix.hits)),
    )
    .with(&["prefix"]),
    counter(
        "redistill_prefix_misses_total",
        "Lookups that did not.",
        |numbers, samples| read::prefixes(numbers, samples, |prefix| Some(prefix.misses)),
    )
    .with(&["prefix"]),
    counter(
        "redistill_prefix_evicted_keys_total",
        "Keys that were removed to make room.",
        |numbers, samples| read::prefixes(numbers, samples, |prefix| Some(prefix.evicted)),
    )
    .with(&["prefix"]),
];
