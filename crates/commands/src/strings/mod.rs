//! Strings: their table. The handlers are in a file per theme.

mod condition;
mod digest;
mod get;
mod increx;
mod lcs;
mod lifetime;
mod multi;
mod numbers;
mod ranges;
mod set;
mod subsequence;

pub use get::{write_short_value, write_value};

use crate::command::{Command, Find, Group, KeySpec, ManyReader, Reader, flag, key_flag};

const STRING: Command = Command {
    group: Group::String,
    categories: &["string"],
    ..Command::BASE
};
const READ: u32 = flag::READONLY;
const WRITE: u32 = flag::WRITE | flag::DENYOOM;
const READ_KEY: &[KeySpec] = &[KeySpec::one(1, key_flag::RO | key_flag::ACCESS)];
const UPDATED_KEY: &[KeySpec] = &[KeySpec::one(
    1,
    key_flag::RW | key_flag::ACCESS | key_flag::UPDATE,
)];
const OVERWRITTEN_KEY: &[KeySpec] = &[KeySpec::one(1, key_flag::OW | key_flag::UPDATE)];
const CONDITIONS: &str =
    "O(1); O(N) for IFDEQ and IFDNE, where N is the length of the string value";

/// The family's rows.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "get",
        arity: 2,
        flags: READ | flag::FAST,
        keys: READ_KEY,
        since: "1.0.0",
        summary: "Returns the string value of a key",
        syntax: "key",
        reader: Reader::VALUE,
        ..STRING
    },
    Command {
        name: "set",
        arity: -3,
        flags: WRITE,
        keys: &[KeySpec::one(
            1,
            key_flag::RW | key_flag::ACCESS | key_flag::UPDATE | key_flag::VARIABLE_FLAGS,
        )
        .noted("RW and ACCESS due to the optional `GET` argument")],
        since: "1.0.0",
        summary: "Sets the string value of a key, ignoring its type. The key is created if it doesn't exist",
        complexity: CONDITIONS,
        syntax: "key value [NX | XX | IFEQ value | IFNE value | IFDEQ digest | IFDNE digest] [GET] \
                 [EX seconds | PX milliseconds | EXAT unix-time-seconds | PXAT unix-time-milliseconds | KEEPTTL]",
        run: set::set,
        stores: 3,
        ..STRING
    },
    Command {
        name: "setnx",
        arity: 3,
        flags: WRITE | flag::FAST,
        keys: &[KeySpec::one(1, key_flag::OW | key_flag::INSERT)],
        since: "1.0.0",
        summary: "Sets the string value of a key only when the key doesn't exist",
        syntax: "key value",
        run: set::setnx,
        ..STRING
    },
    Command {
        name: "setex",
        arity: 4,
        flags: WRITE,
        keys: OVERWRITTEN_KEY,
        since: "2.0.0",
        summary: "Sets the string value and expiration time of a key. Creates the key if it doesn't exist",
        syntax: "key seconds value",
        run: set::setex,
        ..STRING
    },
    Command {
        name: "psetex",
        arity: 4,
        flags: WRITE,
        keys: OVERWRITTEN_KEY,
        since: "2.6.0",
        summary: "Sets both string value and expiration time in milliseconds of a key. The key is created if it \
                  doesn't exist",
        syntax: "key milliseconds value",
        run: set::psetex,
        ..STRING
    },
    Command {
        name: "getset",
        arity: 3,
        flags: WRITE | flag::FAST,
        keys: UPDATED_KEY,
        since: "1.0.0",
        summary: "Returns the previous string value of a key after setting it to a new value",
        syntax: "key value",
        run: get::getset,
        ..STRING
    },
    Command {
        name: "getdel",
        arity: 2,
        flags: flag::WRITE | flag::FAST,
        keys: &[KeySpec::one(
            1,
            key_flag::RW | key_flag::ACCESS | key_flag::DELETE,
        )],
        since: "6.2.0",
        summary: "Returns the string value of a key after deleting the key",
        syntax: "key",
        run: get::getdel,
        ..STRING
    },
    Command {
        name: "getex",
        arity: -2,
        flags: flag::WRITE | flag::FAST,
        keys: &[UPDATED_KEY[0].noted("RW and UPDATE because it changes the TTL")],
        since: "6.2.0",
        summary: "Returns the string value of a key after setting its expiration time",
        syntax: "key [EX seconds | PX milliseconds | EXAT unix-time-seconds | PXAT unix-time-milliseconds | PERSIST]",
        run: get::getex,
        ..STRING
    },
    Command {
        name: "mget",
        arity: -2,
        flags: READ | flag::FAST,
        keys: &[KeySpec::all(1, 1, key_flag::RO | key_flag::ACCESS)],
        tips: &["request_policy:multi_shard"],
        since: "1.0.0",
        summary: "Atomically returns the string values of one or more keys",
        complexity: "O(N) where N is the number of keys to retrieve",
        syntax: "key [key ...]",
        run: multi::mget,
        many_reader: Some(ManyReader {
            touches: true,
            answer: multi::mget_unlocked,
        }),
        ..STRING
    },
    Command {
        name: "mset",
        arity: -3,
        flags: WRITE,
        keys: &[KeySpec::all(1, 2, key_flag::OW | key_flag::UPDATE)],
        tips: &[
            "request_policy:multi_shard",
            "response_policy:all_succeeded",
        ],
        since: "1.0.1",
        summary: "Atomically creates or modifies the string values of one or more keys",
        complexity: "O(N) where N is the number of keys to set",
        syntax: "key value [key value ...]",
        run: multi::mset,
        ..STRING
    },
    Command {
        name: "msetnx",
        arity: -3,
        flags: WRITE,
        keys: &[KeySpec::all(1, 2, key_flag::OW | key_flag::INSERT)],
        tips: &["request_policy:multi_shard", "response_policy:agg_min"],
        since: "1.0.1",
        summary: "Atomically modifies the string values of one or more keys only when all keys don't exist",
        complexity: "O(N) where N is the number of keys to set",
        syntax: "key value [key value ...]",
        run: multi::msetnx,
        ..STRING
    },
    Command {
        name: "msetex",
        arity: -4,
        flags: WRITE | flag::MOVABLE_KEYS,
        keys: &[KeySpec::counted(1, 2, key_flag::OW | key_flag::UPDATE)],
        tips: &[
            "request_policy:multi_shard",
            "response_policy:all_succeeded",
        ],
        since: "8.4.0",
        summary: "Atomically sets multiple string keys with a shared expiration, when all or none of them exist",
        complexity: "O(N) where N is the number of keys to set",
        syntax: "numkeys key value [key value ...] [NX | XX] \
                 [EX seconds | PX milliseconds | EXAT unix-time-seconds | PXAT unix-time-milliseconds | KEEPTTL]",
        run: multi::msetex,
        ..STRING
    },
    Command {
        name: "append",
        arity: 3,
        flags: WRITE | flag::FAST,
        keys: &[KeySpec::one(1, key_flag::RW | key_flag::INSERT)],
        since: "2.0.0",
        summary: "Appends a string to the value of a key. Creates the key if it doesn't exist",
        complexity: "O(1), amortized over appends to a long value",
        syntax: "key value",
        run: ranges::append,
        ..STRING
    },
    Command {
        name: "strlen",
        arity: 2,
        flags: READ | flag::FAST,
        keys: &[KeySpec::one(1, key_flag::RO)],
        since: "2.2.0",
        summary: "Returns the length of a string value",
        syntax: "key",
        reader: Reader::of_value(ranges::strlen),
        ..STRING
    },
    Command {
        name: "getrange",
        arity: 4,
        flags: READ,
        keys: READ_KEY,
        since: "2.4.0",
        summary: "Returns a substring of the string stored at a key",
        complexity: "O(N) where N is the length of the returned string",
        syntax: "key start end",
        run: ranges::getrange,
        ..STRING
    },
    Command {
        name: "substr",
        arity: 4,
        flags: READ,
        keys: READ_KEY,
        since: "1.0.0",
        summary: "Returns a substring from a string value",
        complexity: "O(N) where N is the length of the returned string",
        syntax: "key start end",
        run: ranges::getrange,
        ..STRING
    },
    Command {
        name: "setrange",
        arity: 4,
        flags: WRITE,
        keys: &[KeySpec::one(1, key_flag::RW | key_flag::UPDATE)],
        since: "2.2.0",
        summary: "Overwrites a part of a string value with another by an offset. Creates the key if it doesn't exist",
        complexity: "O(N) where N is the length of the string value that is the result",
        syntax: "key offset value",
        run: ranges::setrange,
        ..STRING
    },
    Command {
        name: "incr",
        arity: 2,
        flags: WRITE | flag::FAST,
        keys: UPDATED_KEY,
        since: "1.0.0",
        summary: "Increments the integer value of a key by one. Uses 0 as initial value if the key doesn't exist",
        syntax: "key",
        run: numbers::incr,
        ..STRING
    },
    Command {
        name: "decr",
        arity: 2,
        flags: WRITE | flag::FAST,
        keys: UPDATED_KEY,
        since: "1.0.0",
        summary: "Decrements the integer value of a key by one. Uses 0 as initial value if the key doesn't exist",
        syntax: "key",
        run: numbers::decr,
        ..STRING
    },
    Command {
        name: "incrby",
        arity: 3,
        flags: WRITE | flag::FAST,
        keys: UPDATED_KEY,
        since: "1.0.0",
        summary: "Increments the integer value of a key by a number. Uses 0 as initial value if the key doesn't exist",
        syntax: "key increment",
        run: numbers::incrby,
        ..STRING
    },
    Command {
        name: "decrby",
        arity: 3,
        flags: WRITE | flag::FAST,
        keys: UPDATED_KEY,
        since: "1.0.0",
        summary: "Decrements a number from the integer value of a key. Uses 0 as initial value if the key doesn't \
                  exist",
        syntax: "key decrement",
        run: numbers::decrby,
        ..STRING
    },
    Command {
        name: "incrbyfloat",
        arity: 3,
        flags: WRITE | flag::FAST,
        keys: UPDATED_KEY,
        since: "2.6.0",
        summary: "Increments the floating point value of a key by a number. Uses 0 as initial value if the key \
                  doesn't exist",
        syntax: "key increment",
        run: numbers::incrbyfloat,
        ..STRING
    },
    Command {
        name: "increx",
        arity: -2,
        flags: WRITE | flag::FAST,
        keys: UPDATED_KEY,
        since: "8.8.0",
        summary: "Increments the numeric value of a key within bounds and sets its expiration time. Uses 0 as \
                  initial value if the key doesn't exist",
        syntax: "key [NX | XX] [BYFLOAT increment | BYINT increment] [LBOUND lowerbound] [UBOUND upperbound] \
                 [SATURATE] [EX seconds | PX milliseconds | EXAT unix-time-seconds | PXAT unix-time-milliseconds \
                 | PERSIST] [ENX]",
        run: increx::increx,
        ..STRING
    },
    Command {
        name: "lcs",
        arity: -3,
        flags: READ,
        keys: &[KeySpec {
            flags: key_flag::RO | key_flag::ACCESS,
            begin: 1,
            find: Find::Range { last: 1, step: 1 },
            notes: "",
        }],
        since: "7.0.0",
        summary: "Finds the longest common substring",
        complexity: "O(N*M) where N and M are the lengths of the strings",
        syntax: "key1 key2 [LEN] [IDX] [MINMATCHLEN min-match-len] [WITHMATCHLEN]",
        run: lcs::lcs,
        ..STRING
    },
    Command {
        name: "digest",
        arity: 2,
        flags: READ | flag::FAST,
        keys: READ_KEY,
        since: "8.4.0",
        summary: "Returns the XXH3 hash of a string value, as 16 hexadecimal digits",
        complexity: "O(N) where N is the length of the string value",
        syntax: "key",
        run: digest::digest,
        ..STRING
    },
    Command {
        name: "delex",
        arity: -2,
        flags: flag::WRITE | flag::FAST,
        keys: &[KeySpec::one(1, key_flag::RW | key_flag::DELETE)],
        since: "8.4.0",
        summary: "Deletes a key, under a condition on its value or its digest",
        complexity: CONDITIONS,
        syntax: "key [IFEQ value | IFNE value | IFDEQ digest | IFDNE digest]",
        run: digest::delex,
        ..STRING
    },
    Command {
        name: "delifeq",
        arity: 3,
        flags: flag::WRITE,
        keys: &[KeySpec::one(
            1,
            key_flag::RM | key_flag::ACCESS | key_flag::DELETE,
        )],
        since: "9.0.0",
        summary: "Deletes a key if its string value is equal to another",
        syntax: "key value",
        run: digest::delifeq,
        ..STRING
    },
];
