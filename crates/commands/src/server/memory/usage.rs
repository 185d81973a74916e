//! What the memory is used for.

use keyspace::limits::DATABASES;

use crate::shared::{Facts, Shared};

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
    /// As of `now_ms`, in milliseconds of the Unix epoch.
    pub fn of(shared: &Shared, now_ms: u64) -> Self {
        let facts = shared.process.facts();
        let stats = shared.keyspace.stats(now_ms);
        let tables = std::array::from_fn(|database| match stats.databases[database].keys {
            0 => 0,
            _ => stats.databases[database].table_bytes,
        });
        Self {
            clients: facts.client_bytes,
            facts,
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
