//! `/dashboard.json`: everything that the page shows. Counters are totals; the page makes rates of them.

use std::sync::atomic::Ordering::Relaxed;

use commands::clients::Client;
use commands::registry::registry;
use commands::stats::command_totals;
use commands::wakes::Steps;

use crate::http::cache::{write_big_keys, write_curve, write_hot_keys};
use crate::http::json::{Json, Object, readable};
use crate::http::metrics::total_steps;
use crate::http::numbers::{Condition, Numbers};
use crate::http::response::{JSON, Response};
use crate::http::routes::Asked;
use crate::http::{latency, slow_log};

/// Hot keys and big keys that are shown.
const KEYS: usize = 12;
/// Clients that are shown, those that take most.
const CLIENTS: usize = 50;

/// The numbers of the page.
pub fn numbers(asked: &Asked<'_>) -> Response {
    let numbers = Numbers::of(asked.process, asked.shared);
    let body = Json::object(|json| {
        write_process(json, &numbers);
        write_traffic(json, &numbers);
        write_keyspace(json, &numbers);
        json.object("memory", |json| write_memory(json, &numbers));
        write_commands(json, &numbers);
        write_workers(json, &numbers);
        let keyspace = &numbers.shared.keyspace;
        json.object("curve", |json| write_curve(json, &keyspace.curve()));
        let hot_keys = keyspace.hot_keys(KEYS, numbers.now_ms);
        json.object("hot_keys", |json| write_hot_keys(json, &hot_keys));
        json.object("big_keys", |json| {
            write_big_keys(json, &keyspace.big_keys(KEYS));
        });
        write_prefixes(json, &numbers);
        write_clients(json, &numbers);
        slow_log::write(json, &numbers);
    });
    Response::new(JSON, body)
}

fn write_process(json: &mut Object<'_>, numbers: &Numbers<'_>) {
    let facts = numbers.facts();
    json.integer("now_ms", numbers.now_ms);
    json.string("status", Condition::of(numbers.process).word());
    json.string("version", facts.redistill_version);
    json.string("io_backend", facts.io_backend);
    json.integer("uptime_seconds", facts.uptime_seconds);
    json.number(
        "cpu_seconds",
        facts.cpu_user_seconds + facts.cpu_system_seconds,
    );
}

fn write_traffic(json: &mut Object<'_>, numbers: &Numbers<'_>) {
    let facts = numbers.facts();
    json.integer("commands_executed", numbers.executed());
    json.integer("errors", numbers.total(|worker| &worker.errors));
    json.integer("connections", numbers.process.connections());
    json.integer("connections_max", facts.max_clients);
    json.integer("connections_received", facts.connections_received);
    json.integer("connections_rejected", facts.connections_rejected);
    json.integer("received_bytes", facts.net_input_bytes);
    json.integer("sent_bytes", facts.net_output_bytes);
}

fn write_keyspace(json: &mut Object<'_>, numbers: &Numbers<'_>) {
    let stats = &numbers.keyspace;
    let deadlines = stats.databases.iter().map(|database| database.deadlines);
    json.integer("keys", numbers.usage.keys);
    json.integer("keys_with_deadline", deadlines.sum::<u64>());
    json.integer("hits", stats.hits);
    json.integer("misses", stats.misses);
    json.integer("evicted_keys", stats.evicted);
    json.integer("expired_keys", stats.expired);
    json.integer("expiry_lag_p99_ms", stats.lag.p99_ms);
    json.string("eviction_policy", &numbers.facts().max_memory_policy);
    let reasons = numbers.miss_reasons;
    json.object("miss_reasons", |json| {
        json.integer("never_seen", reasons.never_seen);
        json.integer("expired", reasons.expired);
        json.integer("evicted", reasons.evicted);
        json.integer("deleted", reasons.deleted);
    });
}

fn write_memory(json: &mut Object<'_>, numbers: &Numbers<'_>) {
    let facts = numbers.facts();
    json.integer("limit_bytes", facts.max_memory);
    json.integer("resident_bytes", facts.resident_bytes);
    json.integer("used_bytes", facts.allocated_bytes);
    json.integer("system_bytes", facts.system_memory_bytes);
    json.list("owners", numbers.owners(), |json, (owner, bytes)| {
        json.string("owner", owner);
        json.integer("bytes", bytes);
    });
}

fn write_commands(json: &mut Object<'_>, numbers: &Numbers<'_>) {
    let workers = &numbers.shared.stats;
    let executed = registry().all().iter().filter_map(|registered| {
        let totals = command_totals(workers, registered.id);
        (totals.calls > 0).then_some((registered, totals))
    });
    json.list("commands", executed, |json, (registered, totals)| {
        let latency = latency::of_command(workers, registered.id);
        json.string("name", &registered.full_name);
        json.integer("calls", totals.calls);
        json.integer("failed", totals.failed);
        json.number("seconds", latency.seconds);
        json.list("buckets", latency.buckets, |json, (limit, calls)| {
            json.number("seconds", limit);
            json.integer("calls", calls);
        });
    });
}

fn write_workers(json: &mut Object<'_>, numbers: &Numbers<'_>) {
    let workers = &numbers.shared.stats;
    json.list("workers", workers.iter(), |json, worker| {
        json.integer("busy_ns", worker.waking.busy_ns.get());
        json.integer("wait_ns", worker.waking.wait_ns.get());
        json.integer("wakes", worker.wakes.get());
        json.integer("commands", worker.executed());
        json.integer("loop_us_max", worker.busy_us_max.get());
    });
    // How many were at most 1, 2, 4, and so on.
    let mut steps = |name: &str, steps: fn(&commands::stats::WorkerStats) -> &Steps| {
        json.integers(name, total_steps(workers, steps).0);
    };
    steps("loop_us", |worker| &worker.waking.busy_us);
    steps("batch_commands", |worker| &worker.waking.commands);
}

fn write_prefixes(json: &mut Object<'_>, numbers: &Numbers<'_>) {
    let prefixes = numbers.shared.keyspace.prefix_stats();
    json.list("prefixes", prefixes, |json, prefix| {
        json.bytes("prefix", &prefix.start);
        json.integer("keys", prefix.keys);
        json.integer("bytes", prefix.bytes);
        json.integer("limit_bytes", prefix.bytes_max.unwrap_or(0));
        json.integer("hits", prefix.hits);
        json.integer("misses", prefix.misses);
        json.integer("evicted_keys", prefix.evicted);
    });
}

fn write_clients(json: &mut Object<'_>, numbers: &Numbers<'_>) {
    let mut clients = numbers.shared.clients.all();
    clients.sort_by_cached_key(|client| std::cmp::Reverse(client.memory_bytes()));
    json.list("clients", clients.iter().take(CLIENTS), |json, client| {
        write_client(json, client, numbers.now_ms);
    });
}

fn write_client(json: &mut Object<'_>, client: &Client, now_ms: u64) {
    let names = client.names.lock().clone();
    json.integer("id", client.id);
    json.string("address", &client.address);
    json.string("name", &readable(names.name.as_bytes()));
    let library = format!("{} {}", names.library, names.library_version);
    json.string("library", &readable(library.trim().as_bytes()));
    json.integer("age_ms", now_ms.saturating_sub(client.created_ms));
    let active_ms = client.active_ms.load(Relaxed);
    json.integer("idle_ms", now_ms.saturating_sub(active_ms));
    json.integer("db", client.database.load(Relaxed));
    json.integer("worker", client.worker);
    json.string("command", client.command().unwrap_or(""));
    json.integer("commands", client.commands.load(Relaxed));
    json.integer("memory_bytes", client.memory_bytes());
    json.integer("received_bytes", client.received_bytes.load(Relaxed));
    json.integer("sent_bytes", client.sent_bytes.load(Relaxed));
}
