//! Sets: sorted integers of one width, packed members, or a table.
//!
//! A set of integers is an array in a pack, sorted and of 2, 4 or 8 bytes each as Redis's intset; the pack's flags tell
//! which. It becomes a pack of members with the first that is no integer, and never goes back.

use std::sync::atomic::Ordering::Relaxed;

use super::element_table::{ElementTable, ElementsLeft};
use super::pack::HEAD_BYTES;
use super::{Collection, Contents, Draft, Form, Item, Object, Pack, PackMut, entries_max};
use crate::random::Random;
use crate::value::{Encoding, Number, ValueKind};

/// The flags of a pack of members.
const MEMBERS: u8 = 0;

/// A large set.
#[derive(Clone)]
pub struct Set(ElementTable);

impl Set {
    pub(crate) fn memory_bytes(&self) -> usize {
        self.0.memory_bytes()
    }

    pub(crate) fn look_ahead<'n>(&self, names: impl Iterator<Item = &'n [u8]>) {
        self.0.look_ahead(names);
    }
}

impl Collection for Set {
    const KIND: ValueKind = ValueKind::Set;

    in_object!(Set);

    fn is_empty(&self) -> bool {
        self.0.len() == 0
    }

    fn elements(contents: Contents<'_, Self>) -> usize {
        contents.len()
    }

    fn encoding(contents: Contents<'_, Self>) -> Encoding {
        match contents {
            Contents::Packed(pack) if pack.flags() == MEMBERS => Encoding::Listpack,
            Contents::Packed(_) => Encoding::Intset,
            Contents::Large(_) => Encoding::Hashtable,
        }
    }
}

/// A pack that is a sorted array of integers.
#[derive(Clone, Copy)]
struct Integers<'a> {
    body: &'a [u8],
    width: usize,
}

/// The flags of a pack of integers of this width.
fn flags_of_width(width: usize) -> u8 {
    width.ilog2() as u8
}

fn width_of(integer: i64) -> usize {
    match integer {
        -0x8000..0x8000 => 2,
        -0x8000_0000..0x8000_0000 => 4,
        _ => 8,
    }
}

impl<'a> Integers<'a> {
    /// The integers of a pack; None when it has members.
    #[inline]
    fn of(pack: Pack<'a>) -> Option<Self> {
        let width = match pack.flags() {
            MEMBERS => return None,
            flags => 1 << flags,
        };
        let body = pack.body();
        Some(Self { body, width })
    }

    fn len(self) -> usize {
        self.body.len() / self.width
    }

    #[inline]
    fn get(self, index: usize) -> i64 {
        let bytes = &self.body[index * self.width..][..self.width];
        let mut bits = [0; 8];
        bits[..self.width].copy_from_slice(bytes);
        let shift = 64 - 8 * self.width as u32;
        i64::from_le_bytes(bits) << shift >> shift
    }

    /// Where it is, or where it belongs.
    fn search(self, integer: i64) -> Result<usize, usize> {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = usize::midpoint(low, high);
            match self.get(middle).cmp(&integer) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Equal => return Ok(middle),
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        Err(low)
    }

    fn iter(self) -> impl Iterator<Item = i64> + Clone + use<'a> {
        (0..self.len()).map(move |index| self.get(index))
    }
}

/// Writes integers, sorted, as a pack.
fn write_integers(integers: impl ExactSizeIterator<Item = i64>, width: usize, to: &mut Vec<u8>) {
    to.clear();
    let mut pack = PackMut::new(to);
    pack.set_count(integers.len(), flags_of_width(width));
    for integer in integers {
        to.extend_from_slice(&integer.to_le_bytes()[..width]);
    }
}

impl<'a> Contents<'a, Set> {
    /// The number of members.
    #[inline]
    pub fn len(self) -> usize {
        match self {
            Self::Packed(pack) => pack.len(),
            Self::Large(set) => set.0.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// Whether this is a member.
    #[inline]
    pub fn contains(self, member: &[u8]) -> bool {
        match self {
            Self::Packed(pack) => contains_packed(pack, Item::from_client(member)),
            Self::Large(set) => set.0.contains(member),
        }
    }

    /// The members: integers in their order, packed ones in the order in which they came, those of a table in none.
    pub fn members(self) -> Members<'a> {
        match self {
            Self::Packed(pack) => match Integers::of(pack) {
                Some(integers) => Members::Integers(Box::new(integers.iter())),
                None => Members::Packed(Box::new(pack.items())),
            },
            Self::Large(set) => {
                Members::Table(Box::new(set.0.iter().map(|element| element.name())))
            }
        }
    }

    /// The members as they are now, to be gone through in steps, if there are more than so many.
    pub fn left(self, more_than: usize) -> Option<ElementsLeft> {
        match self {
            Self::Packed(_) => None,
            Self::Large(set) => (set.0.len() > more_than).then(|| set.0.left()),
        }
    }

    /// A member that is as likely as any other. There must be one.
    pub fn random(self, random: &mut Random) -> Item<'a> {
        match self {
            Self::Packed(pack) => {
                let index = random.below(pack.len());
                match Integers::of(pack) {
                    Some(integers) => Item::Integer(integers.get(index)),
                    None => pack.item(pack.skip(pack.start(), index)),
                }
            }
            Self::Large(set) => Item::Bytes(set.0.random(random).name()),
        }
    }

    /// Shows `visit` about `count` members from a cursor on; the next cursor, 0 at the end. Packed members come all at
    /// once.
    pub fn scan(self, cursor: u64, count: usize, mut visit: impl FnMut(Item<'a>)) -> u64 {
        match self {
            Self::Packed(_) => {
                self.members().for_each(visit);
                0
            }
            Self::Large(set) => set.0.scan(cursor, count, |element| {
                visit(Item::Bytes(element.name()));
            }),
        }
    }
}

fn contains_packed(pack: Pack<'_>, member: Item<'_>) -> bool {
    match (Integers::of(pack), member) {
        (None, _) => pack.find(member, 1).is_some(),
        (Some(integers), Item::Integer(integer)) => integers.search(integer).is_ok(),
        (Some(_), Item::Bytes(_)) => false,
    }
}

/// The members of a set.
pub enum Members<'a> {
    /// Integers.
    Integers(Box<dyn Iterator<Item = i64> + 'a>),
    /// Packed ones.
    Packed(Box<dyn Iterator<Item = Item<'a>> + 'a>),
    /// Those of a table.
    Table(Box<dyn Iterator<Item = &'a [u8]> + 'a>),
}

impl<'a> Iterator for Members<'a> {
    type Item = Item<'a>;

    fn next(&mut self) -> Option<Item<'a>> {
        match self {
            Self::Integers(integers) => integers.next().map(Item::Integer),
            Self::Packed(items) => items.next(),
            Self::Table(names) => names.next().map(Item::Bytes),
        }
    }
}

impl Draft<'_, Set> {
    /// Adds a member; whether it is new.
    pub fn add(&mut self, member: &[u8]) -> bool {
        let is_new = match &mut self.form {
            Form::Packed(_) => self.add_packed(member),
            Form::Large(set) => set.0.insert(member, b"").1,
            Form::Converted(set) => set.0.insert(member, b"").1,
        };
        self.has_changed |= is_new;
        is_new
    }

    fn add_packed(&mut self, member: &[u8]) -> bool {
        let Form::Packed(bytes) = &mut self.form else {
            unreachable!("asked for before");
        };
        let item = Item::from_client(member);
        let pack = Pack::new(bytes);
        if contains_packed(pack, item) {
            return false;
        }
        let thresholds = &self.collections.thresholds;
        let integers_max = entries_max(&thresholds.set_intset_entries, 1);
        let count = pack.len() + 1;
        let integers = Integers::of(pack);
        if let Item::Integer(integer) = item
            && (pack.is_empty() || integers.is_some())
            && count <= integers_max
        {
            add_integer(bytes, integer);
            return true;
        }
        let value_max = thresholds.set_value_bytes.load(Relaxed);
        let fits = count <= entries_max(&thresholds.set_entries, 1)
            && member.len() <= value_max
            && integers.is_none_or(|integers| longest_digits(integers) <= value_max);
        if !fits {
            self.convert().0.insert(member, b"");
            return true;
        }
        if let Some(integers) = integers {
            let members: Vec<i64> = integers.iter().collect();
            bytes.clear();
            let mut pack = PackMut::new(bytes);
            for member in members {
                pack.push(Item::Integer(member));
            }
        }
        PackMut::new(bytes).push(item);
        true
    }

    /// Makes the pack a table.
    fn convert(&mut self) -> &mut Set {
        let mut table = ElementTable::new(self.collections.hasher.clone());
        let mut number = Number::new();
        for member in self.contents().members() {
            table.insert(member.bytes(&mut number), b"");
        }
        self.form = Form::Converted(Set(table));
        match &mut self.form {
            Form::Converted(set) => set,
            Form::Packed(_) | Form::Large(_) => unreachable!("it was just set"),
        }
    }

    /// Removes a member; whether it was there.
    pub fn remove(&mut self, member: &[u8]) -> bool {
        let was_there = match &mut self.form {
            Form::Packed(bytes) => remove_packed(bytes, Item::from_client(member)),
            Form::Large(set) => set.0.remove(member).is_some(),
            Form::Converted(set) => set.0.remove(member).is_some(),
        };
        self.has_changed |= was_there;
        was_there
    }
}

/// The digits of the longest of sorted integers.
fn longest_digits(integers: Integers<'_>) -> usize {
    let len_at = |index| Item::Integer(integers.get(index)).len();
    match integers.len() {
        0 => 0,
        len => len_at(0).max(len_at(len - 1)),
    }
}

/// Adds an integer that is not there to a pack of integers.
fn add_integer(bytes: &mut Vec<u8>, integer: i64) {
    let pack = Pack::new(bytes);
    let Some(integers) = Integers::of(pack) else {
        return write_integers([integer].into_iter(), width_of(integer), bytes);
    };
    let at = integers.search(integer).unwrap_or_else(|place| place);
    let (width, count) = (integers.width, integers.len() + 1);
    if width_of(integer) > width {
        let mut all: Vec<i64> = integers.iter().collect();
        all.insert(at, integer);
        return write_integers(all.into_iter(), width_of(integer), bytes);
    }
    let place = HEAD_BYTES + at * width;
    let digits = &integer.to_le_bytes()[..width];
    bytes.splice(place..place, digits.iter().copied());
    PackMut::new(bytes).set_count(count, flags_of_width(width));
}

/// Removes a member from a pack; whether it was there.
fn remove_packed(bytes: &mut Vec<u8>, member: Item<'_>) -> bool {
    let pack = Pack::new(bytes);
    let Some(integers) = Integers::of(pack) else {
        let place = pack.find(member, 1);
        if let Some(place) = place {
            PackMut::new(bytes).remove(place, 1);
        }
        return place.is_some();
    };
    let Item::Integer(integer) = member else {
        return false;
    };
    let (width, count) = (integers.width, integers.len());
    let Ok(at) = integers.search(integer) else {
        return false;
    };
    let place = HEAD_BYTES + at * width;
    bytes.drain(place..place + width);
    PackMut::new(bytes).set_count(count - 1, flags_of_width(width));
    true
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::collections::Collections;

    fn shown(contents: Contents<'_, Set>) -> BTreeSet<Vec<u8>> {
        let bytes = |member: Item<'_>| member.bytes(&mut Number::new()).to_vec();
        contents.members().map(bytes).collect()
    }

    #[test]
    fn a_set_is_a_set_in_every_encoding() {
        let collections = Collections::new(5);
        let thresholds = &collections.thresholds;
        thresholds.set_intset_entries.store(40, Relaxed);
        thresholds.set_entries.store(60, Relaxed);
        for (seed, kinds) in [(1, 1), (2, 2), (3, 2), (4, 30)] {
            let mut random = Random::new(seed);
            let mut bytes = Vec::new();
            let mut draft = Draft {
                form: Form::Packed(&mut bytes),
                has_changed: false,
                collections: &collections,
            };
            let mut model = BTreeSet::new();
            let mut encodings = BTreeSet::new();
            for turn in 0..4_000 {
                let range = 1i64 << random.below(40);
                let number = random.bits().cast_signed() % range;
                let member = if random.below(100) < kinds && turn > 500 * seed {
                    format!("m{number}").into_bytes()
                } else {
                    number.to_string().into_bytes()
                };
                if random.below(10) < 6 {
                    assert_eq!(draft.add(&member), model.insert(member));
                } else {
                    assert_eq!(draft.remove(&member), model.remove(&member));
                }
                assert_eq!(draft.contents().len(), model.len());
                encodings.insert(Set::encoding(draft.contents()).name());
                if turn % 16 == 0 {
                    assert_eq!(shown(draft.contents()), model);
                    let mut scanned = BTreeSet::new();
                    let mut cursor = 0;
                    loop {
                        cursor = draft.contents().scan(cursor, 7, |member| {
                            scanned.insert(member.bytes(&mut Number::new()).to_vec());
                        });
                        if cursor == 0 {
                            break;
                        }
                    }
                    assert_eq!(scanned, model);
                }
            }
            assert!(encodings.contains("intset") && encodings.contains("hashtable"));
        }
    }
}
