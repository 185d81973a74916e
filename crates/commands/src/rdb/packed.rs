//! The compact forms of collections in RDB: listpacks, and those of older versions, ziplists, intsets and zipmaps. Every
//! length in them is checked, from both ends where they have both.

use keyspace::Item;

use super::items::Items;
use super::reader::Reader;

const END: u8 = 0xff;
/// The bytes of a listpack before its entries.
const LISTPACK_HEAD_BYTES: usize = 6;
/// A number of entries that says nothing.
const UNKNOWN_COUNT: u16 = u16::MAX;

fn signed<const N: usize>(bytes: [u8; N]) -> i64 {
    let mut wide = [0; 8];
    wide[8 - N..].copy_from_slice(&bytes);
    i64::from_le_bytes(wide) >> (64 - 8 * N)
}

/// The items of a listpack.
pub fn listpack(bytes: &[u8], to: &mut Items) -> Option<()> {
    let mut rest = Reader::new(bytes);
    let len = u32::from_le_bytes(rest.array()?);
    let announced = u16::from_le_bytes(rest.array()?);
    if len as usize != bytes.len() {
        return None;
    }
    let before = to.len();
    while rest.peek()? != END {
        let start = rest.len();
        listpack_item(&mut rest, to)?;
        let mut back = Vec::with_capacity(5);
        push_back_len(start - rest.len(), &mut back);
        if rest.bytes(back.len())? != back {
            return None;
        }
    }
    rest.byte()?;
    let is_whole = rest.is_empty()
        && (announced == UNKNOWN_COUNT || usize::from(announced) == to.len() - before);
    is_whole.then_some(())
}

fn listpack_item(rest: &mut Reader<'_>, to: &mut Items) -> Option<()> {
    let first = rest.byte()?;
    let low = usize::from(first & 0xf) << 8;
    match first {
        0..0x80 => to.push_integer(first.into()),
        0x80..0xc0 => to.push(rest.bytes(usize::from(first & 0x3f))?),
        0xc0..0xe0 => {
            let bits = i64::from(first & 0x1f) << 8 | i64::from(rest.byte()?);
            to.push_integer(bits << 51 >> 51)
        }
        0xe0..0xf0 => {
            let len = low | usize::from(rest.byte()?);
            to.push(rest.bytes(len)?)
        }
        0xf0 => {
            let len = u32::from_le_bytes(rest.array()?);
            to.push(rest.bytes(len as usize)?)
        }
        0xf1 => to.push_integer(signed::<2>(rest.array()?)),
        0xf2 => to.push_integer(signed::<3>(rest.array()?)),
        0xf3 => to.push_integer(signed::<4>(rest.array()?)),
        0xf4 => to.push_integer(signed::<8>(rest.array()?)),
        _ => None,
    }
}

/// Appends the length that stands behind an entry of a listpack, which has seven bits in each byte, the last ones first.
fn push_back_len(len: usize, to: &mut Vec<u8>) {
    // Lengths of all ones take a byte more than they need.
    let groups = match len {
        0..=127 => 1,
        128..16_383 => 2,
        16_383..2_097_151 => 3,
        2_097_151..268_435_455 => 4,
        _ => 5,
    };
    for group in (0..groups).rev() {
        let is_first = group == groups - 1;
        let bits = (len >> (7 * group)) as u8 & 0x7f;
        to.push(bits | if is_first { 0 } else { 0x80 });
    }
}

/// A listpack that is being written.
pub struct Listpack {
    bytes: Vec<u8>,
    count: usize,
}

impl Default for Listpack {
    fn default() -> Self {
        Self {
            bytes: vec![0; LISTPACK_HEAD_BYTES],
            count: 0,
        }
    }
}

impl Listpack {
    /// Appends an item.
    pub fn push(&mut self, item: Item<'_>) {
        let start = self.bytes.len();
        match item {
            Item::Integer(integer) => self.push_integer(integer),
            Item::Bytes(bytes) => self.push_bytes(bytes),
        }
        push_back_len(self.bytes.len() - start, &mut self.bytes);
        self.count += 1;
    }

    fn push_integer(&mut self, integer: i64) {
        let bits = integer.to_le_bytes();
        let (tag, len) = match integer {
            0..0x80 => return self.bytes.push(integer as u8),
            -0x1000..0x1000 => {
                let bits = (integer as u16) & 0x1fff | 0xc000;
                return self.bytes.extend_from_slice(&bits.to_be_bytes());
            }
            -0x8000..0x8000 => (0xf1, 2),
            -0x80_0000..0x80_0000 => (0xf2, 3),
            -0x8000_0000..0x8000_0000 => (0xf3, 4),
            _ => (0xf4, 8),
        };
        self.bytes.push(tag);
        self.bytes.extend_from_slice(&bits[..len]);
    }

    fn push_bytes(&mut self, bytes: &[u8]) {
        match bytes.len() {
            len @ 0..0x40 => self.bytes.push(0x80 | len as u8),
            len @ 0x40..0x1000 => {
                let head = 0xe000 | len as u16;
                self.bytes.extend_from_slice(&head.to_be_bytes());
            }
            len => {
                self.bytes.push(0xf0);
                self.bytes.extend_from_slice(&(len as u32).to_le_bytes());
            }
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// The bytes that it takes with its end.
    pub fn len(&self) -> usize {
        self.bytes.len() + 1
    }

    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The whole.
    pub fn finish(mut self) -> Vec<u8> {
        self.bytes.push(END);
        let len = self.bytes.len() as u32;
        self.bytes[..4].copy_from_slice(&len.to_le_bytes());
        let count = u16::try_from(self.count).unwrap_or(UNKNOWN_COUNT);
        self.bytes[4..6].copy_from_slice(&count.to_le_bytes());
        self.bytes
    }
}

/// The items of a ziplist.
pub fn ziplist(bytes: &[u8], to: &mut Items) -> Option<()> {
    const LONG: u8 = 0xfe;
    let mut rest = Reader::new(bytes);
    let len = u32::from_le_bytes(rest.array()?);
    let tail = u32::from_le_bytes(rest.array()?) as usize;
    let announced = u16::from_le_bytes(rest.array()?);
    if len as usize != bytes.len() {
        return None;
    }
    let items_before = to.len();
    let mut len_before = 0;
    let mut last = bytes.len() - rest.len();
    while rest.peek()? != END {
        last = bytes.len() - rest.len();
        let told = match rest.byte()? {
            LONG => u32::from_le_bytes(rest.array()?) as usize,
            short => usize::from(short),
        };
        if told != len_before {
            return None;
        }
        ziplist_item(&mut rest, to)?;
        len_before = bytes.len() - rest.len() - last;
    }
    rest.byte()?;
    let count = to.len() - items_before;
    let is_whole = rest.is_empty()
        && tail == last
        && (announced == UNKNOWN_COUNT || usize::from(announced) == count);
    is_whole.then_some(())
}

fn ziplist_item(rest: &mut Reader<'_>, to: &mut Items) -> Option<()> {
    let first = rest.byte()?;
    match first {
        0..0x40 => to.push(rest.bytes(usize::from(first))?),
        0x40..0x80 => {
            let len = usize::from(first & 0x3f) << 8 | usize::from(rest.byte()?);
            to.push(rest.bytes(len)?)
        }
        0x80 => {
            let len = u32::from_be_bytes(rest.array()?);
            to.push(rest.bytes(len as usize)?)
        }
        0xc0 => to.push_integer(signed::<2>(rest.array()?)),
        0xd0 => to.push_integer(signed::<4>(rest.array()?)),
        0xe0 => to.push_integer(signed::<8>(rest.array()?)),
        0xf0 => to.push_integer(signed::<3>(rest.array()?)),
        0xfe => to.push_integer(signed::<1>(rest.array()?)),
        0xf1..=0xfd => to.push_integer(i64::from(first & 0xf) - 1),
        _ => None,
    }
}

/// The members of an intset, in their order.
pub fn intset(bytes: &[u8], to: &mut Items) -> Option<()> {
    let mut rest = Reader::new(bytes);
    let width = u32::from_le_bytes(rest.array()?) as usize;
    let count = u32::from_le_bytes(rest.array()?) as usize;
    if !matches!(width, 2 | 4 | 8) || count.checked_mul(width)? != rest.len() {
        return None;
    }
    let mut before = None;
    for _ in 0..count {
        let member = match width {
            2 => signed::<2>(rest.array()?),
            4 => signed::<4>(rest.array()?),
            _ => signed::<8>(rest.array()?),
        };
        if before.is_some_and(|before| before >= member) {
            return None;
        }
        before = Some(member);
        to.push_integer(member)?;
    }
    Some(())
}

/// Writes integers, sorted, as an intset.
pub fn write_intset(members: &[i64]) -> Vec<u8> {
    let bounds = [members.first(), members.last()].into_iter().flatten();
    let width = bounds.fold(2, |width: usize, bound| match bound {
        -0x8000..0x8000 => width,
        -0x8000_0000..0x8000_0000 => width.max(4),
        _ => 8,
    });
    let mut bytes = Vec::with_capacity(8 + members.len() * width);
    bytes.extend_from_slice(&(width as u32).to_le_bytes());
    bytes.extend_from_slice(&(members.len() as u32).to_le_bytes());
    for member in members {
        bytes.extend_from_slice(&member.to_le_bytes()[..width]);
    }
    bytes
}

/// The fields and values of a zipmap.
pub fn zipmap(bytes: &[u8], to: &mut Items) -> Option<()> {
    const LONG: u8 = 0xfe;
    const UNKNOWN_COUNT: u8 = 0xfe;
    let length = |rest: &mut Reader<'_>| match rest.byte()? {
        LONG => Some(u32::from_le_bytes(rest.array()?) as usize),
        END => None,
        short => Some(usize::from(short)),
    };
    let mut rest = Reader::new(bytes);
    let announced = rest.byte()?;
    let before = to.len();
    while rest.peek()? != END {
        let len = length(&mut rest)?;
        to.push(rest.bytes(len)?)?;
        let len = length(&mut rest)?;
        let free = rest.byte()?;
        to.push(rest.bytes(len)?)?;
        rest.bytes(usize::from(free))?;
    }
    rest.byte()?;
    let pairs = (to.len() - before) / 2;
    let is_whole =
        rest.is_empty() && (announced >= UNKNOWN_COUNT || usize::from(announced) == pairs);
    is_whole.then_some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listpacks_come_back() {
        let mut written = Listpack::default();
        let mut expected = Items::default();
        let integers = [
            0, 1, 127, 128, -1, 4095, 4096, -4096, -4097, 32_767, -32_769, 8_388_607,
        ];
        for integer in integers.into_iter().chain([1 << 31, i64::MIN, i64::MAX]) {
            written.push(Item::Integer(integer));
            expected.push_integer(integer).expect("room");
        }
        for len in [
            0, 1, 63, 64, 125, 126, 127, 4095, 4096, 16_376, 16_377, 16_378, 70_000,
        ] {
            let text = vec![b'x'; len];
            written.push(Item::Bytes(&text));
            expected.push(&text).expect("room");
        }
        let bytes = written.finish();
        let mut found = Items::default();
        assert_eq!(listpack(&bytes, &mut found), Some(()));
        assert_eq!(found, expected);
        for (at, byte) in [(0, 1), (4, 1), (6, 0x81), (7, 3)] {
            let mut broken = bytes.clone();
            broken[at] ^= byte;
            assert_eq!(listpack(&broken, &mut Items::default()), None, "{at}");
        }
        assert_eq!(
            listpack(&bytes[..bytes.len() - 1], &mut Items::default()),
            None
        );
    }

    #[test]
    fn intsets_come_back() {
        for members in [
            &[1, 2, 3][..],
            &[-40_000, 5],
            &[i64::MIN, 0, i64::MAX],
            &[-32_768, 32_767],
        ] {
            let bytes = write_intset(members);
            let mut found = Items::default();
            assert_eq!(intset(&bytes, &mut found), Some(()));
            let expected: Vec<String> = members.iter().map(i64::to_string).collect();
            let found: Vec<&[u8]> = found.iter().collect();
            assert_eq!(
                found,
                expected.iter().map(String::as_bytes).collect::<Vec<_>>()
            );
            assert_eq!(
                intset(&bytes[..bytes.len() - 1], &mut Items::default()),
                None
            );
        }
        assert_eq!(intset(&write_intset(&[2, 1]), &mut Items::default()), None);
    }
}
