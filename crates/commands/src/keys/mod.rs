//! Keys of any type, and databases of keys.

mod exist;
mod expire;
mod flush;
mod object;
mod rename;
mod scan;
mod sort;
mod ttl;

pub use scan::{ElementScan, random, scan_cursor};
pub use sort::sort_destination;

use crate::command::{Command, Group, KeySpec, flag, key_flag};
use crate::rdb::{DUMP, RESTORE};

/// The family's rows.
pub const COMMANDS: &[Command] = &[
    exist::DEL,
    exist::UNLINK,
    exist::EXISTS,
    exist::TYPE,
    exist::TOUCH,
    expire::EXPIRE,
    expire::PEXPIRE,
    expire::EXPIREAT,
    expire::PEXPIREAT,
    expire::PERSIST,
    ttl::TTL,
    ttl::PTTL,
    ttl::EXPIRETIME,
    ttl::PEXPIRETIME,
    scan::KEYS,
    scan::SCAN,
    scan::RANDOMKEY,
    rename::RENAME,
    rename::RENAMENX,
    rename::COPY,
    rename::MOVE,
    sort::SORT,
    sort::SORT_RO,
    object::OBJECT,
    DUMP,
    RESTORE,
    flush::DBSIZE,
    flush::FLUSHDB,
    flush::FLUSHALL,
    flush::SWAPDB,
];

/// What the rows of commands that read have in common.
const READING: Command = Command {
    flags: flag::READONLY | flag::FAST,
    categories: &["keyspace"],
    group: Group::Generic,
    ..Command::BASE
};

/// What the rows of commands that change a key's deadline have in common.
const CHANGING: Command = Command {
    flags: flag::WRITE | flag::FAST,
    keys: &[KeySpec::one(1, key_flag::RW | key_flag::UPDATE)],
    ..READING
};

/// Many keys, asked of many servers at once and counted together.
const COUNTED: &[&str] = &["request_policy:multi_shard", "response_policy:agg_sum"];
