//! HyperLogLog: how many different elements there were, in at most 12 KB, in strings that Redis reads and writes as well.
//! Their table; the handlers are in a file per theme.

mod debug;
mod estimate;
mod handlers;
mod hash;
mod sketch;
mod sparse;
#[cfg(test)]
mod tests;

use crate::command::{Command, Group, KeySpec, flag, key_flag};

const HYPERLOGLOG: Command = Command {
    group: Group::HyperLogLog,
    categories: &["hyperloglog"],
    ..Command::BASE
};
const WRITE: u32 = flag::WRITE | flag::DENYOOM;

/// The family's rows.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "pfadd",
        arity: -2,
        flags: WRITE | flag::FAST,
        keys: &[KeySpec::one(1, key_flag::RW | key_flag::INSERT)],
        since: "2.8.9",
        summary: "Adds elements to a HyperLogLog. Creates the key if it doesn't exist",
        complexity: "O(1) for each element",
        syntax: "key [element [element ...]]",
        run: handlers::pfadd,
        ..HYPERLOGLOG
    },
    Command {
        name: "pfcount",
        arity: -2,
        flags: flag::READONLY,
        keys: &[KeySpec::all(1, 1, key_flag::RW | key_flag::ACCESS).noted(
            "RW because it may change the internal representation of the key, and propagate to replicas",
        )],
        since: "2.8.9",
        summary: "Estimates how many different elements were added to one or several HyperLogLogs",
        complexity: "O(1) for one key, mostly out of what is kept; O(N) where N is the number of keys",
        syntax: "key [key ...]",
        run: handlers::pfcount,
        ..HYPERLOGLOG
    },
    Command {
        name: "pfmerge",
        arity: -2,
        flags: WRITE,
        keys: &[
            KeySpec::one(1, key_flag::RW | key_flag::ACCESS | key_flag::INSERT),
            KeySpec::all(2, 1, key_flag::RO | key_flag::ACCESS),
        ],
        since: "2.8.9",
        summary: "Merges HyperLogLogs into one",
        complexity: "O(N) where N is the number of HyperLogLogs",
        syntax: "destkey [sourcekey [sourcekey ...]]",
        run: handlers::pfmerge,
        ..HYPERLOGLOG
    },
    Command {
        name: "pfdebug",
        arity: 3,
        flags: WRITE | flag::ADMIN,
        keys: &[KeySpec::one(2, key_flag::RW | key_flag::ACCESS)],
        since: "2.8.9",
        summary: "Shows how a HyperLogLog is kept",
        complexity: "O(1)",
        syntax: "<GETREG | DECODE | ENCODING | TODENSE> key",
        run: debug::pfdebug,
        ..HYPERLOGLOG
    },
    Command {
        name: "pfselftest",
        arity: 1,
        flags: flag::ADMIN,
        since: "2.8.9",
        summary: "Tries whether estimates are about right",
        complexity: "O(1)",
        run: debug::pfselftest,
        ..HYPERLOGLOG
    },
];
