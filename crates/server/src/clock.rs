//! The server's time: the wall clock at the start plus a monotonic clock, slewed towards the wall clock, so that a
//! correction of the system's time neither expires keys at once nor revives them.

use std::sync::atomic::{AtomicI64, Ordering::Relaxed};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// The most that one correction moves the time, in milliseconds. Corrections come about once a second.
const SLEW_MS_MAX: i64 = 100;

/// Shared by all workers.
#[derive(Debug)]
pub struct Clock {
    start: Instant,
    start_ms: u64,
    offset_ms: AtomicI64,
}

impl Clock {
    /// Starts at the wall clock's time.
    pub fn new() -> Self {
        Self {
            start: Instant::now(),
            start_ms: wall_ms(),
            offset_ms: AtomicI64::new(0),
        }
    }

    /// Now, in milliseconds of the Unix epoch.
    pub fn now_ms(&self) -> u64 {
        self.at_ms(Instant::now())
    }

    /// The time at a moment, in milliseconds of the Unix epoch.
    pub fn at_ms(&self, moment: Instant) -> u64 {
        let elapsed = moment.saturating_duration_since(self.start);
        let elapsed_ms = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
        (self.start_ms + elapsed_ms).saturating_add_signed(self.offset_ms.load(Relaxed))
    }

    /// When it started, in milliseconds of the Unix epoch.
    pub fn start_ms(&self) -> u64 {
        self.start_ms
    }

    /// Milliseconds since the start.
    pub fn uptime_ms(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Moves a little towards the wall clock.
    pub fn slew(&self) {
        self.slew_to(wall_ms());
    }

    fn slew_to(&self, wall_ms: u64) {
        let behind_ms = wall_ms.cast_signed() - self.now_ms().cast_signed();
        let step_ms = behind_ms.clamp(-SLEW_MS_MAX, SLEW_MS_MAX);
        self.offset_ms.fetch_add(step_ms, Relaxed);
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::new()
    }
}

fn wall_ms() -> u64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH);
    since_epoch.map_or(0, |since| {
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    })
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering::Relaxed;

    use super::{Clock, SLEW_MS_MAX};

    #[test]
    fn a_step_of_the_wall_clock_is_followed_slowly() {
        let clock = Clock::new();
        let mut expected_ms = 0;
        for step_ms in [3_600_000, 7_200_000, -3_600_000_i64] {
            clock.slew_to(clock.now_ms().saturating_add_signed(step_ms));
            expected_ms += SLEW_MS_MAX * step_ms.signum();
            assert_eq!(clock.offset_ms.load(Relaxed), expected_ms);
        }
    }

    #[test]
    fn the_wall_clock_is_reached() {
        let clock = Clock::new();
        let wall_ms = clock.now_ms() + 950;
        (0..10).for_each(|_| clock.slew_to(wall_ms));
        assert!(clock.now_ms() >= wall_ms);
    }
}
