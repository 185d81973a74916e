//! Which mode is best: a small cache in each mode on the same sample of the keys.
//!
//! C. Waldspurger, T. Saemundsson, I. Ahmad and N. Park, "Cache modeling and optimization using miniature simulations",
//! USENIX ATC 2017.

use super::cache::S3Cache;
use super::{MODES, Mode};
use crate::samples::{Sample, Seen};

/// Entries of a shadow. The sample is such that this stands for all entries of the cache.
const SHADOW_ENTRIES: u64 = 1024;
/// Sampled reads between two decisions.
const WINDOW_READS: u32 = 512;
/// What the misses of a window are worth one window later.
const DECAY: f64 = 0.95;
/// A mode has to miss this much less than the present one to replace it.
const HYSTERESIS: f64 = 0.01;

/// A shadow, and how it does.
#[derive(Debug)]
struct Shadow {
    cache: S3Cache,
    /// Decayed.
    misses: f64,
    window_misses: u32,
}

/// The shadows of a cache and the mode that they choose. The first mode holds until another has proved better.
#[derive(Debug)]
pub(crate) struct Shadows {
    /// In the order of [`MODES`].
    shadows: [Shadow; MODES.len()],
    /// Entries of the cache that they stand for.
    entries: u64,
    window_reads: u32,
    chosen: usize,
    /// Sampled reads that missed: in plain mode, and in the mode of the time.
    misses: [u64; 2],
}

impl Shadows {
    /// Shadows of a cache of so many entries, from 1 on, in this mode.
    pub fn new(entries: u64, mode: Mode) -> Self {
        let entries_max = SHADOW_ENTRIES.min(entries) as usize;
        Self {
            shadows: MODES.map(|mode| Shadow {
                cache: S3Cache::new(entries_max, mode),
                misses: 0.0,
                window_misses: 0,
            }),
            entries,
            window_reads: 0,
            chosen: MODES.iter().position(|other| *other == mode).unwrap_or(0),
            misses: [0; 2],
        }
    }

    /// Entries of the cache that they stand for.
    pub fn entries(&self) -> u64 {
        self.entries
    }

    /// Keys whose sample is below this are wanted.
    pub fn threshold(&self) -> u32 {
        let part = SHADOW_ENTRIES.min(self.entries) as f64 / self.entries as f64;
        (part * f64::from(u32::MAX)) as u32
    }

    /// Memory besides its own size, in bytes.
    pub fn memory_bytes(&self) -> usize {
        let caches = self.shadows.iter().map(|shadow| &shadow.cache);
        caches.map(S3Cache::memory_bytes).sum()
    }

    /// Misses that adaptive S3 has saved, or would have, against plain mode, which is close to LRU: of all reads of the
    /// cache that they stand for, below zero when there were more.
    pub fn saved_misses(&self) -> i64 {
        let [plain, adaptive] = self.misses.map(u64::cast_signed);
        let scale = self.entries as f64 / SHADOW_ENTRIES.min(self.entries) as f64;
        ((plain - adaptive) as f64 * scale) as i64
    }

    /// What has happened to a sampled key; the mode, when another one is chosen. A read that finds its key in the cache
    /// but not in a shadow stores it there: the client would have done it.
    pub fn observe(&mut self, sample: &Sample) -> Option<Mode> {
        let hash = sample.hash;
        let (is_read, is_there) = match sample.seen {
            Seen::Hit { .. } => (true, true),
            Seen::Miss => (true, false),
            Seen::Written { .. } => (false, true),
            _ => return None,
        };
        for (number, shadow) in self.shadows.iter_mut().enumerate() {
            if is_read && !shadow.cache.read(hash) {
                shadow.window_misses += 1;
                self.misses[0] += u64::from(number == 0);
                self.misses[1] += u64::from(number == self.chosen);
            }
            if is_there {
                shadow.cache.write(hash);
            }
        }
        self.window_reads += u32::from(is_read);
        if self.window_reads < WINDOW_READS {
            return None;
        }
        self.window_reads = 0;
        self.choose()
    }

    fn choose(&mut self) -> Option<Mode> {
        for shadow in &mut self.shadows {
            let window = f64::from(std::mem::take(&mut shadow.window_misses));
            shadow.misses = shadow.misses * DECAY + window;
        }
        let misses = |mode: usize| self.shadows[mode].misses;
        let best = (0..MODES.len()).min_by(|a, b| misses(*a).total_cmp(&misses(*b)))?;
        if misses(best) >= misses(self.chosen) * (1.0 - HYSTERESIS) {
            return None;
        }
        self.chosen = best;
        Some(MODES[best])
    }
}

#[cfg(test)]
mod tests {
    use super::super::Mode;
    use super::Shadows;
    use crate::samples::{Sample, Seen};

    const WRITTEN: Seen = Seen::Written {
        bytes: 100,
        deadline_ms: None,
    };

    /// The mode after these requests.
    fn mode_after(shadows: &mut Shadows, requests: impl Iterator<Item = u64>) -> Mode {
        let mut mode = Mode::Plain;
        for id in requests {
            for seen in [Seen::Miss, WRITTEN] {
                let sample = Sample {
                    hash: id,
                    seen,
                    now_ms: 0,
                };
                mode = shadows.observe(&sample).unwrap_or(mode);
            }
        }
        mode
    }

    #[test]
    fn a_loop_wants_a_queue() {
        let mut shadows = Shadows::new(100, Mode::Plain);
        let mode = mode_after(&mut shadows, (0..20_000).map(|at| at % 150));
        assert_ne!(mode, Mode::Plain);
        assert!(shadows.saved_misses() > 1000, "{}", shadows.saved_misses());
    }

    #[test]
    fn a_hot_set_that_changes_wants_none() {
        let mut shadows = Shadows::new(100, Mode::Plain);
        let hot = (0..100_000u64).map(|at| at / 400 * 1000 + at * at % 89);
        assert_eq!(mode_after(&mut shadows, hot), Mode::Plain);
    }

    #[test]
    fn keys_are_sampled_in_proportion() {
        assert_eq!(Shadows::new(100, Mode::Plain).threshold(), u32::MAX);
        assert_eq!(
            Shadows::new(1 << 20, Mode::Plain).threshold(),
            u32::MAX >> 10
        );
    }
}
