//! DBSIZE, FLUSHDB, FLUSHALL, SWAPDB: whole databases.

use std::ops::Range;

use keyspace::Free;
use keyspace::limits::DATABASES;
use resp::Args;

use super::READING;
use crate::command::{Command, Group, Locks, flag};
use crate::context::Context;
use crate::error::CommandError;
use crate::parse::{database_number, int, is};

pub const DBSIZE: Command = Command {
    name: "dbsize",
    arity: 1,
    group: Group::Server,
    tips: &["request_policy:all_shards", "response_policy:agg_sum"],
    since: "1.0.0",
    summary: "Returns the number of keys in the database",
    // The counts of the workers add up to what there is only while none of them is in the middle of a command.
    locks: Locks::Everything,
    run: size,
    ..READING
};

pub const FLUSHDB: Command = Command {
    name: "flushdb",
    arity: -1,
    flags: flag::WRITE,
    categories: &["keyspace", "dangerous"],
    group: Group::Server,
    tips: &["request_policy:all_shards", "response_policy:all_succeeded"],
    since: "1.0.0",
    summary: "Removes all keys of the database",
    complexity: "O(1), freeing their memory O(N) where N is the number of keys",
    syntax: "[ASYNC | SYNC]",
    locks: Locks::Everything,
    run: |context, args| {
        let database = context.session.database;
        flush(context, args, database..database + 1)
    },
    ..READING
};

pub const FLUSHALL: Command = Command {
    name: "flushall",
    summary: "Removes all keys of all databases",
    run: |context, args| flush(context, args, 0..DATABASES as u8),
    ..FLUSHDB
};

pub const SWAPDB: Command = Command {
    name: "swapdb",
    arity: 3,
    flags: flag::WRITE | flag::FAST,
    categories: &["keyspace", "dangerous"],
    group: Group::Server,
    since: "4.0.0",
    summary: "Exchanges two databases",
    complexity: "O(N) where N is the number of watched keys",
    syntax: "index1 index2",
    locks: Locks::Everything,
    run: swap,
    ..READING
};

/// From so many keys on, freeing them is left to another thread unless the client wants to wait for it.
const BACKGROUND_KEYS_MIN: u64 = 10_000;
/// The same for bytes: a few keys may be large collections.
const BACKGROUND_BYTES_MIN: u64 = 1 << 20;

fn size(context: &mut Context<'_, '_>, _: Args<'_>) -> Result<(), CommandError> {
    let keys = context.keys.keyspace().keys(context.session.database);
    context.reply.integer(keys.cast_signed());
    Ok(())
}

fn flush(
    context: &mut Context<'_, '_>,
    args: Args<'_>,
    databases: Range<u8>,
) -> Result<(), CommandError> {
    let waits = match args.len() {
        1 => false,
        2 if is(args.get(1), "ASYNC") => false,
        2 if is(args.get(1), "SYNC") => true,
        _ => return Err(CommandError::Syntax),
    };
    let keyspace = context.keys.keyspace();
    let keys: u64 = databases.clone().map(|at| keyspace.keys(at)).sum();
    let bytes: u64 = databases
        .clone()
        .map(|at| keyspace.database_bytes(at))
        .sum();
    let is_little = keys < BACKGROUND_KEYS_MIN && bytes < BACKGROUND_BYTES_MIN;
    let free = if waits || is_little {
        Free::Now
    } else {
        Free::InBackground
    };
    context.keys.flush(databases, free);
    context.reply.ok();
    Ok(())
}

fn swap(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    let first = int(args.get(1)).map_err(|_| CommandError::line("ERR invalid first DB index"))?;
    let second = int(args.get(2)).map_err(|_| CommandError::line("ERR invalid second DB index"))?;
    let (first, second) = (database_number(first)?, database_number(second)?);
    // A database that stays in its place is no change to those who watch its keys.
    if first != second {
        context.keys.swap_databases(first, second);
    }
    context.reply.ok();
    Ok(())
}

#[cfg(test)]
mod tests {
    use resp::Reply;

    use super::BACKGROUND_KEYS_MIN;
    use crate::testing::{TestServer, check};

    #[test]
    fn databases_are_emptied() {
        check(
            "SET a 1
             SELECT 1
             SET b 2
             DBSIZE
             FLUSHDB
             DBSIZE
             SET b 2
             SELECT 0
             DBSIZE
             FLUSHALL SYNC
             DBSIZE
             SELECT 1
             DBSIZE
             flushdb async
             FLUSHDB foo
             FLUSHALL SYNC ASYNC",
            "OK
             OK
             OK
             :1
             OK
             :0
             OK
             OK
             :1
             OK
             :0
             OK
             :0
             OK
             -ERR syntax error
             -ERR syntax error",
        );
    }

    #[test]
    fn a_large_database_is_emptied() {
        let mut server = TestServer::new();
        for at in 0..=BACKGROUND_KEYS_MIN {
            server.command(&["SET", &at.to_string(), "v"]);
        }
        assert_eq!(server.run("FLUSHALL\nDBSIZE\nKEYS *"), "OK\n:0\n[]");
        assert_eq!(server.command(&["GET", "1"]), Reply::NullBulk);
    }

    #[test]
    fn databases_change_places() {
        check(
            "SET a 1
             SWAPDB 0 3
             GET a
             SELECT 3
             GET a
             SWAPDB 3 3
             SWAPDB 0 16
             SWAPDB x y
             SWAPDB 0 y
             SWAPDB 99999999999 0
             SWAPDB -1 0",
            "OK
             OK
             nil
             OK
             1
             OK
             -ERR DB index is out of range
             -ERR invalid first DB index
             -ERR invalid second DB index
             -ERR invalid first DB index
             -ERR DB index is out of range",
        );
    }

    #[test]
    fn transactions_may_flush() {
        check(
            "SET a 1\nMULTI\nGET a\nFLUSHALL\nSET b 2\nSWAPDB 0 1\nDBSIZE\nEXEC",
            "OK\nOK\nQUEUED\nQUEUED\nQUEUED\nQUEUED\nQUEUED\n[1 OK OK OK :0]",
        );
    }

    #[test]
    fn watches_see_flushes_and_swaps() {
        for change in ["FLUSHALL", "FLUSHDB", "SWAPDB 0 1"] {
            let script = format!("SET k v\nWATCH k\nb> {change}\nMULTI\nPING\nEXEC");
            check(&script, "OK\nOK\nOK\nOK\nQUEUED\nnil-array");
        }
        check(
            "SET k v\nWATCH k\nb> SWAPDB 0 0\nMULTI\nEXEC",
            "OK\nOK\nOK\nOK\n[]",
        );
        check(
            "WATCH k\nb> FLUSHALL\nMULTI\nPING\nEXEC",
            "OK\nOK\nOK\nQUEUED\n[PONG]",
        );
    }
}
