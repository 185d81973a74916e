//! The access clock. Entries carry its ticks, modulo 2^24, as the time of their last access.
//!
//! A tick is a second while nothing is evicted. When keys are evicted faster than that, the clock ticks as often as a
//! 1024th of the keys is: so the ages of keys differ however fast they come and go, and the bits suffice. A short history
//! tells when a tick was.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use parking_lot::Mutex;

pub(crate) const TICK_MASK: u32 = 0xff_ffff;
const TICK_MS: u64 = 1000;
/// Seconds before the start that the clock knows of, so that a key can come that was last used then.
const TICKS_BEFORE: u64 = 1 << 20;
/// Ticks that the history has; above that it forgets every second one of the older half.
const HISTORY_MAX: usize = 4096;

/// See the head of this file.
pub(crate) struct AccessClock {
    tick: AtomicU64,
    next_ms: AtomicU64,
    /// Ticks and when they began, in milliseconds of the Unix epoch.
    history: Mutex<VecDeque<(u64, u64)>>,
}

impl AccessClock {
    pub fn new() -> Self {
        Self {
            tick: AtomicU64::new(TICKS_BEFORE - 1),
            next_ms: AtomicU64::new(0),
            history: Mutex::new(VecDeque::new()),
        }
    }

    /// The tick of `now_ms`, modulo 2^32.
    #[inline]
    pub fn tick(&self, now_ms: u64) -> u32 {
        if now_ms >= self.next_ms.load(Relaxed) {
            self.advance(now_ms, |_| now_ms >= self.next_ms.load(Relaxed));
        }
        self.tick.load(Relaxed) as u32
    }

    /// Begins the next tick before its time.
    pub fn hurry(&self, now_ms: u64) {
        let seen = self.tick.load(Relaxed);
        self.advance(now_ms, |tick| tick == seen);
    }

    #[cold]
    fn advance(&self, now_ms: u64, is_due: impl FnOnce(u64) -> bool) {
        let mut history = self.history.lock();
        let tick = self.tick.load(Relaxed);
        if !is_due(tick) {
            return;
        }
        if history.is_empty() {
            history.push_back((0, now_ms.saturating_sub(TICKS_BEFORE * TICK_MS)));
        }
        if history.len() >= HISTORY_MAX {
            let mut at = 0;
            history.retain(|_| {
                at += 1;
                // The first two are the time before the start.
                at <= 2 || at % 2 == 1 || at > HISTORY_MAX / 2
            });
        }
        history.push_back((tick + 1, now_ms));
        self.tick.store(tick + 1, Relaxed);
        self.next_ms.store(now_ms + TICK_MS, Relaxed);
    }

    /// The tick at a time that has passed, modulo 2^24.
    pub fn tick_at(&self, ms: u64) -> u32 {
        let history = self.history.lock();
        let after = history.partition_point(|(_, began_ms)| *began_ms <= ms);
        let tick = history
            .get(after.saturating_sub(1))
            .map_or(0, |(tick, _)| *tick);
        tick as u32 & TICK_MASK
    }

    /// The ticks in so many milliseconds until now, as many as the history knows of.
    pub fn ticks_in(&self, ms: u64, now_ms: u64) -> u32 {
        let began_ms = now_ms.saturating_sub(ms);
        let history = self.history.lock();
        let after = history.partition_point(|(_, ms)| *ms <= began_ms);
        let tick = match (
            after.checked_sub(1).map(|at| history[at]),
            history.get(after),
        ) {
            (None, _) => 0,
            (Some((tick, _)), None) => tick,
            (Some((tick, ms)), Some((next, next_ms))) => {
                tick + (began_ms - ms) * (next - tick) / (next_ms - ms).max(1)
            }
        };
        self.tick.load(Relaxed).saturating_sub(tick) as u32
    }

    /// Milliseconds since the tick that was so many ticks ago began.
    pub fn since_ms(&self, ticks: u32, now_ms: u64) -> u64 {
        let wanted = self.tick.load(Relaxed).saturating_sub(ticks.into());
        let history = self.history.lock();
        let after = history.partition_point(|(tick, _)| *tick <= wanted);
        let Some((tick, ms)) = history.get(after.saturating_sub(1)) else {
            return 0;
        };
        let began_ms = match history.get(after) {
            // Ticks between the two have been forgotten.
            Some((next, next_ms)) if wanted > *tick => {
                ms + (next_ms - ms) * (wanted - tick) / (next - tick)
            }
            _ => *ms,
        };
        now_ms.saturating_sub(began_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::{AccessClock, HISTORY_MAX};

    #[test]
    fn ticks_are_seconds_unless_hurried() {
        let clock = AccessClock::new();
        let first = clock.tick(10_000);
        assert_eq!(clock.tick(10_999), first);
        assert_eq!(clock.tick(12_500), first + 1);
        clock.hurry(12_600);
        clock.hurry(12_700);
        assert_eq!(clock.tick(12_700), first + 3);
        assert_eq!(clock.since_ms(0, 13_000), 300);
        assert_eq!(clock.since_ms(2, 13_000), 500);
        assert_eq!(clock.since_ms(3, 13_000), 3_000);
    }

    #[test]
    fn times_before_the_start_have_ticks() {
        let (clock, start_ms) = (AccessClock::new(), 1_700_000_000_000);
        clock.tick(start_ms);
        for idle_ms in [0, 1_000, 5_000_000, 900_000_000] {
            let ticks = clock.ticks_in(idle_ms, start_ms);
            assert_eq!(clock.since_ms(ticks, start_ms), idle_ms);
        }
    }

    #[test]
    fn a_long_history_keeps_all_times_roughly() {
        let clock = AccessClock::new();
        let seconds = 10 * HISTORY_MAX as u64;
        for second in 1..=seconds {
            clock.tick(second * 1000);
        }
        for ago in [0, 1, 1000, 5_000, 30_000] {
            assert_eq!(clock.since_ms(ago, seconds * 1000), u64::from(ago) * 1000);
        }
    }
}
