//! KEYS, SCAN, RANDOMKEY: which keys there are.

use keyspace::{EntryRef, Random, ScanCursor};
use resp::{Args, Output, Protocol, ReplyWriter};

use super::READING;
use crate::command::{Command, Locks, flag};
use crate::context::Context;
use crate::error::CommandError;
use crate::glob::{self, Case};
use crate::limits::REPLY_BYTES_MAX;
use crate::parse::{integer, is};

const WALKING: Command = Command {
    flags: flag::READONLY,
    locks: Locks::Stepwise,
    ..READING
};

pub const KEYS: Command = Command {
    name: "keys",
    arity: 2,
    categories: &["keyspace", "dangerous"],
    tips: &["request_policy:all_shards", "nondeterministic_output_order"],
    since: "1.0.0",
    summary: "Returns all keys that match a pattern",
    complexity: "O(N) where N is the number of keys in the database",
    syntax: "pattern",
    run: keys,
    ..WALKING
};

pub const SCAN: Command = Command {
    name: "scan",
    arity: -2,
    tips: &["nondeterministic_output", "request_policy:special"],
    since: "2.8.0",
    summary: "Goes through the keys of the database, some with each call",
    complexity: "O(1) for every call, O(N) for all of them",
    syntax: "cursor [MATCH pattern] [COUNT count] [TYPE type]",
    run: scan,
    ..WALKING
};

pub const RANDOMKEY: Command = Command {
    name: "randomkey",
    arity: 1,
    tips: &["request_policy:all_shards", "nondeterministic_output"],
    since: "1.0.0",
    summary: "Returns a random key of the database",
    run: random_key,
    ..WALKING
};

fn keys(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    let (pattern, database) = (args.get(1), context.session.database);
    if glob::is_literal(pattern) {
        let key = context.keys.key(database, pattern);
        let is_there = context.keys.contains(key);
        context.reply.array(is_there.into());
        if is_there {
            context.reply.bulk(pattern);
        }
        return Ok(());
    }
    let pattern = Pattern::new(pattern);
    let (reply, reply_start) = (&mut context.reply, context.reply_start);
    let array = reply.begin_array();
    let mut count = 0;
    context.keys.for_each(database, |entry| {
        if pattern.fits(entry.key()) && reply.len() - reply_start <= REPLY_BYTES_MAX {
            reply.bulk(entry.key());
            count += 1;
        }
    });
    context.reply.end_array(array, count);
    context.check_reply(0)
}

/// Keys that are asked for.
#[derive(Clone, Copy)]
enum Pattern<'a> {
    All,
    Glob(&'a [u8]),
}

impl<'a> Pattern<'a> {
    fn new(pattern: &'a [u8]) -> Self {
        match pattern {
            b"*" => Self::All,
            _ => Self::Glob(pattern),
        }
    }

    fn fits(self, key: &[u8]) -> bool {
        match self {
            Self::All => true,
            Self::Glob(pattern) => glob::matches(pattern, key, Case::Sensitive),
        }
    }
}

/// The options of SCAN.
struct ScanOptions<'a> {
    pattern: Pattern<'a>,
    count: usize,
    kind: Option<&'a [u8]>,
    has_values: bool,
}

const COUNT_DEFAULT: usize = 10;
const NO_VALUES: CommandError = CommandError::line("ERR NOVALUES option can only be used in HSCAN");

impl<'a> ScanOptions<'a> {
    fn parse(args: Args<'a>) -> Result<Self, CommandError> {
        let mut options = Self {
            pattern: Pattern::All,
            count: COUNT_DEFAULT,
            kind: None,
            has_values: true,
        };
        let mut args = args.iter();
        while let Some(option) = args.next() {
            if is(option, "NOVALUES") {
                options.has_values = false;
                continue;
            }
            let value = args.next().ok_or(CommandError::Syntax)?;
            if is(option, "COUNT") {
                options.count = match usize::try_from(integer(value)?) {
                    Ok(count) if count > 0 => count,
                    _ => return Err(CommandError::Syntax),
                };
            } else if is(option, "MATCH") {
                options.pattern = Pattern::new(value);
            } else if is(option, "TYPE") {
                options.kind = Some(value);
            } else {
                return Err(CommandError::Syntax);
            }
        }
        Ok(options)
    }

    /// Whether an entry is asked for. A type that does not exist is that of none.
    fn fit(&self, entry: &EntryRef<'_>) -> bool {
        let is_kind = |kind| is(kind, entry.kind().name());
        self.kind.is_none_or(is_kind) && self.pattern.fits(entry.key())
    }
}

/// The cursor of SCAN and its relatives.
pub fn scan_cursor(argument: &[u8]) -> Result<u64, CommandError> {
    let cursor = cursor(argument).ok_or(CommandError::line("ERR invalid cursor"))?;
    Ok(cursor.0)
}

/// One call of HSCAN, SSCAN or ZSCAN.
pub struct ElementScan<'a> {
    options: ScanOptions<'a>,
    found: Output,
    protocol: Protocol,
    values: usize,
}

impl<'a> ElementScan<'a> {
    /// Reads the options, which are `args`.
    pub fn new(context: &Context<'_, '_>, args: Args<'a>) -> Result<Self, CommandError> {
        let (scan, has_values) = Self::of_hash(context, args)?;
        if has_values { Ok(scan) } else { Err(NO_VALUES) }
    }

    /// As [`ElementScan::new`], for a hash, and whether its values are to be shown.
    pub fn of_hash(
        context: &Context<'_, '_>,
        args: Args<'a>,
    ) -> Result<(Self, bool), CommandError> {
        let options = ScanOptions::parse(args)?;
        let has_values = options.has_values;
        if options.kind.is_some() {
            return Err(CommandError::Syntax);
        }
        let scan = Self {
            options,
            found: Output::default(),
            protocol: context.reply.protocol(),
            values: 0,
        };
        Ok((scan, has_values))
    }

    /// About how many elements are asked for.
    pub fn count(&self) -> usize {
        self.options.count
    }

    /// An element, its name first, is part of the reply if it is asked for.
    pub fn show(&mut self, element: &[&[u8]]) {
        let mut found = ReplyWriter::new(&mut self.found, self.protocol);
        if self.options.pattern.fits(element[0]) && found.len() <= REPLY_BYTES_MAX {
            element.iter().for_each(|bytes| found.bulk(bytes));
            self.values += element.len();
        }
    }

    /// Answers with what was shown, and the next cursor.
    pub fn reply(self, context: &mut Context<'_, '_>, next: u64) -> Result<(), CommandError> {
        context.check_reply(self.found.len())?;
        context.reply.array(2);
        context.reply.bulk_display(next);
        context.reply.array(self.values);
        context.reply.raw(&self.found.to_vec());
        Ok(())
    }

    /// Answers that all of a key that is not there has been seen, whatever the options are.
    pub fn reply_nothing(context: &mut Context<'_, '_>) -> Result<(), CommandError> {
        context.reply.array(2);
        context.reply.bulk_display(0);
        context.reply.array(0);
        Ok(())
    }
}

fn scan(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    let cursor = ScanCursor(scan_cursor(args.get(1))?);
    let options = ScanOptions::parse(args.tail(2))?;
    if !options.has_values {
        return Err(NO_VALUES);
    }
    let database = context.session.database;
    let mut found = Output::default();
    let mut keys = ReplyWriter::new(&mut found, context.reply.protocol());
    let mut count = 0;
    let next = context.keys.scan(database, cursor, options.count, |entry| {
        if options.fit(&entry) && keys.len() <= REPLY_BYTES_MAX {
            keys.bulk(entry.key());
            count += 1;
        }
    });
    context.check_reply(found.len())?;
    context.reply.array(2);
    context.reply.bulk_display(next.0);
    context.reply.array(count);
    context.reply.raw(&found.to_vec());
    Ok(())
}

/// Reads a cursor as `strtoul` does, with which Redis reads it: nothing is 0, a minus wraps around, a zero byte ends
/// it.
fn cursor(text: &[u8]) -> Option<ScanCursor> {
    let text = text.split(|byte| *byte == 0).next().unwrap_or_default();
    let (digits, is_negative) = match text {
        [] => return Some(ScanCursor(0)),
        [b'-', digits @ ..] => (digits, true),
        [b'+', digits @ ..] => (digits, false),
        digits => (digits, false),
    };
    if digits.is_empty() {
        return None;
    }
    let value = digits.iter().try_fold(0u64, |value, byte| {
        let digit = char::from(*byte).to_digit(10)?;
        value.checked_mul(10)?.checked_add(digit.into())
    })?;
    Some(ScanCursor(if is_negative {
        value.wrapping_neg()
    } else {
        value
    }))
}

fn random_key(context: &mut Context<'_, '_>, _: Args<'_>) -> Result<(), CommandError> {
    let mut random = random(context);
    let random = || random.bits();
    let (database, reply) = (context.session.database, &mut context.reply);
    let is_found = context
        .keys
        .random_key(database, random, |key| reply.bulk(key));
    if !is_found {
        context.reply.null();
    }
    Ok(())
}

/// Random numbers that differ from command to command and worker to worker. Nothing secret: whoever knows the hash's
/// seed and the time can tell them.
pub fn random(context: &Context<'_, '_>) -> Random {
    let executed = context.shared.stats[context.worker].executed();
    let moment = [context.now_ms(), executed, context.worker as u64].map(u64::to_le_bytes);
    Random::new(context.keys.keyspace().hash(moment.as_flattened()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use resp::Reply;

    use super::cursor;
    use crate::testing::{TestServer, check, check_resp3};

    #[test]
    fn keys_match_patterns() {
        check(
            "KEYS *
             SET one 1
             KEYS one
             KEYS on[a-f]
             KEYS two
             KEYS t*
             KEYS **
             SELECT 1
             KEYS *",
            "[]
             OK
             [one]
             [one]
             []
             []
             [one]
             OK
             []",
        );
        check_resp3("SET one 1\nKEYS *\nKEYS one", "OK\n[one]\n[one]");
        check(
            "SET k v
             PEXPIRE k 5
             +6
             KEYS *
             KEYS k
             SCAN 0",
            "OK
             :1
             []
             []
             [0 []]",
        );
    }

    #[test]
    fn keys_and_scan_work_in_transactions() {
        check(
            "MULTI
             SET k v
             KEYS *
             KEYS k
             SCAN 0
             RANDOMKEY
             EXEC",
            "OK
             QUEUED
             QUEUED
             QUEUED
             QUEUED
             QUEUED
             [OK [k] [k] [0 [k]] k]",
        );
    }

    #[test]
    fn every_key_is_listed_once_by_keys_and_at_least_once_by_scan() {
        let mut server = TestServer::new();
        for at in 0..5_000 {
            server.command(&["SET", &format!("key:{at}"), "v"]);
        }
        let Reply::Array(keys) = server.command(&["KEYS", "key:*"]) else {
            panic!("KEYS answers an array");
        };
        assert_eq!(keys.len(), 5_000);
        for count in ["1", "10", "1000", "9223372036854775807"] {
            let mut seen = BTreeSet::new();
            let mut cursor = b"0".to_vec();
            loop {
                let scan: [&[u8]; 6] = [
                    b"SCAN",
                    &cursor,
                    b"COUNT",
                    count.as_bytes(),
                    b"TYPE",
                    b"String",
                ];
                let (next, keys) = page(server.command(&scan));
                seen.extend(keys);
                cursor = next;
                if cursor == b"0" {
                    break;
                }
            }
            assert_eq!(seen.len(), 5_000, "COUNT {count}");
        }
    }

    fn page(reply: Reply) -> (Vec<u8>, Vec<Vec<u8>>) {
        let bytes = |reply: Reply| match reply {
            Reply::Bulk(bytes) => bytes,
            other => panic!("a bulk string, not {other:?}"),
        };
        match reply {
            Reply::Array(mut parts) if parts.len() == 2 => match (parts.remove(0), parts.remove(0))
            {
                (cursor, Reply::Array(keys)) => {
                    (bytes(cursor), keys.into_iter().map(bytes).collect())
                }
                parts => panic!("a cursor and keys, not {parts:?}"),
            },
            other => panic!("two parts, not {other:?}"),
        }
    }

    #[test]
    fn scan_takes_options() {
        check(
            "SET a 1
             SET b 2
             SCAN 0 MATCH a
             SCAN 0 match [b] count 100 type STRING
             SCAN 0 TYPE hash
             SCAN 0 TYPE nonsense
             SCAN 0 MATCH
             SCAN 0 COUNT 0
             SCAN 0 COUNT -1
             SCAN 0 COUNT x
             SCAN 0 FOO bar
             SCAN x FOO
             SCAN",
            "OK
             OK
             [0 [a]]
             [0 [b]]
             [0 []]
             [0 []]
             -ERR syntax error
             -ERR syntax error
             -ERR syntax error
             -ERR value is not an integer or out of range
             -ERR syntax error
             -ERR invalid cursor
             -ERR wrong number of arguments for 'scan' command",
        );
    }

    #[test]
    fn cursors_are_read_as_redis_reads_them() {
        for (text, expected) in [
            ("0", Some(0)),
            ("", Some(0)),
            ("+5", Some(5)),
            ("-1", Some(u64::MAX)),
            ("18446744073709551615", Some(u64::MAX)),
            ("18446744073709551616", None),
            ("-", None),
            (" 1", None),
            ("1 ", None),
            ("1\0x", Some(1)),
            ("0x10", None),
        ] {
            let read = cursor(text.as_bytes()).map(|cursor| cursor.0);
            assert_eq!(read, expected, "{text:?}");
        }
    }

    #[test]
    fn random_keys_differ() {
        check("RANDOMKEY", "nil");
        let mut server = TestServer::new();
        for at in 0..50 {
            server.command(&["SET", &format!("key:{at}"), "v"]);
        }
        let seen: BTreeSet<String> = (0..1_000).map(|_| server.run("RANDOMKEY")).collect();
        assert!(seen.len() > 40, "{} of 50 keys", seen.len());
    }
}
