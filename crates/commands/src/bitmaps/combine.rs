//! Operations over strings, bit by bit: BITOP.

use keyspace::{Deadline, NewValue, Number, SharedBytes};
use resp::Args;

use super::single::bytes_of;
use crate::context::Context;
use crate::error::CommandError;
use crate::limits::SHARED_BYTES_MIN;
use crate::parse::is;

/// What becomes of the bits of the sources X, Y1, Y2 and so on.
#[derive(Clone, Copy)]
enum Operation {
    And,
    Or,
    Xor,
    Not,
    /// Those of X that no Y has.
    Diff,
    /// Those of any Y that X does not have.
    Diff1,
    /// Those of X that any Y has.
    AndOr,
    /// Those that exactly one source has.
    One,
}

const OPERATIONS: [(&str, Operation); 8] = [
    ("AND", Operation::And),
    ("OR", Operation::Or),
    ("XOR", Operation::Xor),
    ("NOT", Operation::Not),
    ("DIFF", Operation::Diff),
    ("DIFF1", Operation::Diff1),
    ("ANDOR", Operation::AndOr),
    ("ONE", Operation::One),
];

pub fn bitop(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    let operation = parse(args)?;
    let mut len = 0;
    for place in 3..args.len() {
        let key = context.key(args, place);
        let source = context.keys.read(key);
        len = len.max(bytes_of(source.as_ref(), &mut Number::new())?.len());
    }
    let result = combined(context, args, operation, len)?;
    let destination = context.key(args, 2);
    match len {
        0 => {
            context.keys.remove(destination);
        }
        SHARED_BYTES_MIN.. => {
            let shared = SharedBytes::from(result);
            let value = NewValue::Shared(&shared);
            context.keys.set(destination, value, Deadline::None);
        }
        _ => {
            let value = NewValue::Composed(&result);
            context.keys.set(destination, value, Deadline::None);
        }
    }
    context.reply.integer(len as i64);
    Ok(())
}

fn parse(args: Args<'_>) -> Result<Operation, CommandError> {
    let known = OPERATIONS
        .iter()
        .find(|(name, _)| is(args.get(1), name))
        .ok_or(CommandError::Syntax)?;
    let sources = args.len() - 3;
    match known {
        (_, Operation::Not) if sources != 1 => Err(CommandError::line(
            "ERR BITOP NOT must be called with a single source key.",
        )),
        (name, Operation::Diff | Operation::Diff1 | Operation::AndOr) if sources < 2 => {
            Err(CommandError::other(format_args!(
                "BITOP {name} must be called with at least two source keys."
            )))
        }
        (_, operation) => Ok(*operation),
    }
}

/// The result, as long as the longest source.
fn combined(
    context: &Context<'_, '_>,
    args: Args<'_>,
    operation: Operation,
    len: usize,
) -> Result<Vec<u8>, CommandError> {
    let mut result = vec![0; len];
    // What more than one source has.
    let mut several = match operation {
        Operation::One => vec![0; len],
        _ => Vec::new(),
    };
    let mut number = Number::new();
    for place in 3..args.len() {
        let key = context.key(args, place);
        let source = context.keys.peek(key);
        let bytes = bytes_of(source.as_ref(), &mut number)?;
        match operation {
            Operation::One => {
                let pairs = result.iter_mut().zip(&mut several);
                for ((once, several), byte) in pairs.zip(bytes) {
                    *several |= *once & byte;
                    *once |= byte;
                }
            }
            Operation::Diff1 | Operation::AndOr if place == 3 => {}
            Operation::And if place > 3 => {
                merge(&mut result, bytes, |result, byte| result & byte);
                result[bytes.len()..].fill(0);
            }
            Operation::Diff if place > 3 => {
                merge(&mut result, bytes, |result, byte| result & !byte);
            }
            Operation::Xor => merge(&mut result, bytes, |result, byte| result ^ byte),
            Operation::And
            | Operation::Or
            | Operation::Not
            | Operation::Diff
            | Operation::Diff1
            | Operation::AndOr => merge(&mut result, bytes, |result, byte| result | byte),
        }
    }
    match operation {
        Operation::Not => result.iter_mut().for_each(|byte| *byte = !*byte),
        Operation::One => merge(&mut result, &several, |once, several| once & !several),
        Operation::Diff1 | Operation::AndOr => {
            let source = context.keys.peek(context.key(args, 3));
            let first = bytes_of(source.as_ref(), &mut number)?;
            if let Operation::Diff1 = operation {
                merge(&mut result, first, |any, first| any & !first);
            } else {
                merge(&mut result, first, |any, first| any & first);
                result[first.len()..].fill(0);
            }
        }
        Operation::And | Operation::Or | Operation::Xor | Operation::Diff => {}
    }
    Ok(result)
}

fn merge(result: &mut [u8], bytes: &[u8], operation: impl Fn(u8, u8) -> u8) {
    for (result, byte) in result.iter_mut().zip(bytes) {
        *result = operation(*result, *byte);
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::check;

    #[test]
    fn strings_are_combined() {
        check(
            "SET a \"\\xf0\\x0f\\xff\"
             SET b \"\\xcc\\xcc\"
             SET c \"\\xaa\"
             BITOP AND d a b c
             GET d
             BITOP or d a b c
             GET d
             BITOP XOR d a b c
             GET d
             BITOP NOT d b
             GET d
             BITOP DIFF d a b c
             GET d
             BITOP DIFF1 d a b c
             GET d
             BITOP ANDOR d a b c
             GET d
             BITOP ONE d a b c
             GET d
             OBJECT ENCODING d
             BITOP AND d a missing
             GET d
             BITOP OR d missing
             EXISTS d",
            "OK
             OK
             OK
             :3
             \\x80\\x00\\x00
             :3
             \\xfe\\xcf\\xff
             :3
             \\x96\\xc3\\xff
             :2
             33
             :3
             \\x10\\x03\\xff
             :3
             \\x0e\\xc0\\x00
             :3
             \\xe0\\x0c\\x00
             :3
             \\x16\\xc3\\xff
             raw
             :3
             \\x00\\x00\\x00
             :0
             :0",
        );
    }

    #[test]
    fn sources_are_checked() {
        check(
            "BITOP NAND d a
             BITOP NOT d a b
             BITOP DIFF d a
             BITOP diff1 d a
             BITOP ANDOR d a
             BITOP ONE d a
             SADD s x
             BITOP AND d a s
             SET k v EX 10
             BITOP OR k k
             TTL k
             BITOP OR s k
             GET s",
            "-ERR syntax error
             -ERR BITOP NOT must be called with a single source key.
             -ERR BITOP DIFF must be called with at least two source keys.
             -ERR BITOP DIFF1 must be called with at least two source keys.
             -ERR BITOP ANDOR must be called with at least two source keys.
             :0
             :1
             -WRONGTYPE Operation against a key holding the wrong kind of value
             OK
             :1
             :-1
             :1
             v",
        );
    }
}
