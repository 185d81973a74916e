//! The compact form of small collections: items one after the other in one piece of memory.
//!
//! ```text
//! head 2: 14 bits of count, 2 bits for the family | item | item | ...
//! ```
//!
//! An item is an integer or bytes, with the tags of Redis's listpack but without the lengths that a listpack has behind
//! each item: who goes backwards collects the places first. What looks like a canonical integer is always stored as
//! one, in the shortest form, so equal items have equal bytes.

use crate::value::canonical_integer;

/// The most items of a pack.
pub const PACK_ITEMS_MAX: usize = COUNT_MASK as usize;
/// The bytes of an empty pack.
pub(crate) const HEAD_BYTES: usize = 2;
const COUNT_MASK: u16 = 0x3fff;
const FLAGS_SHIFT: u32 = 14;

const TAG_STRING_6: u8 = 0x80;
const TAG_INTEGER_13: u8 = 0xc0;
const TAG_STRING_12: u8 = 0xe0;
const TAG_STRING_32: u8 = 0xf0;
const TAG_INTEGER_16: u8 = 0xf1;
const TAG_INTEGER_24: u8 = 0xf2;
const TAG_INTEGER_32: u8 = 0xf3;
const TAG_INTEGER_64: u8 = 0xf4;

/// One item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Item<'a> {
    /// Bytes that are no canonical integer.
    Bytes(&'a [u8]),
    /// The integer whose canonical decimal digits were stored.
    Integer(i64),
}

impl<'a> Item<'a> {
    /// What a client sent, as it is stored.
    #[inline]
    pub fn from_client(bytes: &'a [u8]) -> Self {
        match canonical_integer(bytes) {
            Some(integer) => Self::Integer(integer),
            None => Self::Bytes(bytes),
        }
    }

    /// Its bytes; the digits of an integer are written into `number`.
    #[inline]
    pub fn bytes<'n>(self, number: &'n mut crate::value::Number) -> &'n [u8]
    where
        'a: 'n,
    {
        match self {
            Self::Bytes(bytes) => bytes,
            Self::Integer(integer) => number.digits(integer),
        }
    }

    /// Its bytes, appended to `to`.
    pub fn append_to(self, to: &mut Vec<u8>) {
        to.extend_from_slice(self.bytes(&mut crate::value::Number::new()));
    }

    /// The number of its bytes.
    pub fn len(self) -> usize {
        self.bytes(&mut crate::value::Number::new()).len()
    }

    /// Whether it has no bytes.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }
}

/// An item as it lies in a pack: its head, which holds all of an integer, and the bytes behind it.
#[derive(Clone, Copy)]
pub(crate) struct Encoded<'a> {
    head: [u8; 9],
    head_len: usize,
    bytes: &'a [u8],
}

impl<'a> Encoded<'a> {
    #[inline]
    pub fn new(item: Item<'a>) -> Self {
        match item {
            Item::Bytes(bytes) => Self::string(bytes),
            Item::Integer(integer) => Self::integer(integer),
        }
    }

    fn string(bytes: &'a [u8]) -> Self {
        let mut head = [0; 9];
        let head_len = match bytes.len() {
            len @ 0..64 => {
                head[0] = TAG_STRING_6 | len as u8;
                1
            }
            len @ 64..4096 => {
                head[0] = TAG_STRING_12 | (len >> 8) as u8;
                head[1] = len as u8;
                2
            }
            len => {
                head[0] = TAG_STRING_32;
                head[1..5].copy_from_slice(&(len as u32).to_le_bytes());
                5
            }
        };
        Self {
            head,
            head_len,
            bytes,
        }
    }

    fn integer(integer: i64) -> Self {
        let mut head = [0; 9];
        let bits = integer.to_le_bytes();
        let head_len = match integer {
            0..128 => {
                head[0] = integer as u8;
                1
            }
            -4096..4096 => {
                let bits = (integer as u16) & 0x1fff;
                head[0] = TAG_INTEGER_13 | (bits >> 8) as u8;
                head[1] = bits as u8;
                2
            }
            _ => {
                let (tag, bytes) = match integer {
                    -0x8000..0x8000 => (TAG_INTEGER_16, 2),
                    -0x80_0000..0x80_0000 => (TAG_INTEGER_24, 3),
                    -0x8000_0000..0x8000_0000 => (TAG_INTEGER_32, 4),
                    _ => (TAG_INTEGER_64, 8),
                };
                head[0] = tag;
                head[1..=bytes].copy_from_slice(&bits[..bytes]);
                1 + bytes
            }
        };
        Self {
            head,
            head_len,
            bytes: &[],
        }
    }

    /// The bytes that it takes in a pack.
    #[inline]
    pub fn len(&self) -> usize {
        self.head_len + self.bytes.len()
    }

    /// Whether `pack` begins with it.
    #[inline]
    pub fn lies_at(&self, pack: &[u8]) -> bool {
        // The first byte tells most apart, and the last one those that are as long: a comparison is a call.
        pack[0] == self.head[0]
            && pack.get(self.len() - 1) == Some(self.last())
            && (self.head_len == 1 || pack.starts_with(&self.head[..self.head_len]))
            && pack[self.head_len..].starts_with(self.bytes)
    }

    #[inline]
    fn last(&self) -> &u8 {
        self.bytes.last().unwrap_or(&self.head[self.head_len - 1])
    }

    /// Writes it; `place` is as long.
    #[inline]
    pub fn write(&self, place: &mut [u8]) {
        place[..self.head_len].copy_from_slice(&self.head[..self.head_len]);
        place[self.head_len..].copy_from_slice(self.bytes);
    }
}

/// Where the item that begins with this ends. `pack` begins with it.
#[inline]
pub(super) fn item_len(pack: &[u8]) -> usize {
    match pack[0] {
        0..TAG_STRING_6 => 1,
        tag @ TAG_STRING_6..TAG_INTEGER_13 => 1 + usize::from(tag & 0x3f),
        TAG_INTEGER_13..TAG_STRING_12 => 2,
        tag @ TAG_STRING_12..TAG_STRING_32 => {
            2 + (usize::from(tag & 0xf) << 8 | usize::from(pack[1]))
        }
        TAG_STRING_32 => 5 + u32::from_le_bytes([pack[1], pack[2], pack[3], pack[4]]) as usize,
        TAG_INTEGER_16 => 3,
        TAG_INTEGER_24 => 4,
        TAG_INTEGER_32 => 5,
        TAG_INTEGER_64.. => 9,
    }
}

/// The item that `pack` begins with.
#[inline]
pub(super) fn item_at(pack: &[u8]) -> Item<'_> {
    read_item(pack).0
}

/// The item that `pack` begins with, and where it ends. Short strings are what there is most.
#[inline]
pub(super) fn read_item(pack: &[u8]) -> (Item<'_>, usize) {
    match pack[0] {
        tag @ TAG_STRING_6..TAG_INTEGER_13 => {
            let end = 1 + usize::from(tag & 0x3f);
            (Item::Bytes(&pack[1..end]), end)
        }
        tag @ 0..TAG_STRING_6 => (Item::Integer(tag.into()), 1),
        TAG_INTEGER_13.. => read_longer(&pack[..item_len(pack)]),
    }
}

/// An item of which this is the whole, but for short strings and the shortest integers.
fn read_longer(whole: &[u8]) -> (Item<'_>, usize) {
    let integer = |sign_shift: u32| {
        let mut bits = [0; 8];
        bits[..whole.len() - 1].copy_from_slice(&whole[1..]);
        Item::Integer(i64::from_le_bytes(bits) << sign_shift >> sign_shift)
    };
    let item = match whole[0] {
        tag @ ..TAG_STRING_12 => {
            let bits = i64::from(tag & 0x1f) << 8 | i64::from(whole[1]);
            Item::Integer(bits << 51 >> 51)
        }
        TAG_STRING_12..TAG_STRING_32 => Item::Bytes(&whole[2..]),
        TAG_STRING_32 => Item::Bytes(&whole[5..]),
        TAG_INTEGER_16 => integer(48),
        TAG_INTEGER_24 => integer(40),
        TAG_INTEGER_32 => integer(32),
        TAG_INTEGER_64.. => integer(0),
    };
    (item, whole.len())
}

/// A pack, to be read. Places are offsets in its bytes.
#[derive(Clone, Copy, Debug)]
pub struct Pack<'a>(&'a [u8]);

impl<'a> Pack<'a> {
    /// `bytes` are a pack's; none are an empty one.
    #[inline]
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// All of it.
    pub(crate) fn bytes(self) -> &'a [u8] {
        self.0
    }

    fn head(self) -> u16 {
        self.0
            .first_chunk::<HEAD_BYTES>()
            .map_or(0, |head| u16::from_le_bytes(*head))
    }

    /// The number of items.
    #[inline]
    pub fn len(self) -> usize {
        usize::from(self.head() & COUNT_MASK)
    }

    /// Whether there are no items.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// The bytes that it takes.
    pub fn bytes_len(self) -> usize {
        self.0.len()
    }

    /// The family's two bits.
    #[inline]
    pub(crate) fn flags(self) -> u8 {
        (self.head() >> FLAGS_SHIFT) as u8
    }

    /// What is behind the head.
    pub(crate) fn body(self) -> &'a [u8] {
        self.0.get(HEAD_BYTES..).unwrap_or(&[])
    }

    /// The place of the first item.
    pub(crate) fn start(self) -> usize {
        HEAD_BYTES
    }

    /// The place behind the last item.
    pub(crate) fn end(self) -> usize {
        self.0.len().max(HEAD_BYTES)
    }

    /// The item at a place.
    #[inline]
    pub(crate) fn item(self, at: usize) -> Item<'a> {
        item_at(&self.0[at..])
    }

    /// The item at a place, and the place behind it.
    #[inline]
    pub(crate) fn item_and_next(self, at: usize) -> (Item<'a>, usize) {
        let (item, len) = read_item(&self.0[at..]);
        (item, at + len)
    }

    /// The place behind the item at this place.
    #[inline]
    pub(crate) fn next(self, at: usize) -> usize {
        at + item_len(&self.0[at..])
    }

    /// The place so many items further, or behind the last one.
    #[inline]
    pub(crate) fn skip(self, mut at: usize, items: usize) -> usize {
        for _ in 0..items {
            if at == self.end() {
                break;
            }
            at = self.next(at);
        }
        at
    }

    /// The items with their places.
    pub(crate) fn places(self) -> impl Iterator<Item = (usize, Item<'a>)> + Clone {
        let mut at = self.start();
        std::iter::from_fn(move || {
            let here = at;
            let (item, next) = (here < self.0.len()).then(|| self.item_and_next(here))?;
            at = next;
            Some((here, item))
        })
    }

    /// The items.
    pub fn items(self) -> impl Iterator<Item = Item<'a>> + Clone {
        self.places().map(|(_, item)| item)
    }

    /// The place of the first item that equals this one, among each `step`th from the first on.
    #[inline]
    pub(crate) fn find(self, item: Item<'_>, step: usize) -> Option<usize> {
        let wanted = Encoded::new(item);
        let mut at = HEAD_BYTES;
        while at < self.0.len() {
            if wanted.lies_at(&self.0[at..]) {
                return Some(at);
            }
            at = self.skip(at, step);
        }
        None
    }
}

/// A pack, to be changed.
pub(crate) struct PackMut<'v>(&'v mut Vec<u8>);

impl<'v> PackMut<'v> {
    /// `bytes` are a pack's; none become an empty one.
    pub fn new(bytes: &'v mut Vec<u8>) -> Self {
        if bytes.is_empty() {
            bytes.extend_from_slice(&[0; HEAD_BYTES]);
        }
        Self(bytes)
    }

    /// The pack as it is.
    #[inline]
    pub fn view(&self) -> Pack<'_> {
        Pack(self.0)
    }

    /// Sets the head, for a family that lays its items out on its own.
    pub fn set_count(&mut self, count: usize, flags: u8) {
        assert!(count <= PACK_ITEMS_MAX, "the family looks before");
        let head = count as u16 | u16::from(flags) << FLAGS_SHIFT;
        self.0[..HEAD_BYTES].copy_from_slice(&head.to_le_bytes());
    }

    /// Sets the family's two bits.
    pub fn set_flags(&mut self, flags: u8) {
        self.set_count(self.view().len(), flags);
    }

    fn count_items(&mut self, by: isize) {
        let count = self.view().len().strict_add_signed(by);
        self.set_count(count, self.view().flags());
    }

    /// Puts an item before what is at `at`; the place behind it.
    pub fn insert(&mut self, at: usize, item: Item<'_>) -> usize {
        let encoded = Encoded::new(item);
        self.make_place(at..at, encoded.len());
        encoded.write(&mut self.0[at..at + encoded.len()]);
        self.count_items(1);
        at + encoded.len()
    }

    /// Appends an item.
    pub fn push(&mut self, item: Item<'_>) {
        self.insert(self.0.len(), item);
    }

    /// Puts an item into the place of the one at `at`.
    pub fn replace(&mut self, at: usize, item: Item<'_>) {
        let encoded = Encoded::new(item);
        let end = self.view().next(at);
        self.make_place(at..end, encoded.len());
        encoded.write(&mut self.0[at..at + encoded.len()]);
    }

    /// Removes so many items from `at` on.
    pub fn remove(&mut self, at: usize, items: usize) {
        let end = self.view().skip(at, items);
        self.0.drain(at..end);
        self.count_items(-items.cast_signed());
    }

    /// Makes `range` `len` bytes long.
    fn make_place(&mut self, range: std::ops::Range<usize>, len: usize) {
        let tail = range.end..self.0.len();
        let end = range.start + len;
        if end > range.end {
            self.0.resize(self.0.len() + (end - range.end), 0);
            self.0.copy_within(tail, end);
        } else {
            self.0.drain(end..range.end);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{Strategy, any, prop_oneof, proptest};

    use super::*;

    #[derive(Clone, Debug)]
    enum Change {
        Insert(usize, Vec<u8>),
        Replace(usize, Vec<u8>),
        Remove(usize, usize),
        Find(Vec<u8>),
    }

    fn text() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![
            any::<i64>().prop_map(|integer| integer.to_string().into_bytes()),
            (0u32..64, any::<i64>())
                .prop_map(|(shift, integer)| (integer >> shift).to_string().into_bytes()),
            (0usize..200).prop_map(|len| vec![b'x'; len]),
            (4090usize..4100).prop_map(|len| vec![b'y'; len]),
        ]
    }

    fn change() -> impl Strategy<Value = Change> {
        prop_oneof![
            (any::<usize>(), text()).prop_map(|(at, item)| Change::Insert(at, item)),
            (any::<usize>(), text()).prop_map(|(at, item)| Change::Replace(at, item)),
            (any::<usize>(), 1usize..4).prop_map(|(at, items)| Change::Remove(at, items)),
            text().prop_map(Change::Find),
        ]
    }

    proptest! {
        #[test]
        fn a_pack_is_a_list_of_strings(changes in proptest::collection::vec(change(), 1..60), flags in 0u8..4) {
            let mut bytes = Vec::new();
            let mut model: Vec<Vec<u8>> = Vec::new();
            let mut pack = PackMut::new(&mut bytes);
            pack.set_flags(flags);
            for change in changes {
                match change {
                    Change::Insert(at, item) => {
                        let index = at % (model.len() + 1);
                        let at = pack.view().skip(pack.view().start(), index);
                        let end = pack.insert(at, Item::from_client(&item));
                        assert_eq!(end, pack.view().next(at));
                        model.insert(index, item);
                    }
                    Change::Replace(at, item) if !model.is_empty() => {
                        let index = at % model.len();
                        let at = pack.view().skip(pack.view().start(), index);
                        pack.replace(at, Item::from_client(&item));
                        model[index] = item;
                    }
                    Change::Remove(at, items) if !model.is_empty() => {
                        let index = at % model.len();
                        let items = items.min(model.len() - index);
                        let at = pack.view().skip(pack.view().start(), index);
                        pack.remove(at, items);
                        model.drain(index..index + items);
                    }
                    Change::Find(item) => {
                        let wanted = model.iter().step_by(2).position(|other| *other == item);
                        let found = pack.view().find(Item::from_client(&item), 2);
                        let place = wanted.map(|index| pack.view().skip(HEAD_BYTES, 2 * index));
                        assert_eq!(found, place);
                    }
                    Change::Replace(..) | Change::Remove(..) => {}
                }
                let items: Vec<Vec<u8>> = pack
                    .view()
                    .items()
                    .map(|item| {
                        let mut bytes = Vec::new();
                        item.append_to(&mut bytes);
                        bytes
                    })
                    .collect();
                assert_eq!(items, model);
                assert_eq!(pack.view().len(), model.len());
                assert_eq!(pack.view().flags(), flags);
            }
        }
    }

    #[test]
    fn integers_take_as_many_bytes_as_they_need() {
        for (integer, bytes) in [
            (0, 1),
            (127, 1),
            (128, 2),
            (-1, 2),
            (-4096, 2),
            (4095, 2),
            (4096, 3),
            (-32768, 3),
            (8_388_607, 4),
            (2_147_483_647, 5),
            (i64::MIN, 9),
        ] {
            assert_eq!(
                Encoded::new(Item::Integer(integer)).len(),
                bytes,
                "{integer}"
            );
        }
    }
}
