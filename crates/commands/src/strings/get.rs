//! Reading a value, and reading it while something else is done to the key: GET, GETDEL, GETEX, GETSET.

use std::ops::Range;

use bytes::Bytes;
use keyspace::{Deadline, EntryRef, Key, Number, StringRef};
use resp::{Args, ReplyWriter};

use super::lifetime::Lifetime;
use crate::context::{Context, string_value};
use crate::error::CommandError;
use crate::limits::SHARED_BYTES_MIN;

/// Replies with the value of an entry, or null.
#[inline]
pub fn write_value(
    entry: Option<EntryRef<'_>>,
    reply: &mut ReplyWriter<'_>,
) -> Result<(), CommandError> {
    match entry.as_ref().map(string_value).transpose()? {
        None => reply.null(),
        Some(StringRef::Bytes(bytes)) if bytes.len() >= SHARED_BYTES_MIN => {
            write_large(entry, 0..bytes.len(), reply);
        }
        Some(StringRef::Bytes(bytes)) => reply.bulk(bytes),
        Some(StringRef::Integer(integer)) => reply.bulk_integer(integer),
    }
    Ok(())
}

/// Replies with the value of an entry that was read without a lock, or null: such a value is short.
#[inline(always)]
pub fn write_short_value(
    entry: Option<EntryRef<'_>>,
    reply: &mut ReplyWriter<'_>,
) -> Result<(), CommandError> {
    match entry.as_ref().map(string_value).transpose()? {
        None => reply.null(),
        Some(StringRef::Bytes(bytes)) => reply.bulk_in_place(bytes),
        Some(StringRef::Integer(integer)) => reply.bulk_integer(integer),
    }
    Ok(())
}

/// Replies with part of a value of at least [`SHARED_BYTES_MIN`].
#[cold]
pub fn write_large(entry: Option<EntryRef<'_>>, part: Range<usize>, reply: &mut ReplyWriter<'_>) {
    let Some(entry) = entry else {
        return reply.null();
    };
    match entry.shared() {
        Some(shared) => reply.bulk_shared(Bytes::from_owner(shared.part(part))),
        None => {
            let value = entry.string();
            let mut number = Number::new();
            reply.bulk(value.map_or(&[][..], |value| &value.bytes(&mut number)[part]));
        }
    }
}

/// Replies with the value of a key, or null. A read, as statistics count them.
pub fn reply_value(context: &mut Context<'_, '_>, key: Key<'_>) -> Result<(), CommandError> {
    let entry = context.keys.read(key);
    write_value(entry, &mut context.reply)
}

pub fn getset(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    let key = context.key(args, 1);
    reply_value(context, key)?;
    context.set(key, args.get(2), Deadline::None);
    Ok(())
}

pub fn getdel(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    let key = context.key(args, 1);
    reply_value(context, key)?;
    context.keys.remove(key);
    Ok(())
}

pub fn getex(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    let lifetime = parse_getex(args)?;
    let key = context.key(args, 1);
    reply_value(context, key)?;
    let Some(entry) = context.keys.find(key) else {
        return Ok(());
    };
    let has_deadline = entry.deadline_ms().is_some();
    let deadline = lifetime.deadline(context, Deadline::Keep)?;
    match lifetime.spread(context, deadline, key) {
        Deadline::Keep => {}
        Deadline::None if !has_deadline => {}
        Deadline::None => {
            context.keys.set_deadline(key, None);
        }
        Deadline::At(deadline_ms) if deadline_ms <= context.now_ms() => {
            context.keys.remove(key);
        }
        Deadline::At(deadline_ms) => {
            context.keys.set_deadline(key, Some(deadline_ms));
        }
    }
    Ok(())
}

fn parse_getex(args: Args<'_>) -> Result<Lifetime<'_>, CommandError> {
    let mut lifetime = Lifetime::Unsaid;
    let mut rest = args.tail(2).iter();
    while let Some(option) = rest.next() {
        match Lifetime::parse(option, &mut rest)? {
            None | Some(Lifetime::Keep) => return Err(CommandError::Syntax),
            Some(option) => lifetime.add(option)?,
        }
    }
    Ok(lifetime)
}

#[cfg(test)]
mod tests {
    use crate::testing::{TestServer, check, check_resp3};

    #[test]
    fn values_are_read() {
        check(
            "GET k
             SET k v
             GETSET k 5
             GETSET k w
             GETDEL k
             GETDEL k
             GETSET k new
             GET k",
            "nil
             OK
             v
             5
             w
             nil
             nil
             new",
        );
        check_resp3("GET k\nGETDEL k\nGETEX k", "nil\nnil\nnil");
    }

    #[test]
    fn getex_changes_the_deadline() {
        check(
            "SET k v
             GETEX k EX 10
             +10000
             GETEX k px 5
             +6
             GET k
             SET k v EX 10
             GETEX k PERSIST
             +60000
             GETEX k EXAT 1
             GET k
             SET k v
             GETEX k PXAT 1700000070007
             GET k
             GETEX k PXAT 1700000070006
             GET k",
            "OK
             v
             v
             nil
             OK
             v
             v
             nil
             OK
             v
             v
             v
             nil",
        );
    }

    #[test]
    fn getex_checks_its_options_first_and_the_time_last() {
        check(
            "GETEX missing EX abc
             GETEX missing foo
             SET k v
             GETEX k EX
             GETEX k EX 10 PX 10
             GETEX k PERSIST EX 10
             GETEX k KEEPTTL
             GETEX k EX abc
             GETEX k EX 0
             GETEX k PX 9223372036854775807
             GETEX k EXAT 9223372036854775807
             GETEX k EX 1 EX 100
             +1001
             GET k",
            "nil
             -ERR syntax error
             OK
             -ERR syntax error
             -ERR syntax error
             -ERR syntax error
             -ERR syntax error
             -ERR value is not an integer or out of range
             -ERR invalid expire time in 'getex' command
             -ERR invalid expire time in 'getex' command
             -ERR invalid expire time in 'getex' command
             v
             v",
        );
    }

    #[test]
    fn hits_and_misses_are_counted_for_reads_alone() {
        let mut server = TestServer::new();
        server.run("SET k v\nSET k w NX\nINCR n\nAPPEND k x\nMSETNX k 1\nDELIFEQ missing x");
        let stats = server.shared.keyspace.stats(0);
        assert_eq!((stats.hits, stats.misses), (0, 0));
        server.run("GET k\nGET a\nSET k w GET\nGETEX k\nSTRLEN b\nMGET k c\nLCS k d\nGETDEL k");
        let stats = server.shared.keyspace.stats(0);
        assert_eq!((stats.hits, stats.misses), (6, 4));
    }
}
