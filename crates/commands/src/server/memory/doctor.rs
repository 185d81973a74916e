//! MEMORY DOCTOR: what is unusual about the use of memory, whose it is, and what can be done. In the manner of Redis's,
//! from the owners of MEMORY STATS and the memory limit.

use resp::Args;

use super::owners::{Owner, owners};
use super::usage::{Usage, excess, ratio};
use crate::context::Context;
use crate::error::CommandError;

const MB: u64 = 1 << 20;
/// Below so many bytes everything looks unusual.
const JUDGED_BYTES_MIN: u64 = 5 * MB;
/// What takes no more than this does not matter.
const UNUSUAL_BYTES_MIN: u64 = 10 * MB;
/// The memory of a connection that is not unusual yet.
const CLIENT_BYTES_MAX: u64 = 200 << 10;
/// What a limit should leave for data.
const DATA_BYTES_MIN: u64 = 8 * MB;

/// What the keys are made of.
const DATA: [&str; 3] = ["entries", "tables", "deadlines"];

/// MEMORY DOCTOR.
pub fn doctor(context: &mut Context<'_, '_>, _: Args<'_>) -> Result<(), CommandError> {
    let usage = Usage::of(context.shared, context.now_ms());
    let patient = Patient {
        owners: owners(context.shared, &usage, context.now_ms()),
        clients: context.shared.clients.count() as u64,
        is_at_limit: context.keys.keyspace().is_at_limit(),
        usage,
    };
    context.reply.verbatim("txt", patient.diagnose().as_bytes());
    Ok(())
}

/// What the doctor looks at.
struct Patient {
    usage: Usage,
    owners: Vec<Owner>,
    /// Connections.
    clients: u64,
    /// Whether the data is as large as the limit allows.
    is_at_limit: bool,
}

impl Patient {
    fn diagnose(&self) -> String {
        let allocated = self.usage.facts.allocated_bytes;
        let has_room = self
            .room_for_data()
            .is_none_or(|room| room >= DATA_BYTES_MIN);
        if allocated < JUDGED_BYTES_MIN && has_room {
            return "This instance is empty or uses very little memory (less than 5 MB): there is nothing to judge \
                    yet. Ask again when it has data.\n"
                .to_owned();
        }
        let findings = [
            self.limit(),
            self.peak(),
            self.resident(),
            self.gaps(),
            self.held(),
            self.program(),
            self.clients(),
            self.waiting(),
            self.kept(),
            self.unknown(),
        ];
        let found: Vec<String> = findings.into_iter().flatten().collect();
        if found.is_empty() {
            return "No memory issue was found in this instance.\n".to_owned();
        }
        let list: String = found.iter().map(|text| format!(" * {text}\n\n")).collect();
        format!("A few issues were found in the memory of this instance:\n\n{list}")
    }

    /// One thing at a time: the worst that is to be said of the limit.
    fn limit(&self) -> Option<String> {
        let facts = &self.usage.facts;
        let (limit, resident) = (facts.max_memory, facts.resident_bytes);
        let room = self.room_for_data()?;
        let (name, bytes) = self.largest_beside_data();
        let largest = format!(
            "the largest owner beside the data is {name} with {}",
            mb(bytes)
        );
        if room < DATA_BYTES_MIN {
            return Some(format!(
                "Small limit: of memory.max_memory ({}), {} are left for data; {largest}. Raise the limit.",
                mb(limit),
                mb(room)
            ));
        }
        if resident > limit {
            return Some(format!(
                "Above the limit: {} are resident, and memory.max_memory is {}; {largest}.",
                mb(resident),
                mb(limit)
            ));
        }
        if !self.is_at_limit {
            return None;
        }
        let others = limit - room;
        if others > limit / 4 {
            return Some(format!(
                "Little room for data: {} of memory.max_memory ({}) are for what is no data; {largest}.",
                mb(others),
                mb(limit)
            ));
        }
        let policy = &facts.max_memory_policy;
        (policy == "noeviction").then(|| {
            format!(
                "Full: the data is as large as memory.max_memory ({}) allows, and {policy} lets no key make room: writes that need memory \
                 are refused. Raise the limit, delete keys, or choose another memory.eviction_policy.",
                mb(limit)
            )
        })
    }

    fn peak(&self) -> Option<String> {
        let facts = &self.usage.facts;
        let (peak, allocated) = (facts.allocated_bytes_peak, facts.allocated_bytes);
        (ratio(peak, allocated) > 1.5).then(|| {
            format!(
                "Peak memory: at some time this instance used {}, more than 150 % of the {} that it uses now. If more \
                 is resident than is used, it comes back within some seconds; MEMORY PURGE does it at once.",
                mb(peak),
                mb(allocated)
            )
        })
    }

    fn resident(&self) -> Option<String> {
        let facts = &self.usage.facts;
        let (resident, allocated) = (facts.resident_bytes, facts.allocated_bytes);
        let wasted = excess(resident, allocated).max(0).cast_unsigned();
        (ratio(resident, allocated) > 1.4 && wasted > UNUSUAL_BYTES_MIN).then(|| {
            let waste = [
                "gaps-between-entries",
                "allocator-fragmentation",
                "allocator-held",
                "allocator-metadata",
                "program",
            ];
            let (name, bytes) = self.largest(|owner| waste.contains(&owner));
            format!(
                "High total RSS: {} are resident, more than 1.4 times the {} that are allocated. Most of the difference \
                 is {name} with {}.",
                mb(resident),
                mb(allocated),
                mb(bytes)
            )
        })
    }

    fn gaps(&self) -> Option<String> {
        let (gaps, fragmentation) = (
            self.of("gaps-between-entries"),
            self.of("allocator-fragmentation"),
        );
        let active = self.usage.facts.active_bytes;
        (self.is_much(gaps + fragmentation) && ratio(gaps + fragmentation, active) > 0.1).then(|| {
            format!(
                "High allocator fragmentation: of the pages in use {} are gaps: {} between entries, which moving \
                 entries closes when it is worth it, and {} elsewhere, in the classes of large values and buffers.",
                mb(gaps + fragmentation),
                mb(gaps),
                mb(fragmentation)
            )
        })
    }

    fn held(&self) -> Option<String> {
        let held = self.of("allocator-held");
        self.is_much(held).then(|| {
            format!(
                "High allocator RSS overhead: the allocator holds {} of pages that are not in use. They go back to the \
                 system within some seconds; MEMORY PURGE does it at once.",
                mb(held)
            )
        })
    }

    fn program(&self) -> Option<String> {
        let program = self.of("program");
        self.is_much(program).then(|| {
            format!(
                "High process RSS overhead: {} belong to the program itself (its text, stacks, rings of io_uring), \
                 which the allocator knows nothing of.",
                mb(program)
            )
        })
    }

    fn clients(&self) -> Option<String> {
        let bytes = self.of("clients");
        (bytes > self.clients * CLIENT_BYTES_MAX).then(|| {
            format!(
                "Big client buffers: {} connections have {} of requests and replies, more than 200 KB each on average. \
                 Look in CLIENT LIST (tot-mem, omem) for large pipelines and for clients that read slowly; \
                 memory.max_memory_clients and server.output_buffer_limits bound them.",
                self.clients,
                mb(bytes)
            )
        })
    }

    fn waiting(&self) -> Option<String> {
        let bytes = self.of("waiting-to-be-freed");
        self.is_much(bytes).then(|| {
            format!(
                "Much waits to be freed: {} of flushed databases and large values are given back in the background. \
                 It passes by itself, unless the processor has no time for it.",
                mb(bytes)
            )
        })
    }

    fn kept(&self) -> Option<String> {
        let bytes = self.of("kept-by-workers");
        self.is_much(bytes).then(|| {
            format!(
                "Much is kept by workers: {} are free and kept for what comes next. Fewer server.workers keep less.",
                mb(bytes)
            )
        })
    }

    fn unknown(&self) -> Option<String> {
        let known: u64 = self.owners.iter().map(|(_, bytes)| bytes).sum();
        let resident = self.usage.facts.resident_bytes;
        let unknown = resident.saturating_sub(known);
        self.is_much(unknown).then(|| {
            format!(
                "Memory without an owner: of {} that are resident, nobody has counted {}. Please report it with the \
                 reply of MEMORY STATS.",
                mb(resident),
                mb(unknown)
            )
        })
    }

    /// Whether it is more than a tenth of what is resident.
    fn is_much(&self, bytes: u64) -> bool {
        bytes > UNUSUAL_BYTES_MIN && bytes > self.usage.facts.resident_bytes / 10
    }

    fn of(&self, name: &str) -> u64 {
        let owner = self.owners.iter().find(|(owner, _)| *owner == name);
        owner.map_or(0, |(_, bytes)| *bytes)
    }

    /// What the limit leaves for data beside everything else; None without a limit.
    fn room_for_data(&self) -> Option<u64> {
        let others = self.owners.iter().filter(|(name, _)| !DATA.contains(name));
        let others: u64 = others.map(|(_, bytes)| bytes).sum();
        let limit = self.usage.facts.max_memory;
        (limit > 0).then(|| limit.saturating_sub(others))
    }

    fn largest_beside_data(&self) -> Owner {
        self.largest(|owner| !DATA.contains(&owner))
    }

    fn largest(&self, is_asked_for: impl Fn(&str) -> bool) -> Owner {
        let owners = self.owners.iter().filter(|(name, _)| is_asked_for(name));
        let largest = owners.max_by_key(|(_, bytes)| *bytes);
        *largest.unwrap_or(&("nobody", 0))
    }
}

/// `12.3 MB`.
fn mb(bytes: u64) -> String {
    format!("{:.1} MB", bytes as f64 / MB as f64)
}

#[cfg(test)]
mod tests {
    use super::{MB, Owner, Patient};
    use crate::server::memory::Usage;
    use crate::shared::Facts;

    /// 100 MB of data and nothing unusual.
    fn healthy() -> Patient {
        Patient {
            usage: Usage {
                facts: Facts {
                    allocated_bytes: 100 * MB,
                    allocated_bytes_peak: 100 * MB,
                    active_bytes: 104 * MB,
                    allocator_resident_bytes: 106 * MB,
                    resident_bytes: 112 * MB,
                    max_memory_policy: "noeviction".to_owned(),
                    ..Facts::default()
                },
                clients: 0,
                tables: [0; 16],
                keys: 0,
            },
            owners: vec![
                ("entries", 90 * MB),
                ("tables", 8 * MB),
                ("clients", MB),
                ("gaps-between-entries", 4 * MB),
                ("allocator-held", 2 * MB),
                ("program", 6 * MB),
            ],
            clients: 100,
            is_at_limit: true,
        }
    }

    /// What is found when the healthy one has other facts and other owners; those that it does not have are added.
    #[track_caller]
    fn check(owners: &[Owner], change: impl FnOnce(&mut Facts), expected: &str) {
        let mut patient = healthy();
        for (name, bytes) in owners {
            patient.owners.retain(|(owner, _)| owner != name);
            patient.owners.push((name, *bytes));
        }
        let known = patient.owners.iter().map(|(_, bytes)| bytes).sum();
        patient.usage.facts.resident_bytes = known;
        change(&mut patient.usage.facts);
        let text = patient.diagnose();
        let findings: Vec<&str> = text
            .lines()
            .filter(|line| line.starts_with(" * "))
            .collect();
        assert_eq!(findings.len(), 1, "{text}");
        assert!(findings[0].contains(expected), "{text}");
    }

    fn nothing(_: &mut Facts) {}

    #[test]
    fn little_or_nothing_unusual() {
        let expected = "No memory issue was found in this instance.\n";
        assert_eq!(healthy().diagnose(), expected);
        let mut small = healthy();
        small.usage.facts.allocated_bytes = 4 * MB;
        assert!(small.diagnose().starts_with("This instance is empty"));
        let mut in_order = healthy();
        in_order.usage.facts.max_memory = 113 * MB;
        in_order.usage.facts.max_memory_policy = "allkeys-lru".to_owned();
        assert_eq!(in_order.diagnose(), expected);
    }

    #[test]
    fn the_limit() {
        check(
            &[("entries", 0), ("tables", 0)],
            |facts| {
                facts.max_memory = 16 * MB;
                (facts.allocated_bytes, facts.allocated_bytes_peak) = (3 * MB, 3 * MB);
            },
            "Small limit: of memory.max_memory (16.0 MB), 3.0 MB are left for data; the largest owner beside the data \
             is program with 6.0 MB.",
        );
        check(
            &[],
            |facts| facts.max_memory = 110 * MB,
            "Above the limit: 111.0 MB are resident, and memory.max_memory is 110.0 MB; the largest owner beside the \
             data is program",
        );
        check(
            &[("entries", 60 * MB), ("clients", 19 * MB)],
            |facts| {
                facts.max_memory = 101 * MB;
                facts.max_memory_policy = "allkeys-lru".to_owned();
            },
            "Little room for data: 31.0 MB of memory.max_memory (101.0 MB) are for what is no data; the largest owner beside \
             the data is clients with 19.0 MB",
        );
        check(
            &[],
            |facts| facts.max_memory = 112 * MB,
            "Full: the data is as large as memory.max_memory (112.0 MB) allows, and noeviction lets no key",
        );
    }

    #[test]
    fn what_was_and_what_is_wasted() {
        check(
            &[],
            |facts| facts.allocated_bytes_peak = 160 * MB,
            "Peak memory: at some time this instance used 160.0 MB, more than 150 % of the 100.0 MB",
        );
        check(
            &[
                ("gaps-between-entries", 11 * MB),
                ("allocator-fragmentation", 11 * MB),
                ("allocator-metadata", 8 * MB),
                ("program", 10 * MB),
                ("startup", 8 * MB),
            ],
            |facts| facts.active_bytes = 221 * MB,
            "High total RSS: 149.0 MB are resident, more than 1.4 times the 100.0 MB that are allocated. Most of the \
             difference is allocator-fragmentation with 11.0 MB.",
        );
        check(
            &[
                ("gaps-between-entries", 14 * MB),
                ("allocator-fragmentation", MB),
            ],
            nothing,
            "High allocator fragmentation: of the pages in use 15.0 MB are gaps: 14.0 MB between entries",
        );
        check(
            &[("allocator-held", 15 * MB)],
            nothing,
            "High allocator RSS overhead: the allocator holds 15.0 MB",
        );
        check(
            &[("program", 16 * MB)],
            nothing,
            "High process RSS overhead: 16.0 MB belong to the program",
        );
    }

    #[test]
    fn who_has_too_much() {
        check(
            &[("clients", 21 * MB)],
            nothing,
            "Big client buffers: 100 connections have 21.0 MB of requests and replies",
        );
        check(
            &[("waiting-to-be-freed", 15 * MB)],
            nothing,
            "Much waits to be freed: 15.0 MB",
        );
        check(
            &[("kept-by-workers", 15 * MB)],
            nothing,
            "Much is kept by workers: 15.0 MB",
        );
        check(
            &[],
            |facts| facts.resident_bytes += 15 * MB,
            "Memory without an owner: of 126.0 MB that are resident, nobody has counted 15.0 MB",
        );
    }
}
