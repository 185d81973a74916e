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
            let value = string_value(&entry)?.string_bytes(&mut number);
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
