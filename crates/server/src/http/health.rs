//! `/health`, and the three probes.

use super::json::Json;
use super::numbers::{Condition, Numbers, stuck_worker};
use super::response::{JSON, Response};
use super::routes::Asked;
use super::status::Status;

/// How the server does: the fields that earlier versions had in their order, and further ones after them.
pub fn health(asked: &Asked<'_>) -> Response {
    let numbers = Numbers::of(asked.process, asked.shared);
    let condition = Condition::of(asked.process);
    let body = Json::object(|json| {
        let (facts, keyspace) = (numbers.facts(), &numbers.keyspace);
        json.string("status", condition.word());
        json.integer("uptime_seconds", facts.uptime_seconds);
        json.integer("active_connections", asked.process.connections());
        json.integer("total_connections", facts.connections_received);
        json.integer("rejected_connections", facts.connections_rejected);
        json.integer("memory_used", facts.allocated_bytes);
        json.integer("max_memory", facts.max_memory);
        json.integer("evicted_keys", keyspace.evicted);
        json.integer("total_commands", numbers.executed());
        json.string("version", facts.redistill_version);
        json.integer("memory_resident", facts.resident_bytes);
        json.integer("keys", numbers.usage.keys);
        json.integer("hits", keyspace.hits);
        json.integer("misses", keyspace.misses);
        json.integer("expired_keys", keyspace.expired);
        json.integer("commands_per_second", facts.per_second.commands);
    });
    Response::new(JSON, body).with_status(status_of(condition))
}

/// Whether the process works at all: a probe that restarts it.
pub fn live(asked: &Asked<'_>) -> Response {
    match stuck_worker(asked.process, asked.shared) {
        None => Response::of_status(Status::Ok),
        Some(worker) => Response::text(
            Status::ServiceUnavailable,
            &format!("worker {worker} is stuck"),
        ),
    }
}

/// Whether clients should connect: a probe that takes it out of a service.
pub fn ready(asked: &Asked<'_>) -> Response {
    let condition = Condition::of(asked.process);
    Response::text(status_of(condition), condition.word())
}

/// Whether the start is over.
pub fn startup(asked: &Asked<'_>) -> Response {
    let condition = Condition::of(asked.process);
    let status = match condition {
        Condition::Starting => Status::ServiceUnavailable,
        Condition::Ready | Condition::Draining => Status::Ok,
    };
    Response::text(status, condition.word())
}

fn status_of(condition: Condition) -> Status {
    match condition {
        Condition::Ready => Status::Ok,
        Condition::Starting | Condition::Draining => Status::ServiceUnavailable,
    }
}
