//! Who is told of samples. One set for the whole keyspace, behind a lock that workers only try.

use super::{Sample, Seen, Thresholds};
use crate::keyspace::Keyspace;
use crate::policy::s3::AdaptiveS3;
use crate::policy::s3::shadows::Shadows;

/// All that look at samples. Each takes those below its own threshold.
#[derive(Debug, Default)]
pub(crate) struct Observers {
    /// Of adaptive S3, while it or LRU evicts.
    shadows: Option<Shadows>,
    /// Samples that were lost because buffers were full.
    lost: u64,
}

impl Observers {
    pub fn new() -> Self {
        Self::default()
    }

    /// The highest thresholds of all.
    pub fn thresholds(&self) -> Thresholds {
        let uses = self.shadows.as_ref().map_or(0, Shadows::threshold);
        Thresholds { uses, losses: uses }
    }

    /// Has these shadows, or none.
    pub fn set_shadows(&mut self, shadows: Option<Shadows>) {
        self.shadows = shadows;
    }

    /// What adaptive S3 would do better than LRU.
    pub fn shadows(&self) -> Option<&Shadows> {
        self.shadows.as_ref()
    }

    /// Takes over what a worker has sampled, in the order in which it happened there.
    pub fn observe(&mut self, samples: &[Sample], lost: u64, s3: &AdaptiveS3) {
        self.lost += lost;
        if let Some(shadows) = &mut self.shadows {
            let threshold = shadows.threshold();
            for sample in samples.iter().filter(|sample| sample.is_below(threshold)) {
                let mode = match sample.seen {
                    Seen::Hit { .. } | Seen::Miss => shadows.read(sample.hash),
                    Seen::Written { .. } => shadows.write(sample.hash),
                    _ => None,
                };
                if let Some(mode) = mode {
                    s3.set_mode(mode);
                }
            }
        }
    }

    /// Follows what the keyspace has become. After each batch.
    pub fn tune(&mut self, _keyspace: &Keyspace, _now_ms: u64) {}

    /// Starts the counts anew (CONFIG RESETSTAT).
    pub fn reset(&mut self) {
        self.lost = 0;
    }
}
