//! Parts of a value: APPEND, STRLEN, GETRANGE (and SUBSTR, its old name), SETRANGE.

use keyspace::{Deadline, EntryRef, NewValue, Number};
use resp::Args;

use crate::context::{Context, string_value};
use crate::error::CommandError;
use crate::parse::integer;

pub fn append(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    let key = context.key(args, 1);
    let tail = args.get(2);
    let len = match context.keys.find(key) {
        None => {
            let value = NewValue::from_client(tail);
            context.keys.set(key, value, Deadline::None);
            tail.len()
        }
        Some(entry) => {
            let len = string_value(&entry)?.string_len();
            check_length(context, len, tail.len())?;
            let append = |bytes: &mut Vec<u8>| bytes.extend_from_slice(tail);
            context.keys.change_string(key, append)
        }
    };
    context.reply.integer(len as i64);
    Ok(())
}

pub fn strlen(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    let key = context.key(args, 1);
    let len = value_len(context.keys.read(key))?.unwrap_or(0);
    context.reply.integer(len as i64);
    Ok(())
}

pub fn getrange(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    let (start, end) = (integer(args.get(2))?, integer(args.get(3))?);
    let key = context.key(args, 1);
    let mut number = Number::new();
    let bytes: &[u8] = match context.keys.read(key) {
        None => b"",
        Some(entry) => string_value(&entry)?.string_bytes(&mut number),
    };
    context.reply.bulk(part(bytes, start, end));
    Ok(())
}

/// The bytes from `start` to `end`, both included and negative from the end; with Redis's quirks.
fn part(bytes: &[u8], start: i64, end: i64) -> &[u8] {
    let len = bytes.len() as i64;
    if len == 0 || start < 0 && end < 0 && start > end {
        return b"";
    }
    let from_end = |at: i64| if at < 0 { (len + at).max(0) } else { at };
    let (start, end) = (from_end(start), from_end(end).min(len - 1));
    if start > end {
        return b"";
    }
    &bytes[start as usize..=end as usize]
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
    let len = context.keys.change_string(key, |bytes| {
        let end = offset + part.len();
        if bytes.len() < end {
            bytes.resize(end, 0);
        }
        bytes[offset..end].copy_from_slice(part);
    });
    context.reply.integer(len as i64);
    Ok(())
}

fn value_len(entry: Option<EntryRef<'_>>) -> Result<Option<usize>, CommandError> {
    let len = |entry| string_value(&entry).map(|value| value.string_len());
    entry.map(len).transpose()
}

/// Fails when a string of both lengths together is too long.
fn check_length(context: &Context<'_, '_>, len: usize, more: usize) -> Result<(), CommandError> {
    match len.checked_add(more) {
        Some(len) if len <= context.shared.string_bytes_max() => Ok(()),
        _ => Err(CommandError::StringTooLong),
    }
}
