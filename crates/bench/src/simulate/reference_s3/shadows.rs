//! Which mode is best: a small cache in each mode on the same sample of the keys.
//!
//! C. Waldspurger, T. Saemundsson, I. Ahmad and N. Park, "Cache modeling and optimization using miniature simulations",
//! USENIX ATC 2017.

use super::region::Region;
use super::{MODES, Mode, mixed};

/// Entries of a shadow. The sample is such that this stands for all entries of the cache.
const SHADOW_ENTRIES: usize = 1024;
/// Sampled requests between two decisions.
const WINDOW_SAMPLES: usize = 512;
/// What the misses of a window are worth one window later.
const DECAY: f64 = 0.95;
/// A mode has to miss this much less than the present one to replace it.
const HYSTERESIS: f64 = 0.01;
/// Makes the sample independent of the places of keys in the cache.
const SAMPLE_SALT: u64 = 0x5555_5555;

/// A shadow, and how it does.
struct Shadow {
    cache: Region,
    /// Decayed.
    misses: f64,
    window_misses: u32,
}

/// The shadows of a cache and the mode that they choose. The first mode holds until another has proved better.
pub struct Shadows {
    /// In the order of `MODES`.
    shadows: [Shadow; MODES.len()],
    /// Hashes up to this one are sampled.
    sampled_max: u64,
    samples: usize,
    chosen: usize,
}

impl Shadows {
    /// Shadows of a cache of that many entries.
    pub fn new(entries: usize) -> Self {
        let shadow_entries = SHADOW_ENTRIES.min(entries);
        let rate = shadow_entries as f64 / entries as f64;
        Shadows {
            shadows: MODES.map(|mode| Shadow {
                cache: Region::new(shadow_entries, mode),
                misses: 0.0,
                window_misses: 0,
            }),
            sampled_max: (rate * u64::MAX as f64) as u64,
            samples: 0,
            chosen: 0,
        }
    }

    /// A request; the mode, when another one is chosen.
    pub fn access(&mut self, hash: u64) -> Option<Mode> {
        let sample = mixed(hash ^ SAMPLE_SALT);
        if sample > self.sampled_max {
            return None;
        }
        let hash = mixed(sample);
        for shadow in &mut self.shadows {
            shadow.window_misses += u32::from(!shadow.cache.access(hash));
        }
        self.samples += 1;
        if self.samples < WINDOW_SAMPLES {
            return None;
        }
        self.samples = 0;
        self.choose()
    }

    fn choose(&mut self) -> Option<Mode> {
        for shadow in &mut self.shadows {
            let window = f64::from(std::mem::take(&mut shadow.window_misses));
            shadow.misses = shadow.misses * DECAY + window;
        }
        let misses = |&mode: &usize| self.shadows[mode].misses;
        let best = (0..MODES.len()).min_by(|a, b| misses(a).total_cmp(&misses(b)))?;
        if misses(&best) >= misses(&self.chosen) * (1.0 - HYSTERESIS) {
            return None;
        }
        self.chosen = best;
        Some(MODES[best])
    }
}
