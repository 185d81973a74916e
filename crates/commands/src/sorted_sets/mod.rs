//! Sorted sets: their table. The handlers are in a file per theme.

mod add;
mod ask;
mod bounds;
mod combine;
mod pop;
mod ranges;

pub use add::{Answer, Conditions, give_pairs};
pub use ranges::store;

use crate::command::{Command, Group, KeySpec, flag, key_flag};

const SORTED_SET: Command = Command {
    group: Group::SortedSet,
    categories: &["sortedset"],
    ..Command::BASE
};
const READ: u32 = flag::READONLY;
const WRITE: u32 = flag::WRITE | flag::DENYOOM;
const READ_KEY: &[KeySpec] = &[KeySpec::one(1, key_flag::RO | key_flag::ACCESS)];
const POPPED: u32 = key_flag::RW | key_flag::ACCESS | key_flag::DELETE;
const STORED_KEYS: &[KeySpec] = &[
    KeySpec::one(1, key_flag::OW | key_flag::UPDATE),
    KeySpec::counted(2, 1, key_flag::RO | key_flag::ACCESS),
];

/// The family's rows.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "zadd",
        arity: -4,
        flags: WRITE | flag::FAST,
        keys: &[KeySpec::one(1, key_flag::RW | key_flag::UPDATE)],
        since: "1.2.0",
        summary: "Adds members to a sorted set, or changes their scores. Creates the key if it doesn't exist",
        complexity: "O(log(N)) for each member, where N is the number of members",
        syntax: "key [NX | XX] [GT | LT] [CH] [INCR] score member [score member ...]",
        element: 3,
        run: add::zadd,
        ..SORTED_SET
    },
    Command {
        name: "zincrby",
        arity: 4,
        flags: WRITE | flag::FAST,
        keys: &[KeySpec::one(
            1,
            key_flag::RW | key_flag::ACCESS | key_flag::UPDATE,
        )],
        since: "1.2.0",
        summary: "Increments the score of a member",
        complexity: "O(log(N)) where N is the number of members",
        syntax: "key increment member",
        element: 3,
        run: add::zincrby,
        ..SORTED_SET
    },
    Command {
        name: "zrem",
        arity: -3,
        flags: flag::WRITE | flag::FAST,
        keys: &[KeySpec::one(1, key_flag::RW | key_flag::DELETE)],
        since: "1.2.0",
        summary: "Removes members from a sorted set. Deletes the key with its last member",
        complexity: "O(log(N)) for each member, where N is the number of members",
        syntax: "key member [member ...]",
        element: 2,
        run: add::zrem,
        ..SORTED_SET
    },
    Command {
        name: "zscore",
        arity: 3,
        flags: READ | flag::FAST,
        keys: READ_KEY,
        since: "1.2.0",
        summary: "Returns the score of a member",
        syntax: "key member",
        element: 2,
        run: ask::zscore,
        ..SORTED_SET
    },
    Command {
        name: "zmscore",
        arity: -3,
        flags: READ | flag::FAST,
        keys: READ_KEY,
        since: "6.2.0",
        summary: "Returns the scores of several members",
        complexity: "O(1) for each member",
        syntax: "key member [member ...]",
        run: ask::zmscore,
        ..SORTED_SET
    },
    Command {
        name: "zcard",
        arity: 2,
        flags: READ | flag::FAST,
        keys: &[KeySpec::one(1, key_flag::RO)],
        since: "1.2.0",
        summary: "Returns the number of members of a sorted set",
        syntax: "key",
        run: ask::zcard,
        ..SORTED_SET
    },
    Command {
        name: "zcount",
        arity: 4,
        flags: READ | flag::FAST,
        keys: READ_KEY,
        since: "2.0.0",
        summary: "Returns the number of members with scores in a range",
        complexity: "O(log(N)) where N is the number of members",
        syntax: "key min max",
        run: ask::zcount,
        ..SORTED_SET
    },
    Command {
        name: "zlexcount",
        arity: 4,
        flags: READ | flag::FAST,
        keys: READ_KEY,
        since: "2.8.9",
        summary: "Returns the number of members with names in a range",
        complexity: "O(log(N)) where N is the number of members",
        syntax: "key min max",
        run: ask::zlexcount,
        ..SORTED_SET
    },
    Command {
        name: "zrank",
        arity: -3,
        flags: READ | flag::FAST,
        keys: READ_KEY,
        since: "2.0.0",
        summary: "Returns the rank of a member, from the lowest score on",
        complexity: "O(log(N)) where N is the number of members",
        syntax: "key member [WITHSCORE]",
        element: 2,
        run: ask::zrank,
        ..SORTED_SET
    },
    Command {
        name: "zrevrank",
        arity: -3,
        flags: READ | flag::FAST,
        keys: READ_KEY,
        since: "2.0.0",
        summary: "Returns the rank of a member, from the highest score on",
        complexity: "O(log(N)) where N is the number of members",
        syntax: "key member [WITHSCORE]",
        element: 2,
        run: ask::zrevrank,
        ..SORTED_SET
    },
    Command {
        name: "zrandmember",
        arity: -2,
        flags: READ,
        keys: READ_KEY,
        tips: &["nondeterministic_output"],
        since: "6.2.0",
        summary: "Returns random members of a sorted set",
        complexity: "O(N) where N is the number of members that are returned",
        syntax: "key [count [WITHSCORES]]",
        run: ask::zrandmember,
        ..SORTED_SET
    },
    Command {
        name: "zscan",
        arity: -3,
        flags: READ,
        keys: READ_KEY,
        tips: &["nondeterministic_output"],
        since: "2.8.0",
        summary: "Goes through the members of a sorted set, some with each call",
        complexity: "O(1) for every call, O(N) for all of them",
        syntax: "key cursor [MATCH pattern] [COUNT count]",
        run: ask::zscan,
        ..SORTED_SET
    },
    Command {
        name: "zrange",
        arity: -4,
        flags: READ,
        keys: READ_KEY,
        since: "1.2.0",
        summary: "Returns the members in a range of ranks, scores or names",
        complexity: "O(log(N)+M) where N is the number of members and M the number of those that are returned",
        syntax: "key start stop [BYSCORE | BYLEX] [REV] [LIMIT offset count] [WITHSCORES]",
        run: ranges::zrange,
        ..SORTED_SET
    },
    Command {
        name: "zrangestore",
        arity: -5,
        flags: WRITE,
        keys: &[
            KeySpec::one(1, key_flag::OW | key_flag::UPDATE),
            KeySpec::one(2, key_flag::RO | key_flag::ACCESS),
        ],
        since: "6.2.0",
        summary: "Stores the members in a range of a sorted set",
        complexity: "O(log(N)+M) where N is the number of members and M the number of those that are stored",
        syntax: "dst src min max [BYSCORE | BYLEX] [REV] [LIMIT offset count]",
        run: ranges::zrangestore,
        ..SORTED_SET
    },
    Command {
        name: "zrangebyscore",
        arity: -4,
        flags: READ,
        keys: READ_KEY,
        since: "1.0.5",
        summary: "Returns the members with scores in a range",
        complexity: "O(log(N)+M) where N is the number of members and M the number of those that are returned",
        syntax: "key min max [WITHSCORES] [LIMIT offset count]",
        run: ranges::zrangebyscore,
        ..SORTED_SET
    },
    Command {
        name: "zrangebylex",
        arity: -4,
        flags: READ,
        keys: READ_KEY,
        since: "2.8.9",
        summary: "Returns the members with names in a range",
        complexity: "O(log(N)+M) where N is the number of members and M the number of those that are returned",
        syntax: "key min max [LIMIT offset count]",
        run: ranges::zrangebylex,
        ..SORTED_SET
    },
    Command {
        name: "zrevrange",
        arity: -4,
        flags: READ,
        keys: READ_KEY,
        since: "1.2.0",
        summary: "Returns the members in a range of ranks, the highest first",
        complexity: "O(log(N)+M) where N is the number of members and M the number of those that are returned",
        syntax: "key start stop [WITHSCORES]",
        run: ranges::zrevrange,
        ..SORTED_SET
    },
    Command {
        name: "zrevrangebyscore",
        arity: -4,
        flags: READ,
        keys: READ_KEY,
        since: "2.2.0",
        summary: "Returns the members with scores in a range, the highest first",
        complexity: "O(log(N)+M) where N is the number of members and M the number of those that are returned",
        syntax: "key max min [WITHSCORES] [LIMIT offset count]",
        run: ranges::zrevrangebyscore,
        ..SORTED_SET
    },
    Command {
        name: "zrevrangebylex",
        arity: -4,
        flags: READ,
        keys: READ_KEY,
        since: "2.8.9",
        summary: "Returns the members with names in a range, the last first",
        complexity: "O(log(N)+M) where N is the number of members and M the number of those that are returned",
        syntax: "key max min [LIMIT offset count]",
        run: ranges::zrevrangebylex,
        ..SORTED_SET
    },
    Command {
        name: "zremrangebyrank",
        arity: 4,
        flags: flag::WRITE,
        keys: &[KeySpec::one(1, key_flag::RW | key_flag::DELETE)],
        since: "2.0.0",
        summary: "Removes the members in a range of ranks",
        complexity: "O(log(N)+M) where N is the number of members and M the number of those that are removed",
        syntax: "key start stop",
        run: ranges::zremrangebyrank,
        ..SORTED_SET
    },
    Command {
        name: "zremrangebyscore",
        arity: 4,
        flags: flag::WRITE,
        keys: &[KeySpec::one(1, key_flag::RW | key_flag::DELETE)],
        since: "1.2.0",
        summary: "Removes the members with scores in a range",
        complexity: "O(log(N)+M) where N is the number of members and M the number of those that are removed",
        syntax: "key min max",
        run: ranges::zremrangebyscore,
        ..SORTED_SET
    },
    Command {
        name: "zremrangebylex",
        arity: 4,
        flags: flag::WRITE,
        keys: &[KeySpec::one(1, key_flag::RW | key_flag::DELETE)],
        since: "2.8.9",
        summary: "Removes the members with names in a range",
        complexity: "O(log(N)+M) where N is the number of members and M the number of those that are removed",
        syntax: "key min max",
        run: ranges::zremrangebylex,
        ..SORTED_SET
    },
    Command {
        name: "zpopmin",
        arity: -2,
        flags: flag::WRITE | flag::FAST,
        keys: &[KeySpec::one(1, POPPED)],
        since: "5.0.0",
        summary: "Removes the members with the lowest scores and returns them",
        complexity: "O(log(N)*M) where N is the number of members and M the number of those that are removed",
        syntax: "key [count]",
        run: pop::zpopmin,
        ..SORTED_SET
    },
    Command {
        name: "zpopmax",
        arity: -2,
        flags: flag::WRITE | flag::FAST,
        keys: &[KeySpec::one(1, POPPED)],
        since: "5.0.0",
        summary: "Removes the members with the highest scores and returns them",
        complexity: "O(log(N)*M) where N is the number of members and M the number of those that are removed",
        syntax: "key [count]",
        run: pop::zpopmax,
        ..SORTED_SET
    },
    Command {
        name: "zmpop",
        arity: -4,
        flags: flag::WRITE | flag::MOVABLE_KEYS,
        keys: &[KeySpec::counted(1, 1, POPPED)],
        since: "7.0.0",
        summary: "Removes members from the first of several sorted sets that is there and returns them",
        complexity: "O(K)+O(M*log(N)) where K is the number of keys, N the number of members and M the number of those that are removed",
        syntax: "numkeys key [key ...] <MIN | MAX> [COUNT count]",
        run: pop::zmpop,
        ..SORTED_SET
    },
    Command {
        name: "zunion",
        arity: -3,
        flags: READ | flag::MOVABLE_KEYS,
        keys: &[KeySpec::counted(1, 1, key_flag::RO | key_flag::ACCESS)],
        since: "6.2.0",
        summary: "Returns the members that any of several sorted sets has",
        complexity: "O(N)+O(M*log(M)) where N is the number of members of all sets and M that of the result",
        syntax: "numkeys key [key ...] [WEIGHTS weight [weight ...]] [AGGREGATE <SUM | MIN | MAX | COUNT>] [WITHSCORES]",
        run: combine::zunion,
        ..SORTED_SET
    },
    Command {
        name: "zinter",
        arity: -3,
        flags: READ | flag::MOVABLE_KEYS,
        keys: &[KeySpec::counted(1, 1, key_flag::RO | key_flag::ACCESS)],
        since: "6.2.0",
        summary: "Returns the members that all of several sorted sets have",
        complexity: "O(N*K)+O(M*log(M)) where N is the size of the smallest set, K the number of sets and M the size of the result",
        syntax: "numkeys key [key ...] [WEIGHTS weight [weight ...]] [AGGREGATE <SUM | MIN | MAX | COUNT>] [WITHSCORES]",
        run: combine::zinter,
        ..SORTED_SET
    },
    Command {
        name: "zdiff",
        arity: -3,
        flags: READ | flag::MOVABLE_KEYS,
        keys: &[KeySpec::counted(1, 1, key_flag::RO | key_flag::ACCESS)],
        since: "6.2.0",
        summary: "Returns the members of the first sorted set that no other one has",
        complexity: "O(N*K)+O(M*log(M)) where N is the size of the first set, K the number of sets and M the size of the result",
        syntax: "numkeys key [key ...] [WITHSCORES]",
        run: combine::zdiff,
        ..SORTED_SET
    },
    Command {
        name: "zunionstore",
        arity: -4,
        flags: WRITE | flag::MOVABLE_KEYS,
        keys: STORED_KEYS,
        since: "2.0.0",
        summary: "Stores the members that any of several sorted sets has",
        complexity: "O(N)+O(M*log(M)) where N is the number of members of all sets and M that of the result",
        syntax: "destination numkeys key [key ...] [WEIGHTS weight [weight ...]] [AGGREGATE <SUM | MIN | MAX | COUNT>]",
        run: combine::zunionstore,
        ..SORTED_SET
    },
    Command {
        name: "zinterstore",
        arity: -4,
        flags: WRITE | flag::MOVABLE_KEYS,
        keys: STORED_KEYS,
        since: "2.0.0",
        summary: "Stores the members that all of several sorted sets have",
        complexity: "O(N*K)+O(M*log(M)) where N is the size of the smallest set, K the number of sets and M the size of the result",
        syntax: "destination numkeys key [key ...] [WEIGHTS weight [weight ...]] [AGGREGATE <SUM | MIN | MAX | COUNT>]",
        run: combine::zinterstore,
        ..SORTED_SET
    },
    Command {
        name: "zdiffstore",
        arity: -4,
        flags: WRITE | flag::MOVABLE_KEYS,
        keys: STORED_KEYS,
        since: "6.2.0",
        summary: "Stores the members of the first sorted set that no other one has",
        complexity: "O(N*K)+O(M*log(M)) where N is the size of the first set, K the number of sets and M the size of the result",
        syntax: "destination numkeys key [key ...]",
        run: combine::zdiffstore,
        ..SORTED_SET
    },
    Command {
        name: "zintercard",
        arity: -3,
        flags: READ | flag::MOVABLE_KEYS,
        keys: &[KeySpec::counted(1, 1, key_flag::RO | key_flag::ACCESS)],
        since: "7.0.0",
        summary: "Returns the number of members that all of several sorted sets have",
        complexity: "O(N*K) where N is the size of the smallest set and K the number of sets",
        syntax: "numkeys key [key ...] [LIMIT limit]",
        run: combine::zintercard,
        ..SORTED_SET
    },
];
