//! RENAME, RENAMENX, COPY, MOVE: a value under another key or in another database.

use keyspace::Key;
use resp::Args;

use super::READING;
use crate::command::{Command, KeySpec, Locks, flag, key_flag};
use crate::context::Context;
use crate::error::CommandError;
use crate::parse::{database, is};

const SOURCE: KeySpec = KeySpec::one(1, key_flag::RW | key_flag::ACCESS | key_flag::DELETE);

pub const RENAME: Command = Command {
    name: "rename",
    arity: 3,
    flags: flag::WRITE,
    keys: &[SOURCE, KeySpec::one(2, key_flag::OW | key_flag::UPDATE)],
    since: "1.0.0",
    summary: "Renames a key, over what the new name held",
    syntax: "key newkey",
    run: |context, args| {
        rename(context, args, Existing::Replaced)?;
        context.reply.ok();
        Ok(())
    },
    ..READING
};

pub const RENAMENX: Command = Command {
    name: "renamenx",
    arity: 3,
    flags: flag::WRITE | flag::FAST,
    keys: &[SOURCE, KeySpec::one(2, key_flag::OW | key_flag::INSERT)],
    since: "1.0.0",
    summary: "Renames a key if there is none of the new name",
    syntax: "key newkey",
    run: |context, args| {
        let is_renamed = rename(context, args, Existing::Kept)?;
        context.reply.integer(is_renamed.into());
        Ok(())
    },
    ..READING
};

pub const COPY: Command = Command {
    name: "copy",
    arity: -3,
    flags: flag::WRITE | flag::DENYOOM,
    keys: &[
        KeySpec::one(1, key_flag::RO | key_flag::ACCESS),
        KeySpec::one(2, key_flag::OW | key_flag::UPDATE),
    ],
    since: "6.2.0",
    summary: "Copies the value of a key to another key",
    complexity: "O(N) where N is the length of the value",
    syntax: "source destination [DB destination-db] [REPLACE]",
    locks: Locks::Named(name_copied),
    run: copy,
    ..READING
};

pub const MOVE: Command = Command {
    name: "move",
    arity: 3,
    flags: flag::WRITE | flag::FAST,
    keys: &[KeySpec::one(
        1,
        key_flag::RW | key_flag::ACCESS | key_flag::UPDATE,
    )],
    since: "1.0.0",
    summary: "Moves a key to another database",
    syntax: "key db",
    locks: Locks::Named(name_moved),
    run: move_key,
    ..READING
};

/// What becomes of a value that is in the way.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Existing {
    Kept,
    Replaced,
}

const SAME_OBJECT: CommandError =
    CommandError::line("ERR source and destination objects are the same");

fn rename(
    context: &mut Context<'_, '_>,
    args: Args<'_>,
    existing: Existing,
) -> Result<bool, CommandError> {
    let (from, to) = (context.key(args, 1), context.key(args, 2));
    if context.keys.find(from).is_none() {
        return Err(CommandError::NoSuchKey);
    }
    if from.bytes == to.bytes || existing == Existing::Kept && context.keys.find(to).is_some() {
        return Ok(false);
    }
    Ok(context.keys.rename(from, to))
}

/// The options of COPY.
struct CopyOptions {
    database: u8,
    existing: Existing,
}

impl CopyOptions {
    fn parse(args: Args<'_>, selected: u8) -> Result<Self, CommandError> {
        let mut options = Self {
            database: selected,
            existing: Existing::Kept,
        };
        let mut args = args.tail(3).iter();
        while let Some(option) = args.next() {
            if is(option, "REPLACE") {
                options.existing = Existing::Replaced;
            } else if is(option, "DB") {
                options.database = database(args.next().ok_or(CommandError::Syntax)?)?;
            } else {
                return Err(CommandError::Syntax);
            }
        }
        Ok(options)
    }
}

fn name_copied(args: Args<'_>, selected: u8, each: &mut dyn FnMut(u8, &[u8])) {
    let target = CopyOptions::parse(args, selected).map_or(selected, |options| options.database);
    each(selected, args.get(1));
    each(target, args.get(2));
}

fn copy(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    let options = CopyOptions::parse(args, context.session.database)?;
    let from = context.key(args, 1);
    let to = Key {
        database: options.database,
        ..context.key(args, 2)
    };
    if from.database == to.database && from.bytes == to.bytes {
        return Err(SAME_OBJECT);
    }
    let is_copied = context.keys.read(from).is_some()
        && (options.existing == Existing::Replaced || context.keys.find(to).is_none())
        && context.keys.copy(from, to);
    context.reply.integer(is_copied.into());
    Ok(())
}

fn name_moved(args: Args<'_>, selected: u8, each: &mut dyn FnMut(u8, &[u8])) {
    each(selected, args.get(1));
    each(database(args.get(2)).unwrap_or(selected), args.get(1));
}

fn move_key(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    let from = context.key(args, 1);
    let to = Key {
        database: database(args.get(2))?,
        ..from
    };
    if from.database == to.database {
        return Err(SAME_OBJECT);
    }
    let is_moved = context.keys.find(from).is_some()
        && context.keys.find(to).is_none()
        && context.keys.rename(from, to);
    context.reply.integer(is_moved.into());
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testing::check;

    #[test]
    fn keys_are_renamed_with_their_deadline() {
        check(
            "SET a 1
             EXPIRE a 10
             SET b 2
             RENAMENX a b
             RENAME a b
             GET b
             TTL b
             EXISTS a
             RENAMENX b c
             RENAME c c
             RENAMENX c c
             RENAME a b
             RENAME a a",
            "OK
             :1
             OK
             :0
             OK
             1
             :10
             :0
             :1
             OK
             :0
             -ERR no such key
             -ERR no such key",
        );
    }

    #[test]
    fn keys_are_copied_within_and_across_databases() {
        check(
            "SET a 1 EX 10
             COPY a b
             SET a 2
             COPY a b
             COPY a b REPLACE
             GET b
             COPY a a DB 3
             COPY a a db 3
             COPY a a db 3 replace
             COPY missing b REPLACE
             SELECT 3
             GET a
             KEYS *",
            "OK
             :1
             OK
             :0
             :1
             2
             :1
             :0
             :1
             :0
             OK
             2
             [a]",
        );
    }

    #[test]
    fn copy_names_its_errors() {
        check(
            "COPY a a
             COPY a a DB 0
             COPY a b DB 16
             COPY a b DB x
             COPY a b DB 99999999999
             COPY a b DB
             COPY a b foo",
            "-ERR source and destination objects are the same
             -ERR source and destination objects are the same
             -ERR DB index is out of range
             -ERR value is not an integer or out of range
             -ERR value is out of range, value must between -2147483648 and 2147483647
             -ERR syntax error
             -ERR syntax error",
        );
    }

    #[test]
    fn keys_move() {
        check(
            "SET a 1
             MOVE a 1
             MOVE a 1
             SET a 2
             MOVE a 1
             MOVE a 0
             MOVE a 16
             MOVE a x
             SELECT 1
             GET a
             DBSIZE",
            "OK
             :1
             :0
             OK
             :0
             -ERR source and destination objects are the same
             -ERR DB index is out of range
             -ERR value is not an integer or out of range
             OK
             1
             :1",
        );
    }

    #[test]
    fn other_databases_are_locked_in_transactions_too() {
        check(
            "MULTI
             SET a 1
             COPY a b DB 2
             SELECT 2
             MOVE b 5
             SELECT 5
             GET b
             EXEC",
            "OK
             QUEUED
             QUEUED
             QUEUED
             QUEUED
             QUEUED
             QUEUED
             [OK :1 OK :1 OK 1]",
        );
    }
}
