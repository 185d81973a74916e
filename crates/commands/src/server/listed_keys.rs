//! What HOTKEYS and BIGKEYS have in common: they list keys, the first so many of them, with a number each.

use resp::Args;

use super::ANYTIME;
use crate::command::{Command, flag};
use crate::context::Context;
use crate::error::CommandError;
use crate::parse::{integer, is};

/// Keys that are answered when no number is asked for.
const COUNT: usize = 32;

/// The row of GET; what it lists is the container's.
pub(super) const GET: Command = Command {
    name: "get",
    arity: -2,
    flags: flag::ADMIN | ANYTIME,
    syntax: "[COUNT count]",
    ..Command::BASE
};

/// The row of RESET, in the same way.
pub(super) const RESET: Command = Command {
    name: "reset",
    arity: 2,
    flags: flag::ADMIN | ANYTIME,
    ..Command::BASE
};

/// How many keys GET is asked for.
pub(super) fn count(args: Args<'_>) -> Result<usize, CommandError> {
    let options = args.tail(2);
    let Some(option) = options.try_get(0) else {
        return Ok(COUNT);
    };
    let count = options
        .try_get(1)
        .filter(|_| is(option, "count") && options.len() == 2);
    let count = integer(count.ok_or(CommandError::Syntax)?)?;
    match usize::try_from(count) {
        Ok(count) if count > 0 => Ok(count),
        _ => Err(CommandError::line("ERR count should be greater than 0")),
    }
}

/// Answers the keys with their databases, and what there is to say of each under this name.
pub(super) fn answer<'k>(
    context: &mut Context<'_, '_>,
    name: &str,
    keys: impl ExactSizeIterator<Item = (&'k [u8], u8, u64)>,
) {
    let reply = &mut context.reply;
    reply.array(keys.len());
    for (key, database, number) in keys {
        reply.map(3);
        reply.bulk(b"key");
        reply.bulk(key);
        reply.bulk(b"db");
        reply.integer(database.into());
        reply.bulk(name.as_bytes());
        reply.integer(number.cast_signed());
    }
}
