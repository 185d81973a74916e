//! OBJECT: how a value is kept, and how often and when it was used.

use resp::Args;

use super::READING;
use crate::command::{Command, Group, KeySpec, flag, key_flag};
use crate::context::Context;
use crate::error::CommandError;
use crate::help::HELP;

pub const OBJECT: Command = Command {
    name: "object",
    arity: -2,
    group: Group::Generic,
    since: "2.2.3",
    summary: "A container for commands about values",
    complexity: "Depends on the subcommand",
    run: HELP.run,
    subcommands: &[
        Command {
            name: "encoding",
            since: "2.2.3",
            summary: "Returns how the value of a key is stored",
            run: encoding,
            ..ABOUT_KEY
        },
        Command {
            name: "freq",
            since: "4.0.0",
            summary: "Returns how often a key is used, on a logarithmic scale",
            run: frequency,
            ..ABOUT_KEY
        },
        Command {
            name: "idletime",
            since: "2.2.3",
            summary: "Returns the seconds since a key was last used",
            run: idle_time,
            ..ABOUT_KEY
        },
        Command {
            name: "refcount",
            since: "2.2.3",
            summary: "Returns how many references to the value of a key there are",
            run: reference_count,
            ..ABOUT_KEY
        },
        Command {
            categories: &["keyspace"],
            group: Group::Generic,
            since: "6.2.0",
            ..HELP
        },
    ],
    ..Command::BASE
};

const ABOUT_KEY: Command = Command {
    arity: 3,
    flags: flag::READONLY,
    keys: &[KeySpec::one(2, key_flag::RO)],
    tips: &["nondeterministic_output"],
    syntax: "key",
    ..READING
};

/// Values are not shared, not even small integers.
const REFERENCES: i64 = 1;

fn encoding(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    let key = context.key(args, 2);
    match context.keys.inspect(key) {
        None => context.reply.null(),
        Some(entry) => context.reply.bulk(entry.encoding().name().as_bytes()),
    }
    Ok(())
}

fn frequency(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    let key = context.key(args, 2);
    context.keys.inspect(key);
    let Some(entry) = context.keys.peek(key) else {
        context.reply.null();
        return Ok(());
    };
    let frequency = context.keys.frequency(entry).ok_or(CommandError::line(
        "ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that when \
         switching between policies at runtime LRU and LFU data will take some time to adjust.",
    ))?;
    context.reply.integer(frequency.into());
    Ok(())
}

fn idle_time(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    let key = context.key(args, 2);
    context.keys.inspect(key);
    let Some(entry) = context.keys.peek(key) else {
        context.reply.null();
        return Ok(());
    };
    let idle_seconds = context.keys.idle_seconds(entry).ok_or(CommandError::line(
        "ERR An LFU maxmemory policy is selected, idle time not tracked. Please note that when switching between \
         policies at runtime LRU and LFU data will take some time to adjust.",
    ))?;
    context.reply.integer(idle_seconds.cast_signed());
    Ok(())
}

fn reference_count(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    let key = context.key(args, 2);
    match context.keys.inspect(key) {
        None => context.reply.null(),
        Some(_) => context.reply.integer(REFERENCES),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testing::{check, check_resp3};

    #[test]
    fn values_tell_how_they_are_kept() {
        check(
            "SET i 12
             SET big 10000
             SET s abc
             SET long aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
             OBJECT ENCODING i
             OBJECT ENCODING s
             OBJECT encoding long
             OBJECT REFCOUNT i
             OBJECT REFCOUNT big
             OBJECT REFCOUNT s
             OBJECT ENCODING missing
             OBJECT REFCOUNT missing",
            "OK
             OK
             OK
             OK
             int
             embstr
             raw
             :1
             :1
             :1
             nil
             nil",
        );
    }

    #[test]
    fn use_is_told() {
        check(
            "SET k v
             +2500
             OBJECT IDLETIME k
             OBJECT IDLETIME k
             TOUCH k
             OBJECT IDLETIME k
             OBJECT IDLETIME missing
             OBJECT FREQ missing",
            "OK
             :2
             :2
             :1
             :0
             nil
             nil",
        );
        check_resp3("OBJECT IDLETIME missing", "nil");
        check(
            "SET k v\nOBJECT FREQ k",
            "OK
             -ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that when \
             switching between policies at runtime LRU and LFU data will take some time to adjust.",
        );
    }

    #[test]
    fn subcommands_are_checked() {
        check(
            "OBJECT
             OBJECT FOO
             OBJECT ENCODING
             OBJECT ENCODING a b",
            "-ERR wrong number of arguments for 'object' command
             -ERR unknown subcommand 'FOO'. Try OBJECT HELP.
             -ERR wrong number of arguments for 'object|encoding' command
             -ERR wrong number of arguments for 'object|encoding' command",
        );
    }
}
