//! Bytes that are read one after the other, with the lengths and strings of RDB. Nothing is believed before it is there.

use std::borrow::Cow;

use keyspace::Number;
use keyspace::limits::STRING_BYTES_MAX;

use super::lzf;

const LENGTH_32: u8 = 0x80;
const LENGTH_64: u8 = 0x81;
const INTEGER_8: u8 = 0;
const INTEGER_16: u8 = 1;
const INTEGER_32: u8 = 2;
const COMPRESSED: u8 = 3;

/// What is left to be read.
pub struct Reader<'p>(&'p [u8]);

/// A length, or what stands in the place of one.
enum Length {
    Plain(u64),
    Special(u8),
}

impl<'p> Reader<'p> {
    /// All of `bytes`.
    pub fn new(bytes: &'p [u8]) -> Self {
        Self(bytes)
    }

    /// Whether nothing is left.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How much is left.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The next byte.
    pub fn byte(&mut self) -> Option<u8> {
        let [byte] = self.array()?;
        Some(byte)
    }

    /// The next byte, which stays.
    pub fn peek(&self) -> Option<u8> {
        self.0.first().copied()
    }

    /// The next bytes.
    pub fn bytes(&mut self, len: usize) -> Option<&'p [u8]> {
        let (bytes, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(bytes)
    }

    /// The next bytes.
    pub fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (bytes, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*bytes)
    }

    fn length_or_special(&mut self) -> Option<Length> {
        let first = self.byte()?;
        Some(match first {
            0..0x40 => Length::Plain(first.into()),
            0x40..0x80 => Length::Plain(u64::from(first & 0x3f) << 8 | u64::from(self.byte()?)),
            LENGTH_32 => Length::Plain(u32::from_be_bytes(self.array()?).into()),
            LENGTH_64 => Length::Plain(u64::from_be_bytes(self.array()?)),
            0xc0.. => Length::Special(first & 0x3f),
            _ => return None,
        })
    }

    /// A length.
    pub fn length(&mut self) -> Option<u64> {
        match self.length_or_special()? {
            Length::Plain(length) => Some(length),
            Length::Special(_) => None,
        }
    }

    /// A string.
    pub fn string(&mut self) -> Option<Cow<'p, [u8]>> {
        let digits = |integer: i64| Cow::Owned(Number::new().digits(integer).to_vec());
        Some(match self.length_or_special()? {
            Length::Plain(len) => Cow::Borrowed(self.bytes(usize::try_from(len).ok()?)?),
            Length::Special(INTEGER_8) => digits(i8::from_le_bytes(self.array()?).into()),
            Length::Special(INTEGER_16) => digits(i16::from_le_bytes(self.array()?).into()),
            Length::Special(INTEGER_32) => digits(i32::from_le_bytes(self.array()?).into()),
            Length::Special(COMPRESSED) => {
                let compressed_len = usize::try_from(self.length()?).ok()?;
                let len = usize::try_from(self.length()?).ok()?;
                let compressed = self.bytes(compressed_len)?;
                if len > STRING_BYTES_MAX {
                    return None;
                }
                Cow::Owned(lzf::decompress(compressed, len)?)
            }
            Length::Special(_) => return None,
        })
    }
}
