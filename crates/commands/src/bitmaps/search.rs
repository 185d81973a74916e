//! Counting and finding bits: BITCOUNT, BITPOS.

use std::ops::Range;

use keyspace::{EntryRef, Number};
use resp::{Args, ReplyWriter};

use super::bits;
use super::single::bytes_of;
use crate::error::CommandError;
use crate::parse::{integer, is};

/// What a range counts.
#[derive(Clone, Copy)]
enum Unit {
    Byte,
    Bit,
}

impl Unit {
    fn parse(argument: Option<&[u8]>) -> Result<Self, CommandError> {
        match argument {
            None => Ok(Self::Byte),
            Some(argument) if is(argument, "byte") => Ok(Self::Byte),
            Some(argument) if is(argument, "bit") => Ok(Self::Bit),
            Some(_) => Err(CommandError::Syntax),
        }
    }

    /// The range of bits from `start` to `end`, both included and negative from the end, in a string of `bytes` bytes.
    fn range(self, bytes: usize, start: i64, end: i64) -> Range<usize> {
        let bits = match self {
            Self::Byte => 8,
            Self::Bit => 1,
        };
        let len = (bytes * (8 / bits)) as i64;
        let from_end = |at: i64| if at < 0 { (len + at).max(0) } else { at };
        let (start, end) = (from_end(start), from_end(end).min(len - 1));
        if start > end {
            return 0..0;
        }
        start as usize * bits..(end as usize + 1) * bits
    }
}

pub fn bitcount(
    entry: Option<EntryRef<'_>>,
    args: Args<'_>,
    _: u64,
    reply: &mut ReplyWriter<'_>,
) -> Result<(), CommandError> {
    let mut number = Number::new();
    let Some(entry) = &entry else {
        reply.integer(0);
        return Ok(());
    };
    let bytes = bytes_of(Some(entry), &mut number)?;
    let range = match args.len() {
        2 => 0..bytes.len() * 8,
        3..=5 => {
            let start = integer(args.get(2))?;
            let end = args.try_get(3).map_or(Ok(-1), integer)?;
            if start < 0 && end < 0 && start > end {
                0..0
            } else {
                Unit::parse(args.try_get(4))?.range(bytes.len(), start, end)
            }
        }
        _ => return Err(CommandError::Syntax),
    };
    reply.integer(bits::count(bytes, range) as i64);
    Ok(())
}

pub fn bitpos(
    entry: Option<EntryRef<'_>>,
    args: Args<'_>,
    _: u64,
    reply: &mut ReplyWriter<'_>,
) -> Result<(), CommandError> {
    let wanted = match integer(args.get(2))? {
        0 => false,
        1 => true,
        _ => {
            return Err(CommandError::line("ERR The bit argument must be 1 or 0."));
        }
    };
    let mut number = Number::new();
    let Some(entry) = &entry else {
        reply.integer(if wanted { -1 } else { 0 });
        return Ok(());
    };
    let bytes = bytes_of(Some(entry), &mut number)?;
    let range = match args.len() {
        3 => 0..bytes.len() * 8,
        4..=6 => {
            let start = integer(args.get(3))?;
            let unit = Unit::parse(args.try_get(5))?;
            let end = args.try_get(4).map_or(Ok(-1), integer)?;
            unit.range(bytes.len(), start, end)
        }
        _ => return Err(CommandError::Syntax),
    };
    // Behind a string there are zeros, unless the range has an end.
    let behind = (!wanted && args.len() < 5 && !range.is_empty()).then_some(range.end);
    let found = bits::find(bytes, range, wanted).or(behind);
    reply.integer(found.map_or(-1, |at| at as i64));
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testing::check;

    #[test]
    fn bits_are_counted() {
        check(
            "SET k foobar
             BITCOUNT k
             BITCOUNT k 0 0
             BITCOUNT k 1 1
             BITCOUNT k -2 -1
             BITCOUNT k 5 30 BIT
             BITCOUNT k 1 1 byte
             BITCOUNT k 100 200
             BITCOUNT k -1 -2
             BITCOUNT k 3
             BITCOUNT k x 1
             BITCOUNT k 0 1 bits
             BITCOUNT k 0 1 BIT x
             BITCOUNT missing",
            "OK
             :26
             :4
             :6
             :7
             :17
             :6
             :0
             :0
             :10
             -ERR value is not an integer or out of range
             -ERR syntax error
             -ERR syntax error
             :0",
        );
    }

    #[test]
    fn bits_are_found() {
        check(
            "SET k \"\\xff\\xf0\\x00\"
             BITPOS k 0
             BITPOS k 1
             BITPOS k 1 2
             BITPOS k 0 0 0
             BITPOS k 0 0
             SET f \"\\xff\\xff\"
             BITPOS f 0
             BITPOS f 0 0 -1
             BITPOS f 0 5
             BITPOS k 0 7 15 BIT
             BITPOS k 1 12 -1 BIT
             BITPOS k 2
             BITPOS k x
             BITPOS missing 0
             BITPOS missing 1
             SET e \"\"
             BITPOS e 0
             BITPOS k 1 0 1 nibble",
            "OK
             :12
             :0
             :-1
             :-1
             :12
             OK
             :16
             :-1
             :-1
             :12
             :-1
             -ERR The bit argument must be 1 or 0.
             -ERR value is not an integer or out of range
             :0
             :-1
             OK
             :-1
             -ERR syntax error",
        );
    }
}
