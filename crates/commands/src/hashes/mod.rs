//! Hashes: their table. The handlers are in a file per theme.

mod deadlines;
mod fields;
mod numbers;
mod random;
mod together;

use keyspace::{Contents, Draft, Hash, Key};
use resp::Args;

use crate::command::{Command, Group, KeySpec, flag, key_flag};
use crate::context::Context;
use crate::error::CommandError;

/// Shows `look` the hash of a command that asks about it; None when there is none.
fn read<R>(
    context: &mut Context<'_, '_>,
    args: Args<'_>,
    look: impl FnOnce(Contents<'_, Hash>, u64) -> R,
) -> Result<Option<R>, CommandError> {
    let (key, now_ms) = (context.key(args, 1), context.now_ms());
    let hash = context.keys.read_collection::<Hash>(key)?;
    Ok(hash.map(|hash| look(hash, now_ms)))
}

/// Has `change` change a hash.
fn change<R>(
    context: &mut Context<'_, '_>,
    key: Key<'_>,
    change: impl FnOnce(&mut Draft<'_, Hash>) -> R,
) -> Result<R, CommandError> {
    Ok(context.keys.change_collection::<Hash, _>(key, change)?)
}

const HASH: Command = Command {
    group: Group::Hash,
    categories: &["hash"],
    ..Command::BASE
};
const READ: u32 = flag::READONLY;
const WRITE: u32 = flag::WRITE | flag::DENYOOM;
const READ_KEY: &[KeySpec] = &[KeySpec::one(1, key_flag::RO | key_flag::ACCESS)];
const ASKED_KEY: &[KeySpec] = &[KeySpec::one(1, key_flag::RO)];
const UPDATED_KEY: &[KeySpec] = &[KeySpec::one(1, key_flag::RW | key_flag::UPDATE)];
const COUNTED_KEY: &[KeySpec] = &[KeySpec::one(
    1,
    key_flag::RW | key_flag::ACCESS | key_flag::UPDATE,
)];
const UNORDERED: &[&str] = &["nondeterministic_output_order"];
const NONDETERMINISTIC: &[&str] = &["nondeterministic_output"];

/// The family's rows.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "hset",
        arity: -4,
        flags: WRITE | flag::FAST,
        keys: UPDATED_KEY,
        since: "2.0.0",
        summary: "Sets fields of a hash to values. Creates the key if it doesn't exist",
        complexity: "O(1) for each field",
        syntax: "key field value [field value ...]",
        element: 2,
        run: fields::hset,
        ..HASH
    },
    Command {
        name: "hmset",
        arity: -4,
        flags: WRITE | flag::FAST,
        keys: UPDATED_KEY,
        since: "2.0.0",
        summary: "Sets fields of a hash to values, as HSET does",
        complexity: "O(1) for each field",
        syntax: "key field value [field value ...]",
        run: fields::hmset,
        ..HASH
    },
    Command {
        name: "hsetnx",
        arity: 4,
        flags: WRITE | flag::FAST,
        keys: &[KeySpec::one(1, key_flag::RW | key_flag::INSERT)],
        since: "2.0.0",
        summary: "Sets a field of a hash to a value if it is not there",
        syntax: "key field value",
        element: 2,
        run: fields::hsetnx,
        ..HASH
    },
    Command {
        name: "hget",
        arity: 3,
        flags: READ | flag::FAST,
        keys: READ_KEY,
        since: "2.0.0",
        summary: "Returns the value of a field of a hash",
        syntax: "key field",
        element: 2,
        run: fields::hget,
        ..HASH
    },
    Command {
        name: "hmget",
        arity: -3,
        flags: READ | flag::FAST,
        keys: READ_KEY,
        since: "2.0.0",
        summary: "Returns the values of several fields of a hash",
        complexity: "O(1) for each field",
        syntax: "key field [field ...]",
        run: fields::hmget,
        ..HASH
    },
    Command {
        name: "hgetall",
        arity: 2,
        flags: READ,
        keys: READ_KEY,
        tips: UNORDERED,
        since: "2.0.0",
        summary: "Returns all fields of a hash and their values",
        complexity: "O(N) where N is the number of fields",
        syntax: "key",
        run: fields::hgetall,
        ..HASH
    },
    Command {
        name: "hkeys",
        arity: 2,
        flags: READ,
        keys: READ_KEY,
        tips: UNORDERED,
        since: "2.0.0",
        summary: "Returns all fields of a hash",
        complexity: "O(N) where N is the number of fields",
        syntax: "key",
        run: fields::hkeys,
        ..HASH
    },
    Command {
        name: "hvals",
        arity: 2,
        flags: READ,
        keys: READ_KEY,
        tips: UNORDERED,
        since: "2.0.0",
        summary: "Returns all values of a hash",
        complexity: "O(N) where N is the number of fields",
        syntax: "key",
        run: fields::hvals,
        ..HASH
    },
    Command {
        name: "hdel",
        arity: -3,
        flags: flag::WRITE | flag::FAST,
        keys: &[KeySpec::one(1, key_flag::RW | key_flag::DELETE)],
        since: "2.0.0",
        summary: "Removes fields of a hash. Deletes the key with its last field",
        complexity: "O(1) for each field",
        syntax: "key field [field ...]",
        element: 2,
        run: fields::hdel,
        ..HASH
    },
    Command {
        name: "hexists",
        arity: 3,
        flags: READ | flag::FAST,
        keys: ASKED_KEY,
        since: "2.0.0",
        summary: "Tells whether a field is in a hash",
        syntax: "key field",
        element: 2,
        run: fields::hexists,
        ..HASH
    },
    Command {
        name: "hlen",
        arity: 2,
        flags: READ | flag::FAST,
        keys: ASKED_KEY,
        since: "2.0.0",
        summary: "Returns the number of fields of a hash",
        syntax: "key",
        run: fields::hlen,
        ..HASH
    },
    Command {
        name: "hstrlen",
        arity: 3,
        flags: READ | flag::FAST,
        keys: ASKED_KEY,
        since: "3.2.0",
        summary: "Returns the length of the value of a field of a hash",
        syntax: "key field",
        element: 2,
        run: fields::hstrlen,
        ..HASH
    },
    Command {
        name: "hincrby",
        arity: 4,
        flags: WRITE | flag::FAST,
        keys: COUNTED_KEY,
        since: "2.0.0",
        summary: "Adds to the integer of a field of a hash, which is 0 if it is not there",
        syntax: "key field increment",
        element: 2,
        run: numbers::hincrby,
        ..HASH
    },
    Command {
        name: "hincrbyfloat",
        arity: 4,
        flags: WRITE | flag::FAST,
        keys: COUNTED_KEY,
        since: "2.6.0",
        summary: "Adds to the number of a field of a hash, which is 0 if it is not there",
        syntax: "key field increment",
        element: 2,
        run: numbers::hincrbyfloat,
        ..HASH
    },
    Command {
        name: "hrandfield",
        arity: -2,
        flags: READ,
        keys: READ_KEY,
        tips: NONDETERMINISTIC,
        since: "6.2.0",
        summary: "Returns random fields of a hash",
        complexity: "O(N) where N is the number of fields that are returned",
        syntax: "key [count [WITHVALUES]]",
        run: random::hrandfield,
        ..HASH
    },
    Command {
        name: "hscan",
        arity: -3,
        flags: READ,
        keys: READ_KEY,
        tips: NONDETERMINISTIC,
        since: "2.8.0",
        summary: "Goes through the fields of a hash, some with each call",
        complexity: "O(1) for every call, O(N) for all of them",
        syntax: "key cursor [MATCH pattern] [COUNT count] [NOVALUES]",
        run: fields::hscan,
        ..HASH
    },
    Command {
        name: "hexpire",
        arity: -6,
        flags: WRITE | flag::FAST,
        keys: UPDATED_KEY,
        since: "7.4.0",
        summary: "Gives fields of a hash a deadline, in seconds from now",
        complexity: "O(N) where N is the number of fields",
        syntax: "key seconds [NX|XX|GT|LT] FIELDS numfields field [field ...]",
        run: deadlines::hexpire,
        ..HASH
    },
    Command {
        name: "hpexpire",
        arity: -6,
        flags: WRITE | flag::FAST,
        keys: UPDATED_KEY,
        since: "7.4.0",
        summary: "Gives fields of a hash a deadline, in milliseconds from now",
        complexity: "O(N) where N is the number of fields",
        syntax: "key milliseconds [NX|XX|GT|LT] FIELDS numfields field [field ...]",
        run: deadlines::hpexpire,
        ..HASH
    },
    Command {
        name: "hexpireat",
        arity: -6,
        flags: WRITE | flag::FAST,
        keys: UPDATED_KEY,
        since: "7.4.0",
        summary: "Gives fields of a hash a deadline, as a Unix time in seconds",
        complexity: "O(N) where N is the number of fields",
        syntax: "key unix-time-seconds [NX|XX|GT|LT] FIELDS numfields field [field ...]",
        run: deadlines::hexpireat,
        ..HASH
    },
    Command {
        name: "hpexpireat",
        arity: -6,
        flags: WRITE | flag::FAST,
        keys: UPDATED_KEY,
        since: "7.4.0",
        summary: "Gives fields of a hash a deadline, as a Unix time in milliseconds",
        complexity: "O(N) where N is the number of fields",
        syntax: "key unix-time-milliseconds [NX|XX|GT|LT] FIELDS numfields field [field ...]",
        run: deadlines::hpexpireat,
        ..HASH
    },
    Command {
        name: "httl",
        arity: -5,
        flags: READ | flag::FAST,
        keys: READ_KEY,
        since: "7.4.0",
        summary: "Returns the time to live of fields of a hash in seconds",
        complexity: "O(N) where N is the number of fields",
        syntax: "key FIELDS numfields field [field ...]",
        run: deadlines::httl,
        ..HASH
    },
    Command {
        name: "hpttl",
        arity: -5,
        flags: READ | flag::FAST,
        keys: READ_KEY,
        since: "7.4.0",
        summary: "Returns the time to live of fields of a hash in milliseconds",
        complexity: "O(N) where N is the number of fields",
        syntax: "key FIELDS numfields field [field ...]",
        run: deadlines::hpttl,
        ..HASH
    },
    Command {
        name: "hexpiretime",
        arity: -5,
        flags: READ | flag::FAST,
        keys: READ_KEY,
        since: "7.4.0",
        summary: "Returns when fields of a hash go, as a Unix time in seconds",
        complexity: "O(N) where N is the number of fields",
        syntax: "key FIELDS numfields field [field ...]",
        run: deadlines::hexpiretime,
        ..HASH
    },
    Command {
        name: "hpexpiretime",
        arity: -5,
        flags: READ | flag::FAST,
        keys: READ_KEY,
        since: "7.4.0",
        summary: "Returns when fields of a hash go, as a Unix time in milliseconds",
        complexity: "O(N) where N is the number of fields",
        syntax: "key FIELDS numfields field [field ...]",
        run: deadlines::hpexpiretime,
        ..HASH
    },
    Command {
        name: "hpersist",
        arity: -5,
        flags: flag::WRITE | flag::FAST,
        keys: UPDATED_KEY,
        since: "7.4.0",
        summary: "Takes the deadlines of fields of a hash away",
        complexity: "O(N) where N is the number of fields",
        syntax: "key FIELDS numfields field [field ...]",
        run: deadlines::hpersist,
        ..HASH
    },
    Command {
        name: "hgetex",
        arity: -5,
        flags: flag::WRITE | flag::FAST,
        keys: UPDATED_KEY,
        since: "8.0.0",
        summary: "Returns the values of fields of a hash and changes their deadlines",
        complexity: "O(N) where N is the number of fields",
        syntax: "key [EX seconds|PX milliseconds|EXAT unix-time-seconds|PXAT unix-time-milliseconds|PERSIST] FIELDS numfields field [field ...]",
        run: together::hgetex,
        ..HASH
    },
    Command {
        name: "hsetex",
        arity: -6,
        flags: WRITE | flag::FAST,
        keys: UPDATED_KEY,
        since: "8.0.0",
        summary: "Sets fields of a hash to values, with a deadline, if they are there or not",
        complexity: "O(N) where N is the number of fields",
        syntax: "key [NX|XX] [FNX|FXX] [EX seconds|PX milliseconds|EXAT unix-time-seconds|PXAT unix-time-milliseconds|KEEPTTL] FIELDS numfields field value [field value ...]",
        run: together::hsetex,
        ..HASH
    },
    Command {
        name: "hgetdel",
        arity: -5,
        flags: flag::WRITE | flag::FAST,
        keys: &[KeySpec::one(
            1,
            key_flag::RW | key_flag::ACCESS | key_flag::DELETE,
        )],
        since: "8.0.0",
        summary: "Returns the values of fields of a hash and removes them",
        complexity: "O(N) where N is the number of fields",
        syntax: "key FIELDS numfields field [field ...]",
        run: together::hgetdel,
        ..HASH
    },
];
