//! Deadlines of fields: HEXPIRE, HPEXPIRE, HEXPIREAT, HPEXPIREAT, HTTL, HPTTL, HEXPIRETIME, HPEXPIRETIME, HPERSIST.
//!
//! Replies and errors are those of Redis 8 (<https://redis.io/docs/latest/commands/hexpire/> and its relatives).

use keyspace::{Draft, Hash};
use resp::Args;

use super::change;
use crate::context::Context;
use crate::error::CommandError;
use crate::parse::{integer, is};

/// The latest deadline of a field, in milliseconds of the Unix epoch, as in Redis.
const DEADLINE_MS_MAX: i64 = (1 << 46) - 1;
const NO_FIELD: i64 = -2;
const NO_DEADLINE: i64 = -1;
const NOT_MET: i64 = 0;
const DONE: i64 = 1;
const REMOVED: i64 = 2;
/// For commands that only name fields.
pub const NOT_POSITIVE: &str = "ERR Number of fields must be a positive integer";

/// How a command writes a point in time.
#[derive(Clone, Copy)]
pub struct Unit {
    /// How long one is.
    pub ms: i64,
    /// Whether it counts from now.
    pub is_relative: bool,
}

impl Unit {
    /// The point in time that `number` is, in milliseconds of the Unix epoch.
    pub fn deadline_ms(
        self,
        context: &Context<'_, '_>,
        number: &[u8],
    ) -> Result<u64, CommandError> {
        let number = integer(number)?;
        if number < 0 {
            return Err(CommandError::line("ERR invalid expire time, must be >= 0"));
        }
        let start_ms = if self.is_relative {
            context.now_ms().cast_signed()
        } else {
            0
        };
        number
            .checked_mul(self.ms)
            .and_then(|ms| ms.checked_add(start_ms))
            .filter(|ms| *ms <= DEADLINE_MS_MAX)
            .map(i64::cast_unsigned)
            .ok_or_else(|| CommandError::InvalidExpireTime(context.command.to_owned()))
    }
}

/// The fields behind FIELDS and their number, which begin at a place of the arguments.
pub fn fields<'a>(
    args: Args<'a>,
    at: usize,
    not_positive: &'static str,
) -> Result<Args<'a>, CommandError> {
    if at + 1 >= args.len() || !is(args.get(at), "FIELDS") {
        return Err(CommandError::line(
            "ERR Mandatory argument FIELDS is missing or not at the right position",
        ));
    }
    let count = integer(args.get(at + 1))
        .ok()
        .and_then(|count| usize::try_from(count).ok())
        .filter(|count| *count > 0)
        .ok_or(CommandError::line(not_positive))?;
    let fields = args.tail(at + 2);
    if fields.len() != count {
        return Err(CommandError::line(
            "ERR The `numfields` parameter must match the number of arguments",
        ));
    }
    Ok(fields)
}

/// When a deadline is set.
#[derive(Clone, Copy)]
enum Condition {
    Always,
    None,
    Some,
    Later,
    Earlier,
}

impl Condition {
    fn named(word: &[u8]) -> Option<Self> {
        let words = [
            ("NX", Self::None),
            ("XX", Self::Some),
            ("GT", Self::Later),
            ("LT", Self::Earlier),
        ];
        let named = words.into_iter().find(|(name, _)| is(word, name))?;
        Some(named.1)
    }

    /// Whether a field with the old deadline may have the new one. None is later than any.
    fn is_met(self, old_ms: Option<u64>, new_ms: u64) -> bool {
        match self {
            Self::Always => true,
            Self::None => old_ms.is_none(),
            Self::Some => old_ms.is_some(),
            Self::Later => old_ms.is_some_and(|old_ms| new_ms > old_ms),
            Self::Earlier => old_ms.is_none_or(|old_ms| new_ms < old_ms),
        }
    }
}

pub fn hexpire(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    let (ms, is_relative) = (1000, true);
    expire(context, args, Unit { ms, is_relative })
}

pub fn hpexpire(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    let (ms, is_relative) = (1, true);
    expire(context, args, Unit { ms, is_relative })
}

pub fn hexpireat(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    let (ms, is_relative) = (1000, false);
    expire(context, args, Unit { ms, is_relative })
}

pub fn hpexpireat(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    let (ms, is_relative) = (1, false);
    expire(context, args, Unit { ms, is_relative })
}

fn expire(context: &mut Context<'_, '_>, args: Args<'_>, unit: Unit) -> Result<(), CommandError> {
    let (key, now_ms) = (context.key(args, 1), context.now_ms());
    context.keys.peek_collection::<Hash>(key)?;
    let deadline_ms = unit.deadline_ms(context, args.get(2))?;
    let condition = Condition::named(args.get(3));
    let at = if condition.is_some() { 4 } else { 3 };
    let condition = condition.unwrap_or(Condition::Always);
    let names = fields(
        args,
        at,
        "ERR Parameter `numFields` should be greater than 0",
    )?;
    let mut results = Vec::with_capacity(names.len());
    change(context, key, |hash| {
        results.extend(
            names
                .iter()
                .map(|name| expire_one(hash, name, condition, deadline_ms, now_ms)),
        );
    })?;
    reply(context, &results);
    Ok(())
}

fn expire_one(
    hash: &mut Draft<'_, Hash>,
    name: &[u8],
    condition: Condition,
    deadline_ms: u64,
    now_ms: u64,
) -> i64 {
    let Some(field) = hash.get(name, now_ms) else {
        return NO_FIELD;
    };
    if !condition.is_met(field.deadline_ms, deadline_ms) {
        return NOT_MET;
    }
    if set_or_remove(hash, name, deadline_ms, now_ms) {
        DONE
    } else {
        REMOVED
    }
}

/// Gives a field that is there a deadline; removes it, and is false, when that is over.
pub fn set_or_remove(
    hash: &mut Draft<'_, Hash>,
    name: &[u8],
    deadline_ms: u64,
    now_ms: u64,
) -> bool {
    if deadline_ms <= now_ms {
        hash.remove(name, now_ms);
        return false;
    }
    hash.set_deadline(name, Some(deadline_ms), now_ms);
    true
}

fn reply(context: &mut Context<'_, '_>, results: &[i64]) {
    context.reply.array(results.len());
    results
        .iter()
        .for_each(|result| context.reply.integer(*result));
}

pub fn hpersist(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    let (key, now_ms) = (context.key(args, 1), context.now_ms());
    context.keys.peek_collection::<Hash>(key)?;
    let names = fields(args, 2, NOT_POSITIVE)?;
    let mut results = Vec::with_capacity(names.len());
    change(context, key, |hash| {
        results.extend(names.iter().map(|name| {
            let field = hash.get(name, now_ms).map(|field| field.deadline_ms);
            match field {
                None => NO_FIELD,
                Some(None) => NO_DEADLINE,
                Some(Some(_)) => {
                    hash.set_deadline(name, None, now_ms);
                    DONE
                }
            }
        }));
    })?;
    reply(context, &results);
    Ok(())
}

pub fn httl(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    let now_ms = context.now_ms();
    tell(context, args, |deadline_ms| {
        deadline_ms.saturating_sub(now_ms).div_ceil(1000)
    })
}

pub fn hpttl(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    let now_ms = context.now_ms();
    tell(context, args, |deadline_ms| {
        deadline_ms.saturating_sub(now_ms)
    })
}

pub fn hexpiretime(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    tell(context, args, |deadline_ms| deadline_ms.div_ceil(1000))
}

pub fn hpexpiretime(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    tell(context, args, |deadline_ms| deadline_ms)
}

/// Answers with what `shown` makes of the deadlines.
fn tell(
    context: &mut Context<'_, '_>,
    args: Args<'_>,
    shown: impl Fn(u64) -> u64,
) -> Result<(), CommandError> {
    let (key, now_ms) = (context.key(args, 1), context.now_ms());
    let hash = context.keys.read_collection::<Hash>(key)?;
    let names = fields(args, 2, NOT_POSITIVE)?;
    let reply = &mut context.reply;
    reply.array(names.len());
    for name in names.iter() {
        reply.integer(match hash.and_then(|hash| hash.get(name, now_ms)) {
            None => NO_FIELD,
            Some(field) => field
                .deadline_ms
                .map_or(NO_DEADLINE, |deadline_ms| shown(deadline_ms).cast_signed()),
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testing::check;

    #[test]
    fn fields_go_when_their_time_is_up() {
        check(
            "HSET h a 1 b 2 c 3
             HPEXPIRE h 100 FIELDS 2 a x
             OBJECT ENCODING h
             HPTTL h FIELDS 3 a b x
             HTTL h FIELDS 1 a
             HLEN h
             +101
             HGET h a
             HMGET h a b
             HGETALL h
             HLEN h
             HEXISTS h a
             HSETNX h a new
             HTTL h FIELDS 1 a
             HEXPIRE h 1 FIELDS 3 a b c
             +1001
             HGETALL h
             HINCRBY h a 1
             HGETALL h
             HPEXPIREAT h 1 FIELDS 1 a
             EXISTS h",
            ":3
             [:1 :-2]
             listpackex
             [:100 :-1 :-2]
             [:1]
             :3
             nil
             [nil 2]
             [b 2 c 3]
             :2
             :0
             :1
             [:-1]
             [:1 :1 :1]
             []
             :1
             [a 1]
             [:2]
             :0",
        );
    }

    #[test]
    fn a_hash_goes_with_its_last_field() {
        check(
            "HSETEX h PX 100 FIELDS 2 a 1 b 2
             EXPIRE h 1000
             +101
             HGET h a
             EXISTS h
             HSETEX h PX 100 FIELDS 2 a 1 b 2
             EXPIRE h 1000
             +101
             HSET h c 3
             TTL h
             HSETEX i PX 100 FIELDS 1 a 1
             +101
             HLEN i
             TYPE i",
            ":1
             :1
             nil
             :0
             :1
             :1
             :1
             :-1
             :1
             :0
             none",
        );
    }

    #[test]
    fn fields_that_go_are_changes() {
        check(
            "HSETEX h PX 100 FIELDS 1 a 1
             HSET h b 2
             WATCH h
             +101
             MULTI
             PING
             EXEC
             HPEXPIRE h 100 FIELDS 1 b
             HSET h c 3
             +101
             WATCH h
             MULTI
             PING
             EXEC",
            ":1
             :1
             OK
             OK
             QUEUED
             nil-array
             [:1]
             :1
             OK
             OK
             QUEUED
             [PONG]",
        );
    }

    #[test]
    fn large_hashes_have_deadlines_too() {
        let long = "x".repeat(65);
        check(
            &format!(
                "HSET h a {long} b 2
                 HPEXPIRE h 100 FIELDS 1 a
                 OBJECT ENCODING h
                 HPTTL h FIELDS 2 a b
                 COPY h copy
                 +101
                 HKEYS h
                 HLEN copy
                 HSET h a 5
                 HPTTL h FIELDS 1 a
                 HKEYS copy"
            ),
            ":2
             [:1]
             hashtable
             [:100 :-1]
             :1
             [b]
             :1
             :1
             [:-1]
             [b]",
        );
    }

    #[test]
    fn conditions_and_persist() {
        check(
            "HSET h a 1
             HEXPIRE h 10 XX FIELDS 1 a
             HEXPIRE h 10 GT FIELDS 1 a
             HEXPIRE h 10 NX FIELDS 1 a
             HEXPIRE h 10 NX FIELDS 1 a
             HEXPIRE h 10 GT FIELDS 1 a
             HEXPIRE h 20 GT FIELDS 1 a
             HEXPIRE h 20 LT FIELDS 1 a
             HEXPIRE h 5 LT FIELDS 1 a
             HTTL h FIELDS 1 a
             HPERSIST h FIELDS 2 a x
             HPERSIST h FIELDS 1 a
             HEXPIREAT h 4102444800 FIELDS 1 a
             HEXPIRETIME h FIELDS 1 a
             HPEXPIRETIME h FIELDS 2 a x
             HTTL missing FIELDS 1 a
             HEXPIRE missing 1 FIELDS 2 a b",
            ":1
             [:0]
             [:0]
             [:1]
             [:0]
             [:0]
             [:1]
             [:0]
             [:1]
             [:5]
             [:1 :-2]
             [:-1]
             [:1]
             [:4102444800]
             [:4102444800000 :-2]
             [:-2]
             [:-2 :-2]",
        );
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        check(
            "SET string v
             HEXPIRE string x FIELDS 1 a
             HEXPIRE h x FIELDS 1 a
             HEXPIRE h -1 FIELDS 1 a
             HEXPIRE h 9223372036854775807 FIELDS 1 a
             HPEXPIREAT h 70368744177664 FIELDS 1 a
             HEXPIRE h 1 FIELD 1 a
             HEXPIRE h 1 NX NX 1 a
             HEXPIRE h 1 FIELDS 0 a
             HEXPIRE h 1 FIELDS 2 a
             HTTL h FIELDS 0 a
             HPERSIST h FIELDS x a
             HTTL h FIELDS 1 a b
             HTTL string FIELDS 0 a",
            "OK
             -WRONGTYPE Operation against a key holding the wrong kind of value
             -ERR value is not an integer or out of range
             -ERR invalid expire time, must be >= 0
             -ERR invalid expire time in 'hexpire' command
             -ERR invalid expire time in 'hpexpireat' command
             -ERR Mandatory argument FIELDS is missing or not at the right position
             -ERR Mandatory argument FIELDS is missing or not at the right position
             -ERR Parameter `numFields` should be greater than 0
             -ERR The `numfields` parameter must match the number of arguments
             -ERR Number of fields must be a positive integer
             -ERR Number of fields must be a positive integer
             -ERR The `numfields` parameter must match the number of arguments
             -WRONGTYPE Operation against a key holding the wrong kind of value",
        );
    }
}
