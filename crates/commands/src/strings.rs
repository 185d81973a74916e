//! Strings.

use keyspace::{Deadline, NewValue, Number};
use resp::Args;

use crate::command::{Command, Group, KeySpec, flag, key_flag};
use crate::context::{Context, string_value};
use crate::error::CommandError;

/// The family's rows.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "get",
        arity: 2,
        flags: flag::READONLY | flag::FAST,
        keys: &[KeySpec::one(1, key_flag::RO | key_flag::ACCESS)],
        group: Group::String,
        categories: &["string"],
        since: "1.0.0",
        summary: "Returns the string value of a key",
        syntax: "key",
        run: get,
        ..Command::BASE
    },
    Command {
        name: "set",
        arity: -3,
        flags: flag::WRITE | flag::DENYOOM,
        keys: &[KeySpec::one(
            1,
            key_flag::RW | key_flag::ACCESS | key_flag::UPDATE | key_flag::VARIABLE_FLAGS,
        )],
        group: Group::String,
        categories: &["string"],
        since: "1.0.0",
        summary: "Sets the string value of a key, ignoring its type. The key is created if it doesn't exist",
        syntax: "key value",
        run: set,
        ..Command::BASE
    },
];

fn get(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    let key = context.key(args, 1);
    match context.keys.read(key) {
        None => context.reply.null(),
        Some(entry) => context
            .reply
            .bulk(string_value(&entry)?.string_bytes(&mut Number::new())),
    }
    Ok(())
}

fn set(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    let key = context.key(args, 1);
    context
        .keys
        .set(key, NewValue::from_client(args.get(2)), Deadline::None);
    context.reply.ok();
    Ok(())
}
