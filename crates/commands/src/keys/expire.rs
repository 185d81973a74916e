//! EXPIRE, PEXPIRE, EXPIREAT, PEXPIREAT, PERSIST: when a key goes away by itself.

use resp::Args;

use super::CHANGING;
use crate::command::Command;
use crate::context::Context;
use crate::error::CommandError;
use crate::parse::{integer, is};

pub const EXPIRE: Command = Command {
    name: "expire",
    arity: -3,
    since: "1.0.0",
    summary: "Sets the time to live of a key in seconds",
    syntax: "key seconds [NX | XX | GT | LT]",
    run: |context, args| expire(context, args, Unit::Seconds, Start::Now),
    ..CHANGING
};

pub const PEXPIRE: Command = Command {
    name: "pexpire",
    since: "2.6.0",
    summary: "Sets the time to live of a key in milliseconds",
    syntax: "key milliseconds [NX | XX | GT | LT]",
    run: |context, args| expire(context, args, Unit::Milliseconds, Start::Now),
    ..EXPIRE
};

pub const EXPIREAT: Command = Command {
    name: "expireat",
    since: "1.2.0",
    summary: "Sets the time at which a key expires, as a Unix timestamp in seconds",
    syntax: "key unix-time-seconds [NX | XX | GT | LT]",
    run: |context, args| expire(context, args, Unit::Seconds, Start::Epoch),
    ..EXPIRE
};

pub const PEXPIREAT: Command = Command {
    name: "pexpireat",
    since: "2.6.0",
    summary: "Sets the time at which a key expires, as a Unix timestamp in milliseconds",
    syntax: "key unix-time-milliseconds [NX | XX | GT | LT]",
    run: |context, args| expire(context, args, Unit::Milliseconds, Start::Epoch),
    ..EXPIRE
};

pub const PERSIST: Command = Command {
    name: "persist",
    arity: 2,
    since: "2.2.0",
    summary: "Removes the time to live of a key",
    syntax: "key",
    run: persist,
    ..CHANGING
};

#[derive(Clone, Copy)]
enum Unit {
    Seconds,
    Milliseconds,
}

/// What a time counts from.
#[derive(Clone, Copy)]
enum Start {
    Now,
    Epoch,
}

/// When the deadline that a key has lets it get another.
#[derive(Clone, Copy, Default)]
struct Conditions {
    without_deadline: bool,
    with_deadline: bool,
    later: bool,
    earlier: bool,
}

impl Conditions {
    fn parse(args: Args<'_>) -> Result<Self, CommandError> {
        let mut conditions = Self::default();
        for option in args.iter() {
            let condition = match () {
                () if is(option, "NX") => &mut conditions.without_deadline,
                () if is(option, "XX") => &mut conditions.with_deadline,
                () if is(option, "GT") => &mut conditions.later,
                () if is(option, "LT") => &mut conditions.earlier,
                () => {
                    return Err(CommandError::repeating("Unsupported option ", option, ""));
                }
            };
            *condition = true;
        }
        conditions.check()
    }

    fn check(self) -> Result<Self, CommandError> {
        if self.without_deadline && (self.with_deadline || self.later || self.earlier) {
            return Err(CommandError::line(
                "ERR NX and XX, GT or LT options at the same time are not compatible",
            ));
        }
        if self.later && self.earlier {
            return Err(CommandError::line(
                "ERR GT and LT options at the same time are not compatible",
            ));
        }
        Ok(self)
    }

    /// Whether a key with this deadline may get that one. No deadline is later than any.
    fn allow(self, current_ms: Option<i64>, deadline_ms: i64) -> bool {
        match current_ms {
            None => !self.with_deadline && !self.later,
            Some(current_ms) => {
                !self.without_deadline
                    && (!self.later || deadline_ms > current_ms)
                    && (!self.earlier || deadline_ms < current_ms)
            }
        }
    }
}

fn expire(
    context: &mut Context<'_, '_>,
    args: Args<'_>,
    unit: Unit,
    start: Start,
) -> Result<(), CommandError> {
    let conditions = Conditions::parse(args.tail(3))?;
    let now_ms = context.now_ms().cast_signed();
    let deadline_ms = deadline_ms(integer(args.get(2))?, unit, start, now_ms)
        .ok_or_else(|| CommandError::InvalidExpireTime(context.command.to_owned()))?;
    let key = context.key(args, 1);
    let deadline_ms = match start {
        Start::Now if deadline_ms > now_ms => context
            .with_jitter(deadline_ms.cast_unsigned(), key)
            .cast_signed(),
        Start::Now | Start::Epoch => deadline_ms,
    };
    let is_set = match context.keys.find(key) {
        None => false,
        Some(entry) => {
            let current_ms = entry.deadline_ms().map(u64::cast_signed);
            conditions.allow(current_ms, deadline_ms)
        }
    };
    if is_set && deadline_ms <= now_ms {
        context.keys.remove(key);
    } else if is_set {
        context
            .keys
            .set_deadline(key, Some(deadline_ms.cast_unsigned()));
    }
    context.reply.integer(is_set.into());
    Ok(())
}

/// The time in milliseconds of the Unix epoch, which may be before it.
fn deadline_ms(time: i64, unit: Unit, start: Start, now_ms: i64) -> Option<i64> {
    let time_ms = match unit {
        Unit::Seconds => time.checked_mul(1000)?,
        Unit::Milliseconds => time,
    };
    match start {
        Start::Now => time_ms.checked_add(now_ms),
        Start::Epoch => Some(time_ms),
    }
}

fn persist(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    let key = context.key(args, 1);
    let had_deadline = context
        .keys
        .find(key)
        .is_some_and(|entry| entry.deadline_ms().is_some());
    if had_deadline {
        context.keys.set_deadline(key, None);
    }
    context.reply.integer(had_deadline.into());
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testing::check;

    #[test]
    fn times_are_relative_or_absolute() {
        check(
            "SET k v
             EXPIRE k 10
             PTTL k
             PEXPIRE k 1500
             PTTL k
             EXPIREAT k 1700000100
             TTL k
             PEXPIREAT k 1700000000500
             PTTL k
             PERSIST k
             PERSIST k
             TTL k
             EXPIRE k 9223372036854775
             PEXPIREAT k 9223372036854775807
             PEXPIRETIME k
             EXPIRETIME k
             EXPIRE missing 10
             PERSIST missing",
            "OK
             :1
             :10000
             :1
             :1500
             :1
             :100
             :1
             :500
             :1
             :0
             :-1
             -ERR invalid expire time in 'expire' command
             :1
             :9223372036854775807
             :9223372036854776
             :0
             :0",
        );
    }

    #[test]
    fn a_time_that_has_passed_removes_the_key() {
        for line in [
            "EXPIRE k 0",
            "EXPIRE k -1",
            "EXPIRE k -9223372036854775",
            "PEXPIREAT k 1700000000000",
            "EXPIREAT k -1",
            "EXPIREAT k 1 LT",
        ] {
            let script = format!("SET k v\n{line}\nGET k");
            check(&script, "OK\n:1\nnil");
        }
        check(
            "SET k v\nEXPIRE k -1 XX\nEXPIRE k -1 GT\nGET k",
            "OK\n:0\n:0\nv",
        );
    }

    #[test]
    fn conditions_hold_back() {
        check(
            "SET k v
             EXPIRE k 100 XX
             EXPIRE k 100 GT
             EXPIRE k 100 nx
             EXPIRE k 50 NX
             EXPIRE k 50 GT
             EXPIRE k 100 GT
             EXPIRE k 200 gt xx
             EXPIRE k 300 LT
             EXPIRE k 100 LT LT
             TTL k
             SET k v
             EXPIRE k 7 LT
             TTL k",
            "OK
             :0
             :0
             :1
             :0
             :0
             :0
             :1
             :0
             :1
             :100
             OK
             :1
             :7",
        );
    }

    #[test]
    fn errors_come_in_order() {
        check(
            "EXPIRE k x foo
             EXPIRE k x NX XX
             EXPIRE k 1 NX GT foo
             EXPIRE k 1 LT GT
             EXPIRE k x XX
             EXPIRE k 9223372036854775807
             PEXPIRE k 9223372036854775807
             PEXPIREAT k 9223372036854775808
             EXPIRE k",
            "-ERR Unsupported option foo
             -ERR NX and XX, GT or LT options at the same time are not compatible
             -ERR Unsupported option foo
             -ERR GT and LT options at the same time are not compatible
             -ERR value is not an integer or out of range
             -ERR invalid expire time in 'expire' command
             -ERR invalid expire time in 'pexpire' command
             -ERR value is not an integer or out of range
             -ERR wrong number of arguments for 'expire' command",
        );
    }
}
