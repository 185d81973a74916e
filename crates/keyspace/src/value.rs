//! What an entry can hold, as callers see it. Later types join these enums; every match on them is in full.

use crate::shared::SharedBytes;

/// The type of a value, as `TYPE` names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueKind {
    /// A string: bytes or an integer.
    String,
    /// A hash: fields with values.
    Hash,
    /// A list of strings.
    List,
    /// A set of strings.
    Set,
    /// A sorted set: strings with scores.
    SortedSet,
}

impl ValueKind {
    /// All types, each at the place of its number.
    pub const ALL: [Self; 4] = [Self::String, Self::Hash, Self::List, Self::Set];

    /// The name that `TYPE` and `SCAN TYPE` use.
    pub fn name(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::Hash => "hash",
            Self::List => "list",
            Self::Set => "set",
            Self::SortedSet => "zset",
        }
    }
}

/// A string, borrowed from its entry.
#[derive(Clone, Copy, Debug)]
pub enum StringRef<'a> {
    /// A string of bytes.
    Bytes(&'a [u8]),
    /// A string that is the canonical decimal form of this integer.
    Integer(i64),
}

/// A number as its canonical decimal digits.
pub struct Number {
    text: itoa::Buffer,
}

impl Default for Number {
    fn default() -> Self {
        Self::new()
    }
}

impl Number {
    /// Room for the digits of one number.
    pub fn new() -> Self {
        Self {
            text: itoa::Buffer::new(),
        }
    }

    /// The digits of `number`.
    pub fn digits(&mut self, number: i64) -> &[u8] {
        self.text.format(number).as_bytes()
    }
}

impl<'a> StringRef<'a> {
    /// The bytes of a string; the digits of an integer are written into `number`.
    pub fn bytes<'n>(self, number: &'n mut Number) -> &'n [u8]
    where
        'a: 'n,
    {
        match self {
            Self::Bytes(bytes) => bytes,
            Self::Integer(integer) => number.digits(integer),
        }
    }

    /// The length of a string in bytes.
    pub fn len(self) -> usize {
        self.bytes(&mut Number::new()).len()
    }

    /// Whether it has no bytes.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }
}

/// A value to be stored.
#[derive(Clone, Copy, Debug)]
pub enum NewValue<'a> {
    /// Bytes as they are, even when they are digits.
    Bytes(&'a [u8]),
    /// Bytes that have been put together by a command such as APPEND; `OBJECT ENCODING` says `raw`.
    Composed(&'a [u8]),
    /// An integer.
    Integer(i64),
    /// A small collection of this kind, as its pack.
    Packed(ValueKind, &'a [u8]),
    /// Bytes of a buffer that the value shares. For large values: they are stored apart from their key.
    Shared(&'a SharedBytes),
}

impl<'a> NewValue<'a> {
    /// A value as a client sent it: an integer when its bytes are the canonical form of one.
    #[inline]
    pub fn from_client(bytes: &'a [u8]) -> Self {
        match canonical_integer(bytes) {
            Some(integer) => Self::Integer(integer),
            None => Self::Bytes(bytes),
        }
    }
}

/// The integer whose canonical decimal form `bytes` is.
#[inline]
pub(crate) fn canonical_integer(bytes: &[u8]) -> Option<i64> {
    const DIGITS_MAX: usize = 20;
    if bytes.is_empty() || bytes.len() > DIGITS_MAX {
        return None;
    }
    let (negative, digits) = match bytes {
        [b'-', rest @ ..] => (true, rest),
        _ => (false, bytes),
    };
    match digits {
        [b'0'] if !negative => return Some(0),
        [b'1'..=b'9', ..] => {}
        _ => return None,
    }
    let mut magnitude: u64 = 0;
    for &digit in digits {
        let value = digit.wrapping_sub(b'0');
        if value > 9 {
            return None;
        }
        magnitude = magnitude.checked_mul(10)?.checked_add(u64::from(value))?;
    }
    if negative {
        0i64.checked_sub_unsigned(magnitude)
    } else {
        i64::try_from(magnitude).ok()
    }
}

/// What a write does with a key's deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deadline {
    /// The key lives until it is deleted.
    None,
    /// The key keeps the deadline that it has.
    Keep,
    /// The key expires at this time, in milliseconds of the Unix epoch.
    At(u64),
}

/// How a value is stored, as `OBJECT ENCODING` names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// An integer.
    Int,
    /// A short string.
    Embstr,
    /// A long string, or one that was changed in place.
    Raw,
    /// A small collection in one piece.
    Listpack,
    /// A small hash in one piece, with deadlines of its fields.
    Listpackex,
    /// A large list.
    Quicklist,
    /// A small set of integers.
    Intset,
    /// A hash table.
    Hashtable,
    /// A large sorted set. What Redis keeps in a skip list is a tree here; the name is Redis's.
    Skiplist,
}

impl Encoding {
    /// The name that `OBJECT ENCODING` uses.
    pub fn name(self) -> &'static str {
        match self {
            Self::Int => "int",
            Self::Embstr => "embstr",
            Self::Raw => "raw",
            Self::Listpack => "listpack",
            Self::Listpackex => "listpackex",
            Self::Quicklist => "quicklist",
            Self::Intset => "intset",
            Self::Hashtable => "hashtable",
            Self::Skiplist => "skiplist",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{ValueKind, canonical_integer};

    #[test]
    fn each_type_has_its_place() {
        for (place, kind) in ValueKind::ALL.into_iter().enumerate() {
            assert_eq!(kind as usize, place);
        }
    }

    #[test]
    fn only_canonical_forms_are_integers() {
        for (text, expected) in [
            ("0", Some(0)),
            ("-1", Some(-1)),
            ("9223372036854775807", Some(i64::MAX)),
            ("-9223372036854775808", Some(i64::MIN)),
            ("9223372036854775808", None),
            ("-9223372036854775809", None),
            ("18446744073709551616", None),
            ("-0", None),
            ("+1", None),
            ("01", None),
            ("", None),
            ("-", None),
            (" 1", None),
            ("1a", None),
            ("123456789012345678901", None),
        ] {
            assert_eq!(canonical_integer(text.as_bytes()), expected, "{text:?}");
        }
    }
}
