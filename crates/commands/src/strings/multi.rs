//! Several keys at once: MGET, MSET, MSETNX, MSETEX.

use keyspace::{Deadline, EntryRef, Number};
use resp::{Args, ReplyWriter, parse_integer};

use super::condition::Condition;
use super::get::write_large;
use super::lifetime::Lifetime;
use crate::context::{Context, check_reply, string_value};
use crate::error::CommandError;
use crate::limits::SHARED_BYTES_MIN;

pub fn mget(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    context.reply.array(args.len() - 1);
    for at in 1..args.len() {
        let key = context.key(args, at);
        let Context {
            keys,
            reply,
            reply_start,
            ..
        } = context;
        write_one(keys.read(key), reply, *reply_start)?;
    }
    Ok(())
}

/// MGET of entries that were found without locks.
pub fn mget_unlocked(
    entries: &[Option<EntryRef<'_>>],
    reply: &mut ReplyWriter<'_>,
) -> Result<(), CommandError> {
    let reply_start = reply.len();
    reply.array(entries.len());
    for entry in entries {
        write_one(*entry, reply, reply_start)?;
    }
    Ok(())
}

fn write_one(
    entry: Option<EntryRef<'_>>,
    reply: &mut ReplyWriter<'_>,
    reply_start: usize,
) -> Result<(), CommandError> {
    let mut number = Number::new();
    // Another type counts as nothing here.
    match entry.and_then(|entry| string_value(&entry).ok()) {
        None => reply.null(),
        Some(value) => {
            let bytes = value.bytes(&mut number);
            check_reply(reply, reply_start, bytes.len())?;
            if bytes.len() >= SHARED_BYTES_MIN {
                write_large(entry, 0..bytes.len(), reply);
            } else {
                reply.bulk(bytes);
            }
        }
    }
    Ok(())
}

pub fn mset(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    check_pairs(context, args)?;
    set_pairs(
        context,
        args,
        1..args.len(),
        Lifetime::Unsaid,
        Deadline::None,
    );
    context.reply.ok();
    Ok(())
}

pub fn msetnx(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    check_pairs(context, args)?;
    let pairs = 1..args.len();
    let is_met = is_met_by_all(context, args, pairs.clone(), Condition::Missing)?;
    if is_met {
        set_pairs(context, args, pairs, Lifetime::Unsaid, Deadline::None);
    }
    context.reply.integer(i64::from(is_met));
    Ok(())
}

pub fn msetex(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    let pairs = counted_pairs(args)?;
    let (condition, lifetime) = parse_msetex(args.tail(pairs.end))?;
    let deadline = lifetime.deadline(context, Deadline::None)?;
    let is_met = is_met_by_all(context, args, pairs.clone(), condition)?;
    if is_met {
        set_pairs(context, args, pairs, lifetime, deadline);
    }
    context.reply.integer(i64::from(is_met));
    Ok(())
}

/// The places of keys and values in MSETEX.
fn counted_pairs(args: Args<'_>) -> Result<std::ops::Range<usize>, CommandError> {
    let keys = parse_integer(args.get(1))
        .and_then(|keys| u32::try_from(keys).ok())
        .filter(|keys| (1..=i32::MAX.cast_unsigned()).contains(keys))
        .ok_or(CommandError::line("ERR invalid numkeys value"))?;
    let end = 2 + 2 * keys as usize;
    if end > args.len() {
        return Err(CommandError::line("ERR wrong number of key-value pairs"));
    }
    Ok(2..end)
}

fn parse_msetex(options: Args<'_>) -> Result<(Condition<'_>, Lifetime<'_>), CommandError> {
    let (mut condition, mut lifetime) = (Condition::Always, Lifetime::Unsaid);
    let mut rest = options.iter();
    while let Some(option) = rest.next() {
        match Condition::parse(option, &mut rest)? {
            Some(Condition::Value(..)) => return Err(CommandError::Syntax),
            Some(option) => condition.add(option)?,
            None => match Lifetime::parse(option, &mut rest)? {
                None | Some(Lifetime::Persist) => return Err(CommandError::Syntax),
                Some(option) => lifetime.add(option)?,
            },
        }
    }
    Ok((condition, lifetime))
}

/// Fails unless every key of MSET has a value.
fn check_pairs(context: &Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    if args.len().is_multiple_of(2) {
        Err(context.wrong_arity())
    } else {
        Ok(())
    }
}

fn is_met_by_all(
    context: &mut Context<'_, '_>,
    args: Args<'_>,
    pairs: std::ops::Range<usize>,
    condition: Condition<'_>,
) -> Result<bool, CommandError> {
    for at in pairs.step_by(2) {
        let key = context.key(args, at);
        if !condition.is_met(context.keys.find(key))? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn set_pairs(
    context: &mut Context<'_, '_>,
    args: Args<'_>,
    pairs: std::ops::Range<usize>,
    lifetime: Lifetime<'_>,
    deadline: Deadline,
) {
    for at in pairs.step_by(2) {
        let key = context.key(args, at);
        let deadline = lifetime.spread(context, deadline, key);
        context.set(key, args.get(at + 1), deadline);
    }
}

#[cfg(test)]
mod tests {
    use crate::limits::REPLY_BYTES_MAX;
    use crate::testing::{TestServer, check, show};

    #[test]
    fn several_keys_are_set_and_read() {
        check(
            "MSET a 1 b 2 a 3
             MGET a b c a
             MSETNX c 1 a 2
             MSETNX c 1 c 2
             MGET a c
             SET a 1 EX 10
             MSET a 2
             +10001
             MGET a
             MSET a 1 b
             MSETNX a 1 b
             MSET a",
            "OK
             [3 2 nil 3]
             :0
             :1
             [3 2]
             OK
             OK
             [2]
             -ERR wrong number of arguments for 'mset' command
             -ERR wrong number of arguments for 'msetnx' command
             -ERR wrong number of arguments for 'mset' command",
        );
    }

    #[test]
    fn msetex_sets_all_or_none() {
        check(
            "MSETEX 2 a 1 b 2 EX 10
             MSETEX 2 a 3 c 3 NX
             MSETEX 2 a 3 c 3 xx
             MSETEX 2 a 4 b 4 XX KEEPTTL
             MSETEX 1 c 5 nx px 20000
             MGET a b c
             +10001
             MGET a b c
             MSETEX 2 x 1 x 2
             MSETEX 1 c 6 PXAT 1
             MGET x c",
            ":1
             :0
             :0
             :1
             :1
             [4 4 5]
             [nil nil 5]
             :1
             :1
             [2 nil]",
        );
    }

    #[test]
    fn msetex_checks_its_arguments() {
        let cases = [
            ("abc a 1", "-ERR invalid numkeys value"),
            ("0 a 1", "-ERR invalid numkeys value"),
            ("-1 a 1", "-ERR invalid numkeys value"),
            ("2147483648 a 1", "-ERR invalid numkeys value"),
            ("2147483647 a 1", "-ERR wrong number of key-value pairs"),
            ("2 a 1 b", "-ERR wrong number of key-value pairs"),
            ("1 a 1 b 2", "-ERR syntax error"),
            ("1 a 1 NX XX", "-ERR syntax error"),
            ("1 a 1 IFEQ 1", "-ERR syntax error"),
            ("1 a 1 EX 1 PX 1", "-ERR syntax error"),
            ("1 a 1 EX 1 KEEPTTL", "-ERR syntax error"),
            ("1 a 1 PERSIST", "-ERR syntax error"),
            ("1 a 1 EX", "-ERR syntax error"),
            ("1 a 1 EX 0", "-ERR invalid expire time in 'msetex' command"),
            ("1 a 1 EX x", "-ERR value is not an integer or out of range"),
            ("1 a", "-ERR wrong number of arguments for 'msetex' command"),
        ];
        for (arguments, error) in cases {
            check(
                &format!("MSETEX {arguments}\nGET a"),
                &format!("{error}\nnil"),
            );
        }
    }

    #[test]
    fn a_reply_has_a_limit() {
        let mut server = TestServer::new();
        let value = vec![b'v'; REPLY_BYTES_MAX / 4];
        server.command(&[b"SET", b"k".as_slice(), &value]);
        let reply = server.command(&["MGET", "k", "k", "k", "k"]);
        assert_eq!(
            show(&reply),
            "-ERR the reply exceeds the maximum allowed size (512 MB)"
        );
    }
}
