//! Lists: their table. The handlers are in a file per theme.

mod ends;
mod middle;

use crate::command::{Command, Group, KeySpec, flag, key_flag};

const LIST: Command = Command {
    group: Group::List,
    categories: &["list"],
    ..Command::BASE
};
const READ: u32 = flag::READONLY;
const WRITE: u32 = flag::WRITE | flag::DENYOOM;
const MOVED_KEYS: &[KeySpec] = &[
    KeySpec::one(1, key_flag::RW | key_flag::ACCESS | key_flag::DELETE),
    KeySpec::one(2, key_flag::RW | key_flag::INSERT),
];

/// The family's rows.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "lpush",
        arity: -3,
        flags: WRITE | flag::FAST,
        keys: &[KeySpec::one(1, key_flag::RW | key_flag::INSERT)],
        since: "1.0.0",
        summary: "Puts elements before the first one of a list. Creates the key if it doesn't exist",
        complexity: "O(1) for each element",
        syntax: "key element [element ...]",
        run: ends::lpush,
        ..LIST
    },
    Command {
        name: "rpush",
        arity: -3,
        flags: WRITE | flag::FAST,
        keys: &[KeySpec::one(1, key_flag::RW | key_flag::INSERT)],
        since: "1.0.0",
        summary: "Puts elements behind the last one of a list. Creates the key if it doesn't exist",
        complexity: "O(1) for each element",
        syntax: "key element [element ...]",
        run: ends::rpush,
        ..LIST
    },
    Command {
        name: "lpushx",
        arity: -3,
        flags: WRITE | flag::FAST,
        keys: &[KeySpec::one(1, key_flag::RW | key_flag::INSERT)],
        since: "2.2.0",
        summary: "Puts elements before the first one of a list that exists",
        complexity: "O(1) for each element",
        syntax: "key element [element ...]",
        run: ends::lpushx,
        ..LIST
    },
    Command {
        name: "rpushx",
        arity: -3,
        flags: WRITE | flag::FAST,
        keys: &[KeySpec::one(1, key_flag::RW | key_flag::INSERT)],
        since: "2.2.0",
        summary: "Puts elements behind the last one of a list that exists",
        complexity: "O(1) for each element",
        syntax: "key element [element ...]",
        run: ends::rpushx,
        ..LIST
    },
    Command {
        name: "lpop",
        arity: -2,
        flags: flag::WRITE | flag::FAST,
        keys: &[KeySpec::one(
            1,
            key_flag::RW | key_flag::ACCESS | key_flag::DELETE,
        )],
        since: "1.0.0",
        summary: "Returns and removes the first elements of a list. Deletes the key with its last element",
        complexity: "O(N) where N is the number of elements returned",
        syntax: "key [count]",
        run: ends::lpop,
        ..LIST
    },
    Command {
        name: "rpop",
        arity: -2,
        flags: flag::WRITE | flag::FAST,
        keys: &[KeySpec::one(
            1,
            key_flag::RW | key_flag::ACCESS | key_flag::DELETE,
        )],
        since: "1.0.0",
        summary: "Returns and removes the last elements of a list. Deletes the key with its last element",
        complexity: "O(N) where N is the number of elements returned",
        syntax: "key [count]",
        run: ends::rpop,
        ..LIST
    },
    Command {
        name: "lmpop",
        arity: -4,
        flags: flag::WRITE | flag::MOVABLE_KEYS,
        keys: &[KeySpec::counted(
            1,
            1,
            key_flag::RW | key_flag::ACCESS | key_flag::DELETE,
        )],
        since: "7.0.0",
        summary: "Returns and removes elements of the first list that exists",
        complexity: "O(N+M) where N is the number of keys and M the number of elements returned",
        syntax: "numkeys key [key ...] <LEFT | RIGHT> [COUNT count]",
        run: ends::lmpop,
        ..LIST
    },
    Command {
        name: "lmove",
        arity: 5,
        flags: WRITE,
        keys: MOVED_KEYS,
        since: "6.2.0",
        summary: "Moves an element from an end of a list to one of another, and returns it",
        syntax: "source destination <LEFT | RIGHT> <LEFT | RIGHT>",
        run: ends::lmove,
        ..LIST
    },
    Command {
        name: "rpoplpush",
        arity: 3,
        flags: WRITE,
        keys: MOVED_KEYS,
        since: "1.2.0",
        summary: "Moves the last element of a list to the front of another, and returns it",
        syntax: "source destination",
        run: ends::rpoplpush,
        ..LIST
    },
    Command {
        name: "llen",
        arity: 2,
        flags: READ | flag::FAST,
        keys: &[KeySpec::one(1, key_flag::RO)],
        since: "1.0.0",
        summary: "Returns the number of elements of a list",
        syntax: "key",
        run: middle::llen,
        ..LIST
    },
    Command {
        name: "lindex",
        arity: 3,
        flags: READ,
        keys: &[KeySpec::one(1, key_flag::RO | key_flag::ACCESS)],
        since: "1.0.0",
        summary: "Returns an element of a list by its index",
        complexity: "O(N) where N is the number of elements to the nearer end, by the hundreds",
        syntax: "key index",
        run: middle::lindex,
        ..LIST
    },
    Command {
        name: "lrange",
        arity: 4,
        flags: READ,
        keys: &[KeySpec::one(1, key_flag::RO | key_flag::ACCESS)],
        since: "1.0.0",
        summary: "Returns the elements of a range of a list",
        complexity: "O(S+N) where S is the distance of the first element from the nearer end, by the hundreds, and N the number of elements returned",
        syntax: "key start stop",
        run: middle::lrange,
        ..LIST
    },
    Command {
        name: "lpos",
        arity: -3,
        flags: READ,
        keys: &[KeySpec::one(1, key_flag::RO | key_flag::ACCESS)],
        since: "6.0.6",
        summary: "Returns the index of matching elements of a list",
        complexity: "O(N) where N is the number of elements looked at",
        syntax: "key element [RANK rank] [COUNT num-matches] [MAXLEN len]",
        run: middle::lpos,
        ..LIST
    },
    Command {
        name: "lset",
        arity: 4,
        flags: WRITE,
        keys: &[KeySpec::one(1, key_flag::RW | key_flag::UPDATE)],
        since: "1.0.0",
        summary: "Sets an element of a list by its index",
        complexity: "O(N) where N is the number of elements to the nearer end, by the hundreds",
        syntax: "key index element",
        run: middle::lset,
        ..LIST
    },
    Command {
        name: "linsert",
        arity: 5,
        flags: WRITE,
        keys: &[KeySpec::one(1, key_flag::RW | key_flag::INSERT)],
        since: "2.2.0",
        summary: "Puts an element before or behind another one of a list",
        complexity: "O(N) where N is the number of elements before the other one",
        syntax: "key <BEFORE | AFTER> pivot element",
        run: middle::linsert,
        ..LIST
    },
    Command {
        name: "lrem",
        arity: 4,
        flags: flag::WRITE,
        keys: &[KeySpec::one(1, key_flag::RW | key_flag::DELETE)],
        since: "1.0.0",
        summary: "Removes matching elements of a list. Deletes the key with its last element",
        complexity: "O(N) where N is the number of elements",
        syntax: "key count element",
        run: middle::lrem,
        ..LIST
    },
    Command {
        name: "ltrim",
        arity: 4,
        flags: flag::WRITE,
        keys: &[KeySpec::one(1, key_flag::RW | key_flag::DELETE)],
        since: "1.0.0",
        summary: "Removes elements from both ends of a list. Deletes the key with its last element",
        complexity: "O(N) where N is the number of elements removed, by the hundreds",
        syntax: "key start stop",
        run: middle::ltrim,
        ..LIST
    },
];
