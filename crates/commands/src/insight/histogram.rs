//! How long executions of a command took: counts in buckets that grow with the time.
//!
//! Up to 16 ns every nanosecond has a bucket; from there on each power of two has 16 of the same width, up to 2^40 ns, more
//! than 18 minutes. The middle of a bucket is within 3.2 % of every time in it.

use crate::stats::Counter;

/// Buckets for each power of two, as a power of two.
const PARTS_BITS: u32 = 4;
const PARTS: usize = 1 << PARTS_BITS;
/// Longer times count as this one, in nanoseconds.
const NS_MAX: u64 = (1 << 41) - 1;
const BUCKETS: usize = (41 - PARTS_BITS as usize) * PARTS + PARTS;

/// The times of one command on one worker.
pub struct Histogram {
    counts: Box<[Counter]>,
}

impl Histogram {
    /// Memory of one, in bytes.
    pub const BYTES: usize = size_of::<[Counter; BUCKETS]>();

    pub(crate) fn new() -> Self {
        Self {
            counts: (0..BUCKETS).map(|_| Counter::default()).collect(),
        }
    }

    /// Counts so many executions that took so long each; only for the thread that owns it.
    #[inline]
    pub(crate) fn add(&self, ns: u64, executions: u64) {
        self.counts[bucket(ns)].add(executions);
    }

    pub(crate) fn reset(&self) {
        self.counts.iter().for_each(|count| count.set(0));
    }
}

/// The times of one command, all workers together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Times {
    /// By bucket; empty when nothing was counted.
    counts: Vec<u64>,
}

impl Times {
    pub(crate) fn add(&mut self, histogram: &Histogram) {
        self.counts.resize(BUCKETS, 0);
        for (sum, count) in self.counts.iter_mut().zip(&histogram.counts) {
            *sum += count.get();
        }
    }

    /// The executions that were counted.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Those that took less than a power of two of nanoseconds, of at least 16.
    pub fn count_below(&self, ns: u64) -> u64 {
        debug_assert!(ns.is_power_of_two() && ns >= PARTS as u64, "a bucket's end");
        let buckets = if ns > NS_MAX { BUCKETS } else { bucket(ns) };
        self.counts.iter().take(buckets).sum()
    }

    /// The time in nanoseconds that `percent` of the executions took at most; 0 without any.
    pub fn percentile_ns(&self, percent: f64) -> u64 {
        let total = self.count();
        let wanted = (percent / 100.0 * total as f64 + 0.5) as u64;
        let wanted = wanted.clamp(1, total.max(1));
        let mut seen = 0;
        let found = self.counts.iter().position(|count| {
            seen += count;
            seen >= wanted
        });
        found.map_or(0, middle_ns)
    }
}

/// Which bucket a time belongs to.
#[inline]
fn bucket(ns: u64) -> usize {
    let ns = ns.min(NS_MAX);
    // The first buckets are those of the powers of two below 16 as well, without a branch.
    let power = (ns | PARTS as u64).ilog2();
    let shift = power - PARTS_BITS;
    let group = shift as usize * PARTS;
    group + (ns >> shift) as usize
}

/// The time in the middle of a bucket.
fn middle_ns(bucket: usize) -> u64 {
    if bucket < PARTS {
        return bucket as u64;
    }
    let shift = bucket / PARTS - 1;
    let first = ((PARTS + bucket % PARTS) as u64) << shift;
    first + (1 << shift) / 2
}

#[cfg(test)]
mod tests {
    use super::{BUCKETS, Histogram, NS_MAX, Times, bucket, middle_ns};

    fn times(of: &[(u64, u64)]) -> Times {
        let histogram = Histogram::new();
        for (ns, executions) in of {
            histogram.add(*ns, *executions);
        }
        let mut times = Times::default();
        times.add(&histogram);
        times
    }

    #[test]
    fn buckets_are_in_order_and_exact_enough() {
        assert_eq!((bucket(0), bucket(15), bucket(16)), (0, 15, 16));
        assert_eq!(bucket(NS_MAX), BUCKETS - 1);
        assert_eq!(bucket(u64::MAX), BUCKETS - 1);
        let mut ns = 1_u64;
        let mut before = 0;
        while ns < 1_000_000_000_000 {
            let at = bucket(ns);
            assert!(at == before || at == before + 1, "{ns} after {before}");
            let off = (middle_ns(at) as f64 - ns as f64).abs() / ns as f64;
            assert!(off <= 0.06, "{ns} is shown as {}", middle_ns(at));
            before = at;
            ns += (ns / 100).max(1);
        }
    }

    #[test]
    fn percentiles() {
        assert_eq!(Times::default().percentile_ns(50.0), 0);
        let times = times(&[(10, 50), (1000, 49), (1_000_000_000, 1)]);
        assert_eq!(times.count(), 100);
        assert_eq!(times.percentile_ns(0.0), 10);
        assert_eq!(times.percentile_ns(50.0), 10);
        assert_eq!(times.percentile_ns(99.0), middle_ns(bucket(1000)));
        assert_eq!(times.percentile_ns(100.0), middle_ns(bucket(1_000_000_000)));
        assert_eq!(times.percentile_ns(99.9), times.percentile_ns(100.0));
    }

    #[test]
    fn counts_below_powers_of_two() {
        let times = times(&[(1023, 1), (1024, 2), (1 << 40, 4), (1 << 50, 8)]);
        let below = |ns| times.count_below(ns);
        assert_eq!((below(16), below(1024), below(2048)), (0, 1, 3));
        assert_eq!((below(1 << 40), below(1 << 41)), (3, 15));
    }
}
