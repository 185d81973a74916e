//! The word of an entry that has its deadline, and where the index has filed it.
//!
//! ```text
//! far 1 | place 8 | fields 1 | deadline 54 bits, in milliseconds of the Unix epoch; all ones: none
//! ```
//!
//! `fields` is set for a hash that has fields with deadlines: the index has filed it by the earliest of these and of its
//! own. A deadline that needs more bits (after the year 570,000) has `far` set and all the others for itself; such an
//! entry is filed nowhere, and its fields go when the hash is used. One mask makes a number of the word that tells
//! whether the time is up, whatever is in it.

use crate::expiry::{FILED_MS_MAX, Place};

const PLACE_SHIFT: u32 = 55;
const PLACE_MASK: u64 = 0xff << PLACE_SHIFT;
const FIELDS: u64 = 1 << (PLACE_SHIFT - 1);
const DEADLINE_MASK: u64 = FIELDS - 1;
/// What two words are compared by.
const TIME_MASK: u64 = !(PLACE_MASK | FIELDS);
const FAR: u64 = 1 << 63;
/// Deadlines from here on are not ordinary: the year 2527.
pub(crate) const SUMMED_MS_END: u64 = 1 << 44;

/// See above.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DeadlineWord(pub u64);

impl DeadlineWord {
    /// No deadline, filed nowhere.
    pub const NONE: Self = Self(DEADLINE_MASK);

    /// A deadline that is filed nowhere.
    #[inline]
    pub fn new(deadline_ms: Option<u64>) -> Self {
        match deadline_ms {
            None => Self::NONE,
            Some(deadline_ms) if deadline_ms < DEADLINE_MASK => Self(deadline_ms),
            Some(deadline_ms) => Self(deadline_ms | FAR),
        }
    }

    /// Whether the deadline leaves room for nothing else.
    #[inline]
    pub fn is_far(self) -> bool {
        self.0 & FAR != 0
    }

    /// The deadline, in milliseconds of the Unix epoch.
    #[inline]
    pub fn deadline_ms(self) -> Option<u64> {
        if self.is_far() {
            return Some(self.0 & !FAR);
        }
        let deadline_ms = self.0 & DEADLINE_MASK;
        (deadline_ms != DEADLINE_MASK).then_some(deadline_ms)
    }

    /// The deadline, if it is one that can be filed.
    pub fn near_ms(self) -> Option<u64> {
        self.deadline_ms()
            .filter(|deadline_ms| *deadline_ms < FILED_MS_MAX)
    }

    /// Whether the time is up.
    #[inline]
    pub fn has_expired(self, now_ms: u64) -> bool {
        now_ms > self.0 & TIME_MASK
    }

    /// Whether it is a hash's that has fields with deadlines.
    #[inline]
    pub fn has_fields(self) -> bool {
        self.0 & (FAR | FIELDS) == FIELDS
    }

    /// The same deadline of a hash that has fields with deadlines; a far one says nothing of them.
    pub fn with_fields(self) -> Self {
        if self.is_far() {
            self
        } else {
            Self(self.0 | FIELDS)
        }
    }

    /// The same deadline of what has no such fields.
    pub fn without_fields(self) -> Self {
        if self.is_far() {
            self
        } else {
            Self(self.0 & !FIELDS)
        }
    }

    /// Where it is filed.
    #[inline]
    pub fn place(self) -> Place {
        if self.is_far() {
            Place::NONE
        } else {
            Place((self.0 >> PLACE_SHIFT) as u8)
        }
    }

    /// The same deadline, filed elsewhere; a far one is filed nowhere.
    #[inline]
    pub fn with_place(self, place: Place) -> Self {
        if self.is_far() {
            self
        } else {
            Self(self.0 & !PLACE_MASK | u64::from(place.0) << PLACE_SHIFT)
        }
    }

    /// By how much that deadline is later than this one, when this one is filed and both are ordinary ones.
    #[inline]
    pub fn moved_later_ms(self, new: Self) -> Option<u64> {
        // Anything but a deadline of those years leaves bits, and so do fields.
        let ms = |word: Self| word.0 & !PLACE_MASK;
        let is_ordinary = (ms(self) | ms(new)) < SUMMED_MS_END && self.0 & PLACE_MASK != 0;
        if is_ordinary {
            ms(new).checked_sub(ms(self))
        } else {
            None
        }
    }

    /// Whether this deadline is not before that one; none is after all others.
    #[inline]
    pub fn is_not_before(self, other: Self) -> bool {
        self.0 & TIME_MASK >= other.0 & TIME_MASK
    }
}

#[cfg(test)]
mod tests {
    use super::{DEADLINE_MASK, DeadlineWord};
    use crate::expiry::{FILED_MS_MAX, Place};

    #[test]
    fn every_deadline_survives_being_filed() {
        let numbers = [0, 1, 1 << 41, DEADLINE_MASK - 1, DEADLINE_MASK, 1 << 60];
        let last = i64::MAX.cast_unsigned();
        for deadline_ms in numbers.into_iter().chain([last - 1, last]) {
            let word = DeadlineWord::new(Some(deadline_ms));
            for place in [Place::NONE, Place(1), Place(0xff)] {
                let filed = word.with_place(place);
                assert_eq!(filed.deadline_ms(), Some(deadline_ms));
                assert!(!filed.has_expired(deadline_ms.min(1 << 62)));
                assert_eq!(
                    filed.place(),
                    if word.is_far() { Place::NONE } else { place }
                );
                assert!(word.is_far() || filed.has_expired(deadline_ms + 1));
                assert!(word.near_ms().is_none() || deadline_ms < FILED_MS_MAX);
            }
        }
    }

    #[test]
    fn moving_a_filed_deadline_later_is_told() {
        let at = |deadline_ms| DeadlineWord::new(Some(deadline_ms));
        let filed = at(100).with_place(Place(3));
        assert_eq!(filed.moved_later_ms(at(130)), Some(30));
        assert_eq!(filed.moved_later_ms(at(100)), Some(0));
        let none = DeadlineWord::NONE;
        for (old, new) in [
            (filed, at(99)),
            (at(100), at(130)),
            (filed, at(1 << 44)),
            (filed, at(1 << 60)),
            (filed, none),
            (none.with_place(Place(3)), at(100)),
            (at(1 << 60), at(1 << 61)),
            (filed.with_fields(), at(130)),
            (filed, at(130).with_fields()),
        ] {
            assert_eq!(old.moved_later_ms(new), None);
        }
    }

    #[test]
    fn fields_change_nothing_else() {
        for deadline_ms in [None, Some(0), Some(100), Some(1 << 52), Some(1 << 60)] {
            let word = DeadlineWord::new(deadline_ms).with_place(Place(7));
            let timed = word.with_fields();
            assert_eq!(timed.has_fields(), !word.is_far());
            assert_eq!(timed.deadline_ms(), deadline_ms);
            assert_eq!(timed.place(), word.place());
            assert_eq!(timed.with_place(Place(3)).has_fields(), !word.is_far());
            assert_eq!(timed.without_fields(), word);
            assert!(!word.has_fields());
            for now_ms in [0, 100, 101, 1 << 53] {
                assert_eq!(timed.has_expired(now_ms), word.has_expired(now_ms));
            }
            assert!(timed.is_not_before(word) && word.is_not_before(timed));
        }
    }

    #[test]
    fn none_keeps_its_place_and_never_expires() {
        let word = DeadlineWord::new(None).with_place(Place(9));
        assert_eq!((word.deadline_ms(), word.place()), (None, Place(9)));
        assert!(!word.has_expired(1 << 50));
        assert!(word.is_not_before(DeadlineWord::new(Some(1 << 53))));
        assert!(!DeadlineWord::new(Some(5)).is_not_before(word));
    }
}
