//! Parts of a value: APPEND, STRLEN, GETRANGE (and SUBSTR, its old name), SETRANGE.

use std::ops::Range;

use keyspace::{Deadline, EntryRef, Number};
use resp::{Args, ReplyWriter};

use super::get::write_large;
use crate::context::{Context, string_value};
use crate::error::CommandError;
use crate::limits::SHARED_BYTES_MIN;
use crate::parse::integer;

pub fn append(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    let key = context.key(args, 1);
    let tail = args.get(2);
    let len = match context.keys.find(key) {
        None => {
            context.set(key, tail, Deadline::None);
            tail.len()
        }
        Some(entry) => {
            let len = string_value(&entry)?.len();
            check_length(context, len, tail.len())?;
            context
                .keys
                .change_string(key, |string| string.append(tail))
        }
    };
    context.reply.integer(len as i64);
    Ok(())
}

pub fn strlen(
    entry: Option<EntryRef<'_>>,
    _: Args<'_>,
    _: u64,
    reply: &mut ReplyWriter<'_>,
) -> Result<(), CommandError> {
    let len = value_len(entry)?.unwrap_or(0);
    reply.integer(len as i64);
    Ok(())
}

pub fn getrange(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    let (start, end) = (integer(args.get(2))?, integer(args.get(3))?);
    let key = context.key(args, 1);
    let mut number = Number::new();
    let entry = context.keys.read(key);
    let bytes: &[u8] = match &entry {
        None => b"",
        Some(entry) => string_value(entry)?.bytes(&mut number),
    };
    let part = part(bytes.len(), start, end);
    if part.len() >= SHARED_BYTES_MIN {
        write_large(entry, part, &mut context.reply);
    } else {
        context.reply.bulk(&bytes[part]);
    }
    Ok(())
}

/// From `start` to `end`, both included and negative from the end; with Redis's quirks.
fn part(len: usize, start: i64, end: i64) -> Range<usize> {
    let len = len as i64;
    if len == 0 || start < 0 && end < 0 && start > end {
        return 0..0;
    }
    let from_end = |at: i64| if at < 0 { (len + at).max(0) } else { at };
    let (start, end) = (from_end(start), from_end(end).min(len - 1));
    if start > end {
        return 0..0;
    }
    start as usize..end as usize + 1
}

pub fn setrange(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    let offset = integer(args.get(2))?;
    let offset = usize::try_from(offset).map_err(|_| CommandError::OffsetOutOfRange)?;
    let part = args.get(3);
    let key = context.key(args, 1);
    let len = value_len(context.keys.find(key))?;
    if part.is_empty() {
        context.reply.integer(len.unwrap_or(0) as i64);
        return Ok(());
    }
    check_length(context, offset, part.len())?;
    let len = context
        .keys
        .change_string(key, |string| string.overwrite(offset, part));
    context.reply.integer(len as i64);
    Ok(())
}

fn value_len(entry: Option<EntryRef<'_>>) -> Result<Option<usize>, CommandError> {
    let len = |entry| string_value(&entry).map(|value| value.len());
    entry.map(len).transpose()
}

/// Fails when a string of both lengths together is too long.
fn check_length(context: &Context<'_, '_>, len: usize, more: usize) -> Result<(), CommandError> {
    match len.checked_add(more) {
        Some(len) if len <= context.shared.string_bytes_max() => Ok(()),
        _ => Err(CommandError::StringTooLong),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering::Relaxed;

    use super::part;
    use crate::testing::{TestServer, check};

    #[test]
    fn strings_are_appended_to() {
        check(
            "APPEND k 12
             OBJECT ENCODING k
             APPEND k 3
             OBJECT ENCODING k
             GET k
             APPEND k \"\"
             STRLEN k
             STRLEN missing
             SET k 1 EX 10
             APPEND k 2
             +10001
             GET k",
            ":2
             int
             :3
             raw
             123
             :3
             :3
             :0
             OK
             :2
             nil",
        );
    }

    #[test]
    fn parts_are_overwritten() {
        check(
            "SETRANGE k 5 \"\"
             GET k
             SETRANGE k 2 ab
             GET k
             SETRANGE k 0 xyz1234
             GET k
             SETRANGE k 9 \"\"
             SETRANGE k -1 x
             SETRANGE k x x
             SET n 1234
             SETRANGE n 0 \"\"
             OBJECT ENCODING n
             SETRANGE n 1 5
             OBJECT ENCODING n
             GET n",
            ":0
             nil
             :4
             \\x00\\x00ab
             :7
             xyz1234
             :7
             -ERR offset is out of range
             -ERR value is not an integer or out of range
             OK
             :4
             int
             :4
             raw
             1534",
        );
    }

    #[test]
    fn strings_have_a_longest_length() {
        let mut server = TestServer::new();
        server.shared.string_bytes_max.store(10, Relaxed);
        assert_eq!(
            server
                .run(
                    "SET k 12345678
                 APPEND k 90
                 APPEND k 1
                 SETRANGE k 9 x
                 SETRANGE k 10 x
                 SETRANGE missing 10 x
                 SETRANGE missing 9223372036854775807 x
                 SETRANGE missing 100 \"\"
                 GET k"
                )
                .lines()
                .collect::<Vec<_>>(),
            [
                "OK",
                ":10",
                "-ERR string exceeds maximum allowed size (proto-max-bulk-len)",
                ":10",
                "-ERR string exceeds maximum allowed size (proto-max-bulk-len)",
                "-ERR string exceeds maximum allowed size (proto-max-bulk-len)",
                "-ERR string exceeds maximum allowed size (proto-max-bulk-len)",
                ":0",
                "123456789x",
            ]
        );
    }

    /// The expectations are redis-server's.
    #[test]
    fn parts_are_as_redis_cuts_them() {
        for (start, end, expected) in [
            (0, -1, "hello"),
            (0, 0, "h"),
            (1, 3, "ell"),
            (-3, -2, "ll"),
            (-2, -3, ""),
            (3, 1, ""),
            (5, 9, ""),
            (4, 9, "o"),
            (-100, 0, "h"),
            (0, -100, "h"),
            (-100, -100, "h"),
            (-100, 100, "hello"),
            (i64::MIN, i64::MAX, "hello"),
            (i64::MAX, i64::MIN, ""),
        ] {
            let found = &b"hello"[part(5, start, end)];
            assert_eq!(found, expected.as_bytes(), "{start} to {end}");
        }
        assert!(part(0, 0, -1).is_empty());
        check(
            "SET k 12345
             GETRANGE k 1 2
             SUBSTR k -2 -1
             GETRANGE missing 0 -1
             GETRANGE missing x 1
             GETRANGE k 1 x",
            "OK
             23
             45
             \"\"
             -ERR value is not an integer or out of range
             -ERR value is not an integer or out of range",
        );
    }
}
