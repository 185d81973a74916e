//! The 24 policy bits of an entry.
//!
//! As a stamp they are the tick of the access clock at the last access. As a frequency they are those of Redis: 16 bits
//! of minutes, when the counter was last looked at, and a counter of 8 bits that grows with the logarithm of the
//! accesses and falls with time (Redis, evict.c).
//!
//! As a count they belong to adaptive S3 (`s3`): whether the entry is queued, a count of 2 bits, and a stamp of 21 bits.
//!
//! After a change from one use to the other, old bits mean something else until their key is used again, as in Redis.

use super::clock::TICK_MASK;
use super::s3::COUNT_MAX;

const COUNTER_BITS: u32 = 8;
const COUNTER_MASK: u32 = (1 << COUNTER_BITS) - 1;
const MINUTES_MASK: u32 = 0xffff;
/// The counter of a new key, so that it is not the first to go.
const COUNTER_AT_FIRST: u32 = 5;
const MS_PER_MINUTE: u64 = 60_000;
const SHORT_TICK_MASK: u32 = (1 << COUNT_SHIFT) - 1;
const COUNT_SHIFT: u32 = 21;
const COUNT_MASK: u32 = 3;
const QUEUED: u32 = 1 << 23;

/// What the bits are used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Use {
    Stamp,
    Frequency,
    Count,
}

/// The place of an entry under adaptive S3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// Whether it is in the small queue; otherwise it is main's.
    pub is_queued: bool,
    /// Up to [`COUNT_MAX`].
    pub count: u8,
}

impl Place {
    /// What the bits say.
    #[inline]
    pub fn of(bits: u32) -> Self {
        Self {
            is_queued: bits & QUEUED != 0,
            count: ((bits >> COUNT_SHIFT & COUNT_MASK) as u8).min(COUNT_MAX),
        }
    }

    /// The bits with this place.
    #[inline]
    pub fn set(self, bits: u32) -> u32 {
        let queued = if self.is_queued { QUEUED } else { 0 };
        bits & SHORT_TICK_MASK | u32::from(self.count) << COUNT_SHIFT | queued
    }
}

/// How a frequency grows and falls: `lfu-log-factor` and `lfu-decay-time`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Frequency {
    pub log_factor: u32,
    pub decay_minutes: u32,
}

/// What accesses of this group make of the bits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Touch {
    used_for: Use,
    tick: u32,
    /// The tick with more bits.
    ticks_since_start: u32,
    minutes: u32,
    frequency: Frequency,
}

impl Touch {
    pub fn new(used_for: Use, tick: u32, now_ms: u64, frequency: Frequency) -> Self {
        Self {
            used_for,
            tick: tick & TICK_MASK,
            ticks_since_start: tick,
            minutes: (now_ms / MS_PER_MINUTE) as u32 & MINUTES_MASK,
            frequency,
        }
    }

    /// The same for entries whose bits have this use.
    #[inline]
    pub fn used_for(self, used_for: Use) -> Self {
        Self { used_for, ..self }
    }

    /// The bits of a new key.
    #[inline]
    pub fn at_first(&self) -> u32 {
        match self.used_for {
            Use::Stamp => self.tick,
            Use::Frequency => self.minutes << COUNTER_BITS | COUNTER_AT_FIRST,
            // Main's, until it gets a place.
            Use::Count => self.tick & SHORT_TICK_MASK | 1 << COUNT_SHIFT,
        }
    }

    /// The bits of a key that gets a new value.
    #[inline]
    pub fn overwritten(&self, bits: u32) -> u32 {
        match self.used_for {
            Use::Stamp => self.tick,
            Use::Frequency | Use::Count => bits,
        }
    }

    /// Whether entries have a place under adaptive S3.
    #[inline]
    pub fn has_places(&self) -> bool {
        self.used_for == Use::Count
    }

    /// The bits after an access. `random` is any number that differs from access to access.
    #[inline]
    pub fn used(&self, bits: u32, random: impl FnOnce() -> u64) -> u32 {
        match self.used_for {
            // Only forwards: those who read on both sides of a tick do not write in turns.
            Use::Stamp if later(self.tick, bits) => self.tick,
            Use::Stamp => bits,
            Use::Frequency => self.more_frequent(bits, random()),
            Use::Count => self.counted(bits),
        }
    }

    #[inline]
    fn counted(&self, bits: u32) -> u32 {
        let full = u32::from(COUNT_MAX) << COUNT_SHIFT;
        let more = if bits & COUNT_MASK << COUNT_SHIFT < full {
            1 << COUNT_SHIFT
        } else {
            0
        };
        let tick = if later(self.tick << 3, bits << 3) {
            self.tick
        } else {
            bits
        };
        let place = (bits & !SHORT_TICK_MASK) + more;
        place | tick & SHORT_TICK_MASK
    }

    #[cold]
    fn more_frequent(&self, bits: u32, random: u64) -> u32 {
        let counter = self.counter(bits);
        let above = u64::from(counter.saturating_sub(COUNTER_AT_FIRST));
        let one_in = above * u64::from(self.frequency.log_factor) + 1;
        let grows = counter < COUNTER_MASK && random.is_multiple_of(one_in);
        self.minutes << COUNTER_BITS | (counter + u32::from(grows))
    }

    /// The counter of a frequency as it is by now.
    pub fn counter(&self, bits: u32) -> u32 {
        let minutes = (self.idle_minutes_ms(bits) / MS_PER_MINUTE) as u32;
        let periods = minutes
            .checked_div(self.frequency.decay_minutes)
            .unwrap_or(0);
        (bits & COUNTER_MASK).saturating_sub(periods)
    }

    /// How long ago bits that are a frequency were last changed, in milliseconds.
    pub fn idle_minutes_ms(&self, bits: u32) -> u64 {
        let minutes = self.minutes.wrapping_sub(bits >> COUNTER_BITS) & MINUTES_MASK;
        u64::from(minutes) * MS_PER_MINUTE
    }

    /// The bits of a key that was last used so many ticks ago.
    pub fn idle(&self, bits: u32, ticks: u32) -> u32 {
        match self.used_for {
            Use::Stamp => self.tick.wrapping_sub(ticks.min(TICK_MASK)) & TICK_MASK,
            Use::Frequency => bits,
            Use::Count => {
                let tick = self.tick.wrapping_sub(ticks.min(SHORT_TICK_MASK)) & SHORT_TICK_MASK;
                bits & !SHORT_TICK_MASK | tick
            }
        }
    }

    /// The bits of a key that is used so often.
    pub fn frequent(&self, bits: u32, counter: u8) -> u32 {
        match self.used_for {
            Use::Stamp | Use::Count => bits,
            Use::Frequency => self.minutes << COUNTER_BITS | u32::from(counter),
        }
    }

    /// The frequency of a key that was used once at that time, in milliseconds of the Unix epoch.
    pub fn seldom_used(&self, used_ms: u64) -> u32 {
        let minutes = (used_ms / MS_PER_MINUTE) as u32 & MINUTES_MASK;
        minutes << COUNTER_BITS | COUNTER_AT_FIRST
    }

    /// The tick of the last access, which orders entries of any age.
    #[inline]
    pub fn last_tick(&self, bits: u32) -> u32 {
        self.ticks_since_start.wrapping_sub(self.idle_ticks(bits))
    }

    /// Ticks since the last access.
    #[inline]
    pub fn idle_ticks(&self, bits: u32) -> u32 {
        let mask = match self.used_for {
            Use::Stamp | Use::Frequency => TICK_MASK,
            Use::Count => SHORT_TICK_MASK,
        };
        self.tick.wrapping_sub(bits) & mask
    }
}

/// Whether one tick is later than another, modulo 2^24; other bits do not matter.
#[inline]
fn later(tick: u32, than: u32) -> bool {
    (tick.wrapping_sub(than) & TICK_MASK).wrapping_sub(1) < TICK_MASK / 2
}

#[cfg(test)]
mod tests {
    use super::{Frequency, Place, Touch, Use};
    use crate::random::Random;

    const FREQUENCY: Frequency = Frequency {
        log_factor: 10,
        decay_minutes: 1,
    };

    #[test]
    fn stamps_only_go_forwards() {
        let at = |tick| Touch::new(Use::Stamp, tick, 0, FREQUENCY);
        let never = || unreachable!();
        assert_eq!(at(7).used(5, never), 7);
        assert_eq!(at(7).used(9, never), 9);
        assert_eq!(at(1).used(0xff_ffff, never), 1);
        assert_eq!(at(1).idle_ticks(0xff_ffff), 2);
    }

    #[test]
    fn counts_grow_to_two_beside_a_stamp() {
        let never = || unreachable!();
        let at = |tick| Touch::new(Use::Count, tick, 0, FREQUENCY);
        let mut bits = Place {
            is_queued: true,
            count: 0,
        }
        .set(at(5).at_first());
        for (tick, count) in [(7, 1), (6, 2), (9, 2)] {
            bits = at(tick).used(bits, never);
            assert_eq!(Place::of(bits).count, count);
            assert!(Place::of(bits).is_queued);
        }
        assert_eq!(at(11).idle_ticks(bits), 2);
        assert_eq!(at((1 << 21) + 20).used(bits, never) & 0x1f_ffff, 20);
    }

    #[test]
    fn frequencies_grow_with_the_logarithm_and_fall_with_time() {
        let now = Touch::new(Use::Frequency, 0, 0, FREQUENCY);
        let mut bits = now.at_first();
        let mut random = Random::default();
        for _ in 0..1000 {
            bits = now.used(bits, || random.bits());
        }
        // Redis's table: a factor of 10 gives 18 after 1,000 hits.
        assert!(
            (14..24).contains(&now.counter(bits)),
            "{}",
            now.counter(bits)
        );
        let later = Touch::new(Use::Frequency, 0, 3 * 60_000, FREQUENCY);
        assert_eq!(later.counter(bits), now.counter(bits) - 3);
    }
}
