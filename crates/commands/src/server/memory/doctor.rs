//! MEMORY DOCTOR.

use resp::Args;

use super::usage::{Usage, excess, ratio};
use crate::context::Context;
use crate::error::CommandError;

/// Below so many bytes everything looks unusual.
const JUDGED_BYTES_MIN: u64 = 5 << 20;
/// Differences up to so many bytes do not matter.
const UNUSUAL_BYTES_MIN: i64 = 10 << 20;
/// The memory of a connection that is not unusual yet.
const CLIENT_BYTES_MAX: u64 = 200 << 10;

/// MEMORY DOCTOR.
pub fn doctor(context: &mut Context<'_, '_>, _: Args<'_>) -> Result<(), CommandError> {
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

#[cfg(test)]
mod tests {
    use super::diagnose;
    use crate::server::memory::Usage;
    use crate::shared::Facts;

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
}
