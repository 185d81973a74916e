//! Where a record is filed: the arithmetic of the wheel.
//!
//! Time is counted in ticks of 32 ms. A wheel has levels of eight drawers each: a drawer of level 0 is one tick, one of
//! level 1 eight ticks, and so on. A tick is filed at the level of the highest digit, of base 8, in which it differs from
//! the wheel's current tick. So at any time a drawer stands for one stretch of ticks, and those with smaller numbers
//! come first. (Varghese and Lauck, *Hashed and hierarchical timing wheels*, 1987; with so few drawers to a level it is
//! a radix heap: Ahuja, Mehlhorn, Orlin and Tarjan, 1990.)

const TICK_SHIFT: u32 = 5;
const DIGIT_BITS: u32 = 3;
const DIGIT_MASK: u64 = (1 << DIGIT_BITS) - 1;

/// Ticks of one shard. Each counts from another moment, so that they do not all come to a high level's next drawer
/// together.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ticks {
    offset: u64,
}

impl Ticks {
    pub fn of_shard(shard: usize) -> Self {
        // At most four years, spread by the golden ratio.
        let offset = (shard as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        Self { offset }
    }

    /// The tick of a time, which is at most [`FILED_MS_MAX`].
    #[inline]
    pub fn tick(self, ms: u64) -> u64 {
        (ms >> TICK_SHIFT) + self.offset
    }

    /// When a tick begins; 1 at the earliest.
    #[inline]
    pub fn ms(self, tick: u64) -> u64 {
        (tick.saturating_sub(self.offset) << TICK_SHIFT).max(1)
    }
}

/// Deadlines from here on are not filed: the year 19,800.
pub(crate) const FILED_MS_MAX: u64 = 1 << 49;

/// One of a wheel's drawers: level times eight plus digit. There are fewer than 126, and [`Drawer::AGAIN`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Drawer(pub u8);

impl Drawer {
    /// What stands for no ticks: the drawer of those that come up again as soon as others have had their turn.
    pub const AGAIN: Self = Self(126);

    /// The drawer of a tick, which is not before `current`.
    #[inline]
    pub fn of(tick: u64, current: u64) -> Self {
        let differs = tick ^ current;
        let level = differs.checked_ilog2().unwrap_or(0) / DIGIT_BITS;
        let digit = (tick >> (level * DIGIT_BITS)) & DIGIT_MASK;
        Self((level << DIGIT_BITS) as u8 | digit as u8)
    }

    #[inline]
    fn level(self) -> u32 {
        u32::from(self.0) >> DIGIT_BITS
    }

    /// The first tick that the drawer stands for.
    #[inline]
    pub fn first_tick(self, current: u64) -> u64 {
        let shift = self.level() * DIGIT_BITS;
        ((current >> shift) & !DIGIT_MASK | u64::from(self.0) & DIGIT_MASK) << shift
    }

    /// The tick with which it is to be emptied: that after its only one, or its first, whose records then go to lower
    /// levels.
    #[inline]
    pub fn due_tick(self, current: u64) -> u64 {
        self.first_tick(current) + u64::from(self.level() == 0)
    }

    /// The latest tick that may be the current one while this is the first drawer with records.
    pub fn current_max(self, current: u64) -> u64 {
        self.first_tick(current)
            .saturating_sub(u64::from(self.level() > 0))
    }
}

/// Where an entry's record is: a drawer, and which of the two wheels that a shard can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place(pub u8);

impl Place {
    /// Nowhere.
    pub const NONE: Self = Self(0);
    const SECOND: u8 = 1 << 7;

    #[inline]
    pub fn new(drawer: Drawer, wheel: WhichWheel) -> Self {
        let second = if wheel == WhichWheel::Second {
            Self::SECOND
        } else {
            0
        };
        Self((drawer.0 + 1) | second)
    }

    /// Whether it is [`Drawer::AGAIN`] of some wheel.
    pub fn is_again(self) -> bool {
        self.get()
            .is_some_and(|(drawer, _)| drawer == Drawer::AGAIN)
    }

    /// The drawer and the wheel; None when it is nowhere.
    #[inline]
    pub fn get(self) -> Option<(Drawer, WhichWheel)> {
        let drawer = (self.0 & !Self::SECOND).checked_sub(1)?;
        let wheel = if self.0 & Self::SECOND == 0 {
            WhichWheel::First
        } else {
            WhichWheel::Second
        };
        Some((Drawer(drawer), wheel))
    }
}

/// A shard's wheels take turns: the next one has the other name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WhichWheel {
    First,
    Second,
}

impl WhichWheel {
    pub fn other(self) -> Self {
        match self {
            Self::First => Self::Second,
            Self::Second => Self::First,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{DIGIT_BITS, Drawer, FILED_MS_MAX, Place, TICK_SHIFT, Ticks, WhichWheel};

    #[test]
    fn a_drawer_stands_for_the_ticks_that_are_filed_in_it() {
        for current in [0, 1, 3, 4, 255, 256, 1_000_003, (1 << 40) - 1] {
            for ahead in (0..600).chain([1 << 12, (1 << 20) + 7, FILED_MS_MAX >> TICK_SHIFT]) {
                let tick = current + ahead;
                let drawer = Drawer::of(tick, current);
                let first = drawer.first_tick(current);
                assert!(first <= tick && tick < first + (1 << (drawer.level() * DIGIT_BITS)));
                assert!(first >= current || ahead == 0);
                assert_eq!(drawer.due_tick(current) > tick, drawer.level() == 0);
                // A later current tick, before the drawer, leaves the record where it is.
                let moved = drawer.current_max(current).max(current);
                assert_eq!(Drawer::of(tick, moved).first_tick(moved), first.max(moved));
                assert_eq!(drawer.first_tick(moved), first);
            }
        }
    }

    #[test]
    fn later_drawers_have_greater_numbers() {
        let current = 0b10_01_11;
        let drawers: Vec<u8> = (current..current + 5000)
            .map(|tick| Drawer::of(tick, current).0)
            .collect();
        assert!(drawers.is_sorted());
    }

    #[test]
    fn places_are_told_apart() {
        let latest = Ticks::of_shard(65_535).tick(FILED_MS_MAX);
        let last = Drawer::of(latest, 0);
        assert!(last.0 < 126);
        for drawer in (0..=last.0).map(Drawer).chain([Drawer::AGAIN]) {
            for wheel in [WhichWheel::First, WhichWheel::Second] {
                assert_eq!(Place::new(drawer, wheel).get(), Some((drawer, wheel)));
            }
        }
        assert_eq!(Place::NONE.get(), None);
    }

    #[test]
    fn a_deadline_is_over_with_its_tick() {
        for shard in [0, 1, 77, 2047] {
            let ticks = Ticks::of_shard(shard);
            for ms in [32u64, 33, 63, 1_700_000_000_123] {
                assert!(ticks.ms(ticks.tick(ms)) <= ms && ms < ticks.ms(ticks.tick(ms) + 1));
            }
        }
    }
}
