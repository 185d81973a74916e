//! Sets: their table. The handlers are in a file per theme.

mod combine;
mod members;
mod random;

use crate::command::{Command, Group, KeySpec, flag, key_flag};

const SET: Command = Command {
    group: Group::Set,
    categories: &["set"],
    ..Command::BASE
};
const READ: u32 = flag::READONLY;
const WRITE: u32 = flag::WRITE | flag::DENYOOM;
const READ_KEY: &[KeySpec] = &[KeySpec::one(1, key_flag::RO | key_flag::ACCESS)];
const ASKED_KEY: &[KeySpec] = &[KeySpec::one(1, key_flag::RO)];
const READ_KEYS: &[KeySpec] = &[KeySpec::all(1, 1, key_flag::RO | key_flag::ACCESS)];
const STORED_KEYS: &[KeySpec] = &[
    KeySpec::one(1, key_flag::OW | key_flag::UPDATE),
    KeySpec::all(2, 1, key_flag::RO | key_flag::ACCESS),
];
const UNORDERED: &[&str] = &["nondeterministic_output_order"];
const NONDETERMINISTIC: &[&str] = &["nondeterministic_output"];

/// The family's rows.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "sadd",
        arity: -3,
        flags: WRITE | flag::FAST,
        keys: &[KeySpec::one(1, key_flag::RW | key_flag::INSERT)],
        since: "1.0.0",
        summary: "Adds members to a set. Creates the key if it doesn't exist",
        complexity: "O(1) for each member",
        syntax: "key member [member ...]",
        element: 2,
        run: members::sadd,
        ..SET
    },
    Command {
        name: "srem",
        arity: -3,
        flags: flag::WRITE | flag::FAST,
        keys: &[KeySpec::one(1, key_flag::RW | key_flag::DELETE)],
        since: "1.0.0",
        summary: "Removes members from a set. Deletes the key with its last member",
        complexity: "O(1) for each member",
        syntax: "key member [member ...]",
        element: 2,
        run: members::srem,
        ..SET
    },
    Command {
        name: "smove",
        arity: 4,
        flags: flag::WRITE | flag::FAST,
        keys: &[
            KeySpec::one(1, key_flag::RW | key_flag::ACCESS | key_flag::DELETE),
            KeySpec::one(2, key_flag::RW | key_flag::INSERT),
        ],
        since: "1.0.0",
        summary: "Moves a member from one set to another",
        syntax: "source destination member",
        run: members::smove,
        ..SET
    },
    Command {
        name: "sismember",
        arity: 3,
        flags: READ | flag::FAST,
        keys: ASKED_KEY,
        since: "1.0.0",
        summary: "Tells whether a member is in a set",
        syntax: "key member",
        element: 2,
        run: members::sismember,
        ..SET
    },
    Command {
        name: "smismember",
        arity: -3,
        flags: READ | flag::FAST,
        keys: ASKED_KEY,
        since: "6.2.0",
        summary: "Tells of several members whether they are in a set",
        complexity: "O(1) for each member",
        syntax: "key member [member ...]",
        run: members::smismember,
        ..SET
    },
    Command {
        name: "scard",
        arity: 2,
        flags: READ | flag::FAST,
        keys: ASKED_KEY,
        since: "1.0.0",
        summary: "Returns the number of members of a set",
        syntax: "key",
        run: members::scard,
        ..SET
    },
    Command {
        name: "smembers",
        arity: 2,
        flags: READ,
        keys: READ_KEY,
        tips: UNORDERED,
        since: "1.0.0",
        summary: "Returns all members of a set",
        complexity: "O(N) where N is the number of members",
        syntax: "key",
        run: members::smembers,
        ..SET
    },
    Command {
        name: "sscan",
        arity: -3,
        flags: READ,
        keys: READ_KEY,
        tips: NONDETERMINISTIC,
        since: "2.8.0",
        summary: "Goes through the members of a set, some with each call",
        complexity: "O(1) for every call, O(N) for all of them",
        syntax: "key cursor [MATCH pattern] [COUNT count]",
        run: members::sscan,
        ..SET
    },
    Command {
        name: "spop",
        arity: -2,
        flags: flag::WRITE | flag::FAST,
        keys: &[KeySpec::one(
            1,
            key_flag::RW | key_flag::ACCESS | key_flag::DELETE,
        )],
        tips: NONDETERMINISTIC,
        since: "1.0.0",
        summary: "Removes random members of a set and returns them. Deletes the key with its last member",
        complexity: "O(N) where N is the number of members that are removed",
        syntax: "key [count]",
        run: random::spop,
        ..SET
    },
    Command {
        name: "srandmember",
        arity: -2,
        flags: READ,
        keys: READ_KEY,
        tips: NONDETERMINISTIC,
        since: "1.0.0",
        summary: "Returns random members of a set",
        complexity: "O(N) where N is the number of members that are returned",
        syntax: "key [count]",
        run: random::srandmember,
        ..SET
    },
    Command {
        name: "sinter",
        arity: -2,
        flags: READ,
        keys: READ_KEYS,
        tips: UNORDERED,
        since: "1.0.0",
        summary: "Returns the members that all of several sets have",
        complexity: "O(N*M) where N is the size of the smallest set and M the number of sets",
        syntax: "key [key ...]",
        run: combine::sinter,
        ..SET
    },
    Command {
        name: "sintercard",
        arity: -3,
        flags: READ | flag::MOVABLE_KEYS,
        keys: &[KeySpec::counted(1, 1, key_flag::RO | key_flag::ACCESS)],
        since: "7.0.0",
        summary: "Returns the number of members that all of several sets have",
        complexity: "O(N*M) where N is the size of the smallest set and M the number of sets",
        syntax: "numkeys key [key ...] [LIMIT limit]",
        run: combine::sintercard,
        ..SET
    },
    Command {
        name: "sinterstore",
        arity: -3,
        flags: WRITE,
        keys: STORED_KEYS,
        since: "1.0.0",
        summary: "Stores the members that all of several sets have",
        complexity: "O(N*M) where N is the size of the smallest set and M the number of sets",
        syntax: "destination key [key ...]",
        run: combine::sinterstore,
        ..SET
    },
    Command {
        name: "sunion",
        arity: -2,
        flags: READ,
        keys: READ_KEYS,
        tips: UNORDERED,
        since: "1.0.0",
        summary: "Returns the members that any of several sets has",
        complexity: "O(N) where N is the number of members of all sets",
        syntax: "key [key ...]",
        run: combine::sunion,
        ..SET
    },
    Command {
        name: "sunionstore",
        arity: -3,
        flags: WRITE,
        keys: STORED_KEYS,
        since: "1.0.0",
        summary: "Stores the members that any of several sets has",
        complexity: "O(N) where N is the number of members of all sets",
        syntax: "destination key [key ...]",
        run: combine::sunionstore,
        ..SET
    },
    Command {
        name: "sdiff",
        arity: -2,
        flags: READ,
        keys: READ_KEYS,
        tips: UNORDERED,
        since: "1.0.0",
        summary: "Returns the members of the first set that no other one has",
        complexity: "O(N) where N is the number of members of all sets",
        syntax: "key [key ...]",
        run: combine::sdiff,
        ..SET
    },
    Command {
        name: "sdiffstore",
        arity: -3,
        flags: WRITE,
        keys: STORED_KEYS,
        since: "1.0.0",
        summary: "Stores the members of the first set that no other one has",
        complexity: "O(N) where N is the number of members of all sets",
        syntax: "destination key [key ...]",
        run: combine::sdiffstore,
        ..SET
    },
];
