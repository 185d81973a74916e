//! DIGEST, and deleting under a condition: DELEX, DELIFEQ.

use keyspace::Number;
use resp::Args;

use super::condition::Comparison;
use crate::context::{Context, string_value};
use crate::error::CommandError;

/// Hexadecimal digits of a digest.
pub const DIGEST_DIGITS: usize = 16;

/// The digest of a value: XXH3 with 64 bits and no seed, in hexadecimal.
pub fn digest_text(value: &[u8]) -> String {
    format!("{:016x}", xxhash_rust::xxh3::xxh3_64(value))
}

pub fn digest(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    let key = context.key(args, 1);
    match context.keys.read(key) {
        None => context.reply.null(),
        Some(entry) => {
            let mut number = Number::new();
            let value = string_value(&entry)?.bytes(&mut number);
            context.reply.bulk(digest_text(value).as_bytes());
        }
    }
    Ok(())
}

pub fn delex(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    if !matches!(args.len(), 2 | 4) {
        return Err(context.wrong_arity());
    }
    let key = context.key(args, 1);
    let is_met = match (context.keys.find(key), args.try_get(2)) {
        (None, _) => false,
        (Some(_), None) => true,
        (Some(entry), Some(condition)) => {
            if string_value(&entry).is_err() {
                return Err(CommandError::line(
                    "ERR Key should be of string type if conditions are specified",
                ));
            }
            let comparison = Comparison::named(condition).ok_or(CommandError::line(
                "ERR Invalid condition. Use IFEQ, IFNE, IFDEQ, or IFDNE",
            ))?;
            comparison.is_met(&entry, args.get(3))?
        }
    };
    let is_deleted = is_met && context.keys.remove(key);
    context.reply.integer(i64::from(is_deleted));
    Ok(())
}

pub fn delifeq(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    let key = context.key(args, 1);
    let is_equal = match context.keys.find(key) {
        None => false,
        Some(entry) => Comparison::Equal.is_met(&entry, args.get(2))?,
    };
    let is_deleted = is_equal && context.keys.remove(key);
    context.reply.integer(i64::from(is_deleted));
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testing::check;

    /// The digests are those of Redis 8.4's documentation and tests.
    #[test]
    fn digests_have_sixteen_digits() {
        check(
            "DIGEST k
             SET k \"Hello world\"
             DIGEST k
             SET k \"\"
             DIGEST k
             SET k 123
             DIGEST k
             SET k v8lf0c11xh8ymlqztfd3eeq16kfn4sspw7fqmnuuq3k3t75em5wdizgcdw7uc26nnf961u2jkfzkjytls2kwlj7626sd
             DIGEST k",
            "nil
             OK
             b6acb9d84a38ff74
             OK
             2d06800538d394c2
             OK
             404a763b3f4c8c9a
             OK
             00006c38adf31777",
        );
    }

    #[test]
    fn keys_are_deleted_under_a_condition() {
        check(
            "DELEX k
             DELEX k FOO x
             SET k v
             DELEX k IFEQ x
             DELEX k IFNE v
             DELEX k ifdne 0
             DELEX k FOO v
             DELEX k IFEQ
             DELEX k IFEQ v x
             DELEX k ifne x
             SET k 5
             DELEX k IFDEQ 0000000000000000
             DELEX k IFEQ 5
             SET k v
             DELEX k
             GET k",
            ":0
             :0
             OK
             :0
             :0
             -ERR must be exactly 16 hexadecimal characters
             -ERR Invalid condition. Use IFEQ, IFNE, IFDEQ, or IFDNE
             -ERR wrong number of arguments for 'delex' command
             -ERR wrong number of arguments for 'delex' command
             :1
             OK
             :0
             :1
             OK
             :1
             nil",
        );
        check(
            "DELIFEQ k v\nSET k v\nDELIFEQ k w\nDELIFEQ k v\nDELIFEQ k v",
            ":0\nOK\n:0\n:1\n:0",
        );
    }
}
