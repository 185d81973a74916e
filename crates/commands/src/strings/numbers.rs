//! Values that are numbers: INCR, DECR, INCRBY, DECRBY, INCRBYFLOAT.

use keyspace::{Deadline, EntryRef, NewValue, Number, StringRef};
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
        StringRef::Integer(value) => Ok(value),
        StringRef::Bytes(bytes) => integer(bytes),
    }
}

pub fn incrbyfloat(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    let key = context.key(args, 1);
    let mut number = Number::new();
    let value: &[u8] = match context.keys.find(key) {
        None => b"0",
        Some(entry) => string_value(&entry)?.bytes(&mut number),
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

#[cfg(test)]
mod tests {
    use crate::testing::{check, check_resp3};

    #[test]
    fn integers_are_counted() {
        check(
            "INCR n
             INCRBY n 10
             DECR n
             DECRBY n -5
             DECRBY n 20
             OBJECT ENCODING n
             SET n 1 EX 10
             INCR n
             +10001
             INCR n
             APPEND n 0
             INCR n
             OBJECT ENCODING n",
            ":1
             :11
             :10
             :15
             :-5
             int
             OK
             :2
             :1
             :2
             :11
             int",
        );
    }

    #[test]
    fn what_is_no_integer_is_refused() {
        check(
            "SET n 9223372036854775807
             INCR n
             DECRBY n -1
             SET n -9223372036854775808
             DECR n
             INCRBY n -1
             DECRBY n -9223372036854775808
             INCRBY n x
             INCRBY n 1.5
             SET n v
             INCR n
             SET n 1.5
             DECR n
             SET n \"\"
             INCR n
             GET n",
            "OK
             -ERR increment or decrement would overflow
             -ERR increment or decrement would overflow
             OK
             -ERR increment or decrement would overflow
             -ERR increment or decrement would overflow
             -ERR decrement would overflow
             -ERR value is not an integer or out of range
             -ERR value is not an integer or out of range
             OK
             -ERR value is not an integer or out of range
             OK
             -ERR value is not an integer or out of range
             OK
             -ERR value is not an integer or out of range
             \"\"",
        );
    }

    #[test]
    fn floats_are_counted() {
        check(
            "INCRBYFLOAT n 10.5
             INCRBYFLOAT n 0.1
             INCRBYFLOAT n -5
             INCRBYFLOAT n 4.4
             OBJECT ENCODING n
             SET n 3.0
             INCRBYFLOAT n 1.1
             SET n 5.0e3
             INCRBYFLOAT n 2.0e2
             INCRBYFLOAT n x
             INCRBYFLOAT n inf
             SET n v
             INCRBYFLOAT n 1
             SET n 1 EX 10
             INCRBYFLOAT n 1
             +10001
             GET n",
            "10.5
             10.6
             5.6
             10
             embstr
             OK
             4.1
             OK
             5200
             -ERR value is not a valid float
             -ERR increment would produce NaN or Infinity
             OK
             -ERR value is not a valid float
             OK
             2
             nil",
        );
        check_resp3("INCRBYFLOAT n 1.5", "1.5");
    }
}
