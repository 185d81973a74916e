//! One bit: SETBIT, GETBIT.

use keyspace::{Encoding, EntryRef, Key, Number, StringRef};
use resp::Args;

use super::bits;
use crate::context::{Context, string_value};
use crate::error::CommandError;
use crate::parse::integer;

const BAD_BIT: CommandError = CommandError::line("ERR bit is not an integer or out of range");
const BAD_OFFSET: CommandError =
    CommandError::line("ERR bit offset is not an integer or out of range");

pub fn setbit(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    let at = bit_offset(context, args.get(2), 1)?;
    let is_set = match integer(args.get(3)) {
        Ok(0) => false,
        Ok(1) => true,
        Ok(_) | Err(_) => return Err(BAD_BIT),
    };
    let key = context.key(args, 1);
    let len = at / 8 + 1;
    let before = match raw_bytes(context, key, len)? {
        // Nothing changes, so nothing is written.
        Some(bytes) if bits::bit(bytes, at) == is_set => Some(is_set),
        Some(_) | None => None,
    };
    let before = before.unwrap_or_else(|| {
        let mut before = false;
        // What has no other bits, though another encoding, is told to nobody, as in Redis.
        context.keys.change_string_telling(key, |string| {
            let grows = string.len() < len;
            let bytes = string.at_least(len);
            before = bits::bit(bytes, at);
            bits::set_bit(bytes, at, is_set);
            grows || before != is_set
        });
        before
    });
    context.reply.integer(before.into());
    Ok(())
}

pub fn getbit(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    let at = bit_offset(context, args.get(2), 1)?;
    let key = context.key(args, 1);
    let mut number = Number::new();
    let entry = context.keys.read(key);
    let bytes = bytes_of(entry.as_ref(), &mut number)?;
    let is_set = bits::bit(bytes, at);
    context.reply.integer(is_set.into());
    Ok(())
}

/// The bytes of a string; none when it is not there.
pub fn bytes_of<'n, 'e: 'n>(
    entry: Option<&EntryRef<'e>>,
    number: &'n mut Number,
) -> Result<&'n [u8], CommandError> {
    match entry {
        None => Ok(b""),
        Some(entry) => Ok(string_value(entry)?.bytes(number)),
    }
}

/// The bytes of a string if it is at least so long and, as Redis leaves it after a change, encoded as `raw`: what a
/// command that changes no bit has no need to write.
pub fn raw_bytes<'c>(
    context: &'c mut Context<'_, '_>,
    key: Key<'_>,
    len: usize,
) -> Result<Option<&'c [u8]>, CommandError> {
    let Some(entry) = context.keys.find(key) else {
        return Ok(None);
    };
    let bytes = match string_value(&entry)? {
        StringRef::Bytes(bytes) => bytes,
        StringRef::Integer(_) => return Ok(None),
    };
    let is_as_changed = bytes.len() >= len && entry.encoding() == Encoding::Raw;
    Ok(is_as_changed.then_some(bytes))
}

/// The place of a bit, which a string of the greatest length has.
pub fn bit_offset(
    context: &Context<'_, '_>,
    argument: &[u8],
    factor: u32,
) -> Result<usize, CommandError> {
    let offset = integer(argument).map_err(|_| BAD_OFFSET)?;
    let offset = offset
        .checked_mul(i64::from(factor))
        .and_then(|offset| usize::try_from(offset).ok());
    match offset {
        Some(offset) if offset / 8 < context.shared.string_bytes_max() => Ok(offset),
        Some(_) | None => Err(BAD_OFFSET),
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::check;

    #[test]
    fn bits_are_set_and_read() {
        check(
            "SETBIT k 7 1
             GET k
             GETBIT k 7
             GETBIT k 6
             GETBIT k 100
             SETBIT k 7 0
             SETBIT k 23 1
             GET k
             STRLEN k
             GETBIT missing 3
             SET n 42
             SETBIT n 6 1
             GET n
             OBJECT ENCODING n
             SET t 1 EX 10
             SETBIT t 2 1
             TTL t",
            ":0
             \\x01
             :1
             :0
             :0
             :1
             :0
             \\x00\\x00\\x01
             :3
             :0
             OK
             :0
             62
             raw
             OK
             :1
             :10",
        );
    }

    #[test]
    fn places_and_bits_are_checked() {
        check(
            "SETBIT k x 1
             SETBIT k -1 1
             SETBIT k 4294967296 1
             SETBIT k 0 2
             SETBIT k 0 x
             GETBIT k 4294967296
             GETBIT k 4294967295
             EXISTS k
             SADD s a
             SETBIT s 0 1
             GETBIT s 0",
            "-ERR bit offset is not an integer or out of range
             -ERR bit offset is not an integer or out of range
             -ERR bit offset is not an integer or out of range
             -ERR bit is not an integer or out of range
             -ERR bit is not an integer or out of range
             -ERR bit offset is not an integer or out of range
             :0
             :0
             :1
             -WRONGTYPE Operation against a key holding the wrong kind of value
             -WRONGTYPE Operation against a key holding the wrong kind of value",
        );
    }

    #[test]
    fn a_bit_that_stays_as_it_is_disturbs_no_watcher() {
        check(
            "SETBIT k 7 1
             b> WATCH k
             SETBIT k 7 1
             SETBIT k 3 0
             b> MULTI
             b> PING
             b> EXEC
             b> WATCH k
             SETBIT k 8 0
             b> MULTI
             b> EXEC",
            ":0
             OK
             :1
             :0
             OK
             QUEUED
             [PONG]
             OK
             :0
             OK
             nil-array",
        );
    }

    #[test]
    fn a_large_string_is_changed_in_place() {
        check(
            "SETBIT k 999999 1
             SETBIT k 500000 1
             SETBIT k 2000000 1
             BITCOUNT k
             STRLEN k
             SETBIT k 500000 0
             BITPOS k 1",
            ":0
             :0
             :0
             :3
             :250001
             :1
             :999999",
        );
    }
}
