//! Who is told of samples. One set for the whole keyspace, behind a lock that workers only try.

use super::curve::{Curve, Present};
use super::misses::Misses;
use super::{Sample, Thresholds};
use crate::keyspace::Keyspace;
use crate::policy::s3::Mode;
use crate::policy::s3::shadows::Shadows;

/// What a worker hands over.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Batch<'s> {
    /// In the order in which it happened there.
    pub samples: &'s [Sample],
    /// Samples that there was no room for.
    pub lost: u64,
    /// Reads that found their key, of all keys, since the last batch of this worker.
    pub hits: u64,
    /// Reads that did not.
    pub misses: u64,
}

/// All that look at samples. Each takes those below its own threshold.
#[derive(Debug)]
pub(crate) struct Observers {
    pub misses: Misses,
    pub curve: Curve,
    /// Of adaptive S3, while it or LRU evicts.
    pub shadows: Option<Shadows>,
}

impl Observers {
    pub fn new() -> Self {
        Self {
            misses: Misses::new(),
            curve: Curve::new(),
            shadows: None,
        }
    }

    /// The highest thresholds of all.
    pub fn thresholds(&self) -> Thresholds {
        let shadows = self.shadows.as_ref().map_or(0, Shadows::threshold);
        let uses = self.curve.threshold().max(shadows);
        Thresholds {
            uses,
            losses: uses.max(self.misses.threshold()),
        }
    }

    /// Takes over what a worker has sampled; the mode of adaptive S3, when another one is chosen.
    pub fn observe(&mut self, batch: Batch<'_>) -> Option<Mode> {
        for sample in batch.samples {
            self.misses.observe(sample);
        }
        // As if what was lost had not happened.
        let taken = batch.samples.len() as f64;
        let share = if batch.lost == 0 {
            1.0
        } else {
            taken / (taken + batch.lost as f64)
        };
        let reads = (batch.hits + batch.misses) as f64;
        let misses = batch.misses as f64;
        self.curve
            .observe(batch.samples, share * reads, share * misses);
        let shadows = self.shadows.as_mut()?;
        let mut chosen = None;
        for sample in batch.samples {
            if sample.is_below(shadows.threshold()) {
                chosen = shadows.observe(sample).or(chosen);
            }
        }
        chosen
    }

    /// Follows what the keyspace has become. After each batch.
    pub fn tune(&mut self, keyspace: &Keyspace, now_ms: u64) {
        let keys = keyspace.keys_of_all();
        self.misses.tune(keys);
        if keys == 0 {
            return;
        }
        let used_bytes = keyspace.used_bytes();
        let bytes = keyspace.budget.low_bytes().unwrap_or(used_bytes);
        let entry_bytes = used_bytes as f64 / keys as f64;
        self.curve.tune(Present {
            bytes,
            keys: (bytes as f64 / entry_bytes.max(1.0)) as u64,
            eviction: keyspace.budget.eviction(),
            now_ms,
        });
    }

    /// Forgets keys that are gone because all databases are empty. What has been counted stays.
    pub fn forget_keys(&mut self) {
        self.curve.forget_keys();
    }

    /// Memory, in bytes.
    pub fn memory_bytes(&self) -> usize {
        let shadows = self.shadows.as_ref().map_or(0, Shadows::memory_bytes);
        self.misses.memory_bytes() + self.curve.memory_bytes() + shadows
    }

    /// Starts the counts anew (CONFIG RESETSTAT).
    pub fn reset(&mut self) {
        self.misses.reset();
        self.curve.reset();
    }
}
