//! TTL, PTTL, EXPIRETIME, PEXPIRETIME: when a key goes away.

use keyspace::EntryRef;
use resp::ReplyWriter;

use super::READING;
use crate::command::{Command, KeySpec, Reader, key_flag};
use crate::error::CommandError;

pub const TTL: Command = Command {
    name: "ttl",
    arity: 2,
    keys: &[KeySpec::one(1, key_flag::RO | key_flag::ACCESS)],
    tips: &["nondeterministic_output"],
    since: "1.0.0",
    summary: "Returns the time to live of a key in seconds",
    syntax: "key",
    reader: Reader::of_key(|entry, _, now_ms, reply| {
        answer(entry, reply, |deadline_ms| {
            seconds(left(deadline_ms, now_ms))
        })
    }),
    ..READING
};

pub const PTTL: Command = Command {
    name: "pttl",
    since: "2.6.0",
    summary: "Returns the time to live of a key in milliseconds",
    reader: Reader::of_key(|entry, _, now_ms, reply| {
        answer(entry, reply, |deadline_ms| left(deadline_ms, now_ms))
    }),
    ..TTL
};

pub const EXPIRETIME: Command = Command {
    name: "expiretime",
    tips: &[],
    since: "7.0.0",
    summary: "Returns the time at which a key expires, as a Unix timestamp in seconds",
    reader: Reader::of_key(|entry, _, _, reply| answer(entry, reply, seconds)),
    ..TTL
};

pub const PEXPIRETIME: Command = Command {
    name: "pexpiretime",
    summary: "Returns the time at which a key expires, as a Unix timestamp in milliseconds",
    reader: Reader::of_key(|entry, _, _, reply| answer(entry, reply, |deadline_ms| deadline_ms)),
    ..EXPIRETIME
};

const NO_KEY: i64 = -2;
const NO_DEADLINE: i64 = -1;

fn left(deadline_ms: u64, now_ms: u64) -> u64 {
    deadline_ms.saturating_sub(now_ms)
}

/// Rounded to the nearest second.
fn seconds(ms: u64) -> u64 {
    (ms + 500) / 1000
}

/// Answers what `time` makes of the key's deadline.
fn answer(
    entry: Option<EntryRef<'_>>,
    reply: &mut ReplyWriter<'_>,
    time: impl FnOnce(u64) -> u64,
) -> Result<(), CommandError> {
    let answer = match entry.map(|entry| entry.deadline_ms()) {
        None => NO_KEY,
        Some(None) => NO_DEADLINE,
        Some(Some(deadline_ms)) => time(deadline_ms).cast_signed(),
    };
    reply.integer(answer);
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testing::check;

    #[test]
    fn times_are_rounded() {
        check(
            "TTL k
             PEXPIRETIME k
             SET k v
             PTTL k
             EXPIRETIME k
             PEXPIRE k 1499
             TTL k
             PTTL k
             EXPIRETIME k
             PEXPIRETIME k
             PEXPIRE k 1500
             TTL k
             EXPIRETIME k
             +1500
             PTTL k
             +1
             PTTL k",
            ":-2
             :-2
             OK
             :-1
             :-1
             :1
             :1
             :1499
             :1700000001
             :1700000001499
             :1
             :2
             :1700000002
             :0
             :-2",
        );
    }
}
