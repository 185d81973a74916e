//! Values that are numbers: INCR, DECR, INCRBY, DECRBY, INCRBYFLOAT.

use keyspace::{Deadline, EntryRef, NewValue, Number, ValueRef};
use resp::Args;
use resp::long_double::{IncrementError, increment};

use crate::context::{Context, string_value};
use crate::error::CommandError;
use crate::parse::integer;

pub fn incr(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    add(context, args, 1)
}

pub fn decr(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    add(context, args, -1)
}

pub fn incrby(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    add(context, args, integer(args.get(2))?)
}

pub fn decrby(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    let decrement = integer(args.get(2))?;
    let increment = decrement
        .checked_neg()
        .ok_or(CommandError::line("ERR decrement would overflow"))?;
    add(context, args, increment)
}

fn add(context: &mut Context<'_, '_>, args: Args<'_>, increment: i64) -> Result<(), CommandError> {
    let key = context.key(args, 1);
    let value = integer_value(context.keys.find(key))?;
    let sum = value.checked_add(increment).ok_or(CommandError::Overflow)?;
    context.keys.set_integer(key, sum);
    context.reply.integer(sum);
    Ok(())
}

/// The integer that a value is; 0 when there is none.
pub fn integer_value(entry: Option<EntryRef<'_>>) -> Result<i64, CommandError> {
    let Some(entry) = entry else {
        return Ok(0);
    };
    match string_value(&entry)? {
        ValueRef::Integer(value) => Ok(value),
        ValueRef::Bytes(bytes) => integer(bytes),
    }
}

pub fn incrbyfloat(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    let key = context.key(args, 1);
    let mut number = Number::new();
    let value: &[u8] = match context.keys.find(key) {
        None => b"0",
        Some(entry) => string_value(&entry)?.string_bytes(&mut number),
    };
    let sum = increment(value, args.get(2)).map_err(|error| match error {
        IncrementError::NotAFloat => CommandError::NotAFloat,
        IncrementError::NotFinite => CommandError::line(error.message()),
    })?;
    let value = NewValue::Bytes(sum.as_bytes());
    context.keys.set(key, value, Deadline::Keep);
    context.reply.bulk(sum.as_bytes());
    Ok(())
}
