//! Values as RDB has them, of every type and form up to Redis 8.0 but streams and modules' types.

use std::borrow::Cow;

use super::items::Items;
use super::packed;
use super::reader::Reader;

/// The form of a value, as its first byte says.
pub mod form {
    pub const STRING: u8 = 0;
    pub const LIST: u8 = 1;
    pub const SET: u8 = 2;
    /// With scores as text.
    pub const SORTED_SET_OLD: u8 = 3;
    pub const HASH: u8 = 4;
    pub const SORTED_SET: u8 = 5;
    pub const HASH_ZIPMAP: u8 = 9;
    pub const LIST_ZIPLIST: u8 = 10;
    pub const SET_INTSET: u8 = 11;
    pub const SORTED_SET_ZIPLIST: u8 = 12;
    pub const HASH_ZIPLIST: u8 = 13;
    pub const LIST_ZIPLISTS: u8 = 14;
    pub const HASH_LISTPACK: u8 = 16;
    pub const SORTED_SET_LISTPACK: u8 = 17;
    pub const LIST_LISTPACKS: u8 = 18;
    pub const SET_LISTPACK: u8 = 20;
    /// With deadlines of fields.
    pub const HASH_TIMED: u8 = 24;
    /// With deadlines of fields.
    pub const HASH_LISTPACK_TIMED: u8 = 25;
}

/// A part of a list: one element, ...
const PLAIN: u64 = 1;
/// ... or a listpack of them.
const PACKED: u64 = 2;

/// A value that has been read. No collection is empty; whether members or fields come twice is for who builds it.
#[derive(Debug, PartialEq)]
pub enum Value<'p> {
    /// A string.
    String(Cow<'p, [u8]>),
    /// The elements of a list.
    List(Items),
    /// The members of a set.
    Set(Items),
    /// The members of a sorted set, and as many scores, which are numbers.
    SortedSet(Items, Vec<f64>),
    /// The fields of a hash, each with its value, and their deadlines if any has one: milliseconds of the Unix epoch, 0
    /// for none.
    Hash(Items, Vec<u64>),
}

impl<'p> Value<'p> {
    /// Reads a value with its form, which must be all there is.
    pub fn read(bytes: &'p [u8]) -> Option<Self> {
        let mut rest = Reader::new(bytes);
        let value = match rest.byte()? {
            form::STRING => Self::String(rest.string()?),
            form::LIST => Self::List(strings(&mut rest, 1)?),
            form::SET => Self::Set(strings(&mut rest, 1)?),
            form::HASH => Self::Hash(strings(&mut rest, 2)?, Vec::new()),
            form::SORTED_SET_OLD => Self::sorted_set(&mut rest, text_score)?,
            form::SORTED_SET => Self::sorted_set(&mut rest, binary_score)?,
            form::HASH_ZIPMAP => Self::Hash(packed(&mut rest, packed::zipmap)?, Vec::new()),
            form::LIST_ZIPLIST => Self::List(packed(&mut rest, packed::ziplist)?),
            form::SET_INTSET => Self::Set(packed(&mut rest, packed::intset)?),
            form::SET_LISTPACK => Self::Set(packed(&mut rest, packed::listpack)?),
            form::HASH_ZIPLIST => Self::Hash(packed(&mut rest, packed::ziplist)?, Vec::new()),
            form::HASH_LISTPACK => Self::Hash(packed(&mut rest, packed::listpack)?, Vec::new()),
            form::HASH_TIMED => Self::timed_hash(&mut rest)?,
            form::HASH_LISTPACK_TIMED => Self::timed_listpack(&mut rest)?,
            form::SORTED_SET_ZIPLIST => Self::scored(&packed(&mut rest, packed::ziplist)?)?,
            form::SORTED_SET_LISTPACK => Self::scored(&packed(&mut rest, packed::listpack)?)?,
            form::LIST_ZIPLISTS => Self::List(list(&mut rest, |rest, items| {
                packed::ziplist(&rest.string()?, items)
            })?),
            form::LIST_LISTPACKS => {
                Self::List(list(&mut rest, |rest, items| match rest.length()? {
                    PLAIN => items.push(&rest.string()?),
                    PACKED => packed::listpack(&rest.string()?, items),
                    _ => None,
                })?)
            }
            _ => return None,
        };
        (rest.is_empty() && value.is_whole()).then_some(value)
    }

    fn is_whole(&self) -> bool {
        match self {
            Self::String(_) => true,
            Self::List(items) | Self::Set(items) | Self::SortedSet(items, _) => !items.is_empty(),
            Self::Hash(items, _) => !items.is_empty() && items.len().is_multiple_of(2),
        }
    }

    fn sorted_set(
        rest: &mut Reader<'_>,
        score: impl Fn(&mut Reader<'_>) -> Option<f64>,
    ) -> Option<Self> {
        let (mut members, mut scores) = (Items::default(), Vec::new());
        for _ in 0..rest.length()? {
            members.push(&rest.string()?)?;
            scores.push(score(rest).filter(|score| !score.is_nan())?);
        }
        Some(Self::SortedSet(members, scores))
    }

    fn timed_hash(rest: &mut Reader<'_>) -> Option<Self> {
        let (mut items, mut deadlines) = (Items::default(), Vec::new());
        let first_ms = u64::from_le_bytes(rest.array()?);
        for _ in 0..rest.length()? {
            deadlines.push(match rest.length()? {
                0 => 0,
                after => first_ms.checked_add(after - 1)?,
            });
            items.push(&rest.string()?)?;
            items.push(&rest.string()?)?;
        }
        Some(Self::Hash(items, deadlines))
    }

    fn timed_listpack(rest: &mut Reader<'_>) -> Option<Self> {
        rest.array::<8>()?;
        let all = packed(rest, packed::listpack)?;
        let (mut items, mut deadlines) = (Items::default(), Vec::new());
        let mut all = all.iter();
        while let Some(name) = all.next() {
            items.push(name)?;
            items.push(all.next()?)?;
            deadlines.push(u64::try_from(resp::parse_integer(all.next()?)?).ok()?);
        }
        Some(Self::Hash(items, deadlines))
    }

    /// A sorted set of which each member's score is the item behind it.
    fn scored(items: &Items) -> Option<Self> {
        if !items.len().is_multiple_of(2) {
            return None;
        }
        let (mut members, mut scores) = (Items::default(), Vec::new());
        for (member, score) in items.pairs() {
            members.push(member)?;
            scores.push(score_of(score)?);
        }
        Some(Self::SortedSet(members, scores))
    }
}

/// A count, and so many times `each` strings.
fn strings(rest: &mut Reader<'_>, each: u64) -> Option<Items> {
    let mut items = Items::default();
    for _ in 0..rest.length()?.checked_mul(each)? {
        items.push(&rest.string()?)?;
    }
    Some(items)
}

/// A string that is a collection in a compact form.
fn packed(
    rest: &mut Reader<'_>,
    unpack: impl Fn(&[u8], &mut Items) -> Option<()>,
) -> Option<Items> {
    let mut items = Items::default();
    unpack(&rest.string()?, &mut items)?;
    Some(items)
}

/// A count, and so many parts.
fn list(
    rest: &mut Reader<'_>,
    part: impl Fn(&mut Reader<'_>, &mut Items) -> Option<()>,
) -> Option<Items> {
    let mut items = Items::default();
    for _ in 0..rest.length()? {
        part(rest, &mut items)?;
    }
    Some(items)
}

fn text_score(rest: &mut Reader<'_>) -> Option<f64> {
    match rest.byte()? {
        255 => Some(f64::NEG_INFINITY),
        254 => Some(f64::INFINITY),
        253 => None,
        len => score_of(rest.bytes(len.into())?),
    }
}

fn binary_score(rest: &mut Reader<'_>) -> Option<f64> {
    rest.array().map(f64::from_le_bytes)
}

fn score_of(text: &[u8]) -> Option<f64> {
    resp::parse_double(text).filter(|score| !score.is_nan())
}

#[cfg(test)]
mod tests {
    use super::{Items, Value};

    fn items(texts: &[&str]) -> Items {
        let mut items = Items::default();
        for text in texts {
            items.push(text.as_bytes()).expect("room");
        }
        items
    }

    /// Forms that Redis 7.0 reads and does not write any more.
    #[test]
    fn old_forms_are_read() {
        let ziplist =
            b"\x18\x00\x00\x00\x14\x00\x00\x00\x03\x00\x00\x01a\x03\xf5\x02\xc0\xe8\x03\xff";
        let mut ziplist = ziplist.to_vec();
        let (len, tail) = (ziplist.len() as u8, ziplist.len() as u8 - 5);
        (ziplist[0], ziplist[4]) = (len, tail);
        let read = |form: u8, bytes: &[u8]| {
            let payload = [&[form, bytes.len() as u8], bytes].concat();
            Value::read(&payload).map(|value| format!("{value:?}"))
        };
        let expected = format!("{:?}", Value::List(items(&["a", "4", "1000"])));
        assert_eq!(read(10, &ziplist), Some(expected));
        let zipmap = b"\x02\x01a\x02\x00bc\x01d\x01\x02exx\xff";
        let expected = format!(
            "{:?}",
            Value::Hash(items(&["a", "bc", "d", "e"]), Vec::new())
        );
        assert_eq!(read(9, zipmap), Some(expected));
        let old_scores = b"\x03\x03\x01a\x031.5\x01b\xfe\x01c\xff";
        let scores = vec![1.5, f64::INFINITY, f64::NEG_INFINITY];
        let expected = Value::SortedSet(items(&["a", "b", "c"]), scores);
        assert_eq!(Value::read(old_scores), Some(expected));
        assert_eq!(Value::read(b"\x03\x01\x01a\xfd"), None);
    }

    #[test]
    fn what_is_empty_or_odd_or_announced_only_is_no_value() {
        for bytes in [
            &b""[..],
            b"\x00",
            b"\x01\x00",
            b"\x02\x00",
            b"\x04\x01\x01a",
            b"\x02\x81\xff\xff\xff\xff\xff\xff\xff\xff\x01a",
            b"\x04\x81\xff\xff\xff\xff\xff\xff\xff\xff\x01a",
            b"\x00\x81\xff\xff\xff\xff\xff\xff\xff\xff",
            b"\x00\xc3\x04\x80\xff\xff\xff\xff\x00a\x20\x00",
            b"\x00\x01ab",
            b"\x0f\x01",
            b"\x0b\x08\x02\x00\x00\x00\x00\x00\x00\x00",
            b"\x12\x01\x03\x01a",
        ] {
            assert_eq!(Value::read(bytes), None, "{bytes:?}");
        }
    }
}
