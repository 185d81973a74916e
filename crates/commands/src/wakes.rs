//! What a worker counts of its wakes: how long it waited and worked, and how much it did at once.

use std::time::Duration;

use crate::stats::Counter;

/// Steps of [`Steps`]: each is twice the one before.
pub const STEPS: usize = 26;

/// Values, counted by the smallest power of two that is not below them. One thread adds, any thread reads.
#[derive(Default)]
pub struct Steps {
    counts: [Counter; STEPS],
    sum: Counter,
}

impl Steps {
    /// Counts a value; only for the thread that owns it.
    #[inline]
    pub fn add(&self, value: u64) {
        self.counts[step(value)].add(1);
        self.sum.add(value);
    }

    /// How many values are at most 1, 2, 4, and so on, without those of the steps before; the last has all others.
    pub fn counts(&self) -> [u64; STEPS] {
        std::array::from_fn(|step| self.counts[step].get())
    }

    /// All values together.
    pub fn sum(&self) -> u64 {
        self.sum.get()
    }

    fn reset(&self) {
        self.counts.iter().for_each(|count| count.set(0));
        self.sum.set(0);
    }
}

fn step(value: u64) -> usize {
    let bits = u64::BITS - value.saturating_sub(1).leading_zeros();
    (bits as usize).min(STEPS - 1)
}

/// What one worker counts.
#[derive(Default)]
pub struct WakeStats {
    /// Nanoseconds that it has worked.
    pub busy_ns: Counter,
    /// Nanoseconds that it has waited for something to do.
    pub wait_ns: Counter,
    /// Microseconds that it has worked at a time: what has arrived meanwhile has waited for so long at most.
    pub busy_us: Steps,
    /// Commands that it has executed at a time; wakes without any are left out.
    pub commands: Steps,
    /// When it last woke up, in milliseconds of the Unix epoch.
    pub woken_ms: Counter,
}

impl WakeStats {
    /// Counts a wake that is over; only for the thread that owns it.
    #[inline]
    pub fn add(&self, waited: Duration, busy: Duration, commands: usize) {
        self.wait_ns.add(nanoseconds(waited));
        let busy_ns = nanoseconds(busy);
        self.busy_ns.add(busy_ns);
        self.busy_us.add(busy_ns / 1000);
        if commands > 0 {
            self.commands.add(commands as u64);
        }
    }

    /// Starts anew.
    pub fn reset(&self) {
        let Self {
            busy_ns,
            wait_ns,
            busy_us,
            commands,
            woken_ms: _,
        } = self;
        [busy_ns, wait_ns]
            .into_iter()
            .for_each(|count| count.set(0));
        [busy_us, commands].into_iter().for_each(Steps::reset);
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{STEPS, WakeStats, step};

    #[test]
    fn a_step_is_a_power_of_two() {
        for (value, expected) in [(0, 0), (1, 0), (2, 1), (3, 2), (4, 2), (5, 3), (1024, 10)] {
            assert_eq!(step(value), expected, "{value}");
        }
        assert_eq!(step(u64::MAX), STEPS - 1);
    }

    #[test]
    fn wakes_add_up() {
        let stats = WakeStats::default();
        stats.add(Duration::from_millis(3), Duration::from_micros(5), 0);
        stats.add(Duration::from_millis(4), Duration::from_micros(6), 7);
        assert_eq!(
            (stats.wait_ns.get(), stats.busy_ns.get()),
            (7_000_000, 11_000)
        );
        assert_eq!((stats.busy_us.counts()[3], stats.busy_us.sum()), (2, 11));
        assert_eq!((stats.commands.counts()[3], stats.commands.sum()), (1, 7));
        stats.reset();
        assert_eq!(
            (stats.commands.counts(), stats.busy_us.sum()),
            ([0; STEPS], 0)
        );
    }
}
