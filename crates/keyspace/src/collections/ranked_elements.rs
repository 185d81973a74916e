#![allow(unsafe_code)]
//! The elements of a large sorted set: by their names in a table, and by their scores in a tree.
//!
//! Soundness: the tree has one [`Ranked`] for each element of the table and no other. It is taken out before its element
//! is removed, no element's allocation changes (scores are overwritten in place, and the table shares no element with another
//! one), and nobody else makes one.

use std::cmp::Ordering;
use std::sync::Arc;

use super::counted_tree::{CountedTree, Direction, Range};
use super::element::{Element, ElementPlace};
use super::element_table::ElementTable;
use crate::hash::KeyHasher;
use crate::random::Random;

/// Names with scores.
pub(crate) struct RankedElements {
    elements: ElementTable,
    order: CountedTree<Ranked>,
}

/// An element of the table, in the order of scores, those of one score in the order of their names.
#[derive(Clone, Copy)]
struct Ranked {
    score: f64,
    place: ElementPlace,
}

impl Ranked {
    fn of(element: &Element) -> Self {
        Self {
            score: score_of(element),
            place: element.place(),
        }
    }

    #[inline]
    fn name<'a>(self) -> &'a [u8] {
        // SAFETY: the element is in the table, see above; those who give names away borrow the table meanwhile.
        unsafe { self.place.name() }
    }
}

fn score_of(element: &Element) -> f64 {
    let bytes = element.value().try_into();
    f64::from_le_bytes(bytes.expect("a score has eight bytes"))
}

/// The order of scores, none of which is NaN.
#[inline]
pub(crate) fn by_score(left: f64, right: f64) -> Ordering {
    left.partial_cmp(&right).unwrap_or(Ordering::Equal)
}

impl Ord for Ranked {
    #[inline]
    fn cmp(&self, other: &Self) -> Ordering {
        let by_name = || match self.place == other.place {
            true => Ordering::Equal,
            false => self.name().cmp(other.name()),
        };
        by_score(self.score, other.score).then_with(by_name)
    }
}

impl PartialOrd for Ranked {
    #[inline]
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Ranked {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Ranked {}

impl Clone for RankedElements {
    /// With elements of its own: a clone of the table alone would share them, and copy those that one of the two changes, to
    /// where no tree knows of them.
    fn clone(&self) -> Self {
        let all = self.range(0..self.len(), Direction::Forward);
        Self::from_sorted(self.elements.hasher(), all)
    }
}

impl RankedElements {
    pub fn new(hasher: Arc<KeyHasher>) -> Self {
        Self {
            elements: ElementTable::new(hasher),
            order: CountedTree::new(),
        }
    }

    /// Names that differ, in their order.
    pub fn from_sorted<'n>(
        hasher: Arc<KeyHasher>,
        sorted: impl Iterator<Item = (&'n [u8], f64)>,
    ) -> Self {
        let mut elements = ElementTable::new(hasher);
        let ranked = sorted.filter_map(|(name, score)| {
            let (element, is_new) = elements.insert(name, &score.to_le_bytes());
            is_new.then(|| Ranked::of(element))
        });
        let order = CountedTree::from_sorted(ranked);
        Self { elements, order }
    }

    #[inline]
    pub fn len(&self) -> usize {
        self.order.len()
    }

    /// Memory that it owns, in bytes, as the allocator rounds it.
    pub fn memory_bytes(&self) -> usize {
        self.elements.memory_bytes() + self.order.memory_bytes()
    }

    #[inline]
    pub fn score(&self, name: &[u8]) -> Option<f64> {
        self.elements.get(name).map(score_of)
    }

    /// The rank and score of a name.
    pub fn rank(&self, name: &[u8]) -> Option<(usize, f64)> {
        let ranked = Ranked::of(self.elements.get(name)?);
        let rank = self.order.count_where(|other| *other < ranked);
        Some((rank, ranked.score))
    }

    /// Gives a name a score, whether it is there or not.
    pub fn set(&mut self, name: &[u8], score: f64) {
        let (element, is_new) = self.elements.insert(name, &score.to_le_bytes());
        let before = Ranked::of(element);
        if is_new {
            return self.order.insert(before);
        }
        self.order.remove(&before);
        self.order.insert(Ranked { score, ..before });
        self.elements.update(name, |element| {
            element.value_mut().copy_from_slice(&score.to_le_bytes());
        });
    }

    /// Removes a name; whether it was there.
    pub fn remove(&mut self, name: &[u8]) -> bool {
        let Some(ranked) = self.elements.get(name).map(Ranked::of) else {
            return false;
        };
        self.order.remove(&ranked);
        self.elements.remove(name);
        true
    }

    /// Removes so many names from a rank on, or as many as there are.
    pub fn remove_ranks(&mut self, ranks: std::ops::Range<usize>) {
        for _ in ranks.clone() {
            if ranks.start >= self.len() {
                return;
            }
            let ranked = self.order.get(ranks.start);
            self.order.remove(&ranked);
            self.elements.remove(ranked.name());
        }
    }

    /// How many elements `is_before` holds for, which are those before all others.
    #[inline]
    pub fn count_where(&self, is_before: impl Fn(&[u8], f64) -> bool) -> usize {
        self.order
            .count_where(|ranked| is_before(ranked.name(), ranked.score))
    }

    /// As [`RankedElements::count_where`], by scores alone.
    #[inline]
    pub fn count_by_score(&self, is_before: impl Fn(f64) -> bool) -> usize {
        self.order.count_where(|ranked| is_before(ranked.score))
    }

    /// See [`ElementTable::look_ahead`].
    pub fn look_ahead<'n>(&self, names: impl Iterator<Item = &'n [u8]>) {
        for element in self.elements.look_ahead(names).elements() {
            let score = score_of(element);
            self.order.look_ahead(|ranked| ranked.score < score);
        }
    }

    /// The elements of these ranks.
    pub fn range(&self, ranks: std::ops::Range<usize>, direction: Direction) -> RankedRange<'_> {
        RankedRange(self.order.range(ranks, direction))
    }

    /// An element that is as likely as any other. There must be one.
    pub fn random(&self, random: &mut Random) -> (&[u8], f64) {
        let element = self.elements.random(random);
        (element.name(), score_of(element))
    }

    /// See [`ElementTable::scan`].
    pub fn scan<'t>(
        &'t self,
        cursor: u64,
        count: usize,
        mut visit: impl FnMut(&'t [u8], f64),
    ) -> u64 {
        self.elements.scan(cursor, count, |element| {
            visit(element.name(), score_of(element));
        })
    }
}

/// See [`RankedElements::range`].
pub struct RankedRange<'t>(Range<'t, Ranked>);

impl<'t> Iterator for RankedRange<'t> {
    type Item = (&'t [u8], f64);

    #[inline]
    fn next(&mut self) -> Option<(&'t [u8], f64)> {
        let ranked = self.0.next()?;
        Some((ranked.name(), ranked.score))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{Direction, RankedElements};
    use crate::hash::KeyHasher;

    /// Every place in the tree is that of an element of the table, and the other way round.
    fn check_places(ranked: &RankedElements) {
        assert_eq!(ranked.elements.len(), ranked.len());
        for of_tree in ranked.order.range(0..ranked.len(), Direction::Forward) {
            let places = ranked.elements.iter().map(|element| element.place());
            assert_eq!(places.filter(|place| *place == of_tree.place).count(), 1);
        }
    }

    #[test]
    fn a_copy_has_elements_of_its_own() {
        let names: Vec<String> = (0..300).map(|number| format!("m{number:03}")).collect();
        let members = names.iter().map(|name| (name.as_bytes(), 1.0));
        let mut original = RankedElements::from_sorted(Arc::new(KeyHasher::new(7)), members);
        let mut copy = original.clone();
        check_places(&copy);
        for name in names.iter().step_by(3) {
            copy.set(name.as_bytes(), 2.0);
            check_places(&copy);
        }
        for name in names.iter().step_by(2) {
            original.remove(name.as_bytes());
        }
        check_places(&original);
        drop(original);
        assert!(
            names
                .iter()
                .all(|name| copy.rank(name.as_bytes()).is_some())
        );
    }
}
