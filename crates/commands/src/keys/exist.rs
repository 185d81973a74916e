//! DEL, UNLINK, EXISTS, TYPE, TOUCH: whether a key is there, and that it no longer is.

use keyspace::{EntryRef, Key};
use resp::{Args, ReplyWriter};

use super::{COUNTED, READING};
use crate::command::{Command, KeySpec, ManyReader, Reader, flag, key_flag};
use crate::context::Context;
use crate::error::CommandError;

pub const DEL: Command = Command {
    name: "del",
    arity: -2,
    flags: flag::WRITE,
    keys: &[KeySpec::all(1, 1, key_flag::RM | key_flag::DELETE)],
    tips: COUNTED,
    since: "1.0.0",
    summary: "Deletes one or more keys",
    complexity: "O(N) where N is the number of keys",
    syntax: "key [key ...]",
    run: remove,
    ..READING
};

pub const UNLINK: Command = Command {
    name: "unlink",
    flags: flag::WRITE | flag::FAST,
    since: "4.0.0",
    summary: "Deletes one or more keys and frees their memory later",
    ..DEL
};

pub const EXISTS: Command = Command {
    name: "exists",
    arity: -2,
    keys: &[KeySpec::all(1, 1, key_flag::RO)],
    tips: COUNTED,
    since: "1.0.0",
    summary: "Counts the keys that exist, one that is named twice as two",
    complexity: "O(N) where N is the number of keys",
    syntax: "key [key ...]",
    run: exists,
    many_reader: Some(ManyReader {
        touches: false,
        answer: |entries, reply| {
            reply.integer(entries.iter().flatten().count() as i64);
            Ok(())
        },
    }),
    ..READING
};

pub const TYPE: Command = Command {
    name: "type",
    arity: 2,
    keys: &[KeySpec::one(1, key_flag::RO)],
    since: "1.0.0",
    summary: "Returns the type of the value of a key",
    syntax: "key",
    reader: Reader::of_key(kind),
    ..READING
};

pub const TOUCH: Command = Command {
    name: "touch",
    since: "3.2.1",
    summary: "Marks keys as accessed now, and counts those that exist",
    run: touch,
    many_reader: None,
    ..EXISTS
};

fn remove(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    count(context, args, |context, key| context.keys.remove(key))
}

fn exists(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    count(context, args, |context, key| {
        context.keys.inspect(key).is_some()
    })
}

fn touch(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    count(context, args, |context, key| context.keys.touch(key))
}

/// Answers for how many keys `done` is true.
fn count(
    context: &mut Context<'_, '_>,
    args: Args<'_>,
    done: fn(&mut Context<'_, '_>, Key<'_>) -> bool,
) -> Result<(), CommandError> {
    let mut count = 0;
    for at in 1..args.len() {
        let key = context.key(args, at);
        count += i64::from(done(context, key));
    }
    context.reply.integer(count);
    Ok(())
}

fn kind(
    entry: Option<EntryRef<'_>>,
    _: Args<'_>,
    _: u64,
    reply: &mut ReplyWriter<'_>,
) -> Result<(), CommandError> {
    let name = entry.map_or("none", |entry| entry.kind().name());
    reply.simple(name);
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testing::check;

    #[test]
    fn keys_are_counted_and_removed() {
        check(
            "EXISTS a
             SET a 1
             SET b 2
             EXISTS a a b c
             TOUCH a b c
             DEL a a c
             EXISTS a
             UNLINK b
             DEL",
            ":0
             OK
             OK
             :3
             :2
             :1
             :0
             :1
             -ERR wrong number of arguments for 'del' command",
        );
    }

    #[test]
    fn a_key_whose_time_is_up_is_not_there() {
        check(
            "SET a 1
             PEXPIRE a 10
             TYPE a
             +11
             EXISTS a
             TYPE a
             DEL a",
            "OK
             :1
             string
             :0
             none
             :0",
        );
    }
}
