//! How late keys were removed whose time was up.
//!
//! Each worker counts for periods of ten seconds and keeps the last one whole, so that percentiles tell of the last ten
//! to twenty seconds.

use std::array::from_fn;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

const PERIOD_MS: u64 = 10_000;
const STEPS: usize = 64;
/// From here on, a step is a quarter of a power of two.
const EXACT_BITS: u32 = 4;

/// One worker's counts. Only that worker adds to them.
#[derive(Default)]
pub(crate) struct LagCounts {
    periods: [Period; 2],
}

struct Period {
    /// Which one it is, counted from the epoch.
    number: AtomicU64,
    keys: [AtomicU64; STEPS],
    sum_ms: AtomicU64,
    max_ms: AtomicU64,
}

impl Default for Period {
    fn default() -> Self {
        Self {
            number: AtomicU64::new(0),
            keys: from_fn(|_| AtomicU64::new(0)),
            sum_ms: AtomicU64::new(0),
            max_ms: AtomicU64::new(0),
        }
    }
}

/// How late the keys went that active expiry has removed in the last ten to twenty seconds, in milliseconds; 0 when
/// there were none. Percentiles are right to a quarter.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ExpiryLag {
    /// Half of the keys were no later.
    pub p50_ms: u64,
    /// 99 of 100 were no later.
    pub p99_ms: u64,
    /// The latest.
    pub max_ms: u64,
    /// How many keys.
    pub keys: u64,
    /// Keys that were there although their time was up: the mean over this time.
    pub overdue_keys: f64,
}

/// The step that counts a lag.
fn step(lag_ms: u64) -> usize {
    let Some(bits) = (lag_ms >> EXACT_BITS).checked_ilog2() else {
        return lag_ms as usize;
    };
    let quarter = (lag_ms >> (bits + EXACT_BITS - 2)) & 3;
    ((1 << EXACT_BITS) + (bits * 4) as usize + quarter as usize).min(STEPS - 1)
}

/// The longest lag that a step counts.
fn step_max_ms(step: usize) -> u64 {
    let Some(beyond) = step.checked_sub(1 << EXACT_BITS) else {
        return step as u64;
    };
    let (bits, quarter) = (beyond / 4, beyond % 4);
    ((5 + quarter as u64) << (bits + EXACT_BITS as usize - 2)) - 1
}

fn add(counter: &AtomicU64, by: u64) {
    counter.store(counter.load(Relaxed) + by, Relaxed);
}

impl LagCounts {
    /// Counts a key that has been removed so late.
    pub fn add(&self, now_ms: u64, lag_ms: u64) {
        let number = now_ms / PERIOD_MS;
        let period = &self.periods[(number % 2) as usize];
        if period.number.load(Relaxed) != number {
            period.clear();
            period.number.store(number, Relaxed);
        }
        add(&period.keys[step(lag_ms)], 1);
        add(&period.sum_ms, lag_ms);
        if lag_ms > period.max_ms.load(Relaxed) {
            period.max_ms.store(lag_ms, Relaxed);
        }
    }

    /// Starts anew.
    pub fn reset(&self) {
        self.periods.iter().for_each(Period::clear);
    }
}

impl Period {
    fn clear(&self) {
        self.keys.iter().for_each(|keys| keys.store(0, Relaxed));
        self.sum_ms.store(0, Relaxed);
        self.max_ms.store(0, Relaxed);
    }
}

impl ExpiryLag {
    /// All workers together.
    pub(crate) fn sum<'c>(workers: impl Iterator<Item = &'c LagCounts>, now_ms: u64) -> Self {
        let mut keys = [0; STEPS];
        let (mut sum_ms, mut max_ms) = (0, 0);
        let number = now_ms / PERIOD_MS;
        let is_recent = |period: &&Period| period.number.load(Relaxed) + 1 >= number;
        for period in workers.flat_map(|counts| &counts.periods).filter(is_recent) {
            for (sum, keys) in keys.iter_mut().zip(&period.keys) {
                *sum += keys.load(Relaxed);
            }
            sum_ms += period.sum_ms.load(Relaxed);
            max_ms = max_ms.max(period.max_ms.load(Relaxed));
        }
        let total: u64 = keys.iter().sum();
        let percentile = |percent: u64| {
            let wanted = (total * percent).div_ceil(100);
            let mut seen = 0;
            let reached = keys.iter().position(|keys| {
                seen += keys;
                seen >= wanted
            });
            reached.map_or(0, step_max_ms).min(max_ms)
        };
        Self {
            p50_ms: percentile(50),
            p99_ms: percentile(99),
            max_ms,
            keys: total,
            overdue_keys: sum_ms as f64 / (PERIOD_MS + now_ms % PERIOD_MS) as f64,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{ExpiryLag, LagCounts, STEPS, step, step_max_ms};

    #[test]
    fn steps_cover_all_lags_without_gaps() {
        for at in 1..STEPS {
            assert_eq!(step(step_max_ms(at)), at);
            assert_eq!(step(step_max_ms(at - 1) + 1), at);
        }
        assert_eq!(step(u64::MAX), STEPS - 1);
    }

    #[test]
    fn percentiles_are_of_the_last_two_periods() {
        let counts = LagCounts::default();
        let at = |now_ms| ExpiryLag::sum([&counts].into_iter(), now_ms);
        (0..1000).for_each(|_| counts.add(1_000_000, 5000));
        (0..98).for_each(|_| counts.add(1_015_000, 3));
        (0..2).for_each(|_| counts.add(1_025_000, 40));
        let lag = at(1_025_000);
        assert_eq!((lag.p50_ms, lag.p99_ms, lag.max_ms), (3, 40, 40));
        assert!((lag.overdue_keys - (98.0 * 3.0 + 80.0) / 15_000.0).abs() < 1e-9);
        assert_eq!(at(1_045_000), ExpiryLag::default());
        counts.reset();
        assert_eq!(at(1_025_000), ExpiryLag::default());
    }
}
