//! Who is told of samples. One set for the whole keyspace, behind a lock that workers only try.

use super::{Sample, Thresholds};
use crate::keyspace::Keyspace;

/// All that look at samples. Each takes those below its own threshold.
#[derive(Debug, Default)]
pub(crate) struct Observers {
    /// Samples that were lost because buffers were full.
    lost: u64,
}

impl Observers {
    pub fn new() -> Self {
        Self::default()
    }

    /// The highest thresholds of all.
    pub fn thresholds(&self) -> Thresholds {
        Thresholds::default()
    }

    /// Takes over what a worker has sampled, in the order in which it happened there.
    pub fn observe(&mut self, _samples: &[Sample], lost: u64) {
        self.lost += lost;
    }

    /// Follows what the keyspace has become. After each batch.
    pub fn tune(&mut self, _keyspace: &Keyspace, _now_ms: u64) {}

    /// Starts the counts anew (CONFIG RESETSTAT).
    pub fn reset(&mut self) {
        self.lost = 0;
    }
}
