//! Values that are numbers: HINCRBY, HINCRBYFLOAT.

use keyspace::{Deadline, Draft, Hash, Number};
use resp::Args;
use resp::long_double::{IncrementError, LongDouble};

use super::change;
use crate::context::Context;
use crate::error::CommandError;
use crate::parse::integer;

pub fn hincrby(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    let increment = integer(args.get(3))?;
    let (key, now_ms) = (context.key(args, 1), context.now_ms());
    let sum = change(context, key, |hash| add(hash, args, increment, now_ms))??;
    context.reply.integer(sum);
    Ok(())
}

fn add(
    hash: &mut Draft<'_, Hash>,
    args: Args<'_>,
    increment: i64,
    now_ms: u64,
) -> Result<i64, CommandError> {
    let mut number = Number::new();
    let value = match hash.get(args.get(2), now_ms) {
        None => 0,
        Some(field) => integer(field.value.bytes(&mut number))
            .map_err(|_| CommandError::line("ERR hash value is not an integer"))?,
    };
    let sum = value.checked_add(increment).ok_or(CommandError::Overflow)?;
    hash.set(args.get(2), number.digits(sum), Deadline::Keep, now_ms);
    Ok(sum)
}

pub fn hincrbyfloat(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    let increment = LongDouble::parse(args.get(3)).ok_or(CommandError::NotAFloat)?;
    if !increment.is_finite() {
        return Err(CommandError::line("ERR value is NaN or Infinity"));
    }
    let (key, now_ms) = (context.key(args, 1), context.now_ms());
    let sum = change(context, key, |hash| {
        add_float(hash, args, increment, now_ms)
    })??;
    context.reply.bulk(sum.as_bytes());
    Ok(())
}

fn add_float(
    hash: &mut Draft<'_, Hash>,
    args: Args<'_>,
    increment: LongDouble,
    now_ms: u64,
) -> Result<String, CommandError> {
    let value = match hash.get(args.get(2), now_ms) {
        None => LongDouble::ZERO,
        Some(field) => LongDouble::parse(field.value.bytes(&mut Number::new()))
            .ok_or(CommandError::line("ERR hash value is not a float"))?,
    };
    let sum = value
        .checked_add(increment)
        .ok_or(CommandError::line(IncrementError::NotFinite.message()))?
        .to_string();
    hash.set(args.get(2), sum.as_bytes(), Deadline::Keep, now_ms);
    Ok(sum)
}

#[cfg(test)]
mod tests {
    use crate::testing::check;

    #[test]
    fn integers_are_counted() {
        check(
            "HINCRBY h n 5
             HINCRBY h n -7
             HGET h n
             HINCRBY h n x
             HSET h n 9223372036854775807
             HINCRBY h n 1
             HSET h n text
             HINCRBY h n 1
             HSET h n 1.5
             HINCRBY h n 1
             HSET h n 007
             HINCRBY h n 1
             HINCRBY missing n x
             EXISTS missing
             SET string 1
             HINCRBY string n 1",
            ":5
             :-2
             -2
             -ERR value is not an integer or out of range
             :0
             -ERR increment or decrement would overflow
             :0
             -ERR hash value is not an integer
             :0
             -ERR hash value is not an integer
             :0
             -ERR hash value is not an integer
             -ERR value is not an integer or out of range
             :0
             OK
             -WRONGTYPE Operation against a key holding the wrong kind of value",
        );
    }

    #[test]
    fn floats_are_counted() {
        check(
            "HINCRBYFLOAT h n 10.50
             HINCRBYFLOAT h n 0.1
             HINCRBYFLOAT h n 5.0e3
             HGET h n
             HINCRBYFLOAT h n x
             HINCRBYFLOAT h n inf
             HSET h n text
             HINCRBYFLOAT h n 1",
            "10.5
             10.6
             5010.60000000000000009
             5010.60000000000000009
             -ERR value is not a valid float
             -ERR value is NaN or Infinity
             :0
             -ERR hash value is not a float",
        );
    }
}
