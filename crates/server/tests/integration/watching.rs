//! What WATCH hears: after each command on a value of each type, a transaction is executed here as in redis-server.

use crate::client::{Client, split_words};
use crate::server::{Server, Target};

/// What `k` is, and `x`.
const VALUES: &[&str] = &[
    "PING",
    "SET K abc",
    "SET K 5",
    "RPUSH K a b c a",
    "SADD K 1 2 a",
    "HSET K f v g 5",
    "ZADD K 1 a 2 b",
    "PFADD K a b",
];

const COMMANDS: &[&str] = &[
    "SETBIT k 3 0|SETBIT k 3 1|SETBIT k 1000 0|BITFIELD k OVERFLOW FAIL SET u2 0 9|BITFIELD k SET u8 0 97",
    "BITFIELD k OVERFLOW FAIL INCRBY u8 800 -65|BITFIELD k GET u8 0|BITFIELD k INCRBY u8 0 0|BITOP AND k k k",
    "BITOP AND k x y|BITOP NOT k k|BITOP OR k x k|SETRANGE k 0 a|SETRANGE k 0 \"\"|SETRANGE k 100 \"\"",
    "APPEND k \"\"|APPEND k x|PERSIST k|EXPIRE k 1000 XX|EXPIRE k 1000|EXPIRE k 1000 GT|EXPIREAT k 1",
    "PEXPIREAT k 1 XX|GETEX k|GETEX k PERSIST|GETEX k EX 100|GETDEL k|GETSET k abc|INCRBY k 0|DECR k",
    "INCRBYFLOAT k 0|SETNX k v|SET k v NX|SET k v XX|SETEX k 100 v|MSETNX k v|LPUSH k a|LPUSHX k a|RPUSHX k a",
    "LSET k 0 a|LREM k 0 z|LREM k 0 a|LTRIM k 0 -1|LTRIM k 0 100|LTRIM k 5 1|LINSERT k BEFORE z y",
    "LINSERT k BEFORE a y|LPOP k 0|RPOP k 0|LPOP k|LMOVE k k LEFT LEFT|LMOVE k k LEFT RIGHT",
    "LMOVE k x LEFT RIGHT|LMOVE x k LEFT RIGHT|RPOPLPUSH k k|LMPOP 1 k LEFT COUNT 1|SADD k 1|SADD k 9",
    "SREM k 9|SREM k 1|SMOVE k k 1|SMOVE k k 9|SMOVE k x 1|SMOVE x k 1|SPOP k 0|SPOP k 1|SINTERSTORE k x y",
    "SUNIONSTORE k k k|SDIFFSTORE k k k|HSET k f v|HSET k f w|HSETNX k f v|HSETNX k z v|HDEL k z|HDEL k f",
    "HINCRBY k g 0|HINCRBYFLOAT k g 0|HMSET k f v|ZADD k 1 a|ZADD k 2 a|ZADD k XX 5 z|ZADD k NX 5 a",
    "ZADD k GT 0 a|ZADD k INCR 0 a|ZADD k CH 1 a|ZINCRBY k 0 a|ZREM k z|ZREM k a|ZPOPMIN k 0|ZPOPMIN k",
    "ZREMRANGEBYRANK k 5 9|ZREMRANGEBYSCORE k 50 90|ZREMRANGEBYLEX k [x [z|ZRANGESTORE k x 0 -1",
    "ZRANGESTORE k k 0 -1|ZUNIONSTORE k 1 x|ZUNIONSTORE k 1 k|ZINTERSTORE k 2 k x|ZDIFFSTORE k 1 x",
    "ZMPOP 1 k MIN|PFADD k a|PFADD k zz|PFADD k|PFMERGE k|PFMERGE k k|PFMERGE k x|PFCOUNT k",
    "PFDEBUG TODENSE k|PFDEBUG GETREG k|SORT k ALPHA STORE k|SORT x STORE k|SORT k ALPHA|RENAME k k",
    "RENAME k x|RENAME x k|RENAMENX k k|RENAMENX x k|COPY x k REPLACE|COPY k x|MOVE k 1|MOVE k 0|DEL k",
    "UNLINK k|TOUCH k|OBJECT ENCODING k|DUMP k|SWAPDB 0 0|SWAPDB 0 1|SWAPDB 1 2|FLUSHDB|FLUSHALL",
    "RESTORE k 0 x|RESTORE k 0 x REPLACE|GET k|LRANGE k 0 -1|HGETALL k|SMEMBERS k|ZRANGE k 0 -1",
];

/// Whether a transaction is executed after `k` was watched and the command done to it.
fn is_executed(client: &mut Client, value: &str, other: &str, command: &str) -> bool {
    let lines = [
        "FLUSHALL",
        &value.replace('K', "k"),
        &other.replace('K', "x"),
        "WATCH k",
        command,
        "MULTI",
        "PING",
        "EXEC",
    ];
    let mut last = None;
    for line in lines {
        last = Some(client.command(&split_words(line)));
    }
    last.is_some_and(|reply| reply.elements().is_some())
}

#[test]
fn transactions_are_executed_or_not_as_in_redis() {
    if !Target::Redis.is_available() {
        return;
    }
    let redis = Server::start(Target::Redis);
    let ours = Server::start(Target::Mio);
    let (mut redis, mut ours) = (redis.connect(), ours.connect());
    let mut differences = Vec::new();
    for value in VALUES {
        for other in ["PING", "RPUSH K 1 2", "SADD K 1 a", "ZADD K 1 a"] {
            for command in COMMANDS.iter().flat_map(|line| line.split('|')) {
                let expected = is_executed(&mut redis, value, other, command);
                if is_executed(&mut ours, value, other, command) != expected {
                    differences.push(format!("{value}, {other}: {command}: {expected}"));
                }
            }
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}
