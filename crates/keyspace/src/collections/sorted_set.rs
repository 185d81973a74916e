//! Sorted sets: packed members with their scores, in order, or a table and a tree over the same elements.
//!
//! A packed score is an integer where it is one, else the eight bytes of a double.

use std::ops;
use std::sync::atomic::Ordering::Relaxed;

use super::counted_tree::Direction;
use super::ranked_elements::{RankedElements, RankedRange, by_score};
use super::{Collection, Contents, Draft, Form, Item, Object, Pack, PackMut, entries_max};
use crate::random::Random;
use crate::value::{Encoding, Number, ValueKind};

/// A large sorted set.
#[derive(Clone)]
pub struct SortedSet(RankedElements);

impl SortedSet {
    pub(crate) fn memory_bytes(&self) -> usize {
        self.0.memory_bytes()
    }

    pub(crate) fn look_ahead<'n>(&self, names: impl Iterator<Item = &'n [u8]>) {
        self.0.look_ahead(names);
    }
}

impl Collection for SortedSet {
    const KIND: ValueKind = ValueKind::SortedSet;

    in_object!(SortedSet);

    fn is_empty(&self) -> bool {
        self.0.len() == 0
    }

    fn elements(contents: Contents<'_, Self>) -> usize {
        contents.len()
    }

    fn encoding(contents: Contents<'_, Self>) -> Encoding {
        match contents {
            Contents::Packed(_) => Encoding::Listpack,
            Contents::Large(_) => Encoding::Skiplist,
        }
    }
}

/// One end of a range of scores.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ScoreBound {
    /// With this score.
    Included(f64),
    /// Without it.
    Excluded(f64),
}

impl ScoreBound {
    fn is_above(self, score: f64) -> bool {
        match self {
            Self::Included(bound) => score < bound,
            Self::Excluded(bound) => score <= bound,
        }
    }

    fn is_below(self, score: f64) -> bool {
        match self {
            Self::Included(bound) => score > bound,
            Self::Excluded(bound) => score >= bound,
        }
    }
}

/// One end of a range of names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameBound<'a> {
    /// Before all names.
    Lowest,
    /// Behind all names.
    Highest,
    /// With this name.
    Included(&'a [u8]),
    /// Without it.
    Excluded(&'a [u8]),
}

impl NameBound<'_> {
    fn is_above(self, name: &[u8]) -> bool {
        match self {
            Self::Lowest => false,
            Self::Highest => true,
            Self::Included(bound) => name < bound,
            Self::Excluded(bound) => name <= bound,
        }
    }

    fn is_below(self, name: &[u8]) -> bool {
        match self {
            Self::Lowest => true,
            Self::Highest => false,
            Self::Included(bound) => name > bound,
            Self::Excluded(bound) => name >= bound,
        }
    }
}

/// A score as it lies in a pack, where the negative zero is zero, as in Redis.
fn packed_score(score: f64, bytes: &mut [u8; 8]) -> Item<'_> {
    let integer = score as i64;
    let is_exact = integer.unsigned_abs() < 1 << 53 && integer as f64 == score;
    if is_exact {
        return Item::Integer(integer);
    }
    *bytes = score.to_le_bytes();
    Item::Bytes(bytes)
}

#[inline]
fn score_of(item: Item<'_>) -> f64 {
    match item {
        Item::Integer(integer) => integer as f64,
        Item::Bytes(bytes) => f64::from_le_bytes(bytes.try_into().unwrap_or_default()),
    }
}

/// The members of a pack with their places.
fn pairs<'a>(pack: Pack<'a>) -> impl Iterator<Item = (usize, Item<'a>, f64)> + Clone {
    let mut places = pack.places();
    std::iter::from_fn(move || {
        let (at, member) = places.next()?;
        let (_, score) = places.next()?;
        Some((at, member, score_of(score)))
    })
}

/// The place of a member in a pack, and its score.
fn find(pack: Pack<'_>, member: &[u8]) -> Option<(usize, f64)> {
    let at = pack.find(Item::from_client(member), 2)?;
    Some((at, score_of(pack.item(pack.next(at)))))
}

impl<'a> Contents<'a, SortedSet> {
    /// The number of members.
    #[inline]
    pub fn len(self) -> usize {
        match self {
            Self::Packed(pack) => pack.len() / 2,
            Self::Large(large) => large.0.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// The score of a member.
    #[inline]
    pub fn score(self, member: &[u8]) -> Option<f64> {
        match self {
            Self::Packed(pack) => find(pack, member).map(|(_, score)| score),
            Self::Large(large) => large.0.score(member),
        }
    }

    /// The number of members before this one, and its score.
    pub fn rank(self, member: &[u8]) -> Option<(usize, f64)> {
        match self {
            Self::Packed(pack) => {
                let (place, score) = find(pack, member)?;
                let rank = pairs(pack).take_while(|(at, ..)| *at != place).count();
                Some((rank, score))
            }
            Self::Large(large) => large.0.rank(member),
        }
    }

    /// The members of these ranks, as far as there are any, with their scores.
    pub fn range(self, ranks: ops::Range<usize>, direction: Direction) -> Scored<'a> {
        let end = ranks.end.min(self.len());
        let ranks = ranks.start.min(end)..end;
        match self {
            Self::Packed(pack) => match direction {
                Direction::Forward => Scored::Packed {
                    pack,
                    at: pack.skip(pack.start(), 2 * ranks.start),
                    left: ranks.len(),
                },
                Direction::Backward => {
                    let places = pairs(pack).map(|(at, ..)| at);
                    let places = places.skip(ranks.start).take(ranks.len());
                    Scored::Backward {
                        pack,
                        places: places.collect(),
                    }
                }
            },
            Self::Large(large) => Scored::Large(large.0.range(ranks, direction)),
        }
    }

    /// All members, the lowest first.
    pub fn members(self) -> Scored<'a> {
        self.range(0..self.len(), Direction::Forward)
    }

    /// The ranks of the members with scores in a range.
    pub fn ranks_by_score(self, min: ScoreBound, max: ScoreBound) -> ops::Range<usize> {
        let count = |is_before: &dyn Fn(f64) -> bool| match self {
            Self::Packed(pack) => {
                let scores = pairs(pack).map(|(_, _, score)| score);
                scores.take_while(|score| is_before(*score)).count()
            }
            Self::Large(large) => large.0.count_by_score(is_before),
        };
        let start = count(&|score| min.is_above(score));
        let end = count(&|score| !max.is_below(score));
        start..end.max(start)
    }

    /// The ranks of the members with names in a range. That makes sense when all scores are the same.
    pub fn ranks_by_name(
        self,
        min: NameBound<'_>,
        max: NameBound<'_>,
        direction: Direction,
    ) -> ops::Range<usize> {
        match self {
            Self::Packed(pack) => packed_ranks_by_name(pack, min, max, direction),
            Self::Large(large) => {
                let start = large.0.count_where(|name, _| min.is_above(name));
                let end = large.0.count_where(|name, _| !max.is_below(name));
                start..end.max(start)
            }
        }
    }

    /// A member that is as likely as any other. There must be one.
    pub fn random(self, random: &mut Random) -> (Item<'a>, f64) {
        match self {
            Self::Packed(pack) => {
                let at = pack.skip(pack.start(), 2 * random.below(pack.len() / 2));
                (pack.item(at), score_of(pack.item(pack.next(at))))
            }
            Self::Large(large) => {
                let (name, score) = large.0.random(random);
                (Item::Bytes(name), score)
            }
        }
    }

    /// Shows `visit` about `count` members from a cursor on; the next cursor, 0 at the end. Packed members come all at
    /// once.
    pub fn scan(self, cursor: u64, count: usize, mut visit: impl FnMut(Item<'a>, f64)) -> u64 {
        match self {
            Self::Packed(pack) => {
                pairs(pack).for_each(|(_, member, score)| visit(member, score));
                0
            }
            Self::Large(large) => large.0.scan(cursor, count, |name, score| {
                visit(Item::Bytes(name), score);
            }),
        }
    }
}

/// Where scores differ, this finds what Redis finds in a listpack: from the end where it begins it goes to the first name
/// that is not beyond the near bound, and then on to the first that is beyond the far one.
fn packed_ranks_by_name(
    pack: Pack<'_>,
    min: NameBound<'_>,
    max: NameBound<'_>,
    direction: Direction,
) -> ops::Range<usize> {
    let mut number = Number::new();
    let mut is = |bound: NameBound<'_>, above: bool, member: Item<'_>| {
        let name = member.bytes(&mut number);
        if above {
            bound.is_above(name)
        } else {
            bound.is_below(name)
        }
    };
    let outside: Vec<(bool, bool)> = pairs(pack)
        .map(|(_, member, _)| (is(min, true, member), is(max, false, member)))
        .collect();
    let [Some(first), Some(last)] = [outside.first(), outside.last()] else {
        return 0..0;
    };
    if first.1 || last.0 {
        return 0..0;
    }
    match direction {
        Direction::Forward => {
            let start = outside.iter().take_while(|(above, _)| *above).count();
            let members = outside[start..].iter().take_while(|(_, below)| !below);
            start..start + members.count()
        }
        Direction::Backward => {
            let beyond = outside.iter().rev().take_while(|(_, below)| *below);
            let end = outside.len() - beyond.count();
            let members = outside[..end].iter().rev();
            end - members.take_while(|(above, _)| !above).count()..end
        }
    }
}

/// Members with their scores.
pub enum Scored<'a> {
    /// Packed ones, the lowest first.
    Packed {
        /// Theirs.
        pack: Pack<'a>,
        /// The place of the next one.
        at: usize,
        /// How many there are left.
        left: usize,
    },
    /// Packed ones, the highest first.
    Backward {
        /// Theirs.
        pack: Pack<'a>,
        /// The places of those that are left; the last one is next.
        places: Vec<usize>,
    },
    /// Those of a large set.
    Large(RankedRange<'a>),
}

impl<'a> Iterator for Scored<'a> {
    type Item = (Item<'a>, f64);

    #[inline(always)]
    fn next(&mut self) -> Option<(Item<'a>, f64)> {
        match self {
            Self::Packed { pack, at, left } => {
                *left = left.checked_sub(1)?;
                let (member, score_at) = pack.item_and_next(*at);
                let (score, next) = pack.item_and_next(score_at);
                *at = next;
                Some((member, score_of(score)))
            }
            Self::Backward { pack, places } => {
                let at = places.pop()?;
                let (member, score_at) = pack.item_and_next(at);
                Some((member, score_of(pack.item(score_at))))
            }
            Self::Large(range) => {
                let (name, score) = range.next()?;
                Some((Item::Bytes(name), score))
            }
        }
    }
}

impl Draft<'_, SortedSet> {
    /// Gives a member a score, whether it is there or not.
    pub fn set(&mut self, member: &[u8], score: f64) {
        self.has_changed = true;
        let pack = match &mut self.form {
            Form::Packed(bytes) => PackMut::new(bytes),
            Form::Large(large) => return large.0.set(member, score),
            Form::Converted(large) => return large.0.set(member, score),
        };
        let found = find(pack.view(), member);
        if found.is_none() && !self.has_room_for(member) {
            return self.convert().0.set(member, score);
        }
        let Form::Packed(bytes) = &mut self.form else {
            unreachable!("asked for before");
        };
        if let Some((at, _)) = found {
            PackMut::new(bytes).remove(at, 2);
        }
        insert_packed(bytes, member, score);
    }

    /// Whether a pack takes another member.
    fn has_room_for(&self, member: &[u8]) -> bool {
        let thresholds = &self.collections.thresholds;
        let entries_max = entries_max(&thresholds.sorted_set_entries, 2);
        let value_bytes_max = thresholds.sorted_set_value_bytes.load(Relaxed);
        self.contents().len() < entries_max && member.len() <= value_bytes_max
    }

    /// How many members a pack takes when these come one by one.
    pub fn packed<'m>(&self, members: impl Iterator<Item = &'m [u8]>) -> usize {
        let thresholds = &self.collections.thresholds;
        let entries_max = entries_max(&thresholds.sorted_set_entries, 2);
        let value_bytes_max = thresholds.sorted_set_value_bytes.load(Relaxed);
        let is_short = |member: &&[u8]| member.len() <= value_bytes_max;
        members.take(entries_max).take_while(is_short).count()
    }

    /// Becomes large at once where these members will not fit into a pack: a score may be the negative zero then.
    pub fn expect<'m>(&mut self, members: impl Iterator<Item = &'m [u8]> + Clone) {
        if self.packed(members.clone()) < members.count() {
            self.convert();
        }
    }

    /// Puts members that differ, in their order, into a sorted set that is empty.
    pub fn fill(&mut self, members: &[(impl AsRef<[u8]>, f64)]) {
        assert!(self.is_empty(), "only what is empty is filled");
        self.has_changed |= !members.is_empty();
        let names = members.iter().map(|(member, _)| member.as_ref());
        let is_small = self.packed(names) == members.len();
        match &mut self.form {
            Form::Packed(bytes) if is_small => {
                let mut pack = PackMut::new(bytes);
                for (member, score) in members {
                    pack.push(Item::from_client(member.as_ref()));
                    pack.push(packed_score(*score, &mut [0; 8]));
                }
            }
            Form::Packed(_) => {
                let hasher = self.collections.hasher.clone();
                let sorted = members.iter().map(|(name, score)| (name.as_ref(), *score));
                let large = RankedElements::from_sorted(hasher, sorted);
                self.form = Form::Converted(SortedSet(large));
            }
            Form::Large(large) => members
                .iter()
                .for_each(|(member, score)| large.0.set(member.as_ref(), *score)),
            Form::Converted(large) => members
                .iter()
                .for_each(|(member, score)| large.0.set(member.as_ref(), *score)),
        }
    }

    /// Makes the pack a large sorted set.
    fn convert(&mut self) -> &mut SortedSet {
        let mut large = RankedElements::new(self.collections.hasher.clone());
        let mut number = Number::new();
        for (member, score) in self.contents().members() {
            large.set(member.bytes(&mut number), score);
        }
        self.form = Form::Converted(SortedSet(large));
        match &mut self.form {
            Form::Converted(large) => large,
            Form::Packed(_) | Form::Large(_) => unreachable!("it was just set"),
        }
    }

    /// Removes a member; whether it was there.
    pub fn remove(&mut self, member: &[u8]) -> bool {
        let was_there = match &mut self.form {
            Form::Packed(bytes) => {
                let found = find(Pack::new(bytes), member);
                if let Some((at, _)) = found {
                    PackMut::new(bytes).remove(at, 2);
                }
                found.is_some()
            }
            Form::Large(large) => large.0.remove(member),
            Form::Converted(large) => large.0.remove(member),
        };
        self.has_changed |= was_there;
        was_there
    }

    /// Removes the members of these ranks, as far as there are any.
    pub fn remove_ranks(&mut self, ranks: ops::Range<usize>) {
        let end = ranks.end.min(self.contents().len());
        let ranks = ranks.start.min(end)..end;
        if ranks.is_empty() {
            return;
        }
        self.has_changed = true;
        match &mut self.form {
            Form::Packed(bytes) => {
                let pack = Pack::new(bytes);
                let at = pack.skip(pack.start(), 2 * ranks.start);
                PackMut::new(bytes).remove(at, 2 * ranks.len());
            }
            Form::Large(large) => large.0.remove_ranks(ranks),
            Form::Converted(large) => large.0.remove_ranks(ranks),
        }
    }
}

/// Puts a member that is not there into its place.
fn insert_packed(bytes: &mut Vec<u8>, member: &[u8], score: f64) {
    let mut pack = PackMut::new(bytes);
    let mut number = Number::new();
    let mut is_behind = |(_, other, other_score): &(usize, Item<'_>, f64)| {
        let by_name = || other.bytes(&mut number).cmp(member);
        by_score(*other_score, score).then_with(by_name).is_gt()
    };
    let behind = pairs(pack.view())
        .find(|pair| is_behind(pair))
        .map(|(at, ..)| at);
    let at = behind.unwrap_or(pack.view().end());
    let at = pack.insert(at, Item::from_client(member));
    pack.insert(at, packed_score(score, &mut [0; 8]));
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;
    use crate::collections::Collections;

    type Model = BTreeMap<Vec<u8>, f64>;

    fn owned((member, score): (Item<'_>, f64)) -> (Vec<u8>, f64) {
        (member.bytes(&mut Number::new()).to_vec(), score)
    }

    fn sorted(model: &Model) -> Vec<(Vec<u8>, f64)> {
        let mut sorted: Vec<_> = model.clone().into_iter().collect();
        sorted.sort_by(|left, right| by_score(left.1, right.1).then_with(|| left.0.cmp(&right.0)));
        sorted
    }

    fn random_score(random: &mut Random) -> f64 {
        match random.below(6) {
            0 => 0.5 * random.below(20) as f64,
            1 => -(random.below(1_000_000) as f64),
            2 => [f64::INFINITY, f64::NEG_INFINITY, -0.0, 1e300, 1e-300][random.below(5)],
            3 => random.bits() as f64,
            _ => random.below(5) as f64,
        }
    }

    fn check_contents(contents: Contents<'_, SortedSet>, model: &Model, random: &mut Random) {
        let sorted = sorted(model);
        let len = sorted.len();
        assert_eq!(contents.len(), len);
        assert!(contents.members().map(owned).eq(sorted.iter().cloned()));
        let start = random.below(len + 1);
        let end = start + random.below(len - start + 1);
        let forward = contents.range(start..end, Direction::Forward);
        assert!(forward.map(owned).eq(sorted[start..end].iter().cloned()));
        let backward = contents.range(start..end, Direction::Backward);
        assert!(
            backward
                .map(owned)
                .eq(sorted[start..end].iter().rev().cloned())
        );
        let (min, max) = (random_score(random), random_score(random));
        let ranks = contents.ranks_by_score(ScoreBound::Included(min), ScoreBound::Excluded(max));
        let expected = sorted
            .iter()
            .filter(|(_, score)| *score >= min && *score < max);
        assert_eq!(ranks.len(), expected.count());
        if !ranks.is_empty() {
            assert!(sorted[ranks.start].1 >= min && sorted[ranks.end - 1].1 < max);
        }
        for (rank, (member, score)) in sorted.iter().enumerate() {
            assert_eq!(contents.rank(member), Some((rank, *score)));
        }
        let mut scanned = BTreeSet::new();
        let mut cursor = 0;
        loop {
            cursor = contents.scan(cursor, 7, |member, score| {
                assert_eq!(model.get(&owned((member, score)).0), Some(&score));
                scanned.insert(owned((member, score)).0);
            });
            if cursor == 0 {
                break;
            }
        }
        assert_eq!(scanned.len(), len);
    }

    #[test]
    fn it_is_a_map_in_the_order_of_scores_in_every_encoding() {
        let collections = Collections::new(5);
        collections.thresholds.sorted_set_entries.store(60, Relaxed);
        for (seed, names) in [(1, 100), (2, 60), (3, 2_000)] {
            let mut random = Random::new(seed);
            let mut bytes = Vec::new();
            let mut draft: Draft<'_, SortedSet> = Draft {
                form: Form::Packed(&mut bytes),
                has_changed: false,
                collections: &collections,
            };
            let mut model = Model::new();
            for turn in 0..4_000 {
                let number = random.below(names);
                let member = match number % 3 {
                    0 => number.to_string().into_bytes(),
                    _ => format!("m{number}").into_bytes(),
                };
                match random.below(20) {
                    0..12 => {
                        let score = random_score(&mut random);
                        draft.set(&member, score);
                        model.insert(member, score);
                    }
                    12..19 => assert_eq!(draft.remove(&member), model.remove(&member).is_some()),
                    _ => {
                        let start = random.below(model.len() + 2);
                        let ranks = start..start + random.below(6);
                        let gone = sorted(&model).into_iter().skip(start).take(ranks.len());
                        gone.for_each(|(member, _)| assert!(model.remove(&member).is_some()));
                        draft.remove_ranks(ranks);
                    }
                }
                if turn % 32 == 0 {
                    check_contents(draft.contents(), &model, &mut random);
                }
            }
            let is_large = matches!(draft.form, Form::Converted(_));
            assert_eq!(is_large, names > 60);
            if let Form::Converted(large) = &mut draft.form {
                let mut copy = large.clone();
                check_contents(Contents::Large(&copy), &model, &mut random);
                // Each goes its own way, and outlives what the other one had.
                let changed = |large: &mut SortedSet, score: f64| {
                    let mut model = model.clone();
                    for (at, (member, was)) in model.iter_mut().enumerate() {
                        if at % 3 == 0 {
                            *was = score;
                            large.0.set(member, score);
                        } else if at % 3 == 1 {
                            large.0.remove(member);
                        }
                    }
                    let mut at = 0;
                    model.retain(|_, _| {
                        at += 1;
                        at % 3 != 2
                    });
                    model
                };
                let copied = changed(&mut copy, 1.0);
                let kept = changed(large, -1.0);
                check_contents(Contents::Large(large), &kept, &mut random);
                drop(std::mem::replace(
                    large,
                    SortedSet(RankedElements::new(collections.hasher.clone())),
                ));
                check_contents(Contents::Large(&copy), &copied, &mut random);
            }
            let mut bytes = Vec::new();
            let mut filled = Draft {
                form: Form::Packed(&mut bytes),
                has_changed: false,
                collections: &collections,
            };
            filled.fill(&sorted(&model));
            check_contents(filled.contents(), &model, &mut random);
        }
    }

    #[test]
    fn names_have_ranks_when_scores_are_the_same() {
        let collections = Collections::new(5);
        for entries_max in [0, 100] {
            collections
                .thresholds
                .sorted_set_entries
                .store(entries_max, Relaxed);
            let mut bytes = Vec::new();
            let mut draft: Draft<'_, SortedSet> = Draft {
                form: Form::Packed(&mut bytes),
                has_changed: false,
                collections: &collections,
            };
            for name in ["b", "a", "d", "c"] {
                draft.set(name.as_bytes(), 1.0);
            }
            use NameBound::{Excluded, Highest, Included, Lowest};
            for (min, max, expected) in [
                (Lowest, Highest, 0..4),
                (Included(b"b"), Included(b"c"), 1..3),
                (Excluded(b"b"), Excluded(b"d"), 2..3),
                (Excluded(b"bb"), Included(b"z"), 2..4),
                (Highest, Lowest, 0..0),
                (Lowest, Lowest, 0..0),
                (Highest, Highest, 4..4),
            ] {
                for direction in [Direction::Forward, Direction::Backward] {
                    let ranks = draft.contents().ranks_by_name(min, max, direction);
                    assert!(ranks == expected || ranks.is_empty() && expected.is_empty());
                }
            }
        }
    }
}
